"""How well two lists of peaks lie upon each other under an alignment, and which alignment nearby is better.

An alignment is three numbers: a second of the query lies on `ratio` * it + `offset_s`, and what it holds is `raised`
bands higher in the reference. Numbers: measured on 2026-11-21, but where a docstring says otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.fingerprint.peaks import Points

NEAR = 0.050, 1.2  # seconds and bands: what lies upon each other
FIRST_NEAR = 0.070, 1.6  # before the alignment is refined
TRIED_NEAR = 0.050, 1.0  # while alignments are tried

_OFFSET_STEP_S, _OFFSET_STEPS = 0.06, (0, -1, 1, -2, 2, -3, 3)  # tried around a hypothesis: of equal ones the nearest
_RAISED_STEP, _RAISED_STEPS = 0.7, (0, -1, 1)
_RATIO_STEP, _RATIO_STEPS = 0.012, (-1, 1, -2, 2)
_TURNED_STEP_S, _TURNED_STEPS = 0.03, (0, -1, 1)
_ROUNDS = 4

_SHIFT_S, _SHIFT_STEP_S, _SHIFTS = 0.19, 0.137, 6  # to both sides: where nothing but chance lies upon each other
_LEAST_CHANCE, _MOST_CHANCE = 0.02, 0.6
_ENOUGH_PEAKS = 1_000  # to count chance by
_GAIN, _MOST_HIT = 0.25, 0.95  # how much oftener than by chance peaks of a true stretch are expected to find another
_LEAST_WEIGHT = 8.0  # nats of a stretch, without which it is not fitted further: `recognise.PROMISING`
_LEAST_MATCHES = 4  # a line and its error
LEAST_RATIO, MOST_RATIO = 0.70, 1.43  # a fit beyond has run away

# Shifts of up to a slow beat, at one of which music of the same pulse and tempo lies beat upon beat.
_FIRST_BEAT_S, _LAST_BEAT_S, _BEAT_STEP_S = 0.19, 1.30, 0.03
_OF_BEAT_SHIFTS = 2  # the greatest but so many: of few peaks the greatest is luck

AROUND_S = 2.0  # before and behind a stretch, where its own chance is counted


class Alignment(NamedTuple):
    """The query's second t lies on `ratio` * t + `offset_s`; its bands lie `raised` higher there."""

    ratio: float
    offset_s: float
    raised: float


class Both(NamedTuple):
    """Times and bands of the query's peaks, and of the reference's, both in order of time."""

    times_s: NDArray[np.float64]
    bands: NDArray[np.float64]
    others_s: NDArray[np.float64]
    other_bands: NDArray[np.float64]


class Stretch(NamedTuple):
    """Where an alignment holds.

    Attributes:
        alignment: the line through the matched peaks, by least squares, and their mean interval.
        first, last: numbers of the first and the last matched peak of the query.
        matched: how many peaks between them are.
        global_chance, local_chance: how many of a hundred would be by chance, in the whole query and near the stretch.
        ratio_error, offset_error_s, raised_error: standard errors; of the offset in the middle of the stretch.
    """

    alignment: Alignment
    first: int
    last: int
    matched: int
    global_chance: float
    local_chance: float
    ratio_error: float
    offset_error_s: float
    raised_error: float


def tried(query: Points, reference: Points, start: Alignment) -> Alignment:
    """Of the alignments around `start` the one under which most peaks of the query find another one."""
    return Alignment(*_tried(_both(query, reference), start))


def stretch(query: Points, reference: Points, start: Alignment) -> Stretch | None:
    """The heaviest stretch of the query under an alignment, which is fitted to it; None where too little matches."""
    both = _both(query, reference)
    fitted = _fitted(both, start)
    if fitted is None:
        return None
    found = Stretch(*_found(both, fitted))
    return found if found.matched >= _LEAST_MATCHES else None


def share(query: Points, reference: Points, alignment: Alignment) -> float:
    """Which share of the query's peaks find another one under an alignment, 0..1; 0 of none."""
    both = _both(query, reference)
    count = _match(both, alignment, NEAR, np.empty(len(both.times_s), np.int64))
    return float(count / max(1, len(both.times_s)))


def beat_chance(query: Points, reference: Points, found: Stretch) -> float:
    """How many of a stretch's peaks find another one where it is shifted by what may be a beat.

    Music on a grid has its peaks on its beats: two tracks of one tempo lie upon each other as soon as their beats do,
    and the shifts that chance is counted at fall between the beats.
    """
    behind_s = float(np.nextafter(query.times_s[found.last], np.inf))
    both = _both(query.between(float(query.times_s[found.first]), behind_s), reference)
    return float(_beat_chance(both, found.alignment))


def log_likelihood_ratio(matched: int, every: int, chance: float) -> float:
    """How much better its own share explains the matched peaks than chance does, in nats; 0 where it is no greater."""
    share = matched / every
    if share <= chance:
        return 0.0
    missed = every - matched
    return float(matched * np.log(share / chance) + (missed * np.log((1 - share) / (1 - chance)) if missed else 0.0))


def _both(query: Points, reference: Points) -> Both:
    return Both(query.times_s, query.bands, reference.times_s, reference.bands)


@njit(cache=True)
def _tried(
    both: Both,
    start: Alignment,
) -> Alignment:
    """Of the alignments around `start` the one with most matches: first shifted, then turned about these peaks' middle.

    To try all at once takes a third longer and finds one less in a hundred (2026-11-22).
    """
    best, most = start, -1
    matches = np.empty(len(both.times_s), np.int64)
    for late in _OFFSET_STEPS:
        for higher in _RAISED_STEPS:
            tried = Alignment(start.ratio, start.offset_s + late * _OFFSET_STEP_S, start.raised + higher * _RAISED_STEP)
            count = _match(both, tried, TRIED_NEAR, matches)
            if count > most:
                best, most = tried, count
    shifted, middle_s = best, both.times_s.mean()
    for step in _RATIO_STEPS:
        ratio = shifted.ratio * (1 + step * _RATIO_STEP)
        turned_s = shifted.offset_s + (shifted.ratio - ratio) * middle_s
        for late in _TURNED_STEPS:
            tried = Alignment(ratio, turned_s + late * _TURNED_STEP_S, shifted.raised)
            count = _match(both, tried, TRIED_NEAR, matches)
            if count > most:
                best, most = tried, count
    return best


@njit(cache=True)
def _fitted(
    both: Both,
    start: Alignment,
) -> Alignment | None:
    """Fitted, round by round, to the heaviest stretch under it: a long query's grows as the fit gets better."""
    matches = np.empty(len(both.times_s), np.int64)
    fitted = start
    for number in range(_ROUNDS):
        near = FIRST_NEAR if number == 0 else NEAR
        chance = _chance(both, fitted, near)
        _match(both, fitted, near, matches)
        first, last, weight = _heaviest(matches, chance)
        if weight < _LEAST_WEIGHT:
            return None
        line = _line(both, matches, first, last)
        if line.points < _LEAST_MATCHES or not LEAST_RATIO <= line.ratio <= MOST_RATIO:
            return None
        fitted = Alignment(line.ratio, line.offset_s, line.raised)
    return fitted


@njit(cache=True)
def _found(
    both: Both,
    fitted: Alignment,
) -> Stretch:
    """The heaviest stretch under an alignment; the errors are those of a line through its matches."""
    matches = np.empty(len(both.times_s), np.int64)
    _match(both, fitted, NEAR, matches)
    chance = _chance(both, fitted, NEAR)
    first, last, _ = _heaviest(matches, chance)
    line = _line(both, matches, first, last)
    local = chance
    if line.points:
        start = np.searchsorted(both.times_s, both.times_s[first] - AROUND_S)
        end = np.searchsorted(both.times_s, both.times_s[last] + AROUND_S)
        around = Both(both.times_s[start:end], both.bands[start:end], both.others_s, both.other_bands)
        local = _chance(around, fitted, NEAR)
    return Stretch(
        fitted, first, last, line.points, chance, local, line.ratio_error, line.offset_error_s, line.raised_error
    )


@njit(cache=True)
def _match(
    both: Both,
    alignment: Alignment,
    near: tuple[float, float],
    matches: NDArray[np.int64],
) -> int:
    """Fill in each peak's nearest one in the reference, -1 where none is near; returns how many have one."""
    times_s, bands, others_s, other_bands = both
    near_s, near_bands = near
    ratio, offset_s, raised = alignment
    count = 0
    first = np.searchsorted(others_s, ratio * times_s[0] + offset_s - near_s) if len(times_s) else 0
    for i in range(len(times_s)):
        second = ratio * times_s[i] + offset_s
        while first < len(others_s) and others_s[first] < second - near_s:
            first += 1
        matches[i], nearest = -1, np.inf
        for j in range(first, len(others_s)):
            late = (others_s[j] - second) / near_s
            if late > 1:
                break
            higher = (other_bands[j] - bands[i] - raised) / near_bands
            distance = late * late + higher * higher
            if abs(higher) <= 1 and distance < nearest:
                matches[i], nearest = j, distance
        count += matches[i] >= 0
    return count


@njit(cache=True)
def _chance(
    both: Both,
    alignment: Alignment,
    near: tuple[float, float],
) -> float:
    """How many of these peaks find another one where the reference is shifted against them.

    Of a long query every second, third … is asked.
    """
    stride = 1 + len(both.times_s) // _ENOUGH_PEAKS
    asked = Both(both.times_s[::stride].copy(), both.bands[::stride].copy(), both.others_s, both.other_bands)
    matches = np.empty(len(asked.times_s), np.int64)
    count = 0
    for step in range(_SHIFTS):
        for side in (-1, 1):
            shift_s = side * (_SHIFT_S + (step + 1) * _SHIFT_STEP_S)
            shifted = Alignment(alignment.ratio, alignment.offset_s + shift_s, alignment.raised)
            count += _match(asked, shifted, near, matches)
    rate = count / max(1, 2 * _SHIFTS * len(matches))
    return min(max(rate, _LEAST_CHANCE), _MOST_CHANCE)


@njit(cache=True)
def _beat_chance(both: Both, alignment: Alignment) -> float:
    stride = 1 + len(both.times_s) // _ENOUGH_PEAKS
    asked = Both(both.times_s[::stride].copy(), both.bands[::stride].copy(), both.others_s, both.other_bands)
    matches = np.empty(len(asked.times_s), np.int64)
    steps = int((_LAST_BEAT_S - _FIRST_BEAT_S) / _BEAT_STEP_S) + 1
    counts = np.empty(2 * steps, np.int64)
    for step in range(steps):
        late_s = _FIRST_BEAT_S + step * _BEAT_STEP_S
        for side in (-1, 1):
            shifted = Alignment(alignment.ratio, alignment.offset_s + side * late_s, alignment.raised)
            counts[2 * step + (side > 0)] = _match(asked, shifted, NEAR, matches)
    rate = np.sort(counts)[-1 - _OF_BEAT_SHIFTS] / max(1, len(matches))
    return float(min(max(rate, _LEAST_CHANCE), _MOST_CHANCE))


@njit(cache=True)
def _heaviest(matches: NDArray[np.int64], chance: float) -> tuple[int, int, float]:
    """First and last peak of the run that speaks most for a true stretch, and how much, in nats.

    It is Kadane's maximum sum of the log-likelihood ratios of `_GAIN` more matches than chance gives. Both peaks are
    matched; no matches give (0, -1, 0).
    """
    hit = min(_MOST_HIT, chance + _GAIN)
    gain, loss = np.log(hit / chance), np.log((1 - hit) / (1 - chance))
    best, first, last = 0.0, 0, -1
    total, start = 0.0, 0
    for i in range(len(matches)):
        if total <= 0:
            total, start = 0.0, i
        total += gain if matches[i] >= 0 else loss
        if total > best:
            best, first, last = total, start, i
    return first, last, best


class _Line(NamedTuple):
    points: int
    ratio: float
    offset_s: float
    raised: float
    ratio_error: float
    offset_error_s: float
    raised_error: float


@njit(cache=True)
def _line(
    both: Both,
    matches: NDArray[np.int64],
    first: int,
    last: int,
) -> _Line:
    """The line through the matched peaks first..last by least squares, with standard errors."""
    times_s, bands, others_s, other_bands = both
    count = 0
    mean_s, mean_other_s, raised = 0.0, 0.0, 0.0
    for i in range(first, last + 1):
        if matches[i] >= 0:
            count += 1
            mean_s += times_s[i]
            mean_other_s += others_s[matches[i]]
            raised += other_bands[matches[i]] - bands[i]
    if count < _LEAST_MATCHES:
        return _Line(count, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    mean_s, mean_other_s, raised = mean_s / count, mean_other_s / count, raised / count
    squares, products = 1e-12, 0.0
    for i in range(first, last + 1):
        if matches[i] >= 0:
            squares += (times_s[i] - mean_s) ** 2
            products += (times_s[i] - mean_s) * (others_s[matches[i]] - mean_other_s)
    ratio = products / squares
    left_s, left_bands = 0.0, 0.0
    for i in range(first, last + 1):
        if matches[i] >= 0:
            left_s += (others_s[matches[i]] - mean_other_s - ratio * (times_s[i] - mean_s)) ** 2
            left_bands += (other_bands[matches[i]] - bands[i] - raised) ** 2
    deviation_s = np.sqrt(left_s / (count - 2))
    return _Line(
        count,
        ratio,
        mean_other_s - ratio * mean_s,
        raised,
        deviation_s / np.sqrt(squares),
        deviation_s / np.sqrt(count),
        np.sqrt(left_bands / (count - 1) / count),
    )
