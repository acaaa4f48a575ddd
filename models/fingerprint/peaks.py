"""Peaks: the points at which a recording stands out of its own surroundings in time and frequency.

They are all that recognition keeps of a recording: noise, another equaliser and another file format leave most of them
where they are, another pitch moves all of them by the same number of bands, another tempo stretches their times. Tuples
of them are looked up (`landmarks`), and whole lists are laid upon each other (`recognise`). The constants were
measured on 2026-11-21 over 54 tracks and 27 ways to damage them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import rfft

RATE_HZ = 11_025
WINDOW_SAMPLES = 2_048
HOP_SAMPLES = 256
FRAMES_PER_S = RATE_HZ / HOP_SAMPLES  # 43.07
MIDDLE_S = (
    WINDOW_SAMPLES / 2 / RATE_HZ
)  # a frame is where its window's middle is: its start lets 20 % of tempo cost 19 ms

BANDS = 240
BANDS_PER_OCTAVE = 48
BANDS_PER_SEMITONE = 4
LOWEST_HZ = 170.0  # to 5,362 Hz: what a telephone leaves lies inside

LONGEST_S = 10_400.0  # of what is heard; a row of the index counts 2**20 steps of 10 ms
KEPT_RANK = 40  # peaks kept in each second: no search asks for more

_TRANSFORM_SAMPLES = 4_096
_FLOOR_DB = -20.0  # 74 dB below a full-scale sine; never the track's own maximum, which an excerpt has not
_LEAST_STRENGTH_DB = 3.0
_AROUND_BANDS = 24  # what a peak stands out of: half an octave to both sides,
_AROUND_FRAMES = 43  # and a second
_NEIGHBOURHOOD = (
    4  # frames and bands that a peak is the greatest of; 8 frames find fewer again (0.77 of them, not 0.79)
)
_RIVALS_S = 0.5
_BLOCK_FRAMES = 4_096  # heard at a time; memory does not grow with the track
_MARGIN_FRAMES = _AROUND_FRAMES + _NEIGHBOURHOOD + 1
_BATCH_FRAMES = 512

_TIME_STEPS, _BAND_STEPS = 8, 4  # to a frame, to a band; so fine that nothing is lost (98.1 % found as without)
_FREQUENCY_BITS, _RANK_BITS = 10, 8

Peaks = NDArray[np.uint32]
"""(peaks, 2), in order of time, then frequency, as stored: time in eighths of a frame << 10 | frequency in quarters of
a band, and strength in half decibels << 8 | rank. Quantised before anything is made of them, so that what is stored
and what has just been heard give the same keys."""


@dataclass(frozen=True, slots=True)
class Points:
    """Peaks unpacked, in order of time.

    Attributes:
        times_s: float64 (points,).
        bands: float64 (points,), in bands of a quarter of a semitone, 0 at 170 Hz.
        strengths_db: float64 (points,), over what is around.
        ranks: int64 (points,), how many peaks within half a second are stronger.
    """

    times_s: NDArray[np.float64]
    bands: NDArray[np.float64]
    strengths_db: NDArray[np.float64]
    ranks: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.times_s)

    def between(self, start_s: float, end_s: float) -> Points:
        """Those from `start_s` on, and before `end_s`."""
        part = slice(*np.searchsorted(self.times_s, (start_s, end_s)))
        return Points(self.times_s[part], self.bands[part], self.strengths_db[part], self.ranks[part])

    def strongest(self, most_rank: int) -> Points:
        """Those that fewer than `most_rank` others within half a second exceed."""
        part = self.ranks < most_rank
        return Points(self.times_s[part], self.bands[part], self.strengths_db[part], self.ranks[part])


def peaks(samples: NDArray[np.float32]) -> Peaks:
    """Find the peaks of a recording.

    Args:
        samples: mono at `RATE_HZ`, float32 (samples,), in -1..1, finite, of any length; nothing is heard behind
            `LONGEST_S`.
    Returns:
        At most about `KEPT_RANK` a second; silence, and what is shorter than three frames (0.24 s), gives (0, 2).
    """
    samples = samples[: round(LONGEST_S * RATE_HZ)]
    frames = 1 + (len(samples) - WINDOW_SAMPLES) // HOP_SAMPLES
    found = []
    for first in range(0, frames, _BLOCK_FRAMES):
        start, end = max(0, first - _MARGIN_FRAMES), min(frames, first + _BLOCK_FRAMES + _MARGIN_FRAMES)
        level = _level(samples[start * HOP_SAMPLES : (end - 1) * HOP_SAMPLES + WINDOW_SAMPLES])
        picked = _picked(_emphasis(level), first - start, min(frames, first + _BLOCK_FRAMES) - start)
        picked[:, 0] += start
        found.append(picked)
    if not found:
        return np.zeros((0, 2), np.uint32)
    every = np.concatenate(found)
    ranks = _ranks(every[:, 0] / FRAMES_PER_S, every[:, 2], _RIVALS_S)
    time, frequency, strength = np.rint(every * (_TIME_STEPS, _BAND_STEPS, 2)).astype(np.int64).T
    packed = np.stack([time << _FREQUENCY_BITS | frequency, strength << _RANK_BITS | ranks], axis=1)
    kept = packed[ranks < KEPT_RANK]
    return np.asarray(kept[np.argsort(kept[:, 0], kind="stable")], np.uint32)


def points(found: Peaks, most_rank: int = KEPT_RANK) -> Points:
    """Unpack the peaks that fewer than `most_rank` others within half a second exceed: so many in each second."""
    places, weights = found.astype(np.int64).T
    ranks = weights & ((1 << _RANK_BITS) - 1)
    kept = ranks < most_rank
    frames = (places[kept] >> _FREQUENCY_BITS) / _TIME_STEPS
    return Points(
        times_s=frames / FRAMES_PER_S + MIDDLE_S,
        bands=(places[kept] & ((1 << _FREQUENCY_BITS) - 1)) / _BAND_STEPS,
        strengths_db=(weights[kept] >> _RANK_BITS) / 2,
        ranks=ranks[kept],
    )


def _level(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decibels of each band, float32 (frames, bands)."""
    windows = sliding_window_view(samples, WINDOW_SAMPLES)[::HOP_SAMPLES]
    shape = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
    first, counts, weights = _filters()
    power = np.empty((len(windows), BANDS), np.float32)
    filled = np.zeros((_BATCH_FRAMES, _TRANSFORM_SAMPLES), np.float32)
    for at in range(0, len(windows), _BATCH_FRAMES):
        batch = windows[at : at + _BATCH_FRAMES]
        np.multiply(batch, shape, out=filled[: len(batch), :WINDOW_SAMPLES])
        _banded(rfft(filled[: len(batch)], axis=1), first, counts, weights, power[at : at + _BATCH_FRAMES])
    return np.asarray(np.maximum(10 * np.log10(power + np.float32(1e-6)), _FLOOR_DB), np.float32)


def _filters() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Of each band its first bin, how many it has, and their weights, (bands,) twice and (bands, bins): triangles of
    sum 1.

    To each side they reach one band, or one bin where that is more.
    """
    bin_hz = RATE_HZ / _TRANSFORM_SAMPLES
    middle_hz = LOWEST_HZ * 2 ** (np.arange(BANDS) / BANDS_PER_OCTAVE)
    reach_hz = np.maximum(middle_hz * (2 ** (1 / BANDS_PER_OCTAVE) - 1), bin_hz)
    first = np.ceil((middle_hz - reach_hz) / bin_hz).astype(np.int64)
    bins = first[:, None] + np.arange(int(2 * reach_hz[-1] / bin_hz) + 2)
    weights = np.maximum(0, 1 - np.abs(bins * bin_hz - middle_hz[:, None]) / reach_hz[:, None])
    counts = weights.shape[1] - (weights[:, ::-1] > 0).argmax(axis=1)
    return first, counts, np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


@njit(cache=True, fastmath={"reassoc", "contract"})  # so that sums are taken several terms at a time
def _banded(
    spectrum: NDArray[np.complex64],
    first: NDArray[np.int64],
    counts: NDArray[np.int64],
    weights: NDArray[np.float32],
    power: NDArray[np.float32],
) -> None:
    """Fill `power`, (frames, bands)."""
    powers = np.empty(spectrum.shape[1], np.float32)
    for frame in range(len(spectrum)):
        for index in range(len(powers)):
            value = spectrum[frame, index]
            powers[index] = value.real * value.real + value.imag * value.imag
        for band in range(len(first)):
            total = np.float32(0)
            for index in range(counts[band]):
                total += weights[band, index] * powers[first[band] + index]
            power[frame, band] = total


def _emphasis(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decibels over the mean of half an octave to both sides and of a second before and after: no gain, no equaliser,
    no telephone changes it much. At the borders the mean is of what there is."""
    return level - _mean_of_frames(_mean_of_bands(level))


@njit(cache=True)
def _mean_of_bands(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each band and those around it; running sums take a third of the time of scipy's filter (2026-11-29)."""
    frames, bands = level.shape
    means = np.empty((frames, bands), np.float32)
    for i in range(frames):
        total = 0.0
        for k in range(-_AROUND_BANDS, bands):
            if k + _AROUND_BANDS < bands:
                total += level[i, k + _AROUND_BANDS]
            if k > _AROUND_BANDS:
                total -= level[i, k - _AROUND_BANDS - 1]
            if k >= 0:
                means[i, k] = total / (min(k + _AROUND_BANDS, bands - 1) - max(k - _AROUND_BANDS, 0) + 1)
    return means


@njit(cache=True)
def _mean_of_frames(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each frame and those around it."""
    frames, bands = level.shape
    means = np.empty((frames, bands), np.float32)
    totals = np.zeros(bands)
    for i in range(-_AROUND_FRAMES, frames):
        if i + _AROUND_FRAMES < frames:
            for k in range(bands):
                totals[k] += level[i + _AROUND_FRAMES, k]
        if i > _AROUND_FRAMES:
            for k in range(bands):
                totals[k] -= level[i - _AROUND_FRAMES - 1, k]
        if i >= 0:
            share = 1 / (min(i + _AROUND_FRAMES, frames - 1) - max(i - _AROUND_FRAMES, 0) + 1)
            for k in range(bands):
                means[i, k] = totals[k] * share
    return means


@njit(cache=True)
def _picked(emphasis: NDArray[np.float32], start: int, end: int) -> NDArray[np.float64]:
    """Frame, band and strength of the peaks in frames start..end, float64 (peaks, 3), both places to a fraction.

    The border of the plane has no peak: nothing tells whether it rises beyond. Of equal values the first counts.
    """
    frames, bands = emphasis.shape
    found = []
    for i in range(max(1, start), min(end, frames - 1)):
        for k in range(1, bands - 1):
            value = emphasis[i, k]
            if (
                value < _LEAST_STRENGTH_DB
                or value < emphasis[i, k + 1]
                or value <= emphasis[i, k - 1]
                or value < emphasis[i + 1, k]
                or value <= emphasis[i - 1, k]
                or not _greatest(emphasis, i, k)
            ):
                continue
            frame = i + _top(emphasis[i - 1, k], value, emphasis[i + 1, k])
            band = k + _top(emphasis[i, k - 1], value, emphasis[i, k + 1])
            found.append((frame, band, np.float64(value)))
    rows = np.empty((len(found), 3))
    for row in range(len(found)):
        rows[row, 0], rows[row, 1], rows[row, 2] = found[row]
    return rows


@njit(cache=True)
def _greatest(emphasis: NDArray[np.float32], i: int, k: int) -> bool:
    frames, bands = emphasis.shape
    value = emphasis[i, k]
    for row in range(max(0, i - _NEIGHBOURHOOD), min(frames, i + _NEIGHBOURHOOD + 1)):
        for column in range(max(0, k - _NEIGHBOURHOOD), min(bands, k + _NEIGHBOURHOOD + 1)):
            other = emphasis[row, column]
            if other > value or (other == value and (row, column) < (i, k)):
                return False
    return True


@njit(cache=True)
def _top(left: np.float32, middle: np.float32, right: np.float32) -> float:
    """Where the parabola through three values has its top, -0.5..0.5 from the middle one, which is the greatest."""
    bend = np.float64(left) - 2 * middle + right
    return 0.5 * (left - right) / bend if bend < 0 else 0.0


@njit(cache=True)
def _ranks(times_s: NDArray[np.float64], strengths_db: NDArray[np.float64], reach_s: float) -> NDArray[np.int64]:
    """How many within `reach_s` are stronger, at most 255; times may be out of order by a frame."""
    slack_s = 1 / FRAMES_PER_S
    ranks = np.zeros(len(times_s), np.int64)
    first = 0
    for i in range(len(times_s)):
        while times_s[first] < times_s[i] - reach_s - slack_s:
            first += 1
        for j in range(first, len(times_s)):
            if times_s[j] > times_s[i] + reach_s + slack_s:
                break
            if strengths_db[j] > strengths_db[i] and abs(times_s[j] - times_s[i]) <= reach_s:
                ranks[i] += 1
    return np.minimum(ranks, (1 << _RANK_BITS) - 1)
