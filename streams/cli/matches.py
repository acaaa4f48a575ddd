"""Matches as people read them: what with what, how well, from which second to which, how far moved and stretched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from streams.cli.output import table

COLUMNS = ("query", "candidate", "score", "verdict", "layer", "where", "transposition", "tempo")
NOTHING = "–"
BLOB_PREFIX = re.compile(r"^dataset/[0-9a-f]{8}-[0-9a-f-]{27}_")

Row = tuple[str, ...]


def show(entries: Iterable[Mapping[str, Any]], *, every_evidence: bool = False) -> None:
    """The query entries of a search (contract, A6) as a table."""
    table(COLUMNS, [row for entry in entries for row in rows(entry, every_evidence)])


def rows(entry: Mapping[str, Any], every_evidence: bool = False) -> Iterator[Row]:
    """One row per match, with the strongest evidence of the layer that carries it, or one per evidence."""
    query = filename(entry["query_audio_id"])
    for match in entry["matches"]:
        evidences = match.get("evidence") or []
        for evidence in evidences if every_evidence and evidences else [carrying(match)]:
            shown = {**match["payload"], "score": match["score"], **(evidence or {} if every_evidence else {})}
            told = query, shown["filename"], f"{shown['score']:.3f}", match["verdict"], shown["layer"]
            yield (*told, *moved(evidence))


def carrying(match: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The strongest evidence of the layer that carries a match; None where that has none."""
    evidences = match.get("evidence") or []
    return next((one for one in evidences if one["layer"] == match["payload"]["layer"]), None)


def moved(evidence: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Where, transposition, tempo. `+3` says that the query is three semitones higher, `×1.10` that it is faster."""
    if evidence is None:
        return NOTHING, NOTHING, NOTHING
    query = f"{evidence['query_start_s']:.1f}–{evidence['query_end_s']:.1f}"
    candidate = f"{evidence['candidate_start_s']:.1f}–{evidence['candidate_end_s']:.1f}"
    semitones = evidence["transposition_semitones"]
    return f"{query} s ↔ {candidate} s", f"{semitones:+d}" if semitones else "0", f"×{evidence['tempo_ratio']:.2f}"


def filename(blob_name: str) -> str:
    """A blob name or a URI as its owner called the file."""
    return BLOB_PREFIX.sub("", blob_name).rpartition("/")[2]
