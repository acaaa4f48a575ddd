"""Which sections of a track are the same music: letters, each with how sure it is, and a guess at what they are for.

Sections are compared by the best diagonal of their harmony (`diagonals`), with some weight on timbre, and merged while
the mean similarity of two groups is high enough. Letters are in order of appearance. Since `diagonals` takes off what
chance gives, one threshold serves songs and orchestras: unlike sections of either lie near 0. Numbers were chosen, and
the probability was fitted, on the tuning half of synthetic songs, 2026-11-21 (`ops/quality sections`).
"""

from __future__ import annotations

from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from models.section.diagonals import contrasts, diagonals

FloatArray = NDArray[np.float64]

TIMBRE_SHARE = 0.2
TRANSPOSED_COST = 0.1  # within a track the same section seldom returns in another key
LEAST_DEVIATION_DB = 2.0  # of timbre, in decibels: less is noise
SAME = 0.35  # the least mean likeness within a letter
SLOPE, INTERCEPT = 5.3, 0.8  # of a logistic curve from margin to the probability that a letter is right
CLEAR = 0.3  # a greater margin says no more: what is wrong then was cut wrongly


def likeness(harmony: NDArray[np.float32], timbre: NDArray[np.float32], edges: NDArray[np.intp]) -> FloatArray:
    """How much the sections of a track are the same music, (sections, sections), symmetric, about 0..1.

    Args:
        harmony, timbre: of its beats, float32 (beats, 24) and (beats, 15).
        edges: the first beat of every section, and the number of beats.
    """
    rows = contrasts(harmony)
    found = diagonals(rows, edges, rows, edges).similarities.astype(np.float64)
    found[1:] -= TRANSPOSED_COST
    alike = found.max(axis=0)
    both = (1 - TIMBRE_SHARE) * (alike + alike.T) / 2 + TIMBRE_SHARE * _timbre(timbre, edges)
    return np.asarray(both, np.float64)


def _timbre(timbre: NDArray[np.float32], edges: NDArray[np.intp]) -> FloatArray:
    """Cosines of the sections' mean timbre, (sections, sections)."""
    scaled = (timbre - timbre.mean(axis=0)) / np.maximum(timbre.std(axis=0), LEAST_DEVIATION_DB)
    means = np.add.reduceat(scaled.astype(np.float64), edges[:-1], axis=0) / np.diff(edges)[:, None]
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
    return np.asarray(means @ means.T)


def letters(alike: FloatArray) -> tuple[list[str], FloatArray]:
    """A letter for every section, A first, and how sure it is, 0..1: (sections,).

    Args:
        alike: what `likeness` made.
    """
    count = len(alike)
    if count < 2:
        return ["A"] * count, np.ones(count)
    apart = np.maximum(1.0 - alike, 0.0)
    np.fill_diagonal(apart, 0.0)
    groups = fcluster(linkage(squareform(apart), "average"), 1.0 - SAME, "distance")
    order = {group: place for place, group in enumerate(dict.fromkeys(groups.tolist()))}
    return [_letter(order[group]) for group in groups.tolist()], _sureness(alike, groups)


def _letter(place: int) -> str:
    """A to Z, then AA, AB, …"""
    name = ascii_uppercase[place % 26]
    return name if place < 26 else _letter(place // 26 - 1) + name


def _sureness(alike: FloatArray, groups: NDArray[np.intp]) -> FloatArray:
    """The probability that each letter is right, by how far the section is from belonging elsewhere."""
    sure = np.zeros(len(alike))
    for place, group in enumerate(groups):
        to_group = {
            other: float(np.mean(alike[place, (groups == other) & (np.arange(len(groups)) != place)]))
            for other in set(groups.tolist())
            if other != group or (groups == group).sum() > 1
        }
        own = to_group.pop(group, None)
        nearest = max(to_group.values(), default=0.0)
        margin = SAME - nearest if own is None else min(own - SAME, own - nearest)
        sure[place] = 1 / (1 + np.exp(-(SLOPE * min(margin, CLEAR) + INTERCEPT)))
    return sure
