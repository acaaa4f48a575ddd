"""Held-out compositions, played four times each: 28 of Ryan's tunes, 20 chorales by Bach, 22 songs by rule and chance.

Deliberately hard: another key, tempo, order, line-up and sound each time, and only a part in common. The third
performance of each is played by an FM soundfont that nothing is trained on, the fourth is the melody alone. None of
these compositions is trained on; the performances come from the same arranger that training uses, rendered as audio.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.training import corpus
from models.training.__main__ import cache_folder
from models.training.arrange import FONTS, perform
from models.training.composition import Composition
from models.training.performance import Performance
from models.training.production import produce
from models.training.songs import song
from models.training.sound import produced_score_map, stem_waveforms
from tests.bench import report
from tests.quality import measures, ours, peers
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.renditions import Map, Rendition, folder_of, kept

VERSION = "1"
SEED = 20_261_121
TUNES = {"ryansMammoth": 28, "bach": 20}
SONGS = 22
PERFORMANCES = 4
FM, SOLO = 2, 3  # the performance with the held-out soundfont, and the melody alone
DURATION_S = 38.0


def measure() -> dict[str, Any]:
    every = renditions(cache_folder())
    works = [one.work for one in every]
    indexes = np.array([one.index for one in every])
    figures: dict[str, Any] = {"compositions": len(set(works)), "renditions": len(every)}
    figures["recipe"] = every[0].flac.parent.name
    figures["systems"] = {}
    mine: list[peers.System] = []
    for card in ours.CARDS:
        searched = [ours.features(one.samples(), card) for one in every]
        mine += [ours.shipped(card, searched), ours.pairs_alone(card), ours.windows(card)]
    for system in (*mine, peers.PUBLISHED_QMAX, peers.OUR_QMAX):
        sys.stderr.write(f"{system.name}\n")
        heard = [system.features(one.samples()) for one in every]
        scores = system.scores(heard, heard)
        figures["systems"][system.name] = {
            "all": measures.ranking(scores, works),
            **{name: measures.ranking(scores, works, indexes == index) for name, index in (("fm", FM), ("solo", SOLO))},
        }
    rows = [
        [name, *(f"{row[part][key]:.3f}" for part in ("all", "fm", "solo") for key in ("map", "top1"))]
        for name, row in figures["systems"].items()
    ]
    header = ["system", "MAP", "top-1", "FM MAP", "top-1", "melody alone MAP", "top-1"]
    report.table(f"{figures['compositions']} held-out compositions, {len(every)} renditions", header, rows)
    return figures


def renditions(tunes: Path) -> list[Rendition]:
    """All 280, by composition; makes those that are not kept yet. `tunes` is the training's cache folder."""
    folder = folder_of("synthetic", VERSION, SEED)
    return [
        kept(folder, composition.name.replace("/", "-"), index, partial(_rendition, composition, index))
        for composition in compositions(tunes)
        for index in range(PERFORMANCES)
    ]


def compositions(tunes: Path) -> list[Composition]:
    found = defaultdict[str, list[Composition]](list)
    for split in ("test", "validation"):  # of Bach the test split alone has too few
        for composition in corpus.split_tunes(tunes, split):
            found[composition.source].append(composition)
    chosen = [composition for source, count in TUNES.items() for composition in found[source][:count]]
    return chosen + [song(corpus.SONG_SEEDS["test"] + at) for at in range(SONGS)]


def _rendition(composition: Composition, index: int) -> tuple[Samples, Map]:
    fonts = ("OPL-3_FM_128M",) if index == FM else FONTS
    performance = perform(composition, SEED + index, DURATION_S, solo=index == SOLO, fonts=fonts)
    dry = sum(stem_waveforms(performance, RATE_HZ).values(), np.zeros(round(DURATION_S * RATE_HZ), np.float32))
    return produce(dry, performance.production, RATE_HZ, SEED + index), _map(performance)


def _map(performance: Performance) -> Map:
    """Beats and seconds of every span's edges. Where a beat is played twice the later place is left out."""
    spans = produced_score_map(performance)
    edges = np.concatenate([spans[:, [2, 0]], spans[:, [3, 1]] - [1e-3, 1e-3]])
    edges = edges[np.argsort(edges[:, 1], kind="stable")]
    return edges[:, 0], edges[:, 1]
