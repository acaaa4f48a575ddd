"""Similarities of windows, and the three figures that the contract (A6) makes of them.

Silent windows, rows of zeros, are similar to nothing and are no units of a track: they do not lower its means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Latents = NDArray[np.float32]  # (windows, dim), rows of unit length, or zeros for a silent window
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


def similarities(query: Latents, candidate: Latents) -> Similarities:
    """Cosines clipped to 0..1."""
    return np.asarray(np.clip(query @ candidate.T, 0.0, 1.0), np.float32)


def sounding(latents: Latents) -> int:
    """How many windows are not silent: the units of a track."""
    return int(latents.any(axis=1).sum())


def window_scores(s: Similarities, units: int | None = None) -> WindowScores:
    """The contract's three figures of `s`. They are summed in float64 and kept in their order despite rounding.

    Args:
        s: (query windows, candidate windows).
        units: how many of the query's windows count, see `sounding`; None for all.
    """
    if s.size == 0 or units == 0:
        return WindowScores(0.0, 0.0, 0.0)
    exact, count = s.astype(np.float64), len(s) if units is None else units
    greatest = float(exact.max())
    max_then_mean = min(greatest, float(exact.max(axis=1).sum()) / count)
    rows, columns = linear_sum_assignment(exact, maximize=True)
    hungarian_mean = min(max_then_mean, float(exact[rows, columns].sum()) / count)
    return WindowScores(greatest, max_then_mean, hungarian_mean)


def agreement(s: Similarities, query_units: int, candidate_units: int) -> float:
    """How much each side holds of the other, 0..1: `max_then_mean` in both directions.

    A direction weighs as many windows as the other side has: between tracks of one length both weigh the same, and an
    excerpt is asked for in the track rather than the track in the excerpt.
    """
    if s.size == 0 or query_units == 0 or candidate_units == 0:
        return 0.0
    forth = float(s.max(axis=1).sum(dtype=np.float64)) / query_units
    back = float(s.max(axis=0).sum(dtype=np.float64)) / candidate_units
    return (candidate_units * forth + query_units * back) / (query_units + candidate_units)


def agreements(queries: Sequence[Latents], candidates: Sequence[Latents]) -> NDArray[np.float64]:
    """The `agreement` of every query with every candidate, (queries, candidates): what many are ranked by.

    One matrix product for a query and all candidates together. A side without sounding windows scores 0.
    """
    scores = np.zeros((len(queries), len(candidates)))
    held = [column for column, candidate in enumerate(candidates) if sounding(candidate)]
    if not held:
        return scores
    together = np.concatenate([candidates[column] for column in held])
    ends = np.cumsum([len(candidates[column]) for column in held])
    firsts = np.concatenate([[0], ends[:-1]])
    others = np.array([sounding(candidates[column]) for column in held])
    for row, query in enumerate(queries):
        if units := sounding(query):
            alike = np.clip(query @ together.T, 0.0, 1.0)
            forth = np.maximum.reduceat(alike, firsts, axis=1).sum(axis=0, dtype=np.float64) / units
            back = np.add.reduceat(alike.max(axis=0), firsts, dtype=np.float64) / others
            scores[row, held] = (others * forth + units * back) / (units + others)
    return scores


def matched_windows(s: Similarities, count: int | None) -> tuple[WindowMatch, ...]:
    """The most similar pairs of windows, best first, ties in order of the query; `count` None gives all pairs."""
    flat = np.argsort(-s, axis=None, kind="stable")[:count]
    pairs = zip(*np.unravel_index(flat, s.shape), strict=True)
    return tuple(WindowMatch(int(row), int(column), float(s[row, column])) for row, column in pairs)
