"""Recognition: which stretches of two tracks are the same recording, at what tempo and pitch, and how sure that is.

A hypothesis (`voting`) is laid upon the reference's peaks, moved until most of them coincide, fitted to the stretch of
the query where they do, and accepted where chance does not explain it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from models.content import THRESHOLDS, Thresholds
from models.fingerprint import bank
from models.fingerprint.coincidence import Alignment, Stretch, beat_chance, log_likelihood_ratio, share, stretch, tried
from models.fingerprint.landmarks import (
    DENSE_PAIRS,
    DENSE_QUADS,
    Probes,
    probes,
    probes_of,
    rows,
    rows_together,
)
from models.fingerprint.peaks import BANDS_PER_SEMITONE, Peaks, Points, points
from models.fingerprint.voting import Hypothesis, hypotheses

QUERY_RANK, REFERENCE_RANK = 40, 30  # of the peaks that are laid upon each other

WHOLE_SHARE = 0.7
EXACT_TEMPO, EXACT_SEMITONES = 0.006, 0.12
# Least scores, in nats: whole or part of the query, exact or changed. Set on 1,368 strangers and wrong tracks (20, 26,
# 22, 32), and 6 more, with which none of 1,182 and of 296 long strangers of a second set was accepted (2026-11-21).
LEAST_SCORES = {(True, True): 26.0, (False, True): 32.0, (True, False): 28.0, (False, False): 38.0}
# Peaks of one note err together: so much greater than of independent ones are the errors of time and tempo, though not
# of pitch (928 excerpts whose truth is known, 2026-11-22).
ERRING_TOGETHER = 1.65
SECOND_LOOK = 2.0  # more where many more hypotheses are looked at

HYPOTHESES = 64  # of pairs and of quads: of samples under louder music that found 16 of 20, 6 and 16 found 12
# Nine in ten hypotheses are luck, and to lay 500 of them upon their tracks is what a long query costs. When alignments
# are tried with the stronger half of the peaks, and 8 nats are asked for before a fit and 10 after it, that takes half
# as long as with all peaks, 5 and 8 nats, and 129 queries of 35 and 120 s find what they found (2026-11-22).
TRIED_RANK = 20  # of the peaks by which alignments are tried
AROUND_S = 6.0  # of a hypothesis to both sides, laid upon the reference before the rest of a long query
PROMISING = 10.0  # nats, of that part, without which the rest is not looked at
AGAIN_S = 30.0  # a longer query has had many chances at the first look

ACCOMPANIMENT = "accompaniment"

SAME_S, SAME_SEMITONES, SAME_TEMPO = 0.35, 0.4, 0.05  # alignments that differ by less are one

Kind = Literal["same_recording", "same_recording_modified", "sample"]


@dataclass(frozen=True, slots=True)
class Recording:
    """An accepted alignment of the query with a candidate.

    Attributes:
        query_start_s, query_end_s, candidate_start_s, candidate_end_s: from the first to the last common peak.
        tempo_ratio: candidate seconds per query second; > 1: the query is faster.
        tempo_error: one standard error of the least squares fit, relative.
        transposition_semitones: > 0: the query is higher.
        transposition_error_semitones: one standard error.
        time_error_s: of the alignment in its middle, one standard error.
        landmarks: common peaks.
        share: 0..1, of the query's peaks on the stretch.
        score: log-likelihood ratio in nats, the lower of what the chance rates of the whole query and of the stretch's
            surroundings give: of a stretch that is more tonal than the rest, more coincides by chance.
        whole: it covers 70 % of what sounds in the query.
        exact: neither tempo nor pitch is changed, as far as can be told.
        stem: the query's stem whose peaks these are; None: its mix's.
        mix_share: of a stem's: 0..1, how many of the mix's peaks the same alignment lays upon the candidate's.
    """

    query_start_s: float
    query_end_s: float
    candidate_start_s: float
    candidate_end_s: float
    tempo_ratio: float
    tempo_error: float
    transposition_semitones: float
    transposition_error_semitones: float
    time_error_s: float
    landmarks: int
    share: float
    score: float
    whole: bool
    exact: bool
    stem: str | None = None
    mix_share: float = 0.0

    @property
    def scatter_s(self) -> float:
        """How far off each other common peaks are, root mean square."""
        return self.time_error_s / ERRING_TOGETHER * math.sqrt(self.landmarks)


def recognise(
    query: Peaks,
    references: Mapping[int, Peaks],
    found: Sequence[Hypothesis],
    *,
    thresholds: Thresholds = THRESHOLDS["music"],
) -> dict[int, tuple[Recording, ...]]:
    """All accepted alignments with each track, strongest first; tracks without any are left out.

    A track that repeats itself exactly is aligned at each repeat.

    Args:
        references: by the tracks' numbers; hypotheses of others are passed over.
        found: in any order.
        thresholds: of what is accepted.
    """
    heard = points(query, QUERY_RANK)
    told = {}
    for track in sorted({one.track for one in found} & references.keys()):
        other, mine = points(references[track], REFERENCE_RANK), [one for one in found if one.track == track]
        if accepted := _accepted(heard, other, mine, thresholds):
            told[track] = accepted
    return told


def verify(
    query: Peaks, reference: Peaks, hypothesis: Hypothesis, *, thresholds: Thresholds = THRESHOLDS["music"]
) -> Recording | None:
    """What the peaks of both say to a hypothesis; None where it is not accepted."""
    return _verified(points(query, QUERY_RANK), points(reference, REFERENCE_RANK), hypothesis, thresholds)


def recordings(
    query: Peaks, reference: Peaks, *, thresholds: Thresholds = THRESHOLDS["music"]
) -> tuple[Recording, ...]:
    """All accepted alignments of two tracks, strongest first.

    Where none is found, more landmarks are asked for; then it is looked at `again`.
    """
    heard, other = points(query, QUERY_RANK), points(reference, REFERENCE_RANK)
    keys, payloads = rows(reference)

    def voted(asked: Probes) -> list[Hypothesis]:
        return hypotheses(asked, keys, payloads, pairs=HYPOTHESES, quads=HYPOTHESES)

    if found := _accepted(heard, other, voted(probes(query)), thresholds):
        return found
    dense = voted(probes_of(_middle(points(query)), DENSE_PAIRS, DENSE_QUADS))
    return _accepted(heard, other, dense, _harder(thresholds)) or again(
        query, {0: reference}, thresholds=thresholds
    ).get(0, ())


def again(
    query: Peaks, references: Mapping[int, Peaks], *, thresholds: Thresholds = THRESHOLDS["music"]
) -> dict[int, tuple[Recording, ...]]:
    """What `recognise` gives, by a second look at a few tracks: the query's peaks are moved by `bank`.

    Of the query what sounds in its middle is moved, `AGAIN_S` at most.

    Args:
        references: by any numbers.
        thresholds: of what is accepted by a first look.
    """
    heard = points(query, QUERY_RANK)
    guesses = bank.hypotheses(_middle(points(query)), *rows_together(references), HYPOTHESES)
    told = {}
    for track in sorted({one.track for one in guesses}):
        mine = [one for one in guesses if one.track == track]
        if accepted := _accepted(heard, points(references[track], REFERENCE_RANK), mine, _harder(thresholds)):
            told[track] = accepted
    return told


def by_mix_and_accompaniment(
    mix: Peaks, accompaniment: Peaks | None, reference: Peaks, *, thresholds: Thresholds = THRESHOLDS["music"]
) -> tuple[Recording, ...]:
    """All accepted alignments of a query with a track, by its mix and, where it was separated, its accompaniment."""
    found = recordings(mix, reference, thresholds=thresholds)
    if accompaniment is None:
        return found
    by_stem = recordings(accompaniment, reference, thresholds=thresholds)
    return together([*found, *of_accompaniment(by_stem, mix, reference)])


def of_accompaniment(found: Iterable[Recording], mix: Peaks, reference: Peaks) -> tuple[Recording, ...]:
    """What a query's accompaniment says of a track, told as its, and with how much of the mix is left along it."""
    heard, other = points(mix, QUERY_RANK), points(reference, REFERENCE_RANK)
    return tuple(replace(one, stem=ACCOMPANIMENT, mix_share=_share(one, heard, other)) for one in found)


def together(every: Iterable[Recording]) -> tuple[Recording, ...]:
    """What a query's mix and its accompaniment say of one track, strongest first; what two say is told once.

    Of music under speech 6 dB louder the mix finds 44 of 55 excerpts of 5 s, both 53, and both no stranger among 360;
    other stems add nothing to these (2026-11-22).
    """
    kept: list[Recording] = []
    # Of two that are as strong the mix's is the plainer answer.
    for told in sorted(
        every, key=lambda told: (-told.score, told.stem is not None, told.query_start_s, told.candidate_start_s)
    ):
        middle_s = (told.query_start_s + told.query_end_s) / 2
        under_s = (told.candidate_start_s + told.candidate_end_s) / 2
        shift, ratio = told.transposition_semitones, told.tempo_ratio
        if not any(_explains(other, middle_s, under_s, shift, ratio) for other in kept):
            kept.append(told)
    return tuple(kept)


def kind_of(recording: Recording, query_duration_s: float, candidate_duration_s: float) -> Kind:
    """What an alignment makes of two tracks.

    Laid upon each other by it, two tracks overlap: an excerpt and its source over all of the excerpt, two excerpts
    where they share seconds. Where most of that is matched, neither holds anything else there: they are one recording.
    Where both go on beside the match and differ, one of them is a sample in other material.
    """
    ratio = recording.tempo_ratio
    before_s = min(recording.query_start_s, recording.candidate_start_s / ratio)
    after_s = min(query_duration_s - recording.query_end_s, (candidate_duration_s - recording.candidate_end_s) / ratio)
    matched_s = recording.query_end_s - recording.query_start_s
    if matched_s < WHOLE_SHARE * (max(0.0, before_s) + matched_s + max(0.0, after_s)):
        return "sample"
    return "same_recording" if recording.exact else "same_recording_modified"


def _share(told: Recording, query: Points, reference: Points) -> float:
    """How many of these peaks of the query, 0..1, an alignment lays upon others of the reference."""
    within = query.between(told.query_start_s, float(np.nextafter(told.query_end_s, np.inf)))
    offset_s = told.candidate_end_s - told.tempo_ratio * told.query_end_s
    return share(within, reference, Alignment(told.tempo_ratio, offset_s, _raised(told.transposition_semitones)))


def _raised(semitones: float) -> float:
    """By how many bands the reference is higher than a query that is `semitones` higher."""
    return -BANDS_PER_SEMITONE * semitones


def _middle(heard: Points) -> Points:
    middle_s = (heard.times_s[0] + heard.times_s[-1]) / 2 if len(heard) else 0.0
    return heard.between(middle_s - AGAIN_S / 2, middle_s + AGAIN_S / 2)


def _harder(thresholds: Thresholds) -> Thresholds:
    """Of a second look, which sees many more hypotheses."""
    return replace(thresholds, more_nats=thresholds.more_nats + SECOND_LOOK)


def _accepted(
    query: Points, reference: Points, found: Sequence[Hypothesis], thresholds: Thresholds
) -> tuple[Recording, ...]:
    kept: list[Recording] = []
    for one in sorted(found, key=lambda one: -one.score):
        # A long recording is voted for in each of its windows: they need not all be verified.
        if any(_explains(other, one.around_s, one.at(one.around_s), one.semitones, one.tempo_ratio) for other in kept):
            continue
        if (told := _verified(query, reference, one, thresholds)) is not None:
            kept.append(told)
    return together(kept)


def _explains(told: Recording, query_s: float, candidate_s: float, semitones: float, ratio: float) -> bool:
    """Whether an accepted alignment says the same of a second of the query."""
    under_s = told.candidate_start_s + told.tempo_ratio * (query_s - told.query_start_s)
    return (
        told.query_start_s <= query_s <= told.query_end_s
        and abs(under_s - candidate_s) <= SAME_S
        and abs(told.transposition_semitones - semitones) <= SAME_SEMITONES
        and abs(float(np.log(told.tempo_ratio / ratio))) <= SAME_TEMPO
    )


def _verified(query: Points, reference: Points, hypothesis: Hypothesis, thresholds: Thresholds) -> Recording | None:
    if not len(query) or not len(reference):
        return None
    guess = Alignment(hypothesis.tempo_ratio, hypothesis.offset_s, _raised(hypothesis.semitones))
    around = query.between(hypothesis.around_s - AROUND_S, hypothesis.around_s + AROUND_S)
    if not len(around):
        return None
    start = tried(around.strongest(TRIED_RANK), reference, guess)
    if len(around) < len(query):
        near = stretch(around, reference, start)
        if near is None or _score(near) < PROMISING:
            return None
        start = near.alignment
    found = stretch(query, reference, start)
    told = None if found is None else _told(query, found, thresholds)
    if found is None or told is None:
        return None
    over = log_likelihood_ratio(found.matched, found.last - found.first + 1, beat_chance(query, reference, found))
    least = thresholds.whole_over_beat if told.whole else thresholds.part_over_beat
    seconds = told.query_end_s - told.query_start_s
    return told if over >= max(least, thresholds.over_beat_per_s * seconds) else None


def _score(found: Stretch) -> float:
    every = found.last - found.first + 1
    return min(
        log_likelihood_ratio(found.matched, every, chance) for chance in (found.global_chance, found.local_chance)
    )


def _told(query: Points, found: Stretch, thresholds: Thresholds) -> Recording | None:
    """The recording that a stretch is, None where it is not accepted; what beats explain is not yet looked at."""
    start_s, end_s = float(query.times_s[found.first]), float(query.times_s[found.last])
    ratio, offset_s, raised = found.alignment
    whole = bool(end_s - start_s >= WHOLE_SHARE * (query.times_s[-1] - query.times_s[0]))
    semitones = -raised / BANDS_PER_SEMITONE
    exact = abs(ratio - 1) <= EXACT_TEMPO and abs(semitones) <= EXACT_SEMITONES
    score = _score(found)
    enough = found.matched >= thresholds.least_landmarks and end_s - start_s >= thresholds.least_recording_s
    if not enough or score < LEAST_SCORES[whole, exact] + thresholds.more_nats:
        return None
    return Recording(
        query_start_s=start_s,
        query_end_s=end_s,
        candidate_start_s=max(0.0, ratio * start_s + offset_s),
        candidate_end_s=ratio * end_s + offset_s,
        tempo_ratio=ratio,
        tempo_error=ERRING_TOGETHER * found.ratio_error / ratio,
        transposition_semitones=semitones,
        transposition_error_semitones=found.raised_error / BANDS_PER_SEMITONE,
        time_error_s=ERRING_TOGETHER * found.offset_error_s,
        landmarks=found.matched,
        share=found.matched / (found.last - found.first + 1),
        score=score,
        whole=whole,
        exact=exact,
    )
