"""One row of evidence as the card shows it, read from the contract's JSON of a match (B4), where anything may lack."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """Which seconds of the query are which of the candidate; None is what the match does not say.

    Attributes:
        number: 1 for the strongest.
        layer, stem: what was compared.
        query_s, candidate_s: start and end, inside both tracks.
        score: 0..1.
        tempo_ratio: candidate seconds per query second, `tempo_error` its standard error.
        semitones: by which the query is higher, `cents` beyond the whole ones, `cents_error` its standard error.
        landmarks: how many peaks of the spectrum both recordings share.
    """

    number: int
    layer: str
    stem: str | None
    query_s: tuple[float, float]
    candidate_s: tuple[float, float]
    score: float | None
    tempo_ratio: float | None
    tempo_error: float | None
    semitones: int | None
    cents: float | None
    cents_error: float | None
    landmarks: int | None

    @property
    def raised(self) -> float:
        """Semitones by which the query is higher, cents included; 0 where nothing is told."""
        return (self.semitones or 0) + (self.cents or 0.0) / 100

    @property
    def ratio(self) -> float:
        """Candidate seconds per query second: as told, or else of the ranges."""
        if self.tempo_ratio:
            return self.tempo_ratio
        return (self.candidate_s[1] - self.candidate_s[0]) / (self.query_s[1] - self.query_s[0])


def rows(match: Mapping[str, Any], query_duration_s: float, candidate_duration_s: float) -> tuple[Row, ...]:
    """The evidence of a match, in its order; without what has no range inside both tracks."""
    found: list[Row] = []
    for told in match.get("evidence") or ():
        query_s = _range_s(told, "query", query_duration_s)
        candidate_s = _range_s(told, "candidate", candidate_duration_s)
        if query_s is None or candidate_s is None:
            continue
        semitones, landmarks = number(told, "transposition_semitones"), number(told, "landmarks")
        found.append(
            Row(
                number=len(found) + 1,
                layer=plain(told.get("layer") or ""),
                stem=plain(told["stem"]) if told.get("stem") else None,
                query_s=query_s,
                candidate_s=candidate_s,
                score=number(told, "score"),
                tempo_ratio=number(told, "tempo_ratio"),
                tempo_error=number(told, "tempo_error"),
                semitones=None if semitones is None else round(semitones),
                cents=number(told, "detune_cents"),
                cents_error=number(told, "transposition_error_cents"),
                landmarks=None if landmarks is None else round(landmarks),
            )
        )
    return tuple(found)


def leading(match: Mapping[str, Any], told: tuple[Row, ...]) -> Row | None:
    """The strongest evidence of the layer that carries the verdict, or else the strongest of all."""
    layer = (match.get("payload") or {}).get("layer")
    return next((row for row in told if row.layer == layer), told[0] if told else None)


def number(told: Mapping[str, Any], name: str) -> float | None:
    """A member of the contract's JSON that is a number; None where it lacks or is none."""
    value = told.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def plain(words: object) -> str:
    """As text of one line: control signs, and those that turn the direction of writing, are replaced."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in str(words))


def _range_s(told: Mapping[str, Any], side: str, duration_s: float) -> tuple[float, float] | None:
    start_s, end_s = number(told, f"{side}_start_s"), number(told, f"{side}_end_s")
    if start_s is None or end_s is None:
        return None
    start_s, end_s = max(start_s, 0.0), min(end_s, duration_s)
    return (start_s, end_s) if end_s > start_s else None
