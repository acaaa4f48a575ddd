"""`soundtrace status`: what runs here, where it is reached, how much work is waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.cli.output import AsJson, document, table

if TYPE_CHECKING:
    from streams.up import Status


def status(as_json: AsJson = False) -> None:
    """Show what runs, where to reach it, what is waiting."""
    from streams import up as machine
    from streams.cli.place import configured

    show(machine.status(configured().home), as_json)


def show(now: Status, as_json: bool) -> None:
    """The document, or a table of services and one of everything else."""
    if as_json:
        document(now)
        return
    lag = now["lag"]
    waiting = "unknown" if lag is None else ", ".join(f"{name} {n}" for name, n in lag.items() if n) or "nothing"
    told = [
        ("ready", "yes" if now["ready"] else "no"),
        *((name, now[name] or "–") for name in ("home", "api_url", "api_key", "kafka_bootstrap", "milvus_uri")),
        ("waiting", waiting),
    ]
    services = [
        (one["name"], f"{one['state']}, pid {one['pid']}, {one['restarts']} restarts") for one in now["services"]
    ]
    table(("", ""), [*told, *services])
