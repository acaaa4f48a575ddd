"""Where a track changes: how new each beat is, by a checkerboard and by what is repeated.

The checkerboard of Foote 2000 ("Automatic audio segmentation using a measure of audio novelty") compares what comes
before a beat with what comes after it. Structure features (Serra, Mueller, Grosche and Arcos 2012, "Unsupervised
detection of music boundaries by time series structure features") tell where the track stops repeating one stretch and
begins to repeat another. Timbre counts more than harmony, which by itself finds half as much. Numbers were chosen on
the tuning half of synthetic songs, 2026-11-21 (`ops/quality sections`); the least ones lie between noise and music.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter1d

from models.section.beats import Beats

FloatArray = NDArray[np.float64]

LONG_BEATS, SHORT_BEATS = 32, 4  # reaches of the checkerboard: for sections, for bars
SPREAD = 0.4  # standard deviation of its taper, in reaches
HARMONY_SHARE = 0.3
STACK_BEATS = 4
LEAST_CONTRAST = 0.5  # of harmony: noise has 0.2 to 0.5, music mostly over 1
LEAST_DEVIATION_DB = 2.0  # of timbre: noise has 0.7, music over 5
LEAST_TIMBRE = 2.0  # distance from the track's mean, in deviations; a beat of music is usually 4 off
LEAST_NOVELTY = 0.15  # the greatest of a track that changes at all: of noise it is 0.02, of recordings at least 0.2

REPEATED_WEIGHT = 0.5
NEIGHBOURS = 0.04  # share of a track's beats
BLUR_BEATS, BLUR_LAGS = 8.0, 2.0  # standard deviations
BLOCK_BEATS = 1_200  # ten minutes: what an hour repeats is looked for, and its novelty measured, within as many


def features(heard: Beats, harmony: NDArray[np.float32]) -> FloatArray:
    """Harmony and timbre of every beat, (beats, 40): rows of length 1, less where both are nearly those of noise."""
    halves = harmony.reshape(-1, 2, 12).astype(np.float64)
    halves -= halves.mean(axis=2, keepdims=True)
    halves /= np.maximum(np.linalg.norm(halves, axis=2, keepdims=True), LEAST_CONTRAST)
    timbre = np.column_stack([heard.timbre, heard.loudness_db]).astype(np.float64)
    timbre -= timbre.mean(axis=0)
    timbre /= np.maximum(timbre.std(axis=0), LEAST_DEVIATION_DB)
    timbre /= np.maximum(np.linalg.norm(timbre, axis=1, keepdims=True), LEAST_TIMBRE)
    harmony = halves.reshape(-1, 24) * np.sqrt(0.5)
    return np.concatenate([np.sqrt(HARMONY_SHARE) * harmony, np.sqrt(1 - HARMONY_SHARE) * timbre], axis=1)


def novelty(heard: FloatArray) -> FloatArray:
    """How much begins at every beat, 0..1, relative to the greatest nearby; all near 0 for what does not change.

    Args:
        heard: what `features` made, (beats, 40).
    """
    stacks = stacked(heard)
    rise = checkerboard(stacks, LONG_BEATS)
    rise /= np.maximum(maximum_filter1d(rise, BLOCK_BEATS), LEAST_NOVELTY)
    # In noise, too, something is repeated by chance: it counts as much as anything changes.
    both = rise + REPEATED_WEIGHT * maximum_filter1d(rise, BLOCK_BEATS) * repetition(stacks)
    return np.asarray(both / np.maximum(maximum_filter1d(both, BLOCK_BEATS), 1.0), np.float64)


def sharpness(heard: FloatArray) -> FloatArray:
    """How much changes from one bar to the next at every beat, 0..1, relative to the greatest nearby.

    Args:
        heard: what `features` made, (beats, 40).
    """
    rise = checkerboard(heard, SHORT_BEATS)
    return np.asarray(rise / np.maximum(maximum_filter1d(rise, BLOCK_BEATS), LEAST_NOVELTY), np.float64)


def stacked(heard: FloatArray) -> FloatArray:
    """Every beat with the three around it, as one row of length 1 at most."""
    before = STACK_BEATS // 2
    padded = np.pad(heard, ((before, STACK_BEATS - 1 - before), (0, 0)), mode="edge")
    return np.asarray(sliding_window_view(padded, STACK_BEATS, axis=0).reshape(len(heard), -1) / np.sqrt(STACK_BEATS))


def checkerboard(rows: FloatArray, reach: int) -> FloatArray:
    """Foote's novelty before every row, at least 0: likeness within both sides less likeness across."""
    count = len(rows)
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="symmetric")
    likeness = np.zeros((len(padded), 2 * reach))
    for lag in range(2 * reach):
        likeness[: len(padded) - lag, lag] = (padded[: len(padded) - lag] * padded[lag:]).sum(axis=1)
    taper = np.exp(-0.5 * ((np.arange(2 * reach) - reach + 0.5) / (SPREAD * reach)) ** 2)
    return np.maximum(_checked(likeness, taper / taper.sum(), count), 0.0)


@njit(cache=True)
def _checked(likeness: FloatArray, taper: FloatArray, count: int) -> FloatArray:
    reach = len(taper) // 2
    totals = np.zeros(count)
    for beat in range(count):
        for first in range(2 * reach):
            for second in range(first, 2 * reach):
                weight = taper[first] * taper[second] * (1.0 if first == second else 2.0)
                across = first < reach <= second
                totals[beat] += (-weight if across else weight) * likeness[beat + first, second - first]
    return totals


def repetition(rows: FloatArray) -> FloatArray:
    """How much the lags change at every row at which it is repeated, 0..1."""
    count = len(rows)
    changes = np.zeros(count)
    for start in range(0, max(1, count - BLOCK_BEATS // 2), BLOCK_BEATS // 2):
        block = rows[start : start + BLOCK_BEATS]
        found = changes[start : start + BLOCK_BEATS]
        np.maximum(found, _lag_changes(block), out=found)
    return changes


def _lag_changes(rows: FloatArray) -> FloatArray:
    count = len(rows)
    alike = rows @ rows.T
    np.fill_diagonal(alike, -1.0)
    place = count - max(1, int(NEIGHBOURS * count))
    least = np.partition(alike, place, axis=1)[:, place]
    near = (alike >= least[:, None]) & (alike >= least)
    lags = np.zeros((count, 2 * count), np.float32)
    for row in range(count):
        lags[row, count - row : 2 * count - row] = near[row]
    blurred = gaussian_filter(lags, (BLUR_BEATS, BLUR_LAGS))
    changes = np.zeros(count)
    changes[1:] = np.square(np.diff(blurred, axis=0)).sum(axis=1)
    return np.asarray(changes / max(changes.max(), 1e-9), np.float64)
