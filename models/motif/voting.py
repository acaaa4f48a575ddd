"""Which tracks share a melody with a query: chains that agree on a transposition, a tempo and a place vote together.

Each row that a query's probe meets says by which transposition, at which tempo ratio and where the reference would play
the same notes. True ones agree. The query is taken in windows, because the place is told at a window's middle and the
error of a tempo ratio grows with the distance from it; and no window counts more than `MOST_VOTES` rows, however long
the query and however large the catalogue is. A key that half of the catalogue holds tells little and weighs little
(inverse document frequency).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.motif.cells import (
    GRIDS,
    PLACE_CELL_S,
    RATIO_CELL,
    Rows,
    cells,
    holders,
    promising,
    semitones_of,
    track_of,
    votes,
)
from models.motif.chains import Probes

WINDOW_S, WINDOW_HOP_S = 30.0, 15.0
LEAST_WEIGHT = 0.05  # of a key that every track holds
MOST_SHARE = 0.1  # of the catalogue: keys that more tracks hold are left out ...
ALWAYS_TRACKS = 20  # ... but never those of no more tracks than this
CELLS_OF_TRACK = 3
CELLS_SEEN = 64  # for each candidate; a track that plays what the query plays fills some dozen
HELD_SHARE = 0.5  # of the notes that the matched track holds: a track that holds as many holds the passage
# Rows that a window counts, those of the rarest keys: a tenth of the rows of 1,000 tracks finds as much as all of them,
# a twentieth loses one borrowed melody of ten, a fortieth half (2026-11-22).
MOST_VOTES = 1 << 16
MOST_HELD = 1 << 20  # of a passage whose commonness is asked for: it is the common keys that tell


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Where a track may play what the query plays: at `tempo_ratio` * query_s + `offset_s`.

    Attributes:
        track: its number in the payloads.
        tempo_ratio: reference seconds per query second; > 1: the query is faster.
        semitones: by which the query is higher.
        score: votes, each the logarithm of how rare its key is.
        middle_s: the query's second around which the votes came; far from it ratio and offset are less exact.
    """

    track: int
    tempo_ratio: float
    offset_s: float
    semitones: int
    score: float
    middle_s: float


def hypotheses(asked: Probes, keys: Rows, payloads: Rows, tracks: int, *, candidates: int) -> list[Hypothesis]:
    """The likeliest alignments with the tracks that share most with a query.

    Args:
        asked: what was looked up.
        keys, payloads: the rows of `asked.keys` in the catalogue, int64 (rows,); the payload's bits from `TRACK_BIT` on
            are the track's number. Sorted by key, then by payload, as stores give them; else they are sorted here.
        tracks: how many the catalogue has.
        candidates: of how many tracks at most.
    Returns:
        The best first, at most `CELLS_OF_TRACK` different ones for each track.
    """
    found = [one for of in by_window(asked, keys, payloads, tracks, candidates=candidates) for one in of]
    kept: dict[int, list[Hypothesis]] = {}
    for one in sorted(found, key=lambda one: (-one.score, one.track, one.offset_s)):
        if one.track not in kept and len(kept) == candidates:
            continue
        of_track = kept.setdefault(one.track, [])
        if len(of_track) < CELLS_OF_TRACK and not any(_alike(one, other) for other in of_track):
            of_track.append(one)
    return sorted((one for of_track in kept.values() for one in of_track), key=lambda one: -one.score)


def by_window(
    asked: Probes, keys: Rows, payloads: Rows, tracks: int, *, candidates: int = 1, each: int = GRIDS * CELLS_OF_TRACK
) -> Iterator[list[Hypothesis]]:
    """The same for each window of the query by itself, up to `each` of a track; grids and windows tell many twice."""
    if not len(keys) or not len(asked.places):
        return
    found = _looked_up(asked, keys, payloads)
    weights = np.log(max(tracks, 1) / np.maximum(found.holders, 1)) + LEAST_WEIGHT
    weights[found.holders > max(ALWAYS_TRACKS, MOST_SHARE * tracks)] = 0
    for start_s in np.arange(0, max(float(asked.times_s[-1]) - WINDOW_HOP_S, 0) + 1e-6, WINDOW_HOP_S):
        yield _of_window(asked, (start_s, start_s + WINDOW_S), found, weights, (candidates, each))


def distinct(proposals: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Of those that tell the same of one track, in two grids, two cells or two windows, the first."""
    kept: list[Hypothesis] = []
    for one in proposals:
        if not any(_alike(one, other) for other in kept):
            kept.append(one)
    return kept


def held(asked: Probes, keys: Rows, payloads: Rows, start_s: float, end_s: float) -> dict[int, float]:
    """How many of a passage's notes each track holds in one alignment, by the track's number; of `commonness`.

    Args:
        asked, keys, payloads: as `hypotheses` takes them.
        start_s, end_s: of the passage, in the query; of one longer than a window its middle counts.
    """
    if not len(keys) or not len(asked.places):
        return {}
    found = _looked_up(asked, keys, payloads)
    middle_s, reach_s = (start_s + end_s) / 2, min(end_s - start_s, WINDOW_S) / 2
    around_s = middle_s - reach_s, middle_s + reach_s
    ids, sums, _ = _window_cells(asked, around_s, found, np.ones(len(asked.keys)), MOST_HELD)
    tracks, first = np.unique(track_of(ids), return_index=True)
    return dict(zip(tracks.tolist(), sums[first, 0].tolist(), strict=True))  # cells come best first


def commonness(holding: Mapping[int, float], track: int, tracks: int) -> float:
    """The share of a catalogue, 0..1, that holds a passage at least half as well as a track that it was matched with.

    Args:
        holding: what `held` told of the passage.
        track: the matched track's number.
        tracks: of the catalogue.
    """
    least = HELD_SHARE * holding.get(track, 0.0)
    return min(1.0, sum(votes >= least for votes in holding.values()) / max(tracks, 1)) if least else 0.0


def _alike(one: Hypothesis, other: Hypothesis) -> bool:
    near = abs(math.log(one.tempo_ratio / other.tempo_ratio)) < RATIO_CELL
    return one.semitones == other.semitones and near and abs(one.offset_s - other.offset_s) < 2 * PLACE_CELL_S


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of each asked key, firsts..ends of `payloads`, and how many tracks hold it."""

    payloads: Rows
    firsts: NDArray[np.intp]
    ends: NDArray[np.intp]
    holders: NDArray[np.int64]


def _looked_up(asked: Probes, keys: Rows, payloads: Rows) -> _Found:
    rises = np.diff(keys)
    if (rises < 0).any() or (np.diff(payloads)[rises == 0] < 0).any():
        order = np.lexsort((payloads, keys))
        keys, payloads = keys[order], payloads[order]
    firsts, ends = (np.searchsorted(keys, asked.keys, side) for side in ("left", "right"))
    return _Found(payloads, firsts, ends, holders(payloads, firsts, ends))


def _of_window(
    asked: Probes, window_s: tuple[float, float], found: _Found, weights: NDArray[np.float64], most: tuple[int, int]
) -> list[Hypothesis]:
    """The best cells of a window, of at most so many tracks, and at most so many of each."""
    ids, sums, middle_s = _window_cells(asked, window_s, found, weights, MOST_VOTES)
    kept: dict[int, int] = {}
    best = []
    first = slice(CELLS_SEEN * most[0])
    for number, (score, weight, places_s, logarithms) in zip(ids[first].tolist(), sums[first].tolist(), strict=True):
        track = track_of(number)
        if track not in kept and len(kept) == most[0]:
            break
        kept[track] = kept.get(track, 0) + 1
        if kept[track] <= most[1]:
            ratio = math.exp(logarithms / weight)
            semitones = semitones_of(number)
            best.append(Hypothesis(track, ratio, places_s / weight - ratio * middle_s, semitones, score, middle_s))
    return best


def _window_cells(
    asked: Probes, window_s: tuple[float, float], found: _Found, weights: NDArray[np.float64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
    """The cells of a window that have more than one vote, the best first, as `_cells` gives them; and its middle."""
    window = slice(*(int(at) for at in np.searchsorted(asked.times_s, window_s)))
    places = asked.places[window]
    counts = np.where(weights[places] > 0, found.ends[places] - found.firsts[places], 0)
    if int(counts.sum()) > most:
        rarest_first = np.argsort(found.holders[places], kind="stable")
        counts[rarest_first[np.cumsum(counts[rarest_first]) > most]] = 0
    voting = counts > 0
    if not voting.any():
        return np.zeros(0, np.int64), np.zeros((0, 4), np.float32), 0.0
    middle_s = float(asked.times_s[window][0] + asked.times_s[window][-1]) / 2
    whose, voters, told = votes(
        (places[voting], asked.anchors[window][voting], asked.pitches[window][voting]),
        (asked.times_s[window][voting] - np.float32(middle_s), asked.spans_s[window][voting]),
        (found.firsts, found.ends, weights.astype(np.float32)),
        found.payloads,
        int(counts.sum()),
    )
    kept = promising(whose, voters, told, 1 << math.ceil(math.log2(4 * len(whose) + 64)))
    size = 1 << math.ceil(math.log2(2 * GRIDS * int(kept.sum()) + 64))
    ids, sums = cells(whose[kept], voters[kept], told[kept], size)
    order = np.argsort(-sums[:, 0], kind="stable")
    return ids[order], sums[order], middle_s
