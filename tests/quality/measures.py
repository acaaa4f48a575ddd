"""How well scores tell: figures of ranking, of detection, of calibration and of place, from arrays alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.floating[Any]]  # (queries, candidates), larger is more alike
Map = tuple[NDArray[np.float64], NDArray[np.float64]]  # beats of the work, seconds of one rendition


def average_precision(ranked: Sequence[bool]) -> float:
    """Mean of the precision at each relevant place, all of them counted."""
    found = np.flatnonzero(ranked)
    return float(np.mean([(rank + 1) / (place + 1) for rank, place in enumerate(found)])) if len(found) else 0.0


def ranking(scores: Scores, labels: Sequence[str], asked: Sequence[bool] | None = None) -> dict[str, float]:
    """Every track as a query among the others: `map`, `top1` and how many `queries` have anything to be found.

    Args:
        scores: (tracks, tracks); the diagonal is not looked at. Of equal scores the stranger comes first, so that a
            system gains nothing by not deciding.
        labels: of the tracks; equal ones are relevant to each other.
        asked: which of them are queries; None: all.
    """
    precisions, firsts = [], []
    for i, row in enumerate(scores):
        if asked is not None and not asked[i]:
            continue
        relevant = np.array([label == labels[i] for label in labels])
        order = np.lexsort((relevant, -row))
        ranked = relevant[order[order != i]]
        if ranked.any():
            precisions.append(average_precision(ranked))
            firsts.append(bool(ranked[0]))
    return {"map": float(np.mean(precisions)), "top1": float(np.mean(firsts)), "queries": len(firsts)}


def right_first(scores: Scores, query_labels: Sequence[str], candidate_labels: Sequence[str]) -> float:
    """Share of the queries whose best candidate has their label; where strangers score as much, it is not found."""
    relevant = np.array([[query == candidate for candidate in candidate_labels] for query in query_labels])
    best = np.where(relevant, scores, -np.inf).max(axis=1)
    return float(np.mean(best > np.where(relevant, -np.inf, scores).max(axis=1)))


def pairs(scores: Scores, labels: Sequence[str]) -> tuple[Scores, Scores]:
    """Scores of all directed pairs of different tracks: those of one work, and those of strangers."""
    alike = np.array([[first == second for second in labels] for first in labels])
    different = ~np.eye(len(labels), dtype=bool)
    return scores[alike & different], scores[~alike]


def tpr_at_fpr(same: Scores, strangers: Scores, fpr: float = 0.01) -> float:
    """Share of `same` over the least threshold that at most `fpr` of `strangers` exceed."""
    allowed = int(fpr * len(strangers))
    return float(np.mean(same > np.sort(strangers)[::-1][allowed]))


def auc(same: Scores, strangers: Scores) -> float:
    """Probability that a pair of one work scores over a pair of strangers; a tie counts half."""
    ordered = np.sort(strangers)
    below, up_to = (np.searchsorted(ordered, same, side=side) for side in ("left", "right"))
    return float(np.mean(below + up_to) / (2 * len(strangers)))


def brier(probabilities: ArrayLike, truths: ArrayLike) -> float:
    """Mean squared difference between what was claimed (0..1) and what is so (0 or 1): the smaller the better."""
    return float(np.mean((np.asarray(probabilities, np.float64) - np.asarray(truths, np.float64)) ** 2))


def base_brier(truths: ArrayLike) -> float:
    """Brier score of who knows nothing but the share of what is so, and always claims that."""
    share = float(np.mean(np.asarray(truths, np.float64)))
    return share * (1 - share)


def ks_to_uniform(p_values: ArrayLike) -> float:
    """Greatest distance between the distribution of p-values and the uniform one (Kolmogorov, Smirnov): 0..1."""
    ordered = np.sort(np.asarray(p_values, np.float64))
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


def spread_of_chances(told: Sequence[float]) -> dict[str, Any]:
    """How p-values of strangers are spread: their distance to uniform, how many are small, and 51 quantiles."""
    every = np.asarray(told, np.float64)
    return {
        "pairs": len(every),
        "ks": ks_to_uniform(every),
        "at_most_0.01": float(np.mean(every <= 0.01)),
        "at_most_0.05": float(np.mean(every <= 0.05)),
        "quantiles": np.quantile(every, np.linspace(0, 1, 51)).tolist(),
    }


def beats_apart(query_s: float, candidate_s: float, query_map: Map, candidate_map: Map) -> float:
    """How far apart, in beats of the work, two places lie that are claimed to be the same one.

    Args:
        query_s, candidate_s: the claimed places; before the first and after the last beat they count as those.
        query_map, candidate_map: beats and the seconds at which they sound, both rising.
    """
    (query_beats, query_seconds), (candidate_beats, candidate_seconds) = query_map, candidate_map
    query_beat = np.interp(query_s, query_seconds, query_beats)
    return float(abs(query_beat - np.interp(candidate_s, candidate_seconds, candidate_beats)))


def within(distances: Iterable[float | None], limits: Sequence[float]) -> dict[str, float]:
    """Share of the distances up to each limit, None (nothing was claimed) being beyond all of them."""
    known = np.array([np.inf if distance is None else distance for distance in distances])
    return {f"{limit:g}": float(np.mean(known <= limit)) for limit in limits}
