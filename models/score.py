"""Similarities of windows, and the three figures that the contract (A6) makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Similarities = NDArray[np.float32]  # (query windows, candidate windows), each 0..1


@dataclass(frozen=True, slots=True)
class WindowScores:
    """max >= max_then_mean >= hungarian_mean, always; all 0 where a side has no windows.

    Attributes:
        max: the most similar pair of windows.
        max_then_mean: mean over query windows of each one's best.
        hungarian_mean: sum over the best one-to-one assignment / number of query windows.
    """

    max: float
    max_then_mean: float
    hungarian_mean: float


@dataclass(frozen=True, slots=True)
class WindowMatch:
    """One pair of windows: their places in each track's list, and how similar they are (0..1)."""

    query_index: int
    candidate_index: int
    similarity: float


def similarities(query: NDArray[np.float32], candidate: NDArray[np.float32]) -> Similarities:
    """Cosines clipped to 0..1.

    Args:
        query, candidate: float32 (windows, dim), rows of unit length; a silent window is a row of zeros and is similar
            to nothing.
    """
    return np.asarray(np.clip(query @ candidate.T, 0.0, 1.0), np.float32)


def window_scores(s: Similarities) -> WindowScores:
    """The contract's three figures of `s`. They are summed in float64 and kept in their order despite rounding."""
    if s.size == 0:
        return WindowScores(0.0, 0.0, 0.0)
    exact = s.astype(np.float64)
    greatest = float(exact.max())
    max_then_mean = min(greatest, float(exact.max(axis=1).mean()))
    rows, columns = linear_sum_assignment(exact, maximize=True)
    hungarian_mean = min(max_then_mean, float(exact[rows, columns].sum()) / len(exact))
    return WindowScores(greatest, max_then_mean, hungarian_mean)


def matched_windows(s: Similarities, count: int | None) -> tuple[WindowMatch, ...]:
    """The most similar pairs of windows, best first, ties in order of the query; `count` None gives all pairs."""
    flat = np.argsort(-s, axis=None, kind="stable")[:count]
    pairs = zip(*np.unravel_index(flat, s.shape), strict=True)
    return tuple(WindowMatch(int(row), int(column), float(s[row, column])) for row, column in pairs)
