"""Where sections begin: the best way to cut the bars of a track at what is new in it.

Peaks of novelty are a beat or two wide. Which beat it is, and how long sections are, is told by music's habits: they
begin on a bar, and last four, eight, sixteen bars. A dynamic programme weighs both. Which beats begin a bar is told by
what changes there from one beat to the next; that is decided around each beat anew, for trackers slip. All numbers were
chosen among others on the tuning half of synthetic songs, 2026-11-21 (`ops/quality sections`).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from models.section.beats import Beats
from models.section.novelty import features, novelty, sharpness

FloatArray = NDArray[np.float64]

METRES = (4, 3)
BAR_MEMORY_BEATS = 100.0  # standard deviation of what decides which beat begins a bar
SHARP_WEIGHT, OFF_BAR_COST = 0.1, 0.15  # in novelty, of which the greatest is 1
SECTION_COST, LENGTH_COST, FORM_COST = 0.3, 0.075, 0.2
USUAL_BARS, FORM_BARS = 8, 4
SHORTEST_BEATS, SHORTEST_END_BEATS = 12, 4  # the first and the last section may be a bar


def boundaries(heard: Beats, harmony: NDArray[np.float32]) -> NDArray[np.intp]:
    """Beats at which sections begin, then the number of beats: (sections + 1,); no beats give (0,).

    Args:
        heard: what `beats` made.
        harmony: what `beat_harmony` made of the same track, float32 (beats, 24).
    """
    if not len(heard.starts_s):
        return np.zeros(0, np.intp)
    rows = features(heard, harmony)
    rise = novelty(rows)
    sharp = sharpness(rows) * rise
    metre, on_bar = bars(sharp)
    return np.asarray(_cut(rise + SHARP_WEIGHT * sharp - OFF_BAR_COST * ~on_bar, metre), np.intp)


def bars(changes: FloatArray) -> tuple[int, NDArray[np.bool_]]:
    """Beats in a bar, and which of the beats begin one.

    Args:
        changes: how much begins at every beat, (beats,).
    """
    count = len(changes)
    places = np.arange(count)
    best: tuple[float, int, NDArray[np.bool_]] = (-np.inf, METRES[0], places % METRES[0] == 0)
    for metre in METRES:
        phases = [places % metre == phase for phase in range(metre)]
        struck = np.stack([np.where(phase, changes, 0.0) for phase in phases])
        around = gaussian_filter1d(struck, BAR_MEMORY_BEATS, mode="reflect")
        on_bar = around.argmax(axis=0) == places % metre
        # In standard errors of a mean over every `metre`-th beat: of fewer ones the greatest is greater by chance.
        stands_out = (changes[on_bar].mean() - changes.mean()) * np.sqrt(count / metre / (metre - 1))
        if stands_out > best[0]:
            best = (float(stands_out), metre, on_bar)
    return best[1], best[2]


@njit(cache=True)
def _cost(beats: int, metre: int, inner: bool) -> float:
    """What a section of so many beats costs; those at both ends may have any length."""
    cost = SECTION_COST + LENGTH_COST * float(abs(np.log2(beats / (USUAL_BARS * metre))))
    if not inner:
        return cost
    form = FORM_BARS * metre
    multiple = max(1, round(beats / form))
    off = min(1.0, abs(beats - multiple * form) / metre)
    return cost + FORM_COST * (off + 0.5 * (multiple % 2) * (1.0 - off))


@njit(cache=True)
def _cut(gain: FloatArray, metre: int) -> NDArray[np.int64]:
    """The cuts of greatest gain at inner boundaries less the sections' cost, 0 and the number of beats among them."""
    count = len(gain)
    best = np.full(count + 1, -np.inf)
    came_from = np.zeros(count + 1, np.int64)
    inner = np.array([_cost(max(1, beats), metre, True) for beats in range(count + 1)])
    outer = np.array([_cost(max(1, beats), metre, False) for beats in range(count + 1)])
    for cut in range(SHORTEST_END_BEATS, count - SHORTEST_END_BEATS + 1):
        best[cut] = gain[cut] - outer[cut]
        for before in range(SHORTEST_END_BEATS, cut - SHORTEST_BEATS + 1):
            total = best[before] + gain[cut] - inner[cut - before]
            if total > best[cut]:
                best[cut], came_from[cut] = total, before
    last, most = 0, -outer[count]
    for cut in range(SHORTEST_END_BEATS, count - SHORTEST_END_BEATS + 1):
        if best[cut] - outer[count - cut] > most:
            last, most = cut, best[cut] - outer[count - cut]
    cuts = [count]
    while last > 0:
        cuts.append(last)
        last = came_from[last]
    cuts.append(0)
    return np.array(cuts[::-1])
