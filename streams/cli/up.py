"""`soundtrace up`: everything on this machine, ready when the command says so."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from streams.cli.output import AsJson, tell

TENANT = "local"  # whose key a home records


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is ready; `down` ends it.")] = False,
    wait_s: Annotated[float, typer.Option("--wait", metavar="SECONDS", help="Give up after this long.")] = 180.0,
    as_json: AsJson = False,
) -> None:
    """Start everything on this machine and wait until it is ready."""
    from streams import up as machine
    from streams.cli.place import configured
    from streams.cli.status import show

    def announce(now: machine.Status) -> None:
        show(now, as_json)
        if not detach:
            tell("up: Ctrl-C ends it")

    machine.up(configured().home, detach=detach, wait_s=wait_s, ensure_key=_local_key, announce=announce)


def start() -> None:
    """As `up --detach`, without a word on stdout. A home that is up already stays as it is."""
    from streams import up as machine
    from streams.cli.place import configured

    machine.up(configured().home, detach=True, ensure_key=_local_key)


def _local_key(recorded: str | None) -> str:
    """The recorded key while it opens the API, else a new one."""
    from streams.cli.place import configured
    from streams.stores.database import Database
    from streams.stores.keys import ensure_key

    async def keep() -> str:
        database = Database(configured().sql_url)
        try:
            await database.migrate()
            return await ensure_key(database, TENANT, recorded)
        finally:
            await database.close()

    return asyncio.run(keep())
