"""The cells that chains vote in: a track, a transposition, a tempo ratio and a place, one hash table for a window."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.motif.chains import PITCH_BITS, SPAN_BITS, TICKS_PER_S, TIME_BITS

LEAST_RATIO, MOST_RATIO = 0.6, 1.65
RATIO_CELL = 0.08  # of the logarithm
PLACE_CELL_S = 1.25
GRIDS = 4  # cells shifted by half in ratio, in place, and in both: no true ratio and place lies at every border
LEAST_ANCHORS = 3  # that agree on a place: fewer are chance
TRACK_BIT = TIME_BITS + PITCH_BITS + SPAN_BITS
_TRACK_SHIFT, _STEP_SHIFT, _RATIO_SHIFT, _PLACE_SHIFT = 32, 24, 18, 2  # of a cell's number; its grid is the lowest bits
_PLACE_ROOM, _STEP_ZERO = 1 << 16, 128
_LEAST_LOGARITHM = float(np.log(LEAST_RATIO))

Rows = NDArray[np.int64]
Number = TypeVar("Number", int, NDArray[np.int64])
# Of each vote its track and transposition as `cells` numbers them, its anchor, and, float32 (votes, 3), its place, the
# logarithm of its tempo ratio and what it is worth.
Votes = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]


def track_of(cell: Number) -> Number:
    """The track of a cell's number."""
    return cell >> _TRACK_SHIFT


def semitones_of(cell: int) -> int:
    """By how much the query is higher there."""
    return (cell >> _STEP_SHIFT & 255) - _STEP_ZERO


@njit(cache=True)
def holders(payloads: Rows, firsts: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.int64]:
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


@njit(cache=True)
def votes(
    numbers: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int16]],
    seconds: tuple[NDArray[np.float32], NDArray[np.float32]],
    looked_up: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]],
    payloads: Rows,
    most: int,
) -> Votes:
    """What every row says.

    Args:
        numbers: of each probe the place of its key, its anchor and its pitch.
        seconds: of each probe its time, 0 in the window's middle, and its span.
        looked_up: where each key's rows begin and end in `payloads`, and what each is worth.
        most: how many rows these are.
    """
    (keys, anchors, pitches), (times_s, spans_s), (firsts, ends, weights) = numbers, seconds, looked_up
    whose, voters, told = np.zeros(most, np.int64), np.zeros(most, np.int32), np.zeros((most, 3), np.float32)
    count = 0
    for probe in range(len(keys)):
        for row in range(firsts[keys[probe]], ends[keys[probe]]):
            payload = payloads[row]
            ratio = (payload & ((1 << SPAN_BITS) - 1)) / TICKS_PER_S / spans_s[probe]
            if LEAST_RATIO <= ratio <= MOST_RATIO:
                begins_s = (payload >> (PITCH_BITS + SPAN_BITS) & ((1 << TIME_BITS) - 1)) / TICKS_PER_S
                step = pitches[probe] - (payload >> SPAN_BITS & ((1 << PITCH_BITS) - 1)) + _STEP_ZERO
                whose[count] = (payload >> TRACK_BIT) << _TRACK_SHIFT | step << _STEP_SHIFT
                voters[count] = anchors[probe]
                told[count, 0], told[count, 1] = begins_s - ratio * times_s[probe], np.log(ratio)
                told[count, 2] = weights[keys[probe]]
                count += 1
    return whose[:count], voters[:count], told[:count]


@njit(cache=True)
def promising(
    whose: NDArray[np.int64], voters: NDArray[np.int32], told: NDArray[np.float32], size: int
) -> NDArray[np.bool_]:
    """The votes of which `LEAST_ANCHORS` anchors cast one for the same track, transposition and, coarsely, place.

    Most rows stand alone. Cells here are two of `cells` wide and overlap by half: none of those is torn apart. Two
    cells that share a place in the table are counted together, which lets a few more through.
    """
    counts, last = np.zeros(size, np.int32), np.full(size, -1, np.int32)
    cells = np.zeros((len(whose), 2), np.int64)
    for vote in range(len(whose)):
        for half in range(2):
            place = np.int64(np.floor(told[vote, 0] / PLACE_CELL_S / 2 + 0.5 * half))
            at = _hash(whose[vote] | (place & (_PLACE_ROOM - 1)) << _PLACE_SHIFT | half) & (size - 1)
            cells[vote, half] = at
            if last[at] != voters[vote]:
                last[at] = voters[vote]
                counts[at] += 1
    kept = np.zeros(len(whose), np.bool_)
    for vote in range(len(whose)):
        kept[vote] = max(counts[cells[vote, 0]], counts[cells[vote, 1]]) >= LEAST_ANCHORS
    return kept


@njit(cache=True)
def cells(
    whose: NDArray[np.int64], voters: NDArray[np.int32], told: NDArray[np.float32], size: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Votes in cells of track, transposition, ratio and place; of one anchor only the greatest counts in a cell.

    `size`, of the table, is a power of two. Returns the numbers of the cells with more than one vote, (cells,), and of
    each, float32 (cells, 4), its score and the sums of weights, of weighted places and of weighted logarithms.
    """
    ids = np.full(size, -1, np.int64)
    sums = np.zeros((size, 6), np.float32)  # the last two: of the last anchor its number and its vote
    for vote in range(len(whose)):
        for grid in range(GRIDS):
            ratio_cell = int((told[vote, 1] - _LEAST_LOGARITHM) / RATIO_CELL + 0.5 * (grid & 1))
            place_cell = np.int64(np.floor(told[vote, 0] / PLACE_CELL_S + 0.5 * (grid >> 1))) & (_PLACE_ROOM - 1)
            cell = whose[vote] | ratio_cell << _RATIO_SHIFT | place_cell << _PLACE_SHIFT | grid
            _add(sums[_slot(ids, cell)], voters[vote], told[vote])
    used = np.flatnonzero((ids >= 0) & (sums[:, 1] > sums[:, 5]))
    return ids[used], sums[used, :4].copy()


@njit(cache=True)
def _hash(number: int) -> np.int64:
    return np.int64(np.uint64(number) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(20))


@njit(cache=True)
def _slot(ids: NDArray[np.int64], number: int) -> np.int64:
    """Where a cell is in the table, which is never full; a new one is entered."""
    at = _hash(number) & (len(ids) - 1)
    while ids[at] != number and ids[at] >= 0:
        at = (at + 1) & (len(ids) - 1)
    ids[at] = number
    return at


@njit(cache=True)
def _add(sums: NDArray[np.float32], anchor: int, told: NDArray[np.float32]) -> None:
    """One vote: place, logarithm of the ratio, weight."""
    weight = told[2]
    known = sums[5] if sums[4] == anchor + 1 else np.float32(0)
    if weight > known:
        sums[0] += weight - known
        sums[4], sums[5] = anchor + 1, weight
    sums[1] += weight
    sums[2] += weight * told[0]
    sums[3] += weight * told[1]
