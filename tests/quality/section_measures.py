"""How well a song was cut into sections and they were named: the figures of mir_eval and MIREX, from arrays alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

FRAME_S = 0.1

Labelled = Sequence[tuple[float, float, str]]  # start_s, end_s, label, in order and without gaps


def hits(truth_s: Sequence[float], found_s: Sequence[float], within_s: float) -> tuple[float, float, float]:
    """Precision, recall and F of inner boundaries, each used once at most (mir_eval's `detection` with `trim`).

    Args:
        truth_s, found_s: all boundaries, beginning and end of the track included; those two are not judged.
    """
    truth, found = np.asarray(truth_s[1:-1]), np.asarray(found_s[1:-1])
    if not len(truth) or not len(found):
        return 0.0, 0.0, 0.0
    near = csr_matrix(np.abs(truth[:, None] - found) <= within_s)
    count = int((maximum_bipartite_matching(near) >= 0).sum())
    precision, recall = count / len(found), count / len(truth)
    return precision, recall, _f(precision, recall)


def pairwise(truth: Labelled, found: Labelled) -> float:
    """F of the pairs of instants that have the same label (mir_eval's `pairwise`)."""
    together = _contingency(truth, found)
    both = _pairs(together)
    return _f(both / max(_pairs(together.sum(axis=0)), 1), both / max(_pairs(together.sum(axis=1)), 1))


def matched_labels(truth: Labelled, found: Labelled) -> dict[str, str]:
    """Which true label each found one stands for, by the best one-to-one matching; some stand for none."""
    together = _contingency(truth, found)
    names, ours = (sorted({label for *_, label in labelled}) for labelled in (truth, found))
    rows, columns = linear_sum_assignment(-together)
    return {ours[column]: names[row] for row, column in zip(rows, columns, strict=True)}


def mislabelled(truth: Labelled, found: Labelled) -> float:
    """Share of the time that has another label, after the best one-to-one matching of the labels."""
    together = _contingency(truth, found)
    rows, columns = linear_sum_assignment(-together)
    return 1.0 - float(together[rows, columns].sum() / together.sum())


def _pairs(counts: NDArray[np.float64]) -> float:
    return float((counts * (counts - 1)).sum() / 2)


def _f(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _contingency(truth: Labelled, found: Labelled) -> NDArray[np.float64]:
    """Frames by true label and found label."""
    end_s = min(truth[-1][1], found[-1][1])
    times_s = np.arange(max(truth[0][0], found[0][0]), end_s, FRAME_S) + FRAME_S / 2
    names, ours = (_at(labelled, times_s) for labelled in (truth, found))
    together = np.zeros([len({label for *_, label in labelled}) for labelled in (truth, found)])
    np.add.at(together, (names, ours), 1)
    return together


def _at(labelled: Labelled, times_s: NDArray[np.float64]) -> NDArray[np.intp]:
    labels = np.unique([label for *_, label in labelled], return_inverse=True)[1]
    starts = np.array([start for start, *_ in labelled])
    return np.asarray(labels[np.maximum(np.searchsorted(starts, times_s, side="right") - 1, 0)], np.intp)
