"""How votes are counted: guesses fall into cells of (window of the query, track, second of the track), then cluster."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.fingerprint.landmarks import BAND_BITS, SPAN_BITS, STEPS_PER_S, TIME_BITS, TRACK_BIT
from models.fingerprint.peaks import BANDS_PER_SEMITONE

LEAST_RATIO, MOST_RATIO = 0.72, 1.40  # of tempos; at 0.62..1.6 loops of drums were taken for each other at 3:2
MOST_SEMITONES = 5.6
PAIR_SEMITONES = 1.0
NEAR_S, NEAR_SEMITONES, NEAR_TEMPO = (
    0.35,
    0.4,
    0.05,
)  # guesses, or hypotheses, of one alignment; tempo: log of the ratio
LEAST_ANCHORS = 2

_TIME_MASK, _BAND_MASK, _SPAN_MASK = (1 << TIME_BITS) - 1, (1 << BAND_BITS) - 1, (1 << SPAN_BITS) - 1
_SPREADING = 0x9E3779B1  # Knuth's multiplier: neighbouring numbers of tracks land far from each other


class Ballots(NamedTuple):
    """Rows of one kind that matched, and the probes that asked for them.

    Attributes:
        payloads: int64 (rows,).
        places: int64 (rows,), of a row's key among those asked.
        weights: float64 (keys,), of a row that has this key.
        starts: int64 (keys + 1,), of a key's probes.
        times_s, bands, spans_s, anchors: (probes,), as in `Probes`.
        by_pairs: whether a row is a pair's, which tells no tempo.
    """

    payloads: NDArray[np.int64]
    places: NDArray[np.int64]
    weights: NDArray[np.float64]
    starts: NDArray[np.int64]
    times_s: NDArray[np.float64]
    bands: NDArray[np.float64]
    spans_s: NDArray[np.float64]
    anchors: NDArray[np.int64]
    by_pairs: bool


class Windows(NamedTuple):
    """Stretches of the query that vote apart, two of which hold each second inside it."""

    start_s: float
    hop_s: float
    windows: int


class Guesses(NamedTuple):
    """The guesses of some cells, (cells, most of a cell), of which `counts`, (cells,), are there.

    `under_s` is the track's second under the middle of the cell's window, `log_ratios` those of the tempos.
    """

    counts: NDArray[np.int64]
    tracks: NDArray[np.int64]
    log_ratios: NDArray[np.float64]
    semitones: NDArray[np.float64]
    under_s: NDArray[np.float64]
    weights: NDArray[np.float64]
    anchors: NDArray[np.int64]
    times_s: NDArray[np.float64]


@njit(cache=True)
def cast(ballots: Ballots, windows: Windows, table: NDArray[np.float32]) -> None:
    """Add each guess's weight to its cells in `table`, float32 (windows, cells), cells a power of two."""
    for row in range(len(ballots.payloads)):
        key = ballots.places[row]
        for probe in range(ballots.starts[key], ballots.starts[key + 1]):
            possible, ratio, _, offset_s = _guess(ballots, row, probe)
            if possible:
                first, last = _held_by(windows, ballots.times_s[probe])
                for window in range(first, last + 1):
                    under_s = _under_s(windows, window, ratio, offset_s)
                    cell = _cell(ballots.payloads[row], under_s, table.shape[1])
                    table[window, cell] += ballots.weights[key]


@njit(cache=True)
def gather(ballots: Ballots, windows: Windows, slots: NDArray[np.int32], count: int, most: int) -> Guesses:
    """The guesses in chosen cells and in the cell behind each, at most `most` of a cell.

    Args:
        slots: int32 (windows, cells), the number 0..count - 1 of a chosen cell, else -1.
    """
    counts = np.zeros(count, np.int64)
    cells = slots.shape[1]
    shape = (count, most)
    tracks, anchors = np.empty(shape, np.int64), np.empty(shape, np.int64)
    log_ratios, semitones, under_s = np.empty(shape), np.empty(shape), np.empty(shape)
    weights, times_s = np.empty(shape), np.empty(shape)
    for row in range(len(ballots.payloads)):
        key = ballots.places[row]
        for probe in range(ballots.starts[key], ballots.starts[key + 1]):
            possible, ratio, higher, offset_s = _guess(ballots, row, probe)
            if not possible:
                continue
            first, last = _held_by(windows, ballots.times_s[probe])
            for window in range(first, last + 1):
                second = _under_s(windows, window, ratio, offset_s)
                cell = _cell(ballots.payloads[row], second, cells)
                for slot in (slots[window, cell], slots[window, (cell - 1) & (cells - 1)]):
                    if slot < 0 or counts[slot] >= most:
                        continue
                    at = counts[slot]
                    counts[slot] += 1
                    tracks[slot, at] = _track(ballots.payloads[row])
                    log_ratios[slot, at], semitones[slot, at] = np.log(ratio), higher
                    under_s[slot, at] = second
                    weights[slot, at], anchors[slot, at] = ballots.weights[key], ballots.anchors[probe]
                    times_s[slot, at] = ballots.times_s[probe]
    return Guesses(counts, tracks, log_ratios, semitones, under_s, weights, anchors, times_s)


@njit(cache=True)
def clusters(guesses: Guesses, anchors: int) -> NDArray[np.float64]:
    """Of each cell the guesses that agree with the one that most agree with, put together.

    Args:
        anchors: a number above all anchors'.
    Returns:
        float64 (cells, 6): track, tempo ratio, semitones, the track's second under the middle of the window, score, and
        the mean second of the query's anchors. The score is the sum over distinct anchors of each one's best weight, 0
        where there are fewer than `LEAST_ANCHORS`.
    """
    found = np.zeros((len(guesses.counts), 6))
    best, seen = np.zeros(anchors), np.full(anchors, -1, np.int64)
    for cell in range(len(found)):
        seed = _seed(guesses, cell)
        if seed < 0:
            continue
        members, distinct = 0, 0
        log_ratio, semitones, under_s, time_s = 0.0, 0.0, 0.0, 0.0
        for j in range(guesses.counts[cell]):
            if not _near(guesses, cell, seed, j):
                continue
            members += 1
            log_ratio += guesses.log_ratios[cell, j]
            semitones += guesses.semitones[cell, j]
            under_s += guesses.under_s[cell, j]
            time_s += guesses.times_s[cell, j]
            anchor = guesses.anchors[cell, j]
            if seen[anchor] != cell:
                seen[anchor], best[anchor] = cell, 0.0
                distinct += 1
            best[anchor] = max(best[anchor], guesses.weights[cell, j])
        found[cell, 0], found[cell, 1] = guesses.tracks[cell, seed], np.exp(log_ratio / members)
        found[cell, 2], found[cell, 3] = semitones / members, under_s / members
        found[cell, 5] = time_s / members
        if distinct >= LEAST_ANCHORS:
            for j in range(guesses.counts[cell]):
                anchor = guesses.anchors[cell, j]
                if seen[anchor] == cell:
                    found[cell, 4] += best[anchor]
                    seen[anchor] = -1
    return found


@njit(cache=True)
def _seed(guesses: Guesses, cell: int) -> int:
    """The guess of a cell that the heaviest others agree with, -1 of an empty one."""
    seed, most = -1, 0.0
    for i in range(guesses.counts[cell]):
        total = 0.0
        for j in range(guesses.counts[cell]):
            if _near(guesses, cell, i, j):
                total += guesses.weights[cell, j]
        if total > most:
            seed, most = i, total
    return seed


@njit(cache=True)
def _near(guesses: Guesses, cell: int, i: int, j: int) -> bool:
    return bool(
        guesses.tracks[cell, i] == guesses.tracks[cell, j]
        and abs(guesses.under_s[cell, i] - guesses.under_s[cell, j]) <= NEAR_S
        and abs(guesses.semitones[cell, i] - guesses.semitones[cell, j]) <= NEAR_SEMITONES
        and abs(guesses.log_ratios[cell, i] - guesses.log_ratios[cell, j]) <= NEAR_TEMPO
    )


@njit(cache=True)
def _guess(ballots: Ballots, row: int, probe: int) -> tuple[bool, float, float, float]:
    """Whether it is possible, tempo ratio, by how many semitones the query is higher, track second of its second 0."""
    payload = ballots.payloads[row]
    higher = (ballots.bands[probe] - ((payload >> SPAN_BITS) & _BAND_MASK)) / BANDS_PER_SEMITONE
    ratio = 1.0
    if ballots.by_pairs:
        possible = abs(higher) <= PAIR_SEMITONES
    else:
        ratio = (payload & _SPAN_MASK) / STEPS_PER_S / ballots.spans_s[probe]
        possible = abs(higher) <= MOST_SEMITONES and LEAST_RATIO <= ratio <= MOST_RATIO
    time_s = ((payload >> (BAND_BITS + SPAN_BITS)) & _TIME_MASK) / STEPS_PER_S
    return possible, ratio, higher, time_s - ratio * ballots.times_s[probe]


@njit(cache=True)
def _track(payload: int) -> int:
    return payload >> TRACK_BIT


@njit(cache=True)
def _held_by(windows: Windows, time_s: float) -> tuple[int, int]:
    """The first and the last window that hold a second of the query."""
    last = min(int((time_s - windows.start_s) / windows.hop_s), windows.windows - 1)
    return max(0, min(last, int((time_s - windows.start_s) / windows.hop_s) - 1)), last


@njit(cache=True)
def _under_s(windows: Windows, window: int, ratio: float, offset_s: float) -> float:
    """The track's second under the middle of a window."""
    return ratio * (windows.start_s + (window + 1) * windows.hop_s) + offset_s


@njit(cache=True)
def _cell(payload: int, under_s: float, cells: int) -> int:
    """Cells of successive seconds of a track follow each other."""
    return (_track(payload) * _SPREADING + int(np.floor(under_s))) & (cells - 1)
