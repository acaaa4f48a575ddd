"""`soundtrace worker`: stages of one lane, in one process; runs until SIGTERM."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer


def worker(
    stages: Annotated[list[str], typer.Argument(metavar="STAGE…", help="As in `soundtrace topics`.")],
    lane: Annotated[str, typer.Option(metavar="LANE", help="bulk or live.")],
    child_nice: Annotated[int, typer.Option(min=0, max=19, help="Lowers the priority of the heavy child.")] = 0,
) -> None:
    """Run stages of the pipeline until SIGTERM."""
    from streams.cli.logs import log_as_json
    from streams.cli.place import configured
    from streams.worker import run

    log_as_json()
    raise typer.Exit(asyncio.run(run(stages, lane, configured(), child_nice)))
