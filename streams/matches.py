"""Matches in the contract's shape (A6, B4): as the record `Match` and as its JSON, from one comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.align import Alignment
from models.card import Card
from models.library import Cohort
from models.verdict import Comparison, Features, compare_many, preliminary
from streams.artifacts import unpack
from streams.records import Evidence, LayerScores, Match

LAYER = "full_audio"
WINDOW_SIMILARITIES_MAX = 250_000  # entries that a verbose answer may hold (contract, A6)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a comparison reads of one track: two packed artifacts, its CQT where it is needed, and its length."""

    audio_id: str
    cqt: bytes | None
    latents: bytes
    duration_s: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a match says about the track it found; no dataset in a 1:1 search."""

    uri: str
    track_id: str | None
    audio_id: str
    filename: str
    dataset_id: str | None
    dataset_name: str | None
    duration_s: float
    metadata: Mapping[str, str]


def score_block(queries: list[Heard], candidates: list[Heard], card: Card) -> list[list[float]]:
    """The preliminary score of every query with every candidate, in their orders. Runs in the heavy child."""
    mine, theirs = ([_features(heard) for heard in side] for side in (queries, candidates))
    found: list[list[float]] = preliminary(mine, theirs, card).tolist()
    return found


def compare_block(
    query: Heard, candidates: list[Heard], card: Card, verbose: bool, among: Cohort | None
) -> list[Comparison]:
    """All that is told of a query and each of the candidates, in their order. Runs in the heavy child."""
    return list(compare_many(_features(query), (_features(heard) for heard in candidates), card, verbose, among))


def describe(rank: int, candidate: Candidate, found: Comparison, card: Card) -> tuple[Match, dict[str, Any]]:
    """The same match as a record and as the contract's JSON: rounded once, so that both say the same numbers."""
    score = round(found.score, 3)
    p_match, p_chance, qmax = _short(found.p_match), _short(found.p_chance), _rounded(found.qmax)
    agreement = round(found.agreement, 3)
    windows = found.windows
    latents = LayerScores(
        max=round(windows.max, 3),
        max_then_mean=round(windows.max_then_mean, 3),
        hungarian_mean=round(windows.hungarian_mean, 3),
    )
    evidence = tuple(_evidence(alignment) for alignment in found.evidence)
    match = Match(
        id=candidate.uri,
        track_id=candidate.track_id,
        filename=candidate.filename,
        dataset_id=candidate.dataset_id,
        dataset_name=candidate.dataset_name,
        rank=rank,
        score=score,
        metric=found.metric,
        layer=LAYER,
        verdict=found.verdict,
        p_chance=p_chance,
        p_match=p_match,
        agreement=agreement,
        qmax=qmax,
        layers={LAYER: latents},
        evidence=evidence,
        metadata=dict(candidate.metadata),
    )
    document = {
        "id": candidate.uri,
        "score": score,
        "percentage": round(score * 100, 1),
        "payload": {
            "filename": candidate.filename,
            "dataset_id": candidate.dataset_id,
            "metric": found.metric,
            "layer": LAYER,
        },
        "track_id": candidate.track_id,
        "rank": rank,
        "verdict": found.verdict,
        "p_match": p_match,
        "p_chance": p_chance,
        "agreement": agreement,
        "qmax": qmax,
        "calibration": _calibration(found, card),
        "evidence": [item.model_dump() for item in evidence],
        **({"why": found.why} if found.why else {}),
        "metadata": dict(candidate.metadata),
        "full_audio_latent_scores": latents.model_dump() | _windows(found),
    }
    return match, document


def _features(heard: Heard) -> Features:
    cqt = None if heard.cqt is None else unpack(heard.cqt).array
    return Features(cqt, unpack(heard.latents).array, heard.duration_s, heard.audio_id)


def _calibration(found: Comparison, card: Card) -> dict[str, Any] | None:
    """By what `p_match` and `p_chance` were told: pairs of the card's fit, or the query and the dataset's strangers."""
    if card.calibration is None:
        return None
    of_dataset = found.strangers is not None
    source, pairs = ("dataset", found.strangers) if of_dataset else ("shipped", card.calibration.n_pairs)
    return {"source": source, "pairs": pairs, "model_version": card.model_version}


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 3)


def _short(probability: float | None) -> float | None:
    """A probability in four digits that count: the small ones are the telling ones."""
    return None if probability is None else float(f"{probability:.4g}")


def _evidence(found: Alignment) -> Evidence:
    return Evidence(
        query_start_s=round(found.query_start_s, 3),
        query_end_s=round(found.query_end_s, 3),
        candidate_start_s=round(found.candidate_start_s, 3),
        candidate_end_s=round(found.candidate_end_s, 3),
        layer=LAYER,
        score=round(found.score, 3),
        tempo_ratio=round(found.tempo_ratio, 3),
        transposition_semitones=found.transposition_semitones,
    )


def _windows(found: Comparison) -> dict[str, Any]:
    matched = [
        {
            "query_index": window.query_index,
            "candidate_index": window.candidate_index,
            "similarity_score": round(window.similarity_score, 3),
            "query_audio_timestamps": [[round(at_s, 3)] for at_s in window.query_range_s],
            "candidate_audio_timestamps": [[round(at_s, 3)] for at_s in window.candidate_range_s],
        }
        for window in found.matched_windows
    ]
    told: dict[str, Any] = {"matched_windows": matched}
    if found.window_similarities is not None and found.window_similarities.size <= WINDOW_SIMILARITIES_MAX:
        told["window_similarities"] = np.round(found.window_similarities.astype(float), 3).tolist()
    return told
