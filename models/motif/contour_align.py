"""How alike two contours are along an alignment: a local alignment (Smith and Waterman 1981) in a narrow band.

Both run at the pace of the reference. Each frame adds how much more alike the two are than strangers mostly are; a run
that bends away from the straight line pays for it. Frames are soft: a melody whose notes nobody could list still has a
contour. The band keeps chance low: strangers find no path through the whole plane, only along the line that a few
chains of notes have proposed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.motif.contour import FRAMES_PER_S, Contour

MEAN_SHARE = 0.5  # of the track's mean contour: what is left shows where a frame differs from the others
LEAST_COSINE = 0.45  # what a frame is worth is its cosine less this
GAP = 0.3  # for each frame of which one side has more
BAND_FRAMES = 5  # on both sides of the line: one second
REACH_S = 45.0  # of both sides of a hypothesis' middle, in the query

Directions = NDArray[np.float32]  # (frames, 12), rows of unit length, zeros in silence


@dataclass(frozen=True, slots=True)
class Run:
    """The heaviest run; `score` is at most 0.55 a frame.

    Attributes:
        similarity: mean cosine 0..1 of the frames from its start to its end.
        start_s, end_s: in the reference's time, to a frame; both 0 for no run.
    """

    score: float
    similarity: float
    start_s: float
    end_s: float


def directions(contour: Contour) -> Directions:
    """Rows of a contour less `MEAN_SHARE` of their mean, of unit length; zeros where it is silent."""
    rows = contour.astype(np.float32)
    sounding = rows.any(axis=1)
    if sounding.any():
        rows[sounding] -= np.float32(MEAN_SHARE) * rows[sounding].mean(axis=0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.maximum(norms, 1e-6), np.float32)


def run(
    query: Directions, reference: Directions, *, tempo_ratio: float, offset_s: float, semitones: int, middle_s: float
) -> Run:
    """The heaviest run of the query in the reference near reference_s = tempo_ratio * query_s + offset_s.

    Args:
        semitones: by which the query is higher.
        middle_s: in the query; no more than `REACH_S` on both sides of it is heard.
    """
    lowered = np.ascontiguousarray(np.roll(query, -semitones, axis=1))
    there = (tempo_ratio * middle_s + offset_s) * FRAMES_PER_S
    reach = REACH_S * tempo_ratio * FRAMES_PER_S
    first, end = max(0, int(there - reach)), min(len(reference), int(there + reach) + 1)
    score, similarity, start, last = _band(lowered, reference, (tempo_ratio, offset_s * FRAMES_PER_S), first, end)
    if score <= 0:
        return Run(0.0, 0.0, 0.0, 0.0)
    return Run(score, min(1.0, max(0.0, similarity)), start / FRAMES_PER_S, (last + 1) / FRAMES_PER_S)


@njit(cache=True)
def _band(
    query: Directions, reference: Directions, line: tuple[float, float], first: int, end: int
) -> tuple[float, float, int, int]:
    """Score, mean cosine, first and last frame of the heaviest run over frames first..end of the reference.

    Query frame k lies upon reference frame line[0] * k + line[1]; places in the band are bends from there.
    """
    width = 2 * BAND_FRAMES + 1
    before, now = np.zeros((width, 4)), np.zeros((width, 4))  # score, cosines, frames that were compared, first frame
    before[:, 3] = first
    best = np.zeros(4)
    last = 0
    for frame in range(first, end):
        expected = _between(query, (frame + 0.5 - line[1]) / line[0] - 0.5)  # frame i is the time from i to i + 1
        for bend in range(width):
            at = frame + bend - BAND_FRAMES
            cosine = 0.0
            if 0 <= at < len(reference):
                for tone in range(12):
                    cosine += expected[tone] * reference[at, tone]
            cell = now[bend]
            cell[:] = before[bend]
            cell[0] += cosine - LEAST_COSINE
            cell[1] += cosine
            cell[2] += 1
            if bend + 1 < width and before[bend + 1, 0] - GAP > cell[0]:
                cell[:] = before[bend + 1]
                cell[0] -= GAP
            if bend > 0 and now[bend - 1, 0] - GAP > cell[0]:
                cell[:] = now[bend - 1]
                cell[0] -= GAP
            if cell[0] <= 0:
                cell[:] = 0
                cell[3] = frame + 1
            if cell[0] > best[0]:
                best[:] = cell
                last = frame
        before, now = now, before
    return best[0], best[1] / max(best[2], 1), int(best[3]), last


@njit(cache=True)
def _between(rows: Directions, place: float) -> NDArray[np.float32]:
    """What lies at a fractional row, (12,); zeros outside."""
    below = int(np.floor(place))
    read = np.zeros(12, np.float32)
    if 0 <= below < len(rows):
        read += np.float32(below + 1 - place) * rows[below]
    if 0 <= below + 1 < len(rows):
        read += np.float32(place - below) * rows[below + 1]
    return read
