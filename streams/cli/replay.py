"""`soundtrace replay`: send dead letters back, once what had stopped them is mended."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.output import AsJson, document, table, tell

if TYPE_CHECKING:
    from streams.replay import Replayed
    from streams.settings import Settings

COLUMNS = ("letter", "failed at", "stage", "code", "message", "now")


def replay(
    event_ids: Annotated[list[str] | None, typer.Argument(metavar="[EVENT_ID]…", help="These letters.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter that the topic holds.")] = False,
    code: Annotated[str | None, typer.Option(metavar="CODE", help="Those with this error code.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show which.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back, each under a new job id."""
    from streams.cli.place import settings_here

    if not (event_ids or everything or code):
        raise typer.BadParameter("name letters, a --code, or --all; with --dry-run they are only shown")
    replayed = asyncio.run(_replay(settings_here(), event_ids or (), code, dry_run))
    unknown = set(event_ids or ()).difference(one.letter.event_id for one in replayed)
    told = [
        {
            "event_id": one.letter.event_id,
            "failed_at": one.letter.failed_at.isoformat(timespec="seconds"),
            "stage": one.letter.stage,
            "code": one.letter.error_code,
            "message": one.letter.message,
            "job_id": one.job_id,
            "refusal": one.refusal,
        }
        for one in replayed
    ]
    if as_json:
        document({"letters": told})
    else:
        table(COLUMNS, [(*list(row.values())[:5], row["job_id"] or row["refusal"]) for row in told])
    for event_id in sorted(unknown):
        tell(f"soundtrace: there is no letter '{event_id}': list them with `soundtrace replay --all --dry-run`")
    if unknown or any(one.refusal for one in replayed):
        raise typer.Exit(1)


async def _replay(settings: Settings, event_ids: Collection[str], code: str | None, dry_run: bool) -> list[Replayed]:
    from streams.publish import Publisher
    from streams.replay import Replayed, letters, replay

    publisher, replayed = Publisher(settings), []
    try:
        async for letter in letters(settings):
            if (event_ids and letter.event_id not in event_ids) or (code and letter.error_code != code):
                continue
            replayed.append(Replayed(letter, None, None) if dry_run else await replay(letter, publisher))
    finally:
        await publisher.close()
    return replayed
