"""How surely one track plays the notes of another where it is said to: a likelihood ratio over note events.

Under an alignment every event of one side either meets an event of the other, of the pitch and at the time expected, or
misses it. Chance would meet one as often as the other side plays that very pitch thereabouts: a note of the scale that
sounds all the time proves little. The heaviest run of events is where the two agree. One side may have more notes than
the other: both are asked, and the better counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.motif.contour import FRAMES_PER_S, Contour
from models.motif.salience import Events, unpacked

RANKS = 10  # events of these ranks are asked and may answer
REACH_S = 22.5  # of both sides of a hypothesis' middle: as far as its tempo ratio is good for
LINE_STRENGTH = 85  # of 255, in the contour's frame where a note begins or the next: it is of the highest line
LINE_PITCH = 57  # MIDI; below, a note is of the line by its pitch class alone
LATE_S = 0.06  # an event is met within as much: onsets of one note in two mixes differ by 20 ms (standard deviation)
RATIO_STEP, RATIO_STEPS = 0.01, 4  # tempo ratios and places that are tried around the hypothesis
PLACE_STEP_S, PLACE_STEPS = 0.05, 4
RATED_S = 3.0  # the rate of a pitch is taken over as much on both sides
LEAST_RATE = 0.05  # events of a pitch a second
LEAST_CHANCE, MOST_CHANCE = 0.02, 0.7
LEAST_FITTED = 4  # common notes that are enough to refine an alignment by
MOST_FITTED = 0.02  # of the tempo ratio; notes that lie close together tell no slope
HIT_SHARE = 0.45  # of what chance does not meet, of a true melody in another arrangement


@dataclass(frozen=True, slots=True)
class Notes:
    """A track's events as agreement needs them.

    Attributes:
        times_s, pitches: float64 and int64 (events,), in order of time.
        by_pitch_s: float64 (events,), the times again, by pitch and then by time.
        firsts: int64 (129,), where each pitch begins in `by_pitch_s`.
        on_line: bool (events,), whether it is of the highest line, as the contour has it.
    """

    times_s: NDArray[np.float64]
    pitches: NDArray[np.int64]
    on_line: NDArray[np.bool_]
    by_pitch_s: NDArray[np.float64]
    firsts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The better of both directions.

    Attributes:
        score: logarithm of the likelihood ratio of the heaviest run, in nats; 0 where nothing agrees.
        line_score: the same where only notes of the highest line are asked, of whatever the other plays: two tracks
            over one accompaniment agree in all but these.
        tempo_ratio, offset_s: the alignment, refined: the reference plays at ratio * query_s + offset_s.
        start_s, end_s: of the run, in the query's time.
    """

    score: float
    line_score: float
    tempo_ratio: float
    offset_s: float
    start_s: float
    end_s: float


def notes(found: Events, contour: Contour) -> Notes:
    """What agreement needs of one layer, as `salience.events_and_contour` heard it."""
    times_s, pitches, _, ranks = unpacked(found)
    times_s, pitches = times_s[ranks < RANKS], pitches[ranks < RANKS]
    by_pitch = np.lexsort((times_s, pitches))
    firsts = np.searchsorted(pitches[by_pitch], np.arange(129))
    return Notes(times_s, pitches, _on_line(times_s, pitches, contour), times_s[by_pitch], firsts)


def _on_line(times_s: NDArray[np.float64], pitches: NDArray[np.int64], contour: Contour) -> NDArray[np.bool_]:
    if not len(contour):
        return np.zeros(len(times_s), bool)
    frames = [np.minimum((times_s * FRAMES_PER_S).astype(np.intp) + later, len(contour) - 1) for later in (0, 1)]
    strongest = np.maximum(*(contour[frame, pitches % 12] for frame in frames))
    return np.asarray((strongest >= LINE_STRENGTH) & (pitches >= LINE_PITCH), bool)


def agreement(
    query: Notes, reference: Notes, *, tempo_ratio: float, offset_s: float, semitones: int, middle_s: float
) -> Agreement:
    """How the notes agree around the query's second `middle_s`, where the query is `semitones` higher."""
    there_s = tempo_ratio * middle_s + offset_s
    forth = _direction(query, reference, tempo_ratio, (middle_s, there_s), -semitones)
    back = _direction(reference, query, 1 / tempo_ratio, (there_s, middle_s), semitones)
    line_score = max(forth.line_score, back.line_score)
    if forth.score >= back.score:
        return replace(forth, line_score=line_score)
    ratio, offset = 1 / back.tempo_ratio, -back.offset_s / back.tempo_ratio
    start_s, end_s = (back.tempo_ratio * s + back.offset_s for s in (back.start_s, back.end_s))
    return Agreement(back.score, line_score, ratio, offset, start_s, end_s)


def _direction(
    asked: Notes, answering: Notes, ratio: float, middles_s: tuple[float, float], semitones: int
) -> Agreement:
    """`asked` in `answering`, which plays `semitones` higher."""
    near = slice(*(int(at) for at in np.searchsorted(asked.times_s, (middles_s[0] - REACH_S, middles_s[0] + REACH_S))))
    times_s = asked.times_s[near] - middles_s[0]
    pitches = asked.pitches[near] + semitones
    worths, meets, late_s = _meetings(times_s, pitches, answering.by_pitch_s - middles_s[1], answering.firsts, ratio)
    score, stretch, shift_s, start, last = _heaviest(times_s, worths, meets, late_s, ratio)
    if score <= 0:
        return Agreement(0.0, 0.0, ratio, middles_s[1] - ratio * middles_s[0], middles_s[0], middles_s[0])
    line_score, _, _ = _run(times_s, worths * asked.on_line[near, None], meets, late_s, (stretch, shift_s))
    run = slice(start, last + 1)
    stretch, shift_s = _fitted(times_s[run], meets[start : last + 2], late_s, stretch, shift_s)
    finer = ratio + stretch
    start_s, end_s = (float(times_s[at]) + middles_s[0] for at in (start, last))
    return Agreement(score, line_score, finer, middles_s[1] + shift_s - finer * middles_s[0], start_s, end_s)


@njit(cache=True)
def _meetings(
    times_s: NDArray[np.float64],
    pitches: NDArray[np.int64],
    by_pitch_s: NDArray[np.float64],
    firsts: NDArray[np.int64],
    ratio: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """What each event meets in the other track, whose times are given by pitch, under all alignments that are tried.

    Returns: what a hit and a miss are worth, in nats, (events, 2); where each event's meetings begin in the third,
    (events + 1,); and by how much each of those is late.
    """
    reach_s = PLACE_STEP_S * PLACE_STEPS + LATE_S
    worths = np.zeros((len(times_s), 2))
    meets = np.zeros(len(times_s) + 1, np.int64)
    late_s = np.zeros(64)
    for event in range(len(times_s)):
        expected_s, pitch = ratio * times_s[event], pitches[event]
        slack_s = reach_s + ratio * RATIO_STEP * RATIO_STEPS * abs(times_s[event])
        count, end = 0, meets[event]
        here = (firsts[pitch], firsts[pitch + 1]) if 0 <= pitch < len(firsts) - 1 else (0, 0)
        other = here[0] + np.searchsorted(by_pitch_s[here[0] : here[1]], expected_s - max(slack_s, RATED_S))
        while other < here[1] and by_pitch_s[other] - expected_s <= max(slack_s, RATED_S):
            off_s = by_pitch_s[other] - expected_s
            other += 1
            count += abs(off_s) <= RATED_S
            if abs(off_s) <= slack_s:
                if end == len(late_s):
                    late_s = np.concatenate((late_s, np.zeros(end)))
                late_s[end] = off_s
                end += 1
        meets[event + 1] = end
        rate = count / (2 * RATED_S) + LEAST_RATE
        chance = min(max(1 - np.exp(-rate * 2 * LATE_S), LEAST_CHANCE), MOST_CHANCE)
        true = chance + HIT_SHARE * (1 - chance)
        worths[event, 0], worths[event, 1] = np.log(true / chance), np.log((1 - true) / (1 - chance))
    return worths, meets, late_s


@njit(cache=True)
def _heaviest(
    times_s: NDArray[np.float64],
    worths: NDArray[np.float64],
    meets: NDArray[np.int64],
    late_s: NDArray[np.float64],
    ratio: float,
) -> tuple[float, float, float, int, int]:
    """Score of the heaviest run, the stretch and the shift under which it comes about, its first and last event."""
    best = (0.0, 0.0, 0.0, 0, 0)
    for tried in range((2 * RATIO_STEPS + 1) * (2 * PLACE_STEPS + 1)):
        stretch = ratio * RATIO_STEP * (tried // (2 * PLACE_STEPS + 1) - RATIO_STEPS)
        shift_s = PLACE_STEP_S * (tried % (2 * PLACE_STEPS + 1) - PLACE_STEPS)
        score, start, last = _run(times_s, worths, meets, late_s, (stretch, shift_s))
        if score > best[0]:
            best = (score, stretch, shift_s, start, last)
    return best


@njit(cache=True)
def _run(
    times_s: NDArray[np.float64],
    worths: NDArray[np.float64],
    meets: NDArray[np.int64],
    late_s: NDArray[np.float64],
    moved: tuple[float, float],
) -> tuple[float, int, int]:
    """Score, first and last event of the heaviest run under one stretch and shift."""
    best, first, last = 0.0, 0, 0
    run, start = 0.0, 0
    for event in range(len(times_s)):
        if run <= 0:
            run, start = 0.0, event
        miss = 1
        for meet in range(meets[event], meets[event + 1]):
            if abs(late_s[meet] - moved[1] - moved[0] * times_s[event]) <= LATE_S:
                miss = 0
        run += worths[event, miss]
        if run > best:
            best, first, last = run, start, event
    return best, first, last


@njit(cache=True)
def _fitted(
    times_s: NDArray[np.float64], meets: NDArray[np.int64], late_s: NDArray[np.float64], stretch: float, shift_s: float
) -> tuple[float, float]:
    """Stretch and shift by least squares over what the events of a run meet, the nearest where there are several."""
    total = np.zeros(5)
    for event in range(len(times_s)):
        nearest_s = 2 * LATE_S
        for meet in range(meets[event], meets[event + 1]):
            off_s = late_s[meet] - shift_s - stretch * times_s[event]
            if abs(off_s) < abs(nearest_s):
                nearest_s = off_s
        if abs(nearest_s) <= LATE_S:
            time_s = times_s[event]
            total += np.array([1.0, time_s, time_s**2, nearest_s, nearest_s * time_s])
    spread = total[0] * total[2] - total[1] ** 2
    if total[0] < LEAST_FITTED or spread < 1e-6:
        return stretch, shift_s
    slope = (total[0] * total[4] - total[1] * total[3]) / spread
    if abs(slope) > MOST_FITTED:
        return stretch, shift_s
    return stretch + slope, shift_s + (total[3] - slope * total[1]) / total[0]
