"""Chances: what `p_chance` says of strangers, which it should spread evenly between 0 and 1.

Strangers are performances of held-out compositions and bands that play held-out tunes: no threshold and no curve has
seen them. Each pair is compared as `verdicts` compares, once by itself, as `soundtrace compare` does, with the shipped
calibration, and once as a search of a dataset that holds all of them does: there the windows of every layer that fifty
strangers have are judged by the dataset's own strangers (`models.library`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from models import library
from models.layers import DRUMS
from models.library import Cohort
from models.training.__main__ import cache_folder
from models.verdict import Features
from streams.pipeline import COMPREHENSIVE, layers_of
from tests.bench import report
from tests.quality import measures, synthetic, verdict_tunes
from tests.quality.clips import CARD
from tests.quality.renditions import seeded
from tests.quality.verdict_hearing import Side, side, told
from tests.quality.verdict_pairs import PERFORMED, SEEDS, unrelated

PAIRS = 120  # of each kind
BANDS = 30
LAYERS = "told", "windows", "mix", "melodies"  # what is told, and before it is put together
WAYS = "by itself", "in a dataset"
ALL = "all"


def measure() -> dict[str, Any]:
    """Of the seed that judges (`verdict_pairs.SEEDS`)."""
    seed = SEEDS[1]
    kinds = {
        "held-out performances": [one.flac for one in synthetic.renditions(cache_folder()) if one.index == 0][
            :PERFORMED
        ],
        "bands of held-out tunes": verdict_tunes.bands(verdict_tunes.held_out(seed)[:BANDS], seed),
    }
    pairs = {name: list(unrelated(name, files, PAIRS, seeded(seed, name, 0))) for name, files in kinds.items()}
    sides = {path: _named(path) for files in kinds.values() for path in files}
    strangers = cohorts(sides, seed)
    figures: dict[str, Any] = {
        "tracks": len(sides),
        "strangers": {layer: len(cohort.names) for layer, cohort in strangers.items()},
    }
    for way, among in zip(WAYS, (None, strangers), strict=True):
        said = {
            name: [_said(sides[pair.query], sides[pair.candidate], among) for pair in some]
            for name, some in pairs.items()
        }
        said[ALL] = [one for rows in said.values() for one in rows]
        figures[way] = {
            name: {of: measures.spread_of_chances([one[of] for one in rows]) for of in LAYERS}
            for name, rows in said.items()
        }
        _tell(way, figures[way])
    return figures


def cohorts(sides: Mapping[Path, Side], seed: int) -> dict[str, Cohort]:
    """The strangers of each layer, as a dataset of these tracks has them; none of drums or where few tracks have it."""
    order = np.random.default_rng(seed).permutation(len(sides))
    shuffled = [list(sides.values())[place] for place in order]
    found = {}
    for layer in layers_of(COMPREHENSIVE, ()):
        heard = [(one.name, one.latents) for one in _having(layer, shuffled)]
        if layer != DRUMS and len(heard) >= library.LEAST_TRACKS:
            cohort = library.cohort(heard, CARD)
            found |= {} if cohort is None else {layer: cohort}
    return found


def _having(layer: str, sides: Iterable[Side]) -> list[Features]:
    return [one.listened.windows[layer] for one in sides if layer in one.listened.windows]


def _named(path: Path) -> Side:
    """A file's side whose windows have the file's name, as a dataset's tracks have theirs."""
    found = side(path)
    windows = {layer: replace(one, name=str(path)) for layer, one in found.listened.windows.items()}
    return replace(found, listened=replace(found.listened, windows=windows))


def _said(query: Side, candidate: Side, among: Mapping[str, Cohort] | None) -> dict[str, float]:
    said = told(query, candidate, among=among)
    layered, melodies = said.found.layered, said.found.melodies or ()
    assert layered is not None
    found = {
        "told": said.p_chance,
        "windows": layered.p_chance,
        "mix": layered.found["full_audio"].p_chance,
        "melodies": min((one.p_chance for one in melodies), default=1.0),
    }
    assert None not in found.values()
    return {name: float(chance) for name, chance in found.items() if chance is not None}


def _tell(way: str, figures: Mapping[str, Any]) -> None:
    report.table(
        f"p_chance of strangers {way}: distance to uniform",
        ["", "pairs", *LAYERS, "told ≤ 0.01", "told ≤ 0.05"],
        [
            [
                name,
                str(row["told"]["pairs"]),
                *(f"{row[of]['ks']:.3f}" for of in LAYERS),
                *(f"{row['told'][f'at_most_{most}']:.3f}" for most in (0.01, 0.05)),
            ]
            for name, row in figures.items()
        ],
    )


def picture(figures: dict[str, Any], path: Path) -> None:
    """How strangers' `p_chance` is spread: where it tells the truth, along the diagonal."""
    mpl.use("Agg")
    drawn, places = plt.subplots(1, len(WAYS), figsize=(13, 5.5))
    for axes, way in zip(places, WAYS, strict=True):
        for name, row in figures[way].items():
            quantiles = row["told"]["quantiles"]
            axes.plot(quantiles, np.linspace(0, 1, len(quantiles)), label=f"{name}: {row['told']['ks']:.2f}")
        axes.plot([0, 1], [0, 1], "k:", linewidth=1)
        axes.set(xlabel="p_chance at most", ylabel="share of strangers", title=f"{way}, distance to uniform")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", fontsize="small")
    drawn.tight_layout()
    drawn.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(drawn)
