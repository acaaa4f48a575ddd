"""Findings: what all layers together say of a pair of tracks, and which of them carries it.

The layers know different things. Common landmarks prove a recording, and nothing else does (`same_sound`); windows and
harmony with a melody prove a composition; a common contour proves a melody. So the verdict is the strongest that any
layer proves, from the top of `VERDICTS` down, and the layer that proves it is named. Harmony alone is never more than
style, nor are sections, which tell places: songs on the same chords have them in common. `p_chance` counts all layers
that were looked at: who looks in several ways finds something by chance more often.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from models import layers
from models.calibration import p_least
from models.content import THRESHOLDS, Thresholds
from models.fingerprint.recognise import WHOLE_SHARE, Recording
from models.layers import Layered
from models.motif.melodies import SharedMelody, strength
from models.same_sound import LEAST_CHANCE, chance, covered_s, gaps, kind, landmark_score, same_sound
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
# Windows alone told 14 of 15 tunes on the same chords, and 25 of 30 that borrow eight bars, as one composition. With a
# melody that is so unlikely of strangers (`Thresholds.composition_melody_chance`), and either windows so unlikely of
# them or a melody that lasts for most of the shorter track, none and 5 are; of 41 compositions 26 instead of 29
# (2026-11-22).
COMPOSITION_CHANCE, COMPOSITION_SHARE = 1e-4, 0.65
# Few common peaks of a changed alignment: of 8 samples under other tracks none shares a melody so unlikely (the least
# 0.003), 19 borrowed melodies played in step all do (2026-11-22).
SAME_NOTES_CHANCE = 1e-3
IN_LIBRARY = 0.1  # of a shared melody: how many of the searched tracks may share as much by chance
COMMON, FEW = 0.1, 3  # what a tenth of the searched tracks hold, and more than these, is nobody's in particular
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
        proven: the alignments of landmarks among `found` that prove a recording.
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
    proven: tuple[Recording, ...] = ()
    unmatched_s: tuple[tuple[float, float], ...] = ()


def finding(
    found: Found,
    query_duration_s: float,
    candidate_duration_s: float,
    *,
    tracks: int = 1,
    thresholds: Thresholds = THRESHOLDS["music"],
) -> Finding:
    """What the layers come to.

    Args:
        found: what each of them says.
        query_duration_s, candidate_duration_s: of the whole tracks.
        tracks: among how many the candidate was looked for.
        thresholds: of what each layer proves.
    """
    durations_s = query_duration_s, candidate_duration_s
    melodies = found.melodies if thresholds.claims_melodies else None
    told = _compared(found, durations_s, thresholds)
    chances = [] if told.p_chance is None else [told.p_chance]
    if melodies is not None:
        chances.append(min((one.p_chance for one in melodies), default=1.0))
        told = _by_melodies(told, melodies, durations_s, tracks, thresholds)
    if found.recordings:
        told = _by_landmarks(told, durations_s, thresholds, explained=_is_explained(found.layered, melodies))
        if told.layer == FINGERPRINT:  # what proves nothing is no evidence that chance would have to explain
            chances.append(chance((told.proven or found.recordings)[0]))
    p_chance = max(LEAST_CHANCE, p_least(chances)) if chances else None
    return replace(told, p_chance=p_chance, unmatched_s=_unmatched_s(told, query_duration_s))


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
        proven=recordings,
        unmatched_s=(),
    )


def _by_melodies(
    told: Finding,
    melodies: tuple[SharedMelody, ...],
    durations_s: tuple[float, float],
    tracks: int,
    thresholds: Thresholds,
) -> Finding:
    """With what melodies prove: one that chance does not explain, and that is not everybody's.

    By itself it is a motif. A composition is one where windows are alike too.
    """
    unlikely = [one for one in melodies if one.p_chance <= min(thresholds.melody_chance, IN_LIBRARY / tracks)]
    own = tuple(one for one in unlikely if (one.commonness or 0.0) * tracks <= max(COMMON * tracks, FEW))
    if thresholds.claims_compositions and _is_composition(told, own, melodies, durations_s, thresholds):
        return replace(told, verdict="same_composition", why=None, shared=own)
    if own:
        return replace(told, layer=MOTIF, verdict="shared_motif", why=None, shared=own)
    if unlikely:
        share = max(one.commonness or 0.0 for one in unlikely)
        why = f"They share a melody which {share:.0%} of the searched tracks hold: it is nobody's in particular."
        return replace(told, layer=MOTIF, verdict="style_only", why=why)
    if told.verdict == "same_composition":
        return replace(told, verdict="style_only", why="Their harmony is alike, and they share no melody.")
    return told


def _is_composition(
    told: Finding,
    own: tuple[SharedMelody, ...],
    melodies: tuple[SharedMelody, ...],
    durations_s: tuple[float, float],
    thresholds: Thresholds,
) -> bool:
    """Whether windows and melody prove one together that neither proves alone."""
    if told.verdict == "same_composition":
        likely = [one for one in melodies if one.p_chance <= thresholds.composition_melody_chance]
        assert told.found.layered is not None
        by_chance = told.found.layered.best.p_chance
        if likely and (by_chance is None or by_chance <= COMPOSITION_CHANCE):
            return True
        return _melody_s(likely, durations_s) >= COMPOSITION_SHARE * min(durations_s)
    return told.verdict == "style_only" and _melody_s(own, durations_s) >= COMPOSITION_SHARE * min(durations_s)


def _melody_s(melodies: Iterable[SharedMelody], durations_s: tuple[float, float]) -> float:
    """How long what both share is, seconds of the one where it is shorter."""
    found = [one.match for one in melodies]
    query = [(one.query_start_s, one.query_end_s) for one in found]
    candidate = [(one.candidate_start_s, one.candidate_end_s) for one in found]
    return min(covered_s(query, durations_s[0]), covered_s(candidate, durations_s[1]))


def _is_explained(layered: Layered | None, melodies: tuple[SharedMelody, ...] | None) -> bool:
    """Whether the same notes may explain common landmarks; so they may where nobody has looked."""
    if layered is None or melodies is None or layered.verdict == "same_composition":
        return True
    return any(one.p_chance <= SAME_NOTES_CHANCE for one in melodies)


def _by_landmarks(
    told: Finding, durations_s: tuple[float, float], thresholds: Thresholds, *, explained: bool
) -> Finding:
    """With what landmarks prove: a recording; or that both keep the same time, which all through is a composition."""
    found = told.found.recordings
    if same := same_sound(found, thresholds, explained=explained):
        return replace(
            told,
            score=max(told.score, landmark_score(same[0], proven=True)),
            metric="landmarks",
            layer=FINGERPRINT,
            verdict=kind(same, durations_s, thresholds),
            why=None,
            proven=same,
        )
    in_step_s = found[0].query_end_s - found[0].query_start_s
    through = thresholds.claims_compositions and in_step_s >= WHOLE_SHARE * min(durations_s)
    if through and VERDICTS.index(told.verdict) < VERDICTS.index("same_composition"):
        score = max(told.score, landmark_score(found[0], proven=False))
        return replace(told, score=score, metric="landmarks", layer=FINGERPRINT, verdict="same_composition", why=None)
    if told.verdict == "no_relation":
        why = f"They keep the same time for {in_step_s:.0f} s, and have too little in common there for one recording."
        return replace(told, verdict="style_only", why=why)
    return told


def _compared(found: Found, durations_s: tuple[float, float], thresholds: Thresholds) -> Finding:
    """By what was asked for: sections, windows or melodies."""
    layered = found.layered
    base = Finding(
        found, 0.0, "contour", MOTIF, "no_relation", None, "They share no melody that chance would not give."
    )
    if layered is not None:
        best = layered.best
        base = Finding(found, best.score, best.metric, layered.layer, layered.verdict, layered.p_chance, best.why)
        if layered.verdict == "same_composition" and not thresholds.claims_compositions:
            base = replace(base, verdict="style_only", why="They are alike; of such content no composition is claimed.")
    elif found.melodies:
        base = replace(base, score=strength(found.melodies[0], *durations_s))
    if found.forms is not None:
        score = max((form.scores.max_then_mean for form in found.forms.values()), default=0.0)
        layer = SECTION if base.verdict in UNPROVEN else base.layer
        base = replace(base, score=score, metric="max_then_mean", layer=layer)
    return base


def _unmatched_s(told: Finding, duration_s: float) -> tuple[tuple[float, float], ...]:
    """Where the query has something that the evidence of a proven relation does not reach."""
    if told.verdict in UNPROVEN:
        return ()
    layered = told.found.layered
    proven = [] if layered is None else [one for one in layered.judged.values() if one.verdict not in UNPROVEN]
    windows = [(run.query_start_s, run.query_end_s) for one in proven for run in one.evidence]
    landmarks = [(run.query_start_s, run.query_end_s) for run in told.found.recordings]
    melodies = [(one.match.query_start_s, one.match.query_end_s) for one in told.shared]
    reached = landmarks or windows or melodies
    return tuple((first, last) for first, last in gaps(reached, duration_s) if last - first >= TOLD_GAP_S)
