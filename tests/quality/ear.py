"""Encoders and their peers on music that none of them was made for: OpenMSX, re-arranged, and Wesnoth, changed.

Every rendition is a query among all others of its set; found are the others of its work. Short queries, cut from the
first changed rendition, are searched among the whole other renditions. Where a system says which places of a pair are
the same, they are looked up in the beats of the work. Both sets together are the library that the shipped encoders
are searched in.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from tests.bench import report
from tests.quality import measures, openmsx, ours, wesnoth
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.peers import System, peers
from tests.quality.renditions import Rendition, seeded

SHORT_S = (3, 5, 8)
PLACES = 3  # short queries of each length from each work
WITHIN_BEATS = (2, 4, 8)
SEED = 20_261_121


def measure() -> dict[str, Any]:
    sets = {"OpenMSX": openmsx.renditions(), "Wesnoth": wesnoth.renditions()}
    every = [one for some in sets.values() for one in some]
    mine: list[System] = []
    for card in ours.CARDS:
        searched = [ours.features(one.samples(), card) for one in every]
        mine += [ours.shipped(card, searched), ours.pairs_alone(card), ours.windows(card)]
    figures = judged([*mine, *peers()], sets)
    figures["trust"] = {card.model_version: ours.trust(sets, card) for card in ours.CARDS}
    for version, ways in figures["trust"].items():
        rows = [
            [f"{way}: {name}", *(f"{value:.4g}" for value in row.values())]
            for way, told in ways.items()
            for name, row in told["worth"].items()
        ]
        header = ["pairs of", *next(iter(ways.values()))["worth"]["both together"]]
        report.table(f"{version}: verdicts and probabilities of all pairs", header, rows)
    return figures


def picture(figures: dict[str, Any], path: Path) -> None:
    """How strangers' `p_chance` is spread: where it tells the truth, along the diagonal."""
    mpl.use("Agg")
    drawn, axes = plt.subplots(figsize=(5, 5))
    for version, ways in figures["trust"].items():
        for way, told in ways.items():
            quantiles = told["p_chance_quantiles"]
            axes.plot(quantiles, np.linspace(0, 1, len(quantiles)), label=f"{version}, {way}")
    axes.plot([0, 1], [0, 1], "k:", linewidth=1)
    axes.set(xlabel="p_chance at most", ylabel="share of strangers", title="strangers of both sets, all pairs")
    axes.grid(alpha=0.3)
    axes.legend()
    drawn.tight_layout()
    drawn.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(drawn)


def judged(systems: Sequence[System], sets: Mapping[str, Sequence[Rendition]]) -> dict[str, Any]:
    """The figures of every system on every set, printed as tables."""
    figures: dict[str, Any] = {
        "sets": {
            name: {
                "works": len({one.work for one in every}),
                "renditions": len(every),
                "recipe": every[0].flac.parent.name,
            }
            for name, every in sets.items()
        },
        "systems": {system.name: _figures(system, sets) for system in systems},
    }
    for name, every in sets.items():
        rows = [_row(found_by, row["sets"][name]) for found_by, row in figures["systems"].items()]
        about = figures["sets"][name]
        report.table(f"{name}: {about['works']} works, {len(every)} renditions", _HEADER, rows)
    rows = [[name, _shown(row["tpr_at_1_percent"]), _shown(row["auc"])] for name, row in figures["systems"].items()]
    report.table("both sets: all directed pairs together", ["system", "TPR at 1 % FPR", "AUC"], rows)
    return figures


def short_queries(every: Sequence[Rendition], seconds: float) -> list[tuple[str, Samples]]:
    """Works and cuts of their first changed rendition, at seeded places which all other renditions play too."""
    cuts = []
    for one in (one for one in every if one.index == 1):
        others = [other for other in every if other.work == one.work and other.index != 1]
        common = max(other.beats[0] for other in others), min(other.beats[-1] for other in others)
        first_s, last_s = np.interp(common, one.beats, one.seconds)
        samples = one.samples()
        length = round(seconds * RATE_HZ)
        rng = seeded(SEED, one.work, round(1_000 * seconds))
        for start_s in rng.uniform(first_s, max(first_s, last_s - seconds), PLACES):
            start = min(round(start_s * RATE_HZ), len(samples) - length)
            cuts.append((one.work, samples[start : start + length]))
    return cuts


def _figures(system: System, sets: Mapping[str, Sequence[Rendition]]) -> dict[str, Any]:
    of_sets, same, strangers = {}, [], []
    began = time.perf_counter()
    for name, every in sets.items():
        sys.stderr.write(f"{system.name}: {name}\n")
        features = [system.features(one.samples()) for one in every]
        works = [one.work for one in every]
        scores = system.scores(features, features)
        of_sets[name] = {
            **measures.ranking(scores, works),
            "short": _short(system, every, features),
            "beats": _places(system, every, features),
        }
        for pooled, some in zip((same, strangers), measures.pairs(scores, works), strict=True):
            pooled.append(some)
    positive, negative = np.concatenate(same), np.concatenate(strangers)
    return {
        "sets": of_sets,
        "tpr_at_1_percent": measures.tpr_at_fpr(positive, negative),
        "auc": measures.auc(positive, negative),
        "seconds": time.perf_counter() - began,
    }


def _short(system: System, every: Sequence[Rendition], features: Sequence[Any]) -> dict[str, float]:
    candidates = [(one.work, heard) for one, heard in zip(every, features, strict=True) if one.index != 1]
    labels, heard = zip(*candidates, strict=True)
    found = {}
    for seconds in SHORT_S:
        works, cuts = zip(*short_queries(every, seconds), strict=True)
        scores = system.scores([system.features(cut) for cut in cuts], heard)
        found[str(seconds)] = measures.right_first(scores, works, labels)
    return found


def _places(system: System, every: Sequence[Rendition], features: Sequence[Any]) -> dict[str, float] | None:
    """Share of the directed pairs of one work whose claimed places lie within so many beats of each other."""
    if system.place is None:
        return None
    distances = []
    for query, heard in zip(every, features, strict=True):
        for candidate, other in zip(every, features, strict=True):
            if query.work == candidate.work and query.index != candidate.index:
                place = system.place(heard, other)
                maps = (query.beats, query.seconds), (candidate.beats, candidate.seconds)
                distances.append(place and measures.beats_apart(*place, *maps))
    return measures.within(distances, WITHIN_BEATS)


_HEADER = ["system", "MAP", "top-1", *(f"{s} s" for s in SHORT_S), *(f"{beats} beats" for beats in WITHIN_BEATS)]


def _row(name: str, found: dict[str, Any]) -> list[str | None]:
    places = found["beats"] or dict.fromkeys(map(str, WITHIN_BEATS))
    return [name, *map(_shown, [found["map"], found["top1"], *found["short"].values(), *places.values()])]


def _shown(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
