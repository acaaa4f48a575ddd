"""Every clip, changed in one way, among all unchanged clips: is it found, and is what is said of it true?"""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np

from models.verdict import Comparison, compare_many
from tests.bench import report
from tests.quality.changes import CHANGES
from tests.quality.clips import CARD, clips, heard

NEAR_S = 1.0  # an excerpt's place, within


def measure() -> dict[str, Any]:
    every = clips()
    sounds = [clip.features for clip in every]
    figures = {}
    for name, change in CHANGES.items():
        sys.stderr.write(f"{name}\n")
        compared = [list(compare_many(heard(change(clip.samples()))[1], sounds, CARD)) for clip in every]
        figures[name] = _figures(name, compared)
    header = [
        "change",
        "top-1",
        "same_composition",
        "lowest score",
        "key right",
        "tempo within 2 %",
        "place within 1 s",
    ]
    rows = [[name, *(_shown(row[key]) for key in row)] for name, row in figures.items()]
    report.table(f"{len(every)} clips, each changed, among all {len(every)}", header, rows)
    return {"clips": len(every), "changes": figures}


def _figures(name: str, compared: list[list[Comparison]]) -> dict[str, float | None]:
    scores = np.array([[comparison.score for comparison in row] for row in compared])
    own = [row[index] for index, row in enumerate(compared)]
    aligned = [comparison.evidence[0] for comparison in own if comparison.evidence]
    shift, ratio, cut_s = (_number(name, kind) for kind in ("pitch", "tempo ×", "excerpt"))
    share = _share if aligned else lambda _: 0.0
    return {
        "top1": float(np.mean(scores.argmax(axis=1) == np.arange(len(own)))),
        "same_composition": float(np.mean([comparison.verdict == "same_composition" for comparison in own])),
        "lowest_score": float(scores.diagonal().min()),
        "key_right": share(found.transposition_semitones == (shift or 0) for found in aligned),
        "tempo_within_2_percent": share(abs(found.tempo_ratio / (ratio or 1) - 1) <= 0.02 for found in aligned),
        "place_within_1_s": None
        if cut_s is None
        else share(
            abs(found.candidate_start_s - found.query_start_s - (clip.features.duration_s - cut_s) / 2) <= NEAR_S
            for found, clip in zip(aligned, (c for c, o in zip(clips(), own, strict=True) if o.evidence), strict=True)
        ),
    }


def _share(hits: Any) -> float:
    return float(np.mean(list(hits)))


def _number(name: str, kind: str) -> float | None:
    found = re.match(rf"{kind} ?([-+]?[\d.]+)", name)
    return float(found[1]) if found else None


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
