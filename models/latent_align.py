"""Where two tracks hold like windows: the heaviest run through their similarities, as for harmony (`align`).

Windows begin only every other second, so places between them are read off the cosines beside the run: as a window
moves over the place that it resembles, they rise and fall.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.align import Alignment, heaviest_path, tempo_ratio
from models.card import Hearing, LatentMatching
from models.latents import window_range_s
from models.score import Similarities

ENDS = 5  # points of a run that together tell where it begins, or ends


def align_latents(
    alike: Similarities, units: int, durations_s: tuple[float, float], hearing: Hearing, matching: LatentMatching
) -> Alignment | None:
    """The best alignment of the query's windows with the candidate's; None where no two are alike at all.

    Where no run exceeds `least_cosine`, it is the most similar pair of windows.

    Args:
        alike: cosines 0..1, (query windows, candidate windows).
        units: how many of the query's windows are not silent.
        durations_s: of query and candidate.
    Returns:
        Its `score` is the part of the query that it holds, weighted by the cosines. The transposition is left 0:
        latents do not tell it.
    """
    if not alike.any():
        return None
    weights = np.maximum(alike - np.float32(matching.least_cosine), 0)
    weight, path = 0.0, np.zeros((0, 2), np.intp)
    if min(alike.shape) > 1 and weights.any():
        weight, path = heaviest_path(weights, matching.gap_onset, matching.gap_extend)
    if len(path) < 2:
        path = np.array([np.unravel_index(int(alike.argmax()), alike.shape)], np.intp)
    rows = int(path[-1, 0] - path[0, 0]) + 1
    held = float(alike[path[:, 0], path[:, 1]].mean()) * rows / units
    ranges = [[window_range_s(i, s, hearing) for i in range(n)] for n, s in zip(alike.shape, durations_s, strict=True)]
    queries, candidates = (np.array(side) for side in ranges)
    # A window lies upon what it resembles with its middle, whatever the tempo.
    middles = np.stack(
        [
            queries.mean(axis=1)[path[:, 0]],
            np.interp(_finer(alike, path), np.arange(alike.shape[1]), candidates.mean(axis=1)),
        ],
        axis=1,
    )
    ratio = float(np.clip(tempo_ratio(middles), 0.5, 2.0))
    start_s, end_s = (float(queries[path[place, 0], side]) for place, side in ((0, 0), (-1, 1)))
    off_s = middles[:, 1] - ratio * middles[:, 0]  # the candidate's second at the query's second 0, told by each point
    begins_s = min(float(np.median(off_s[:ENDS])) + ratio * start_s, float(middles[0, 1]))
    ends_s = max(float(np.median(off_s[-ENDS:])) + ratio * end_s, float(middles[-1, 1]))
    return Alignment(
        score=float(np.clip(held, 0.0, 1.0)),
        qmax=weight,
        chance=0.0,
        transposition_semitones=0,
        tempo_ratio=ratio,
        query_start_s=start_s,
        query_end_s=end_s,
        candidate_start_s=max(0.0, begins_s),
        candidate_end_s=min(ends_s, durations_s[1]),
    )


def _finer(alike: Similarities, path: NDArray[np.intp]) -> NDArray[np.float64]:
    """The columns of a path to a fraction: tops of the parabolas through each point and its neighbours in its row."""
    rows, columns = path.T
    last = alike.shape[1] - 1
    left, top, right = (alike[rows, np.clip(columns + beside, 0, last)].astype(np.float64) for beside in (-1, 0, 1))
    bend = left - 2 * top + right
    risen = (columns > 0) & (columns < last) & (bend < 0)
    moved = np.divide(0.5 * (left - right), bend, out=np.zeros(len(path)), where=risen)
    return np.asarray(columns + np.clip(moved, -0.5, 0.5))
