"""Which tracks share a melody with a query: chains that agree on a transposition, a tempo and a place vote together.

Each row that a query's probe meets says by which transposition, at which tempo ratio and where the reference would play
the same notes. True ones agree. The query is taken in windows, because the place is told at a window's middle and the
error of a tempo ratio grows with the distance from it; so no window holds more votes than `MOST_VOTES`, however long
the query is. A key that half of the catalogue holds tells little and weighs little (inverse document frequency).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.chains import PITCH_BITS, SPAN_BITS, TICKS_PER_S, TIME_BITS, Probes

WINDOW_S, WINDOW_HOP_S = 30.0, 15.0
LEAST_RATIO, MOST_RATIO = 0.6, 1.65
RATIO_CELL = 0.08  # of the logarithm
PLACE_CELL_S = 1.25
GRIDS = 4  # cells shifted by half in ratio, in place, and in both: no true ratio and place lies at every border
LEAST_WEIGHT = 0.05  # of a key that every track holds
MOST_SHARE = 0.1  # of the catalogue: keys that more tracks hold are left out ...
ALWAYS_TRACKS = 20  # ... but never those of no more tracks than this
CELLS_OF_TRACK = 3
CELLS_SEEN = 64  # for each candidate; a track that plays what the query plays fills some dozen
HELD_SHARE = 0.5  # of the notes that the matched track holds: a track that holds as many holds the passage
MOST_VOTES = 1 << 20  # of a window; rows beyond are left out, those of the commonest keys first

TRACK_BIT = TIME_BITS + PITCH_BITS + SPAN_BITS
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Where a track may play what the query plays: at `tempo_ratio` * query_s + `offset_s`.

    Attributes:
        track: its number in the payloads.
        tempo_ratio: reference seconds per query second; > 1: the query is faster.
        semitones: by which the query is higher.
        score: votes, each the logarithm of how rare its key is.
        middle_s: the query's second around which the votes came; far from it ratio and offset are less exact.
    """

    track: int
    tempo_ratio: float
    offset_s: float
    semitones: int
    score: float
    middle_s: float


def hypotheses(asked: Probes, keys: Rows, payloads: Rows, tracks: int, *, candidates: int) -> list[Hypothesis]:
    """The likeliest alignments with the tracks that share most with a query.

    Args:
        asked: what was looked up.
        keys, payloads: the rows of `asked.keys` in the catalogue, int64 (rows,); the payload's bits from `TRACK_BIT` on
            are the track's number. Sorted by key, then by payload, as stores give them; else they are sorted here.
        tracks: how many the catalogue has.
        candidates: of how many tracks at most.
    Returns:
        The best first, at most `CELLS_OF_TRACK` different ones for each track.
    """
    found = [one for of in by_window(asked, keys, payloads, tracks, candidates=candidates) for one in of]
    kept: dict[int, list[Hypothesis]] = {}
    for one in sorted(found, key=lambda one: (-one.score, one.track, one.offset_s)):
        if one.track not in kept and len(kept) == candidates:
            continue
        of_track = kept.setdefault(one.track, [])
        if len(of_track) < CELLS_OF_TRACK and not any(_alike(one, other) for other in of_track):
            of_track.append(one)
    return sorted((one for of_track in kept.values() for one in of_track), key=lambda one: -one.score)


def by_window(
    asked: Probes, keys: Rows, payloads: Rows, tracks: int, *, candidates: int = 1, cells: int = GRIDS * CELLS_OF_TRACK
) -> Iterator[list[Hypothesis]]:
    """The same for each window of the query by itself, up to `cells` of a track; grids and windows tell many twice."""
    if not len(keys) or not len(asked.places):
        return
    found = _looked_up(asked, keys, payloads)
    weights = np.log(max(tracks, 1) / np.maximum(found.holders, 1)) + LEAST_WEIGHT
    weights[found.holders > max(ALWAYS_TRACKS, MOST_SHARE * tracks)] = 0
    for start_s in np.arange(0, max(float(asked.times_s[-1]) - WINDOW_HOP_S, 0) + 1e-6, WINDOW_HOP_S):
        yield _of_window(asked, (start_s, start_s + WINDOW_S), found, weights, (candidates, cells))


def held(asked: Probes, keys: Rows, payloads: Rows, start_s: float, end_s: float) -> dict[int, float]:
    """How many of a passage's notes each track holds in one alignment, by the track's number; of `commonness`.

    Args:
        asked, keys, payloads: as `hypotheses` takes them.
        start_s, end_s: of the passage, in the query; of one longer than a window its middle counts.
    """
    if not len(keys) or not len(asked.places):
        return {}
    found = _looked_up(asked, keys, payloads)
    middle_s, reach_s = (start_s + end_s) / 2, min(end_s - start_s, WINDOW_S) / 2
    around_s = middle_s - reach_s, middle_s + reach_s
    ids, sums, _ = _window_cells(asked, around_s, found, np.ones(len(asked.keys)))
    tracks, first = np.unique(ids >> _TRACK_SHIFT, return_index=True)
    return dict(zip(tracks.tolist(), sums[first, 0].tolist(), strict=True))  # cells come best first


def commonness(holding: Mapping[int, float], track: int, tracks: int) -> float:
    """The share of a catalogue, 0..1, that holds a passage at least half as well as a track that it was matched with.

    Args:
        holding: what `held` told of the passage.
        track: the matched track's number.
        tracks: of the catalogue.
    """
    least = HELD_SHARE * holding.get(track, 0.0)
    return min(1.0, sum(votes >= least for votes in holding.values()) / max(tracks, 1)) if least else 0.0


def _alike(one: Hypothesis, other: Hypothesis) -> bool:
    """Whether two windows, or two grids, tell the same; 30 s apart a ratio that is 3 % off is a second off."""
    near = abs(np.log(one.tempo_ratio / other.tempo_ratio)) < RATIO_CELL
    return one.semitones == other.semitones and near and abs(one.offset_s - other.offset_s) < 2 * PLACE_CELL_S


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of each asked key, firsts..ends of `payloads`, and how many tracks hold it."""

    payloads: Rows
    firsts: NDArray[np.intp]
    ends: NDArray[np.intp]
    holders: NDArray[np.int64]


def _looked_up(asked: Probes, keys: Rows, payloads: Rows) -> _Found:
    rises = np.diff(keys)
    if (rises < 0).any() or (np.diff(payloads)[rises == 0] < 0).any():
        order = np.lexsort((payloads, keys))
        keys, payloads = keys[order], payloads[order]
    firsts, ends = (np.searchsorted(keys, asked.keys, side) for side in ("left", "right"))
    return _Found(payloads, firsts, ends, _holders(payloads, firsts, ends))


def _of_window(
    asked: Probes, window_s: tuple[float, float], found: _Found, weights: NDArray[np.float64], most: tuple[int, int]
) -> list[Hypothesis]:
    """The best cells of a window, of at most so many tracks, and at most so many of each."""
    ids, sums, middle_s = _window_cells(asked, window_s, found, weights)
    kept: dict[int, int] = {}
    best = []
    first = slice(CELLS_SEEN * most[0])
    for number, (score, weight, logarithms, places_s) in zip(ids[first].tolist(), sums[first].tolist(), strict=True):
        track = number >> _TRACK_SHIFT
        if track not in kept and len(kept) == most[0]:
            break
        kept[track] = kept.get(track, 0) + 1
        if kept[track] <= most[1]:
            ratio = math.exp(logarithms / weight)
            semitones = (number >> _STEP_SHIFT & 255) - _STEP_ZERO
            best.append(Hypothesis(track, ratio, places_s / weight - ratio * middle_s, semitones, score, middle_s))
    return best


def _window_cells(
    asked: Probes, window_s: tuple[float, float], found: _Found, weights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
    """The cells of a window that have more than one vote, the best first, as `_cells` gives them; and its middle."""
    window = slice(*(int(at) for at in np.searchsorted(asked.times_s, window_s)))
    places = asked.places[window]
    votes = np.where(weights[places] > 0, found.ends[places] - found.firsts[places], 0)
    if int(votes.sum()) > MOST_VOTES:
        rarest_first = np.argsort(found.holders[places], kind="stable")
        votes[rarest_first[np.cumsum(votes[rarest_first]) > MOST_VOTES]] = 0
    voting = votes > 0
    if not voting.any():
        return np.zeros(0, np.int64), np.zeros((0, 4), np.float32), 0.0
    middle_s = float(asked.times_s[window][0] + asked.times_s[window][-1]) / 2
    ids, sums = _cells(
        (places[voting], asked.anchors[window][voting], asked.pitches[window][voting]),
        (asked.times_s[window][voting] - np.float32(middle_s), asked.spans_s[window][voting]),
        (found.firsts, found.ends, weights.astype(np.float32)),
        found.payloads,
        1 << math.ceil(math.log2(2 * GRIDS * int(votes.sum()) + 64)),
    )
    order = np.argsort(-sums[:, 0], kind="stable")
    return ids[order], sums[order], middle_s


@njit(cache=True)
def _holders(payloads: Rows, firsts: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.int64]:
    """How many tracks hold each key: rows firsts..ends of it are in order of their tracks."""
    holders = np.zeros(len(firsts), np.int64)
    for key in range(len(firsts)):
        last = -1
        for row in range(firsts[key], ends[key]):
            track = payloads[row] >> TRACK_BIT
            if track != last:
                holders[key] += 1
                last = track
    return holders


_TRACK_SHIFT, _STEP_SHIFT, _RATIO_SHIFT, _PLACE_SHIFT = 32, 24, 18, 2  # of a cell's number; its grid is the lowest bits
_PLACE_ROOM, _STEP_ZERO = 1 << 16, 128
_LEAST_LOGARITHM = float(np.log(LEAST_RATIO))


@njit(cache=True)
def _cells(
    numbers: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int16]],
    seconds: tuple[NDArray[np.float32], NDArray[np.float32]],
    looked_up: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]],
    payloads: Rows,
    size: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Votes of one window in cells of track, transposition, ratio and place.

    Args:
        numbers: of each probe the place of its key, its anchor and its pitch.
        seconds: of each probe its time, 0 in the window's middle, and its span.
        looked_up: where each key's rows begin and end in `payloads`, and what each is worth.
        size: of the table, a power of two.

    Of one anchor only the greatest vote counts in a cell. Returns the numbers of the cells with more than one vote,
    (cells,), and of each, float32 (cells, 4), its score and the sums of weights, of weighted logarithms of ratios and
    of weighted places.
    """
    (places, anchors, pitches), (times_s, spans_s), (firsts, ends, weights) = numbers, seconds, looked_up
    ids = np.full(size, -1, np.int64)
    sums = np.zeros((size, 6), np.float32)  # the last two: of the last anchor its number and its vote
    for probe in range(len(places)):
        for row in range(firsts[places[probe]], ends[places[probe]]):
            payload = payloads[row]
            ratio = (payload & ((1 << SPAN_BITS) - 1)) / TICKS_PER_S / spans_s[probe]
            if ratio < LEAST_RATIO or ratio > MOST_RATIO:
                continue
            begins_s = (payload >> (PITCH_BITS + SPAN_BITS) & ((1 << TIME_BITS) - 1)) / TICKS_PER_S
            step = pitches[probe] - (payload >> SPAN_BITS & ((1 << PITCH_BITS) - 1)) + _STEP_ZERO
            number = (payload >> TRACK_BIT) << _TRACK_SHIFT | step << _STEP_SHIFT
            vote = (weights[places[probe]], np.log(ratio), begins_s - ratio * times_s[probe])
            for grid in range(GRIDS):
                ratio_cell = int((vote[1] - _LEAST_LOGARITHM) / RATIO_CELL + 0.5 * (grid & 1))
                place_cell = int(np.floor(vote[2] / PLACE_CELL_S + 0.5 * (grid >> 1))) + 64
                cell = number | ratio_cell << _RATIO_SHIFT | (place_cell & (_PLACE_ROOM - 1)) << _PLACE_SHIFT | grid
                _add(sums[_slot(ids, cell)], anchors[probe], vote)
    used = np.flatnonzero((ids >= 0) & (sums[:, 1] > sums[:, 5]))
    return ids[used], sums[used, :4].copy()


@njit(cache=True)
def _slot(ids: NDArray[np.int64], number: int) -> np.int64:
    """Where a cell is in the table, which is never full; a new one is entered."""
    at = np.int64(np.uint64(number) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(20)) & (len(ids) - 1)
    while ids[at] != number and ids[at] >= 0:
        at = (at + 1) & (len(ids) - 1)
    ids[at] = number
    return at


@njit(cache=True)
def _add(sums: NDArray[np.float32], anchor: int, vote: tuple[float, float, float]) -> None:
    """One vote: weight, logarithm of the ratio, place."""
    weight = np.float32(vote[0])
    known = sums[5] if sums[4] == anchor + 1 else np.float32(0)
    if weight > known:
        sums[0] += weight - known
        sums[4], sums[5] = anchor + 1, weight
    sums[1] += weight
    sums[2] += weight * vote[1]
    sums[3] += weight * vote[2]
