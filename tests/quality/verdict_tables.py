"""The tables of `verdicts`, as they are printed."""

from __future__ import annotations

from typing import Any

from models.finding import VERDICTS
from tests.bench import report


def show(name: str, figures: dict[str, Any]) -> None:
    matrix, classes = figures["matrix"], figures["classes"]
    report.table(
        f"{name}: {figures['pairs']} pairs: rows the truth, columns the verdict",
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
    for content_type in ("sound_mark", "speech_over_music"):
        report.table(
            content_type,
            ["", "thresholds of", "pairs", "named", "found", "told"],
            [
                [kind, name, str(row["named"]["of"]), str(row["named"]["hits"]), str(row["found"]), str(row["told"])]
                for name, kinds in figures["content_types"][content_type].items()
                for kind, row in kinds.items()
            ],
        )
    report.table(
        "queries of strangers that are answered",
        ["thresholds of", "", "queries", "answered", "95 %"],
        [
            [name, kind, str(row["of"]), str(row["hits"]), "{:.4f} to {:.4f}".format(*row["interval"])]
            for name, kinds in figures["content_types"]["strangers"].items()
            for kind, row in kinds.items()
        ],
    )
