"""Findings: what all layers together say of a pair of tracks, and which of them carries it.

The layers know different things. Common landmarks prove a recording, and nothing else does; windows and harmony prove
a composition. So the verdict is the strongest that any layer proves, from the top of `VERDICTS` down, and the layer
that proves it is named. A layer that was looked at counts in `p_chance` (Bonferroni): who looks in several ways finds
something by chance more often.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from models import layers
from models.layers import Layered
from models.recognise import LEAST_SCORES, WHOLE_SHARE, Kind, Recording, kind_of

Verdict = Literal[
    "no_relation", "style_only", "same_composition", "sample", "same_recording_modified", "same_recording"
]  # fmt: skip
VERDICTS: tuple[Verdict, ...] = (  # from weak to strong
    "no_relation", "style_only", "same_composition", "sample", "same_recording_modified", "same_recording",
)  # fmt: skip

FINGERPRINT = "fingerprint"
RECOGNISED = 0.9  # the least score of a pair with common landmarks (contract, A6)
# Of 1,182 excerpts of 3 to 10 s, each among 54 unrelated tracks, 1 had a score of 3 nats under the least one that is
# accepted, 2 one of 6 under it: half as many every 3 nats (2026-11-21).
CHANCE_AT_LEAST, HALVED_BY = 5e-4, 3.0
LEAST_CHANCE = 1e-12  # what no measurement bears out
OVERLAP_S = 1.0  # of pieces of an edit, whose ends are not told to the frame
TOLD_GAP_S = 2.0  # shorter stretches without a counterpart are not worth a word


@dataclass(frozen=True, slots=True)
class Finding:
    """One match.

    Attributes:
        layered: the comparison by windows and harmony, of the mix and of stems.
        recordings: accepted alignments of landmarks, strongest first.
        score: 0..1, of `layer`.
        layer: that carries the verdict, or else the score: `fingerprint`, `full_audio` or a stem.
        verdict: the strongest that a layer proves.
        p_chance: that an unrelated pair scores so much in any layer; None where nothing is calibrated.
        unmatched_s: ranges of the query, in seconds, which no evidence of a proven relation covers.
    """

    layered: Layered
    recordings: tuple[Recording, ...]
    score: float
    layer: str
    verdict: Verdict
    p_chance: float | None
    unmatched_s: tuple[tuple[float, float], ...]


def finding(
    layered: Layered, recordings: tuple[Recording, ...], query_duration_s: float, candidate_duration_s: float
) -> Finding:
    """What the layers come to.

    Args:
        layered: by windows and harmony.
        recordings: accepted alignments of landmarks, strongest first.
        query_duration_s, candidate_duration_s: of the whole tracks.
    """
    heard = Finding(layered, recordings, layered.best.score, layered.layer, layered.verdict, layered.p_chance, ())
    if recordings:
        by_chance = chance(recordings[0])
        # The fingerprint is one more layer that was looked at.
        both = by_chance if layered.p_chance is None else min(1.0, 2 * min(by_chance, layered.p_chance))
        heard = replace(
            heard,
            score=max(heard.score, recognised_score(recordings[0])),
            layer=FINGERPRINT,
            verdict=_kind(recordings, query_duration_s, candidate_duration_s),
            p_chance=both,
        )
    return replace(heard, unmatched_s=_unmatched_s(heard, query_duration_s))


def chance(found: Recording) -> float:
    """How likely it is that a query meets a stranger in its library which reaches such a score."""
    over = found.score - LEAST_SCORES[found.whole, found.exact]
    return float(max(LEAST_CHANCE, CHANCE_AT_LEAST * 0.5 ** (over / HALVED_BY)))


def _kind(recordings: tuple[Recording, ...], query_duration_s: float, candidate_duration_s: float) -> Kind:
    """By the strongest alignment; pieces that only together make up most of a track are one recording, edited."""
    kind = kind_of(recordings[0], query_duration_s, candidate_duration_s)
    if kind != "sample":
        return kind
    pieces: list[Recording] = []
    for told in recordings:  # what a repeat aligns a second time is no other piece
        if not any(_overlap(told, other) for other in pieces):
            pieces.append(told)
    query = [(told.query_start_s, told.query_end_s) for told in pieces]
    candidate = [(told.candidate_start_s, told.candidate_end_s) for told in pieces]
    edited = any(
        _covered(ranges[:1], end) < WHOLE_SHARE <= _covered(ranges, end)
        for ranges, end in ((query, query_duration_s), (candidate, candidate_duration_s))
    )
    return "same_recording_modified" if edited else kind


def _overlap(one: Recording, other: Recording) -> bool:
    query_s = min(one.query_end_s, other.query_end_s) - max(one.query_start_s, other.query_start_s)
    under_s = min(one.candidate_end_s, other.candidate_end_s) - max(one.candidate_start_s, other.candidate_start_s)
    return max(query_s, under_s) > OVERLAP_S


def _covered(ranges: Iterable[tuple[float, float]], end: float) -> float:
    """The share of 0..`end` that ranges cover."""
    return 1 - sum(last - first for first, last in _gaps(ranges, end)) / end


def recognised_score(found: Recording) -> float:
    """What common landmarks are worth on the scale of all scores (contract, A6)."""
    return RECOGNISED + (1 - RECOGNISED) * (1 - chance(found))


def identical(told: Finding, duration_s: float) -> Finding:
    """The match of a track with its own bytes: the same recording, even where nothing of it can be aligned."""
    same = layers.identical(told.layered, duration_s)
    return replace(told, layered=same, score=max(told.score, same.best.score), verdict="same_recording", unmatched_s=())


def _unmatched_s(told: Finding, duration_s: float) -> tuple[tuple[float, float], ...]:
    """Where the query has something that the evidence of a proven relation does not reach."""
    if VERDICTS.index(told.verdict) <= VERDICTS.index("style_only"):
        return ()
    windows = [(run.query_start_s, run.query_end_s) for one in told.layered.found.values() for run in one.evidence]
    landmarks = [(run.query_start_s, run.query_end_s) for run in told.recordings]
    return tuple((first, last) for first, last in _gaps(landmarks or windows, duration_s) if last - first >= TOLD_GAP_S)


def _gaps(ranges: Iterable[tuple[float, float]], end: float) -> Iterable[tuple[float, float]]:
    """What of 0..`end` no range covers, in order."""
    reached = 0.0
    for first, last in sorted(ranges):
        if first > reached:
            yield reached, first
        reached = max(reached, last)
    if reached < end:
        yield reached, end
