"""Every clip among the others: is the same composition in another arrangement found before strangers?

Two systems besides ours stand beside it in the same run: the windows alone, scored as the contract's `max_then_mean`,
and mean chroma under the best transposition, which hardly tells anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.chroma import chroma
from models.verdict import Comparison, compare_many
from tests.bench import report
from tests.quality.clips import CARD, Clip, clips
from tests.quality.measures import average_precision


def mean_chroma(clip: Clip) -> np.ndarray:
    total = chroma(clip.features.cqt, CARD.hearing).mean(axis=1)
    return total / np.linalg.norm(total)


def measure() -> dict[str, Any]:
    every = clips()
    compared = [list(compare_many(query.features, [other.features for other in every], CARD)) for query in every]
    profiles = [mean_chroma(clip) for clip in every]
    systems = {
        "soundtrace, the score": lambda i, j: compared[i][j].score,
        "its windows, max_then_mean": lambda i, j: compared[i][j].windows.max_then_mean,
        "its Qmax": lambda i, j: compared[i][j].qmax,
        "mean chroma, best of 12 keys": lambda i, j: max(profiles[i] @ np.roll(profiles[j], k) for k in range(12)),
    }
    figures: dict[str, Any] = {"clips": len(every), "compositions": len({clip.composition for clip in every})}
    figures["systems"] = {name: _ranking(every, score) for name, score in systems.items()}
    figures["verdicts"] = _verdicts(every, compared)
    rows = [[name, f"{row['map']:.3f}", f"{row['top1']:.3f}"] for name, row in figures["systems"].items()]
    report.table("another arrangement of the same composition", ["system", "MAP", "top-1"], rows)
    report.table("verdicts (directed pairs)", ["pairs", *_NAMES, "of"], _shown(figures["verdicts"]))
    return figures


_NAMES = ("same_composition", "style_only", "no_relation")


def _ranking(every: Sequence[Clip], score: Any) -> dict[str, float]:
    precisions, firsts = [], []
    for i, query in enumerate(every):
        others = sorted((j for j in range(len(every)) if j != i), key=lambda j: -score(i, j))
        ranked = [every[j].composition == query.composition for j in others]
        if any(ranked):
            precisions.append(average_precision(ranked))
            firsts.append(ranked[0])
    return {"map": float(np.mean(precisions)), "top1": float(np.mean(firsts)), "queries": len(firsts)}


def _verdicts(every: Sequence[Clip], compared: list[list[Comparison]]) -> dict[str, dict[str, int]]:
    told = {kind: dict.fromkeys(_NAMES, 0) for kind in ("same composition", "strangers")}
    for i, query in enumerate(every):
        for j, other in enumerate(every):
            if i != j:
                kind = "same composition" if query.composition == other.composition else "strangers"
                told[kind][compared[i][j].verdict] += 1
    return told


def _shown(verdicts: dict[str, dict[str, int]]) -> list[list[Any]]:
    return [[kind, *(str(n) for n in row.values()), str(sum(row.values()))] for kind, row in verdicts.items()]
