"""The command line: one file per verb, and what they share in `output`, `place`, `client`, `files`, `matches`, `logs`.

Nothing but data goes to stdout. Exit codes: 0 done, 1 some input failed, 2 wrong usage or it cannot be done.
A verb imports what it needs when it runs, so that `soundtrace --help` does not wait for it.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import typer

from streams.cli import (
    api,
    compare,
    demo,
    describe,
    doctor,
    down,
    ingest,
    jobs,
    keys,
    reindex,
    replay,
    search,
    separate,
    status,
    topics,
    up,
    worker,
)
from streams.cli.output import tell
from streams.errors import SoundtraceError

app = typer.Typer(
    name="soundtrace",
    help="Find what sounds alike: the same recording, the same piece, and which seconds match which.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: rich would take half of the start
    pretty_exceptions_enable=False,
)
VERBS = (
    ingest.ingest, search.search, compare.compare, describe.describe, separate.separate,
    jobs.jobs, topics.topics, up.up, down.down, status.status,
    doctor.doctor, demo.demo, replay.replay, reindex.reindex, worker.worker, api.api,
)  # fmt: skip
for verb in VERBS:
    app.command()(verb)
app.add_typer(keys.keys, name="keys")


def main() -> None:
    """The console script. An error is one sentence and its remedy, never a traceback."""
    try:
        app()
    except* SoundtraceError as errors:
        for sentence in dict.fromkeys(str(error) for error in _leaves(errors)):  # tasks may fail for one reason
            tell(f"soundtrace: {sentence}")
    except* Exception as errors:  # noqa: BLE001  whatever it is, it is a fault of ours, and a person waits
        for error in _leaves(errors):
            last = traceback.extract_tb(error.__traceback__)[-1]
            fact = f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}: {error}"
            tell(f"soundtrace: {fact}: this is a fault of soundtrace, please report it")
    else:
        return
    sys.exit(2)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves = list[BaseException]()
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
