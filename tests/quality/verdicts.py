"""Verdicts: pairs of each class, compared in full; which verdict is told, where, and how likely by chance.

`verdict_pairs` makes recordings, changed, edited, sampled, re-arranged and unrelated; `verdict_tunes` borrowed bars,
the same chords under another melody, unrelated tunes by one band; `verdict_jingles` sound marks under speech and music.
Two files are compared as `soundtrace compare` does, at the depth of the profile `comprehensive1`: no library.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from models.finding import VERDICTS
from models.motif import chance as motif_chance
from tests.bench import report
from tests.quality import verdict_figures as figures_of
from tests.quality import verdict_jingles, verdict_pairs, verdict_tunes
from tests.quality.renditions import seeded
from tests.quality.verdict_figures import HELD_OUT, TRUTHS
from tests.quality.verdict_pairs import SEED, Pair

CHANCE_PAIRS = 120  # of each pool of strangers, besides those of the matrix


def measure() -> dict[str, Any]:
    rows = [figures_of.row(pair) for pair in _progress(pairs())]
    pools = {name: [figures_of.row(pair).p_chance for pair in _progress(some)] for name, some in strangers()}
    for row in rows:
        if row.pair.truth == "no_relation" and row.pair.made not in HELD_OUT:
            pools.setdefault(row.pair.made, []).append(row.p_chance)
    figures = {
        "pairs": len(rows),
        "motif_chance": {name: [one.location, one.scale, one.per_log] for name, one in motif_chance.CHANCES.items()},
        **figures_of.counted(rows),
        "p_chance": figures_of.chances(pools),
    }
    _print(figures)
    return figures


def pairs() -> Iterator[Pair]:
    """The labelled pairs of all classes."""
    of, some = _sources(), _tunes()
    yield from verdict_pairs.same_recordings(of)
    yield from verdict_pairs.modified_recordings(of)
    yield from verdict_pairs.samples(of)
    yield from verdict_pairs.same_compositions(of)
    yield from verdict_tunes.shared_motifs(some)
    yield from verdict_jingles.jingles(of.recorded)
    yield from verdict_tunes.same_chords(some)
    yield from verdict_tunes.twins(some)
    yield from verdict_pairs.strangers(of)


def strangers() -> Iterator[tuple[str, Iterable[Pair]]]:
    """More pairs of strangers that nothing is fitted on, for their `p_chance` alone."""
    of = _sources()
    pools = {
        HELD_OUT[0]: [one.flac for one in of.performed[: verdict_pairs.PERFORMED]],
        HELD_OUT[1]: verdict_tunes.bands(_tunes()[:30]),
    }
    for name, files in pools.items():
        yield name, list(verdict_pairs.unrelated(name, files, CHANCE_PAIRS, seeded(SEED, name, 0)))


_sources = cache(verdict_pairs.sources)
_tunes = cache(verdict_tunes.held_out)


def _progress(some: Iterable[Pair]) -> Iterator[Pair]:
    for at, pair in enumerate(some, 1):
        if at % 50 == 0:
            sys.stderr.write(f"{at} pairs, {pair.truth}\n")
        yield pair


def _print(figures: dict[str, Any]) -> None:
    matrix, classes = figures["matrix"], figures["classes"]
    report.table(
        f"{figures['pairs']} pairs: rows the truth, columns the verdict",
        ["", *VERDICTS[::-1], "right"],
        [
            [truth, *(str(row.get(v, 0)) for v in VERDICTS[::-1]), f"{classes[truth]['share']:.2f}"]
            for truth, row in matrix.items()
        ],
    )
    report.table(
        "each way",
        ["", "pairs", "right", "told"],
        [[name, str(row["of"]), str(row["hits"]), str(row["told"])] for name, row in figures["ways"].items()],
    )
    report.table(
        "false accepts",
        ["strangers", "pairs", "accepted", "95 %"],
        [
            [name, str(row["of"]), str(row["hits"]), "{:.3f} to {:.3f}".format(*row["interval"])]
            for name, row in figures["false_accepts"].items()
        ],
    )
    report.table(
        "sound marks",
        ["", "marks", "found", "named"],
        [[name, str(row["marks"]), str(row["found"]), str(row["named"])] for name, row in figures["jingles"].items()],
    )
    report.table(
        "places that are told",
        ["", "told", "median s", "90 % s", "within 1 s"],
        [
            [name, str(row["told"]), *(f"{row[key]:.2f}" for key in ("median_s", "p90_s", "within_1_s"))]
            for name, row in figures["places"].items()
        ],
    )
    report.table(
        "p_chance of strangers: distance to uniform",
        ["", "pairs", "told", "windows", "mix", "melodies", "told ≤ 0.01"],
        [
            [
                name,
                str(row["told"]["pairs"]),
                *(f"{row[of]['ks']:.3f}" for of in ("told", "windows", "mix", "melodies")),
                f"{row['told']['at_most_0.01']:.3f}",
            ]
            for name, row in figures["p_chance"].items()
        ],
    )


def picture(figures: dict[str, Any], path: Path) -> None:
    """The matrix, and how strangers' `p_chance` is spread: where it tells the truth, along the diagonal."""
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
