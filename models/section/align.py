"""Section with section: which part of one track plays what a part of another does, in which key and at which tempo.

All sections are compared with all by the best diagonal of their harmony (`diagonals`). Two performances differ in key
as a whole, so the sections vote for one transposition, and another costs. Trackers differ in what they take for a beat:
the same vote decides whether two beats of one track are one of the other's. The readable table is a global alignment of
both orders (Needleman and Wunsch 1970). Whether there are counterparts at all is told by all pairs together: one that
two unrelated songs have by chance stands alone. Numbers were chosen on the tuning half of synthetic songs, 2026-11-21
(`ops/quality sections`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.section.diagonals import SEMITONES, contrasts, diagonals
from models.section.sections import Structure

FloatArray = NDArray[np.float32]

TRANSPOSED_COST = 0.1  # of a pair in another transposition than the voted one
PACES = ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1.5, 1.0), (1.0, 1.5))  # beats of query and candidate that are one
OTHER_BEAT_COST = 0.3  # share of the votes
MATCHED = 0.1  # the least of a pair that is told
TELLING, LEAST_EVIDENCE = 0.2, 0.12  # 1 % of the pairs of unrelated songs have as much


@dataclass(frozen=True, slots=True)
class SectionMatch:
    """A section of the query and what it is in the candidate.

    Attributes:
        query_index, candidate_index: places in the structures' sections.
        similarity: 0..1.
        transposition_semitones: -5..6; > 0: the query is higher.
        tempo_ratio: candidate seconds per query second; > 1: the query is faster.
    """

    query_index: int
    candidate_index: int
    similarity: float
    transposition_semitones: int
    tempo_ratio: float


@dataclass(frozen=True, slots=True)
class _Compared:
    """All sections with all, each track's beats taken `pace` at a time.

    Attributes:
        similarities: as `aligned` gives them.
        rolls: int8 of the same shape, -5..6, by how many semitones the query's sections are higher.
        offsets: as in `Diagonals`, of the best transposition.
        edges: of query and candidate, in such beats.
        paces: of query and candidate.
    """

    similarities: FloatArray
    rolls: NDArray[np.int8]
    offsets: NDArray[np.int32]
    edges: tuple[NDArray[np.intp], NDArray[np.intp]]
    paces: tuple[float, float]


def aligned(query: Structure, candidate: Structure) -> tuple[FloatArray, tuple[SectionMatch, ...]]:
    """How alike all sections are, and those that correspond.

    Returns:
        float32 (query sections, candidate sections), 0..1, where 0 is what strangers reach on average and 1 the same;
        and the sections that correspond in the order of both tracks: none, as a rule, of unrelated ones.
    """
    compared = _compared(query, candidate)
    return compared.similarities, tuple(
        SectionMatch(
            query_index=row,
            candidate_index=column,
            similarity=float(compared.similarities[row, column]),
            transposition_semitones=int(compared.rolls[row, column]),
            tempo_ratio=_tempo_ratio((query, candidate), compared, row, column),
        )
        for row, column in _corresponding(compared.similarities)
    )


def _compared(query: Structure, candidate: Structure) -> _Compared:
    """The comparison at the relation of beats, and with the transposition, that the sections vote for."""
    best: tuple[float, _Compared | None] = (-np.inf, None)
    for paces in PACES:
        sides = [_paced(track, pace) for track, pace in zip((query, candidate), paces, strict=True)]
        (rows, row_edges), (columns, column_edges) = sides
        found = diagonals(rows, row_edges, columns, column_edges)
        votes = found.similarities.max(axis=2, initial=0.0).sum(axis=1)
        chosen = int(votes.argmax())
        worth = float(votes[chosen]) * (1.0 if paces == (1.0, 1.0) else 1.0 - OTHER_BEAT_COST)
        if worth <= best[0]:
            continue
        cost = np.full((SEMITONES, 1, 1), TRANSPOSED_COST, np.float32)
        cost[chosen] = 0.0
        costly = found.similarities - cost
        shift = costly.argmax(axis=0)
        at = (shift, *np.indices(shift.shape))
        rolls = np.where(shift > SEMITONES // 2, shift - SEMITONES, shift).astype(np.int8)
        alike = np.clip(costly[at], 0.0, 1.0)
        best = (worth, _Compared(alike, rolls, found.offsets[at], (row_edges, column_edges), paces))
    assert best[1] is not None
    return best[1]


def _paced(track: Structure, pace: float) -> tuple[FloatArray, NDArray[np.intp]]:
    """Harmony for comparing, `pace` beats in each row, and the row at which every section begins and the last ends."""
    count = len(track.harmony)
    between = (track.beats_s[1:] + track.beats_s[:-1]) / 2
    starts = np.searchsorted(between, [section.start_s for section in track.sections])
    edges = np.append(starts, count)
    if pace == 1.0:
        return contrasts(track.harmony), np.asarray(edges, np.intp)
    heard = np.concatenate([np.zeros((1, 24)), np.cumsum(track.harmony, axis=0, dtype=np.float64)])
    places = np.append(np.arange(0, count, pace), count)
    whole = np.floor(places).astype(np.intp)
    after = np.minimum(whole + 1, count)
    summed = heard[whole] + (places - whole)[:, None] * (heard[after] - heard[whole])
    rows = np.diff(summed, axis=0) / np.diff(places)[:, None]
    return contrasts(rows), np.asarray(np.append(np.rint(starts / pace), len(rows)), np.intp)


def _corresponding(alike: FloatArray) -> list[tuple[int, int]]:
    """Pairs of sections in order; none where all of them together say too little.

    The evidence is what they have over `TELLING`; among more sections more of it comes by chance, as its root.
    """
    pairs = _in_order(alike - MATCHED)
    evidence = sum(max(float(alike[pair]) - TELLING, 0.0) for pair in pairs)
    return pairs if evidence >= LEAST_EVIDENCE * min(alike.shape) ** 0.5 else []


def _in_order(gain: FloatArray) -> list[tuple[int, int]]:
    """Pairs (row, column) of the alignment with the greatest sum of gains, both rising; only pairs that gain."""
    rows, columns = gain.shape
    totals = np.zeros((rows + 1, columns + 1))
    for row in range(rows):
        for column in range(columns):
            paired = totals[row, column] + max(float(gain[row, column]), 0.0)
            totals[row + 1, column + 1] = max(paired, totals[row, column + 1], totals[row + 1, column])
    pairs, row, column = [], rows, columns
    while row and column:
        if totals[row, column] == totals[row - 1, column]:
            row -= 1
        elif totals[row, column] == totals[row, column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            pairs.append((row, column))
    return pairs[::-1]


def _tempo_ratio(tracks: tuple[Structure, Structure], compared: _Compared, row: int, column: int) -> float:
    """Candidate seconds per query second where the two sections lie upon each other."""
    offset = int(compared.offsets[row, column])
    (first, last), (start, end) = (edges[at : at + 2] for edges, at in zip(compared.edges, (row, column), strict=True))
    begins = max(0, -offset)
    lasts = min(int(last - first), int(end - start) - offset) - begins
    lengths_s = [
        _seconds(track, (place + lasts) * pace) - _seconds(track, place * pace)
        for track, place, pace in zip(
            tracks, (int(first) + begins, int(start) + begins + offset), compared.paces, strict=True
        )
    ]
    return lengths_s[1] / lengths_s[0]


def _seconds(track: Structure, beat: float) -> float:
    """When a beat begins, or what lies between two; the last ends with the track."""
    known_s = np.append(track.beats_s, track.sections[-1].end_s)
    return float(np.interp(beat, np.arange(len(known_s)), known_s))
