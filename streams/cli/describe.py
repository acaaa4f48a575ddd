"""`soundtrace describe`: one file, here and now: its sections, and the melodies that it repeats itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.output import AsJson, document, table
from streams.errors import Defect

if TYPE_CHECKING:
    from models.motif.motifs import Motif
    from models.section.sections import Section

SECTIONS = ("section", "letter", "sure", "perhaps", "start_s", "end_s")
MOTIFS = ("melody", "in", "sure", "times", "start_s", "end_s", "heard_at_s")


def describe(
    track: Annotated[Path, typer.Argument(metavar="FILE", help="An audio file.")], as_json: AsJson = False
) -> None:
    """Tell the sections of a file, and the melodies that it repeats."""
    from models.errors import WrongWeights
    from streams import cards
    from streams.cli.compare import decoded
    from streams.cli.listening import listen
    from streams.pipeline import Depth

    heard = decoded(track)
    try:
        found = listen(heard, Depth((), melodies=True, sections="mix"), (), cards.current("type2"))
    except WrongWeights as error:
        raise Defect(error.message, error.remedy) from None
    sections = found.structures["full_audio"].sections
    motifs = {} if found.melodies is None else found.melodies.motifs
    if as_json:
        document(
            {
                "track": str(track),
                "duration_s": round(heard.duration_s, 3),
                "sections": [asdict(section) for section in sections],
                "motifs": {layer: [asdict(one) for one in some] for layer, some in motifs.items()},
            }
        )
        return
    table(SECTIONS, [_section(number, section) for number, section in enumerate(sections, 1)])
    if rows := [row for layer, some in motifs.items() for row in _motifs(layer, some)]:
        table(MOTIFS, rows)


def _section(number: int, section: Section) -> tuple[object, ...]:
    guess = f"{section.function} ({section.function_confidence:.0%})" if section.function else ""
    return (
        number, section.label, f"{section.confidence:.0%}", guess, f"{section.start_s:.1f}", f"{section.end_s:.1f}",
    )  # fmt: skip


def _motifs(layer: str, some: tuple[Motif, ...]) -> Iterator[tuple[object, ...]]:
    for number, one in enumerate(some, 1):
        at = " ".join(f"{start_s:.1f}" for start_s, _ in one.occurrences)
        yield (
            number, layer, f"{one.confidence:.1%}", len(one.occurrences), f"{one.start_s:.1f}", f"{one.end_s:.1f}", at,
        )  # fmt: skip
