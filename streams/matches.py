"""Matches in the contract's shape (A6, B4): as the record `Match` and as its JSON, from one comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.align import Alignment
from models.card import Card
from models.verdict import Comparison, Features, compare_all
from streams.artifacts import unpack
from streams.records import Evidence, LayerScores, Match

LAYER = "full_audio"
WINDOW_SIMILARITIES_MAX = 250_000  # entries that a verbose answer may hold (contract, A6)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a comparison reads of one track: two packed artifacts and its length in seconds."""

    cqt: bytes
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


def compare_block(queries: list[Heard], candidates: list[Heard], card: Card, verbose: bool) -> list[list[Comparison]]:
    """Compare every query with every candidate, in their orders. Runs in the heavy child."""
    return compare_all(
        [_features(heard) for heard in queries], [_features(heard) for heard in candidates], card, verbose
    )


def describe(rank: int, candidate: Candidate, found: Comparison) -> tuple[Match, dict[str, Any]]:
    """The same match as a record and as the contract's JSON: rounded once, so that both say the same numbers."""
    score = round(found.score, 3)
    windows = found.windows
    scores = LayerScores(
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
        layers={LAYER: scores},
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
        "p_chance": None,
        "calibration": None,
        "evidence": [item.model_dump() for item in evidence],
        **({"why": found.why} if found.why else {}),
        "metadata": dict(candidate.metadata),
        "full_audio_latent_scores": scores.model_dump() | _windows(found),
    }
    return match, document


def _features(heard: Heard) -> Features:
    return Features(unpack(heard.cqt).array, unpack(heard.latents).array, heard.duration_s)


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
