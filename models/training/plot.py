"""Plot: the curves of all training runs of a network, one picture beside its card."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

FIGURES = {
    "full_map": "MAP, full mix",
    "full_top1": "top-1, full mix",
    "lead_map": "MAP, melody alone",
    "map": "MAP",
    "top1": "top-1",
    **{name: f"{name}, dB" for name in ("drums", "bass", "other", "vocals", "mean")},
}


def curves(told: Path, loss: str = "NT-Xent") -> Path:
    """Draw the curves that a training kept as a picture beside them; returns its path."""
    runs = json.loads(told.read_text())["runs"]
    mpl.use("Agg")
    figure, (losses, found) = plt.subplots(1, 2, figsize=(11, 4))
    before = 0
    for number, run in enumerate(runs, 1):
        steps, values = [before + step for step, _ in run["losses"]], [value for _, value in run["losses"]]
        losses.plot(steps, values, label=f"run {number}, seed {run['seed']}")
        there = {key: label for key, label in FIGURES.items() if key in run["validation"][0][1]}
        for at, (key, label) in enumerate(there.items()):
            places, figures = zip(*((before + step, row[key]) for step, row in run["validation"]), strict=True)
            found.plot(places, figures, f"C{at}o-", label=label if number == 1 else None)
        before += run["steps"]
    losses.set(title=f"training loss ({loss})", xlabel="step")
    found.set(title="held out", xlabel="step")
    found.set_ylim(bottom=0, top=max(1.0, found.get_ylim()[1]))
    for axes in (losses, found):
        axes.grid(alpha=0.3)
        axes.legend()
    picture = told.with_suffix(".png")
    figure.tight_layout()
    figure.savefig(picture, dpi=100, metadata={"Software": None})
    plt.close(figure)
    return picture
