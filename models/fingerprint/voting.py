"""Voting: every row that matched is a whole guess at an alignment; where many guesses agree is a hypothesis.

A row tells how much faster the query is (its span beside the row's), how much higher (its band beside the row's), and
which second of the reference lies under the middle of the query. Guesses fall into cells of one second (a Hough
transform, in a hashed table, so that memory is bounded whatever matched); in the heaviest cells those that also agree
in pitch and tempo are put together. A long query votes in windows of ten seconds. A row whose key many others share
says less. Numbers: measured on 2026-11-21.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.ballots import NEAR_S, NEAR_SEMITONES, NEAR_TEMPO, Ballots, Windows, cast, clusters, gather
from models.fingerprint.landmarks import FIRST_QUAD, Probes

WINDOW_S, WINDOW_HOP_S = 10.0, 5.0
CELLS_PER_HYPOTHESIS = 6  # so many cells of a second are looked into
MOST_CELLS = 1 << 22  # of the table, 16 MB
GUESSES_PER_CELL = 200  # looked at, of what may be thousands in a drone; twice as many found no more
# Of a longer query no more hypotheses are kept than of three windows, or, where even that is fewer, so many of each: as
# many of 80 samples in 35 and 120 s are found as with eight, also among 13 times as many rows (2026-11-22).
ENOUGH_WINDOWS, LEAST_PER_WINDOW = 3, 8


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A guess that a stretch of the query is a stretch of a track.

    Attributes:
        track: the number that its payloads carry.
        tempo_ratio: track seconds per query second; > 1: the query is faster.
        offset_s: the track's second is `tempo_ratio` * the query's + this.
        semitones: > 0: the query is higher.
        score: sum of the votes.
        around_s: the query's second around which they were cast.
    """

    track: int
    tempo_ratio: float
    offset_s: float
    semitones: float
    score: float
    around_s: float

    def at(self, query_s: float) -> float:
        """The track's second under a second of the query."""
        return self.tempo_ratio * query_s + self.offset_s


def hypotheses(
    asked: Probes, keys: NDArray[np.int64], payloads: NDArray[np.int64], *, pairs: int, quads: int
) -> list[Hypothesis]:
    """What the rows that matched say.

    Args:
        asked: by the query.
        keys, payloads: int64 (rows,), in any order; a payload carries its track's number from bit 40 on. Rows that were
            not asked for say nothing.
        pairs, quads: how many hypotheses to keep of each kind.
    Returns:
        Best first, none twice; of a long query up to `ENOUGH_WINDOWS` times as many.
    """
    if not len(keys) or not len(asked.keys):
        return []
    places = np.minimum(np.searchsorted(asked.keys, keys), len(asked.keys) - 1)
    wanted = asked.keys[places] == keys
    found = []
    for by_pairs, many in ((True, pairs), (False, quads)):
        of_kind = wanted & ((keys < FIRST_QUAD) == by_pairs)
        if many and of_kind.any():
            found += _voted(asked, places[of_kind], payloads[of_kind], many, by_pairs)
    return distinct(found)


def distinct(found: list[Hypothesis]) -> list[Hypothesis]:
    """Best first; of those that say the same of neighbouring seconds the best stays."""
    kept: dict[int, list[Hypothesis]] = defaultdict(list)
    ordered = []
    for one in sorted(found, key=lambda one: (-one.score, one.track, one.around_s, one.offset_s)):
        if not any(_same(one, other) for other in kept[one.track]):
            kept[one.track].append(one)
            ordered.append(one)
    return ordered


def _same(one: Hypothesis, other: Hypothesis) -> bool:
    return (
        abs(one.around_s - other.around_s) <= WINDOW_S
        and abs(one.at(one.around_s) - other.at(one.around_s)) <= NEAR_S
        and abs(one.semitones - other.semitones) <= NEAR_SEMITONES
        and abs(float(np.log(one.tempo_ratio / other.tempo_ratio))) <= NEAR_TEMPO
    )


def _voted(
    asked: Probes, places: NDArray[np.intp], payloads: NDArray[np.int64], many: int, by_pairs: bool
) -> list[Hypothesis]:
    """The best hypotheses of the rows of one kind; `places` are those of their keys."""
    ballots = Ballots(
        payloads=payloads,
        places=places,
        weights=1 / np.sqrt(np.maximum(np.bincount(places, minlength=len(asked.keys)), 1)),
        starts=asked.starts,
        times_s=asked.times_s,
        bands=asked.bands,
        spans_s=asked.spans_s,
        anchors=asked.anchors,
        by_pairs=by_pairs,
    )
    windows = _windows(asked)
    per_window = min(many, max(LEAST_PER_WINDOW, many * ENOUGH_WINDOWS // windows.windows))

    guesses = int(np.diff(asked.starts)[places].sum())
    most_bits = int(np.log2(MOST_CELLS / windows.windows))
    bits = int(np.clip(np.log2(8 * guesses / windows.windows), min(10, most_bits), most_bits))
    table = np.zeros((windows.windows, 1 << bits), np.float32)
    cast(ballots, windows, table)
    best = _heaviest(table + np.roll(table, -1, axis=1), CELLS_PER_HYPOTHESIS * per_window)
    slots = np.full(table.shape, -1, np.int32)
    slots.flat[best] = np.arange(len(best))
    gathered = gather(ballots, windows, slots, len(best), GUESSES_PER_CELL)
    told = clusters(gathered, int(asked.anchors.max()) + 1)

    found = []
    for window in range(windows.windows):
        mine = told[(best >> bits) == window]
        middle_s = windows.start_s + (window + 1) * windows.hop_s
        every = [
            Hypothesis(
                int(track),
                float(ratio),
                float(under_s - ratio * middle_s),
                float(higher),
                float(score),
                float(around_s),
            )
            for track, ratio, higher, under_s, score, around_s in mine[mine[:, 4] > 0]
        ]
        found += distinct(every)[:per_window]
    return found


def _windows(asked: Probes) -> Windows:
    start_s, end_s = float(asked.times_s.min()), float(asked.times_s.max())
    count = 1 + max(0, int(np.ceil((end_s - start_s - WINDOW_S) / WINDOW_HOP_S)))
    return Windows(start_s, WINDOW_HOP_S, count)


def _heaviest(table: NDArray[np.float32], many: int) -> NDArray[np.intp]:
    """The places, in the flat table, of the `many` heaviest cells of each row, in order; empty cells are left out."""
    found = []
    for number, row in enumerate(table):
        columns = np.flatnonzero(row)
        if len(columns) > many:
            columns = np.sort(columns[np.argpartition(row[columns], -many)[-many:]])
        found.append(columns + number * table.shape[1])
    return np.concatenate(found)
