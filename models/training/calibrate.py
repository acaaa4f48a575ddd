"""Calibrate: from held-out performances, what a score is worth; written into the card with the weights' SHA-256.

Compositions of the validation split, rendered as audio. The curve carries the prior of their pairs. Their null is that
of the arranger, widened by a constant: real music has another one in every catalogue (`limits` on the card).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import calibration
from models.card import Calibration, Card, Null, load
from models.latents import latents
from models.score import sounding
from models.training import corpus
from models.training.learn import curves_path
from models.verdict import Features, compare

WINDOWS = (1, 2, 4, 8, 16, 32, 64)  # of either side: 64 are two minutes and a half
NULL_PAIRS = 4_000
STRANGERS = 4_000  # pairs that stand for all pairs of strangers
SHORT_WINDOWS = 4
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
    told["calibration"] = _rounded(asdict(_calibration(heard, labels, load(name))))
    _write(path, told)
    return load(name)


def _heard(card: Card, folder: Path) -> tuple[list[Features], NDArray[np.int64]]:
    """What is heard of all validation performances as they were produced, and their compositions."""
    heard, labels = [], []
    for seed in corpus.rendered(folder, "validation", "audio"):
        shard = corpus.load_shard(folder, "validation", "audio", seed)
        for layers in shard.stems:
            cqt = np.asarray(layers[-1])
            heard.append(Features(cqt, latents(cqt, card), cqt.shape[1] * card.hearing.frame_s))
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
    return Features(cqt, one.latents[first : first + count], cqt.shape[1] * hearing.frame_s)


def _calibration(heard: list[Features], labels: NDArray[np.int64], card: Card) -> Calibration:
    """What standardised scores are worth: whole queries, and short ones; some strangers stand for all."""
    assert card.null is not None
    rng = np.random.default_rng(2)
    same = labels[:, None] == labels[None, :]
    friends = np.argwhere(same & ~np.eye(len(heard), dtype=bool))
    strangers = np.argwhere(~same)
    sample = rng.choice(strangers, STRANGERS, replace=False)
    rows: list[tuple[float, bool, float]] = []
    for whole in (True, False):
        for pairs, alike, weight in ((friends, True, 1.0), (sample, False, len(strangers) / STRANGERS)):
            for query, candidate in pairs:
                mine = heard[query] if whole else _cut(heard[query], SHORT_WINDOWS, card, rng)
                units = sounding(mine.latents), sounding(heard[candidate].latents)
                if all(units):
                    score = compare(mine, heard[candidate], card).score
                    rows.append((calibration.standardised(score, *units, card.null), alike, weight))
    standard, truth, weights = zip(*rows, strict=True)
    return calibration.fit(
        standard,
        truth,
        weights,
        date=datetime.now(UTC).date().isoformat(),
        material=f"validation split: {len(heard)} performances of {len(set(labels.tolist()))} compositions as audio",
    )


def _write(path: Path, told: dict[str, Any]) -> None:
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
    load.cache_clear()


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in fields.items()}
