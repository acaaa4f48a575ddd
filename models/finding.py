"""Findings: what all layers together say of a pair of tracks, and which of them carries it.

The layers know different things. Common landmarks prove a recording, and nothing else does; windows and harmony prove
a composition; a common contour proves a melody. So the verdict is the strongest that any layer proves, from the top of
`VERDICTS` down, and the layer that proves it is named. Sections tell places, and prove nothing by themselves: songs on
the same chords have them in common. Layers that found something are counted in `p_chance` (Bonferroni): who looks in
several ways finds something by chance more often.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from models import layers
from models.fingerprint.recognise import LEAST_SCORES, WHOLE_SHARE, Kind, Recording, kind_of
from models.layers import Layered
from models.motif.chance import SHARED_CHANCE
from models.motif.melodies import SharedMelody, strength
from models.section.form import Form

Verdict = Literal[
    "no_relation", "style_only", "shared_motif", "same_composition", "sample", "same_recording_modified",
    "same_recording",
]  # fmt: skip
VERDICTS: tuple[Verdict, ...] = (  # from weak to strong
    "no_relation", "style_only", "shared_motif", "same_composition", "sample", "same_recording_modified",
    "same_recording",
)  # fmt: skip

UNPROVEN = VERDICTS[:2]
FINGERPRINT, MOTIF, SECTION = "fingerprint", "motif", "section"
RECOGNISED = 0.9  # the least score of a pair with common landmarks (contract, A6)
# Of 1,182 excerpts of 3 to 10 s, each among 54 unrelated tracks, 1 had a score of 3 nats under the least one that is
# accepted, 2 one of 6 under it: half as many every 3 nats (2026-11-21).
CHANCE_AT_LEAST, HALVED_BY = 5e-4, 3.0
LEAST_CHANCE = 1e-12  # what no measurement bears out
# Of changed recordings, also in noise as loud, 0.42 to 0.72 of the peaks are left on the stretch that is aligned;
# another arrangement which keeps every note's time, as sequenced music does, has 0.22 to 0.36 (24 clips, 2026-11-22).
LEAST_SHARE = 0.4  # of a recording whose tempo or pitch is changed
IN_LIBRARY = 0.1  # of a shared melody: how many of the searched tracks may share as much by chance
COMMON, FEW = 0.1, 3  # what a tenth of the searched tracks hold, and more than these, is nobody's in particular
OVERLAP_S = 1.0  # of pieces of an edit, whose ends are not told to the frame
TOLD_GAP_S = 2.0  # shorter stretches without a counterpart are not worth a word


@dataclass(frozen=True, slots=True)
class Found:
    """What the layers that were looked at say of a pair.

    Attributes:
        layered: the comparison by windows and harmony, of the mix and of stems; None where only melodies were compared.
        recordings: accepted alignments of landmarks, strongest first.
        melodies: what may be a shared melody, the least likely by chance first; None where that was not looked at.
        forms: sections upon sections, of `full_audio` or of each stem that was asked for; those that both have. None
            where that was not looked at.
    """

    layered: Layered | None = None
    recordings: tuple[Recording, ...] = ()
    melodies: tuple[SharedMelody, ...] | None = None
    forms: Mapping[str, Form] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One match.

    Attributes:
        found: what it is made of.
        score: 0..1, of what was compared: windows, melodies or sections; more where it is the same recording.
        metric: what `score` is.
        layer: that carries the verdict, or else the score.
        verdict: the strongest that a layer proves.
        p_chance: that an unrelated pair scores so much in any layer; None where nothing is calibrated.
        why: a sentence where nothing is proven, else None.
        shared: the melodies among `found` that chance and a catalogue's habits do not explain.
        unmatched_s: ranges of the query, in seconds, which no evidence of a proven relation covers.
    """

    found: Found
    score: float
    metric: str
    layer: str
    verdict: Verdict
    p_chance: float | None
    why: str | None
    shared: tuple[SharedMelody, ...] = ()
    unmatched_s: tuple[tuple[float, float], ...] = ()


def finding(found: Found, query_duration_s: float, candidate_duration_s: float, *, tracks: int = 1) -> Finding:
    """What the layers come to.

    Args:
        found: what each of them says.
        query_duration_s, candidate_duration_s: of the whole tracks.
        tracks: among how many the candidate was looked for.
    """
    told = _compared(found, query_duration_s, candidate_duration_s)
    chances = [] if told.p_chance is None else [told.p_chance]
    if found.melodies is not None:
        chances.append(min((one.p_chance for one in found.melodies), default=1.0))
        told = _by_melody(told, found.melodies, tracks)
    if found.recordings:
        chances.append(chance(found.recordings[0]))
        told = _by_landmarks(told, found.recordings, query_duration_s, candidate_duration_s)
    both = min(1.0, len(chances) * max(LEAST_CHANCE, min(chances))) if chances else None
    return replace(told, p_chance=both, unmatched_s=_unmatched_s(told, query_duration_s))


def identical(told: Finding, duration_s: float) -> Finding:
    """The match of a track with its own bytes: the same recording, even where nothing of it can be aligned."""
    layered, recordings = told.found.layered, told.found.recordings
    same = None if layered is None else layers.identical(layered, duration_s)
    if same is None and not recordings:
        whole = (0.0, duration_s, 0.0, duration_s)
        recordings = (Recording(*whole, 1.0, 0.0, 0.0, 0.0, 0.0, 0, share=1.0, score=math.inf, whole=True, exact=True),)
    return replace(
        told,
        found=replace(told.found, layered=same, recordings=recordings),
        score=1.0,
        layer=FINGERPRINT if recordings else told.layer,
        verdict="same_recording",
        p_chance=told.p_chance if layered is not None else LEAST_CHANCE,
        why=None,
        unmatched_s=(),
    )


def _by_landmarks(
    told: Finding, found: tuple[Recording, ...], query_duration_s: float, candidate_duration_s: float
) -> Finding:
    """With what landmarks prove: a recording; or, where they are too few for that, that both keep the same time."""
    same = tuple(one for one in found if is_recording(one))
    if same:
        return replace(
            told,
            score=max(told.score, landmark_score(same[0])),
            metric="landmarks",
            layer=FINGERPRINT,
            verdict=_kind(same, query_duration_s, candidate_duration_s),
            why=None,
        )
    if VERDICTS.index(told.verdict) >= VERDICTS.index("same_composition"):
        return told
    score = max(told.score, landmark_score(found[0]))
    return replace(told, score=score, metric="landmarks", layer=FINGERPRINT, verdict="same_composition", why=None)


def is_recording(one: Recording) -> bool:
    """Whether so many peaks are left that it is the same sound, and not only the same notes at the same times."""
    return one.exact or one.share >= LEAST_SHARE


def _by_melody(told: Finding, melodies: tuple[SharedMelody, ...], tracks: int) -> Finding:
    """With what melodies prove: one that chance does not explain, and that is not everybody's."""
    unlikely = [one for one in melodies if one.p_chance <= min(SHARED_CHANCE, IN_LIBRARY / tracks)]
    own = tuple(one for one in unlikely if (one.commonness or 0.0) * tracks <= max(COMMON * tracks, FEW))
    weaker = VERDICTS.index(told.verdict) < VERDICTS.index("shared_motif")
    if own and weaker:
        return replace(told, layer=MOTIF, verdict="shared_motif", why=None, shared=own)
    if unlikely and weaker:
        share = max(one.commonness or 0.0 for one in unlikely)
        why = f"They share a melody which {share:.0%} of the searched tracks hold: it is nobody's in particular."
        return replace(told, layer=MOTIF, verdict="style_only", why=why)
    return replace(told, shared=own)


def _compared(found: Found, query_duration_s: float, candidate_duration_s: float) -> Finding:
    """By what was asked for: sections, windows or melodies."""
    layered = found.layered
    base = Finding(
        found, 0.0, "contour", MOTIF, "no_relation", None, "They share no melody that chance would not give."
    )
    if layered is not None:
        best = layered.best
        base = Finding(found, best.score, best.metric, layered.layer, layered.verdict, layered.p_chance, best.why)
    elif found.melodies:
        base = replace(base, score=strength(found.melodies[0], query_duration_s, candidate_duration_s))
    if found.forms is not None:
        score = max((form.scores.max_then_mean for form in found.forms.values()), default=0.0)
        layer = SECTION if base.verdict in UNPROVEN else base.layer
        base = replace(base, score=score, metric="max_then_mean", layer=layer)
    return base


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


def landmark_score(found: Recording) -> float:
    """What common landmarks are worth on the scale of all scores: of a recording more than anything else can have."""
    return RECOGNISED + (1 - RECOGNISED) * (1 - chance(found)) if is_recording(found) else found.share


def _unmatched_s(told: Finding, duration_s: float) -> tuple[tuple[float, float], ...]:
    """Where the query has something that the evidence of a proven relation does not reach."""
    if told.verdict in UNPROVEN:
        return ()
    layered = told.found.layered
    proven = {} if layered is None or layered.verdict in UNPROVEN else layered.found
    windows = [(run.query_start_s, run.query_end_s) for one in proven.values() for run in one.evidence]
    landmarks = [(run.query_start_s, run.query_end_s) for run in told.found.recordings]
    melodies = [(one.match.query_start_s, one.match.query_end_s) for one in told.shared]
    reached = landmarks or windows or melodies
    return tuple((first, last) for first, last in _gaps(reached, duration_s) if last - first >= TOLD_GAP_S)


def _gaps(ranges: Iterable[tuple[float, float]], end: float) -> Iterable[tuple[float, float]]:
    """What of 0..`end` no range covers, in order."""
    reached = 0.0
    for first, last in sorted(ranges):
        if first > reached:
            yield reached, first
        reached = max(reached, last)
    if reached < end:
        yield reached, end
