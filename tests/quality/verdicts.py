"""Verdicts: pairs of each class, compared in full; which verdict is told, where, and how likely by chance.

`verdict_pairs` makes recordings, changed, edited, sampled, re-arranged and unrelated; `verdict_tunes` borrowed bars,
the same chords under another melody, unrelated tunes by one band; `verdict_jingles` sound marks under speech and music.
Two files are compared as `soundtrace compare` does, at the depth of the profile `comprehensive1`: no library. What
proves which verdict, and how chances are counted, was set on the first seed; the second has other tunes, strangers and
marks, and other excerpts of the same recordings. `verdict_types` compares with the thresholds of other content types.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from models.finding import VERDICTS
from models.motif import chance as motif_chance
from tests.quality import verdict_figures as figures_of
from tests.quality import verdict_jingles, verdict_pairs, verdict_tables, verdict_tunes, verdict_types
from tests.quality.motif_tunes import Tune
from tests.quality.renditions import seeded
from tests.quality.verdict_figures import HELD_OUT, TRUTHS
from tests.quality.verdict_pairs import SEEDS, Pair, Sources

SETS = "set on", "judged"  # the seeds of `verdict_pairs`
CHANCE_PAIRS = 120  # of each pool of strangers, besides those of the matrix


def measure() -> dict[str, Any]:
    figures: dict[str, Any] = {
        "motif_chance": {name: [one.location, one.scale, one.per_log] for name, one in motif_chance.CHANCES.items()}
    }
    for name, seed in zip(SETS, SEEDS, strict=True):
        of, some = verdict_pairs.sources(seed), verdict_tunes.held_out(seed)
        rows = [figures_of.row(pair) for pair in _progress(pairs(of, some))]
        pools = {kind: [figures_of.row(pair).p_chance for pair in _progress(few)] for kind, few in strangers(of, some)}
        for row in rows:
            if row.pair.truth == "no_relation" and row.pair.made not in HELD_OUT:
                pools.setdefault(row.pair.made, []).append(row.p_chance)
        figures[name] = {
            "seed": seed,
            "pairs": len(rows),
            **figures_of.counted(rows),
            "p_chance": figures_of.chances(pools),
            "content_types": verdict_types.measure(of),
        }
        verdict_tables.show(name, figures[name])
    return figures


def pairs(of: Sources, some: Sequence[Tune]) -> Iterator[Pair]:
    """The labelled pairs of all classes."""
    yield from verdict_pairs.same_recordings(of)
    yield from verdict_pairs.modified_recordings(of)
    yield from verdict_pairs.samples(of)
    yield from verdict_pairs.same_compositions(of)
    yield from verdict_tunes.shared_motifs(some, of.seed)
    yield from verdict_jingles.jingles(of.recorded, of.seed)
    yield from verdict_tunes.same_chords(some, of.seed)
    yield from verdict_tunes.twins(some, of.seed)
    yield from verdict_pairs.strangers(of)


def strangers(of: Sources, some: Sequence[Tune]) -> Iterator[tuple[str, Iterable[Pair]]]:
    """More pairs of strangers, for their `p_chance` alone."""
    pools = {HELD_OUT[0]: [one.flac for one in of.unheard], HELD_OUT[1]: verdict_tunes.bands(some[:30], of.seed)}
    for name, files in pools.items():
        yield name, list(verdict_pairs.unrelated(name, files, CHANCE_PAIRS, seeded(of.seed, name, 0)))


def _progress(some: Iterable[Pair]) -> Iterator[Pair]:
    for at, pair in enumerate(some, 1):
        if at % 50 == 0:
            sys.stderr.write(f"{at} pairs, {pair.truth}\n")
        yield pair


def picture(figures: dict[str, Any], path: Path) -> None:
    """The matrix, and how strangers' `p_chance` is spread: where it tells the truth, along the diagonal."""
    figures = figures[SETS[1]]
    mpl.use("Agg")
    drawn, (left, right) = plt.subplots(1, 2, figsize=(13, 5.5))
    columns = VERDICTS[::-1]
    counts = np.array([[figures["matrix"][truth].get(verdict, 0) for verdict in columns] for truth in TRUTHS])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.5 else "black"
            left.text(column, row, str(count), ha="center", va="center", color=colour)
    left.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
    left.set_yticks(range(len(TRUTHS)), TRUTHS)
    left.set(xlabel="told", ylabel="truth", title=f"{figures['pairs']} pairs")
    for name, row in figures["p_chance"].items():
        quantiles = row["told"]["quantiles"]
        right.plot(quantiles, np.linspace(0, 1, len(quantiles)), label=f"{name}: {row['told']['ks']:.2f}")
    right.plot([0, 1], [0, 1], "k:", linewidth=1)
    right.set(xlabel="p_chance at most", ylabel="share of strangers", title="strangers, distance to uniform")
    right.grid(alpha=0.3)
    right.legend(loc="upper left", fontsize="small")
    drawn.tight_layout()
    drawn.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(drawn)
