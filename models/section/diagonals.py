"""Which stretch of one track plays what a stretch of another does: the best diagonal of their harmony, in any key.

Harmony is compared beat by beat. Of two sections every placement is tried by which they overlap enough, in all twelve
transpositions, and the cosine of what lies upon each other is taken. A section that was cut a bar too early still finds
its like, which a comparison of whole sections, stretched to one length, does not. The shorter they are, the more alike
are strangers: what chance gives is taken off. Numbers were chosen on the tuning half of synthetic songs, 2026-11-21
(`ops/quality sections`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

SEMITONES = 12
LEAST_CONTRAST = 0.3  # of harmony without its mean: less counts less, it is nearly without pitch
BASS_SHARE = 0.3  # songs share basses more than tunes: of related sections 88 % stand out then, 84 % at a half
LEAST_OVERLAP = 0.6  # of the shorter section
CHANCE = 1.2  # over the root of the beats that sound: what strangers' sections reach on average, in their best key


@dataclass(frozen=True, slots=True)
class Diagonals:
    """The best placement of every section of the query upon every one of the candidate.

    Attributes:
        similarities: float32 (12, query sections, candidate sections), 0..1, where 0 is what strangers reach, and 1
            the same; the first axis: semitones by which the query is higher.
        offsets: int32 of the same shape: the candidate's beat that the query's first one lies on, each counted from the
            beginning of its section; < 0: the query begins earlier.
    """

    similarities: FloatArray
    offsets: NDArray[np.int32]


def contrasts(harmony: NDArray[np.floating[Any]]) -> FloatArray:
    """Harmony for comparing: what each beat has more of than the track, both halves without mean.

    Args:
        harmony: (beats, 24), as `beats` gives it.
    Returns:
        float32 (beats, 24), rows of length 1, less where there is little pitch, zeros where nothing sounds.
    """
    halves = np.asarray(harmony, np.float32).reshape(-1, 2, SEMITONES)
    sounding = halves.any(axis=2, keepdims=True)
    usual = halves.sum(axis=0) / np.maximum(sounding.sum(axis=0), 1)
    centred = (halves - usual) * sounding
    centred -= centred.mean(axis=2, keepdims=True)
    length = np.linalg.norm(centred, axis=2, keepdims=True)
    weights = np.sqrt([[BASS_SHARE], [1.0 - BASS_SHARE]])
    return np.asarray((weights * centred / np.maximum(length, LEAST_CONTRAST)).reshape(-1, 24), np.float32)


def diagonals(
    query: FloatArray, query_edges: NDArray[np.intp], candidate: FloatArray, candidate_edges: NDArray[np.intp]
) -> Diagonals:
    """Compare all sections of two tracks, or of one with itself.

    Args:
        query, candidate: what `contrasts` made, (beats, 24).
        query_edges, candidate_edges: the first beat of every section, and the number of beats.
    """
    shape = (SEMITONES, len(query_edges) - 1, len(candidate_edges) - 1)
    similarities, offsets = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    energy = np.concatenate([[0], np.cumsum(np.square(candidate).sum(axis=1, dtype=np.float64))])
    # Pitch class k of the query lowered by s is its k + s.
    classes = np.arange(SEMITONES) + np.arange(SEMITONES)[:, None]
    lowered = query.reshape(-1, 2, SEMITONES)[:, :, classes % SEMITONES].transpose(2, 0, 1, 3).reshape(12, -1, 24)
    for row, (start, end) in enumerate(pairwise(query_edges)):
        own = np.concatenate([[0], np.cumsum(np.square(query[start:end]).sum(axis=1, dtype=np.float64))])
        dots = lowered[:, start:end] @ candidate.T
        similarities[:, row], offsets[:, row] = _best(dots, own, energy, candidate_edges)
    return Diagonals(similarities, offsets)


@njit(cache=True)
def _best(
    dots: FloatArray, own: NDArray[np.float64], energy: NDArray[np.float64], edges: NDArray[np.intp]
) -> tuple[FloatArray, NDArray[np.int32]]:
    """A row of the result, each (12, candidate sections).

    Args:
        dots: of a section's beats with all of the candidate, (12, section beats, candidate beats).
        own, energy: squares of the section's beats, and of the candidate's, summed up from 0.
        edges: of the candidate's sections.
    """
    similarities = np.zeros((dots.shape[0], len(edges) - 1), np.float32)
    offsets = np.zeros((dots.shape[0], len(edges) - 1), np.int32)
    beats = dots.shape[1]
    for column in range(len(edges) - 1):
        start, count = edges[column], edges[column + 1] - edges[column]
        shorter = min(beats, count)
        least = max(1, int(np.ceil(LEAST_OVERLAP * shorter)))
        first, last = least - beats, count - least
        weights = np.zeros(max(0, last - first + 1), np.float32)
        chances = np.ones(len(weights), np.float32)
        for offset in range(first, last + 1):
            begin, end = max(0, -offset), min(beats, count - offset)
            mine = own[end] - own[begin]
            theirs = energy[start + offset + end] - energy[start + offset + begin]
            if min(mine, theirs) > CHANCE**2:
                weights[offset - first] = np.sqrt((end - begin) / shorter) / np.sqrt(mine * theirs)
                chances[offset - first] = CHANCE / np.sqrt(min(mine, theirs))
        for shift in range(dots.shape[0]):
            totals = np.zeros(len(weights), np.float32)
            for beat in range(beats):
                # Offsets by which this beat lies on the section: neighbours in memory, so added up many at once.
                begin, end = max(first, -beat), min(last, count - 1 - beat)
                for place in range(begin - first, end - first + 1):
                    totals[place] += dots[shift, beat, start + first + beat + place]
            for place in range(len(weights)):
                if chances[place] < 1.0:
                    similarity = (totals[place] * weights[place] - chances[place]) / (1 - chances[place])
                    if similarity > similarities[shift, column]:
                        similarities[shift, column] = min(similarity, 1.0)
                        offsets[shift, column] = first + place
    return similarities, offsets
