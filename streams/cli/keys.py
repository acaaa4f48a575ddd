"""`soundtrace keys`: who may use the API. Only a hash of a key is kept, so it is shown once, when it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from streams.cli.output import AsJson, document, table, tell
from streams.errors import NotFound

if TYPE_CHECKING:
    from streams.stores.keys import Key, Keys

T = TypeVar("T")
Tenant = Annotated[str, typer.Option(metavar="TENANT", help="A tenant sees only what is its own.")]

keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)


@keys.command()
def make(
    tenant: Tenant = "local",
    scope: Annotated[list[str] | None, typer.Option(metavar="SCOPE", help="read, write; both when not given.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Valid for so many days; for ever when not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: the only time that it can be read."""
    from streams.stores.keys import SCOPES

    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    expires_at_ms = round(expires.timestamp() * 1000) if expires else None
    key = _with(lambda kept: kept.make(tenant, scope or SCOPES, expires_at_ms))
    if as_json:
        document({"key": key, "tenant": tenant})
    else:
        typer.echo(key)


@keys.command(name="list")
def show(
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only its keys.")] = None, as_json: AsJson = False
) -> None:
    """List keys by id, revoked and expired ones too."""
    told = [_told(key) for key in _with(lambda kept: kept.list(tenant))]
    if as_json:
        document({"keys": told})
    else:
        table(("id", "tenant", "scopes", "made", "expires", "state"), [tuple(row.values()) for row in told])


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `soundtrace keys list` shows it.")]) -> None:
    """Make a key open nothing any more."""
    if not _with(lambda kept: kept.revoke(key_id)):
        raise NotFound(f"there is no key '{key_id}'", "list them with `soundtrace keys list`")
    tell(f"{key_id} opens nothing any more")


def _with(act: Callable[[Keys], Awaitable[T]]) -> T:
    from streams.cli.place import configured
    from streams.stores.database import Database
    from streams.stores.keys import Keys

    async def opened() -> T:
        database = Database(configured().sql_url)
        try:
            await database.migrate()
            return await act(Keys(database))
        finally:
            await database.close()

    return asyncio.run(opened())


def _told(key: Key) -> dict[str, str]:
    return {
        "id": key.key_id,
        "tenant": key.tenant,
        "scopes": ", ".join(key.scopes),
        "made": _day(key.created_at_ms),
        "expires": _day(key.expires_at_ms) if key.expires_at_ms else "never",
        "state": "revoked" if key.revoked else "expired" if key.expired else "open",
    }


def _day(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).date().isoformat()
