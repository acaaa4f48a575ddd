"""A search for borrowed melodies as the pipeline makes it, over a catalogue in memory, and how good its answers are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.motif import salience
from models.motif.cells import TRACK_BIT
from models.motif.chains import Probes, probes, rows
from models.motif.chance import SHARED_CHANCE, Layer, p_chance
from models.motif.motifs import Heard, MotifMatch, match
from models.motif.voting import commonness, held, hypotheses
from tests.quality import motif_bands
from tests.quality.changes import RATE_HZ, Samples

CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Rows of many tracks as a store would give them."""

    tracks: tuple[Heard, ...]
    keys: NDArray[np.int64]
    payloads: NDArray[np.int64]

    def rows_of(self, asked: Probes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first, end = (np.searchsorted(self.keys, asked.keys, side) for side in ("left", "right"))
        places = np.repeat(first - np.cumsum(end - first) + (end - first), end - first) + np.arange((end - first).sum())
        return self.keys[places], self.payloads[places]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query found: tracks by votes, the best match of each, and CPU seconds."""

    by_votes: list[int]
    best: dict[int, MotifMatch]
    common: float
    asked_s: float
    voted_s: float
    rescored_s: float


def heard(samples: Samples) -> Heard:
    return Heard(*salience.events_and_contour(samples), len(samples) / RATE_HZ)


def catalogue(tracks: Sequence[Heard]) -> Catalogue:
    both = [rows(one.events) for one in tracks]
    keys = np.concatenate([keys for keys, _ in both])
    payloads = np.concatenate([payloads | at << TRACK_BIT for at, (_, payloads) in enumerate(both)])
    order = np.lexsort((payloads, keys))
    return Catalogue(tuple(tracks), keys[order], payloads[order])


def search(query: Heard, stock: Catalogue, own: int) -> Answer:
    started_s = time.process_time()
    asked = probes(query.events)
    asked_s = time.process_time()
    found_rows = stock.rows_of(asked)
    looked_up_s = time.process_time()
    found = hypotheses(asked, *found_rows, len(stock.tracks), candidates=CANDIDATES)
    voted_s = time.process_time()
    by_votes = list(dict.fromkeys(one.track for one in found))
    best = {}
    for track in by_votes:
        matches = match(query, stock.tracks[track], [one for one in found if one.track == track])
        if matches:
            best[track] = matches[0]
    rescored_s = time.process_time()
    common = 0.0
    if own in best:
        holding = held(asked, *found_rows, best[own].query_start_s, best[own].query_end_s)
        common = commonness(holding, own, len(stock.tracks))
    return Answer(by_votes, best, common, asked_s - started_s, voted_s - looked_up_s, rescored_s - voted_s)


def told(answers: Sequence[Answer], queries: Sequence[Heard], stock: Catalogue, layer: Layer) -> dict[str, Any]:
    """Query i's own track is number i."""
    voted = np.array([_rank(answer.by_votes, own) for own, answer in enumerate(answers)])
    rescored = []
    for own, answer in enumerate(answers):
        order = sorted(answer.best, key=lambda track: -answer.best[track].evidence)
        rescored.append(_rank(order, own))
    ranks = np.array(rescored)
    called = [
        own in answer.best and is_shared(answer.best[own].evidence, queries[own], stock.tracks[own], layer)
        for own, answer in enumerate(answers)
    ]
    wrong = [
        sum(
            is_shared(one.evidence, queries[own], stock.tracks[at], layer)
            for at, one in answer.best.items()
            if at != own
        )
        for own, answer in enumerate(answers)
    ]
    ms = 1_000 * np.array([(one.asked_s, one.voted_s, one.rescored_s) for one in answers[1:]]).mean(axis=0)
    return {
        "tracks": len(stock.tracks),
        "queries": len(answers),
        "votes_top1": float(np.mean(voted == 1)),
        "votes_map": float(np.mean(1 / voted)),
        "recall_20": float(np.mean(voted <= 20)),
        "recall_50": float(np.mean(voted <= 50)),
        "top1": float(np.mean(ranks == 1)),
        "map": float(np.mean(1 / ranks)),
        "called_shared": float(np.mean(called)),
        "others_called_a_query": float(np.mean(wrong)),
        "commonness_median": float(np.median([answer.common for answer in answers])),
        "cpu_ms": {"probes": ms[0], "votes": ms[1], "rescoring": ms[2], "all": ms.sum()},
    }


def _rank(order: Sequence[int], own: int) -> float:
    return order.index(own) + 1.0 if own in order else np.inf


def is_shared(evidence: float, query: Heard, reference: Heard, layer: Layer) -> bool:
    return p_chance(evidence, query.duration_s, reference.duration_s, layer) <= SHARED_CHANCE


def places(
    answers: Sequence[Answer], asked: Sequence[motif_bands.Heard], true: Sequence[motif_bands.Heard]
) -> dict[str, float]:
    """Errors of the true pairs that were found: in the middle of the match, at its ends, in tempo and in key."""
    errors = []
    for own, answer in enumerate(answers):
        if own not in answer.best:
            continue
        one, query, reference = answer.best[own], asked[own], true[own]
        ratio = reference.ratio / query.ratio
        offset_s = reference.offset_s - ratio * query.offset_s
        starts_s, ends_s = (
            query.ratio * side + query.offset_s
            for side in (max(query.start_s, reference.start_s), min(query.end_s, reference.end_s))
        )
        middle_s = (one.query_start_s + one.query_end_s) / 2
        there_s = (one.candidate_start_s + one.candidate_end_s) / 2
        key = (one.transposition_semitones - query.semitones + reference.semitones) % 12
        errors.append((
            abs(there_s - ratio * middle_s - offset_s),
            abs(one.query_start_s - starts_s),
            abs(one.query_end_s - ends_s),
            abs(one.tempo_ratio / ratio - 1),
            key != 0,
        ))  # fmt: skip
    middle, start, end, tempo, key = np.array(errors).T
    return {
        "middle_median_s": float(np.median(middle)),
        "middle_within_half_s": float(np.mean(middle <= 0.5)),
        "start_median_s": float(np.median(start)),
        "end_median_s": float(np.median(end)),
        "tempo_median_percent": 100 * float(np.median(tempo)),
        "key_wrong": float(np.mean(key)),
    }
