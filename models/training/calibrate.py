"""Calibrate: from held-out performances, what a score is worth; written into the card with the weights' SHA-256.

Compositions of the validation split, rendered as audio. The curves carry the prior of their pairs: one for pairs
without a library, whose null is that of the arranger, widened by a constant (real music has another one in every
catalogue), and one for scores that are seen against a library's own strangers, here the other performances.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import calibration, library
from models.card import Calibration, Card, Null, load
from models.latents import latents
from models.score import sounding
from models.training import corpus
from models.training.learn import curves_path
from models.verdict import Comparison, Features, compare

WINDOWS = (1, 2, 4, 8, 16, 32, 64)  # of either side: 64 are two minutes and a half
NULL_PAIRS = 4_000
STRANGERS = 4_000  # pairs that stand for all pairs of strangers
SHORT_WINDOWS = 4
RELATED_AGREEMENT = 0.65  # 99 % of the strangers in OpenMSX and Wesnoth agree less than 0.60 (2026-11-21)
HARMONY_FLOOR = 0.9  # of strangers have less harmony in common
HARMONY_WEIGHT = 1.5  # 1 and 2 gave the same figures to 0.003 (OpenMSX, Wesnoth, 2026-11-21)
WIDER = 1.6  # strangers among the 24 demo clips spread so much wider than those of the arranger (2026-11-21)


def calibrate(name: str, folder: Path, weights: Path) -> Card:
    """Fit null and calibration of the network `name`; write them, the weights' hash and the runs into its card."""
    path = weights / f"{name}.json"
    told = json.loads(path.read_text("utf-8"))
    told["encoder"]["sha256"] = hashlib.sha256((weights / f"{name}.safetensors").read_bytes()).hexdigest()
    runs = json.loads(curves_path(weights, name).read_text())["runs"]
    told["data"]["runs"] = [{key: run[key] for key in ("seed", "steps", "seconds", "shards")} for run in runs]
    _write(path, told)
    heard, labels = _heard(load(name), folder)
    told["null"] = _rounded(asdict(_null(heard, labels, load(name))))
    _write(path, told)
    pairs = _pairs(heard, labels, load(name))
    material = f"validation split: {len(heard)} performances of {len(set(labels.tolist()))} compositions as audio"
    told["calibration"] = _rounded(asdict(_calibration(pairs, load(name), material)))
    told["library"] = _library(told["library"], pairs)
    _write(path, told)
    told["library"]["calibration"] = _rounded(asdict(_library_calibration(heard, pairs, load(name), material)))
    _write(path, told)
    return load(name)


def _heard(card: Card, folder: Path) -> tuple[list[Features], NDArray[np.int64]]:
    """What is heard of all validation performances as they were produced, and their compositions."""
    heard: list[Features] = []
    labels: list[int] = []
    for seed in corpus.rendered(folder, "validation", "audio"):
        shard = corpus.load_shard(folder, "validation", "audio", seed)
        for layers in shard.stems:
            cqt = np.asarray(layers[-1])
            duration_s = cqt.shape[1] * card.hearing.frame_s
            heard.append(Features(cqt, latents(cqt, card), duration_s, name=str(len(heard))))
        labels += shard.compositions.tolist()
    if not heard:
        raise FileNotFoundError("no validation audio: run `corpus --split validation --way audio --seeds 0:1`")
    return heard, np.array(labels)


def _null(heard: list[Features], labels: NDArray[np.int64], card: Card) -> Null:
    """How strangers score, sides of all lengths against each other."""
    rng = np.random.default_rng(1)
    rows: list[tuple[float, int, int]] = []
    compositions = np.unique(labels)
    while len(rows) < NULL_PAIRS:
        # Half of the compositions against the other half, put together to any length.
        mine = rng.permutation(compositions)[: len(compositions) // 2]
        sides = []
        for inverted in (False, True):
            chosen = rng.permutation(np.flatnonzero(np.isin(labels, mine, invert=inverted)))
            sides.append(_of_length(heard, chosen, int(rng.choice(WINDOWS)), card, rng))
        units = [sounding(side.latents) for side in sides]
        if all(units):
            rows.append((compare(sides[0], sides[1], card).score, units[0], units[1]))
    scores, query_units, candidate_units = zip(*rows, strict=True)
    null = calibration.fit_null(scores, query_units, candidate_units)
    return replace(null, sd=WIDER * null.sd)


def _of_length(
    heard: list[Features], chosen: NDArray[np.intp], count: int, card: Card, rng: np.random.Generator
) -> Features:
    """`count` windows: a cut of one of the chosen performances, or as many of them as it takes, one after the other."""
    most = max(len(one.latents) for one in heard)
    if count < most:
        return _cut(heard[chosen[0]], count, card, rng)
    several = [heard[at] for at in chosen[: round(count / most)]]
    cqts = [one.cqt for one in several if one.cqt is not None]
    latents_of_all = np.concatenate([one.latents for one in several])
    return Features(np.concatenate(cqts, axis=1), latents_of_all, sum(one.duration_s for one in several))


def _cut(one: Features, count: int, card: Card, rng: np.random.Generator) -> Features:
    """`count` successive windows of a performance, and the sound under them."""
    assert one.cqt is not None
    hearing = card.hearing
    first = int(rng.integers(0, max(1, len(one.latents) - count + 1)))
    start_s, length_s = first * hearing.window_hop_s, (count - 1) * hearing.window_hop_s + hearing.window_s
    cqt = one.cqt[:, round(start_s / hearing.frame_s) : round((start_s + length_s) / hearing.frame_s)]
    return Features(cqt, one.latents[first : first + count], cqt.shape[1] * hearing.frame_s, one.name)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A query with a candidate, whether they are of one composition, and how many pairs it stands for."""

    query: Features
    candidate: Features
    alike: bool
    weight: float
    found: Comparison


def _pairs(heard: list[Features], labels: NDArray[np.int64], card: Card) -> list[_Pair]:
    """Whole queries, and short ones; some strangers stand for all."""
    rng = np.random.default_rng(2)
    same = labels[:, None] == labels[None, :]
    friends = np.argwhere(same & ~np.eye(len(heard), dtype=bool))
    strangers = np.argwhere(~same)
    sample = rng.choice(strangers, STRANGERS, replace=False)
    made: list[_Pair] = []
    for whole in (True, False):
        for chosen, alike, weight in ((friends, True, 1.0), (sample, False, len(strangers) / STRANGERS)):
            for at, other in chosen:
                query = heard[at] if whole else _cut(heard[at], SHORT_WINDOWS, card, rng)
                if sounding(query.latents) and sounding(heard[other].latents):
                    made.append(_Pair(query, heard[other], alike, weight, compare(query, heard[other], card)))
    return made


def _calibration(pairs: list[_Pair], card: Card, material: str) -> Calibration:
    assert card.null is not None
    standard = [
        calibration.standardised(
            pair.found.score, sounding(pair.query.latents), sounding(pair.candidate.latents), card.null
        )
        for pair in pairs
    ]
    return _fitted(standard, pairs, material)


def _library(kept: dict[str, Any], pairs: list[_Pair]) -> dict[str, Any]:
    """What unrelated music of a library has in common, from pairs that are."""
    strangers = [pair.found for pair in pairs if not pair.alike]
    return {
        **kept,
        "related_agreement": RELATED_AGREEMENT,
        "harmony_floor": round(float(np.quantile([found.qmax or 0.0 for found in strangers], HARMONY_FLOOR)), 3),
        "harmony_weight": HARMONY_WEIGHT,
    }


def _library_calibration(heard: list[Features], pairs: list[_Pair], card: Card, material: str) -> Calibration:
    order = np.random.default_rng(3).permutation(len(heard))
    among = library.cohort([(heard[at].name, heard[at].latents) for at in order], card)
    if among is None:
        fact = f"fewer than {library.LEAST_TRACKS} of the validation performances are unrelated"
        raise ValueError(f"{fact}: the network tells too little apart, train it longer")
    standard = []
    for pair in pairs:
        query, other, found = pair.query, pair.candidate, pair.found
        normed = library.standing(query.name, query.latents, among, card)
        norm = library.norm_of(other.name, other.latents, normed)
        standard.append(library.standardised(found.agreement, found.qmax or 0.0, normed, norm, card))
    return _fitted(standard, pairs, f"{material}, as a library with {len(among.names)} strangers")


def _fitted(standard: list[float], pairs: list[_Pair], material: str) -> Calibration:
    alike, weights = [pair.alike for pair in pairs], [pair.weight for pair in pairs]
    today = datetime.now(UTC).date().isoformat()
    return calibration.fit(standard, alike, weights, date=today, material=material)


def _write(path: Path, told: dict[str, Any]) -> None:
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
    load.cache_clear()


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in fields.items()}
