"""What the verbs say: data on stdout, everything else on stderr; for people on a terminal, for programs elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from streams.pipeline import EncoderType

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]

Encoder = Annotated[
    EncoderType,
    typer.Option("--encoder", help="type2 is the small network; type1 the deeper one: finds more, and takes longer."),
]


Depth = Annotated[
    str,
    typer.Option(
        "--depth",
        help="track: the full mix; light_stem: and vocals, accompaniment; stem: and --stem; motif: melodies; "
        "section: section upon section; stem_section: of --stem.",
    ),
]
Stems = Annotated[
    list[str],
    typer.Option(
        "--stem", metavar="NAME", help="At depths stem and stem_section, one or more: vocals, bass, drums, other."
    ),
]


def tell(line: str) -> None:
    """A notice, for people."""
    sys.stderr.write(f"{line}\n")


def document(value: Any) -> None:
    """`--json`: the one document that a verb writes."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """A table on a terminal (rich honours NO_COLOR); elsewhere tab-separated lines. Without names, no header."""
    cells = [tuple(printable(cell) for cell in row) for row in rows]
    if not sys.stdout.isatty():
        lines = [columns, *cells] if any(columns) else cells
        sys.stdout.writelines("\t".join(line) + "\n" for line in lines)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns, box=None, header_style="bold", pad_edge=False, show_header=any(columns))
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)


def printable(cell: object) -> str:
    """As text of one line; what would move the cursor or change its colour is not passed on."""
    text = "" if cell is None else str(cell)
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


@contextmanager
def progress(doing: str, total: int) -> Iterator[Callable[[], None]]:
    """Gives the function to call after each of `total` steps; a bar is drawn on stderr when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda: bar.advance(task)
