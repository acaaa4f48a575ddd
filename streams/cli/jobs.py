"""`soundtrace jobs`: what was asked for, and how far it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.output import AsJson, document, table

if TYPE_CHECKING:
    from streams.cli.place import Server

COLUMNS = ("job", "kind", "status", "created", "done", "error")


def jobs(
    job_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Show this one.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel it; what was finished stays.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="The newest so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first; show or cancel one."""
    from streams.cli.place import server

    if cancel and not job_id:
        raise typer.BadParameter("say which job to cancel")
    told = asyncio.run(_ask(server(), job_id, cancel, limit))
    if as_json:
        document(told if job_id else {"jobs": told})
    elif isinstance(told, list):
        table(COLUMNS, [_row(job) for job in told])
    else:
        table(("", ""), [(name, _flat(value)) for name, value in told.items()])


async def _ask(at: Server, job_id: str | None, cancel: bool, limit: int) -> Any:
    from streams.cli.client import Client

    async with Client(at) as client:
        if job_id is None:
            return await client.jobs(limit)
        return await (client.cancel(job_id) if cancel else client.job(job_id))


def _row(job: dict[str, Any]) -> tuple[object, ...]:
    return (job["job_id"], job["kind"], job["status"], job["created_at"], _done(job.get("progress")), job["error"])


def _done(progress: dict[str, int] | None) -> str:
    """`3/10` files or queries, whichever the job counts."""
    counted = progress or {}
    for noun in ("files", "queries"):
        if counted.get(f"{noun}_total"):
            return f"{counted[f'{noun}_done']}/{counted[f'{noun}_total']} {noun}"
    return ""


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_flat(part)}" for name, part in value.items())
    if isinstance(value, list):
        flat = all(isinstance(part, str) for part in value)
        return ", ".join(value) if flat else f"{len(value)}, see --json"
    return "–" if value is None else str(value)
