"""`python -m models.training STEP`: from nothing to weights, one step at a time or `all`; each goes on where it was.

tunes       parse music21's corpus                                   4 minutes, once
bank        render every note of the soundfonts                      4 minutes, once
corpus      render shards: --way bank|audio --seeds FIRST:LAST       8 s, or 6 minutes, a shard on one core
learn NAME  train a network on all shards, from the weights there    hours; safe to interrupt
plot NAME   draw its curves beside its card
all         the shipped recipe: everything above with the defaults
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from models import card
from models.training import bank, calibrate, corpus, learn, plot
from models.training.tunes import tunes

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
HEARING = card.load("classical").hearing  # the constant-Q transform is the same for all encoders
BANK_SHARDS = range(60)
VALIDATION_SHARDS = range(2)


def cache_folder() -> Path:
    """Where tunes, note bank and shards are kept: `$XDG_CACHE_HOME/soundtrace/training`, else under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soundtrace" / "training"


def main() -> None:
    asked = _arguments()
    folder, processes = asked.folder, asked.processes
    if asked.step in {"tunes", "all"}:
        tunes(folder)
    if asked.step in {"bank", "all"}:
        bank.build(folder / "bank", HEARING, processes)
    if asked.step == "corpus":
        corpus.render(folder, asked.split, asked.way, _range(asked.seeds), HEARING, processes=processes)
    if asked.step == "all":
        corpus.render(folder, "validation", "bank", VALIDATION_SHARDS, HEARING, processes=processes)
        corpus.render(folder, "validation", "audio", [0], HEARING, processes=processes)
        corpus.render(folder, "train", "bank", BANK_SHARDS, HEARING, processes=processes)
    for name in _networks(asked):
        if asked.step in {"learn", "all"}:
            recipe = learn.RECIPES[name]
            rate = asked.learning_rate or recipe.learning_rate
            recipe = replace(recipe, steps=asked.steps or recipe.steps, learning_rate=rate)
            learn.learn(recipe, folder, asked.out, HEARING, seed=asked.seed)
        if asked.step in {"learn", "plot", "all"}:
            plot.curves(learn.curves_path(asked.out, name))
        if asked.step in {"calibrate", "all"}:
            calibrate.calibrate(name, folder, WEIGHTS)


def _networks(asked: argparse.Namespace) -> list[str]:
    if asked.step == "all":
        return list(learn.RECIPES)
    return [asked.name] if asked.step in {"learn", "plot", "calibrate"} else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("tunes", "bank", "corpus", "learn", "plot", "calibrate", "all"))
    parser.add_argument("name", nargs="?", choices=tuple(learn.RECIPES), default=learn.SMALL.name)
    parser.add_argument(
        "--folder", type=Path, default=cache_folder(), help="cache of the corpus (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder of the weights (default: beside the cards)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--split", choices=tuple(corpus.SONG_SEEDS), default="train")
    parser.add_argument("--way", choices=corpus.WAYS, default="bank")
    parser.add_argument("--seeds", default="0:60", metavar="FIRST:LAST", help="shards, the last left out")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--learning-rate", type=float, help="instead of the recipe's: less where a run goes on")
    parser.add_argument("--seed", type=int, default=1, help="of the run")
    return parser.parse_args()


def _range(text: str) -> range:
    first, last = text.split(":")
    return range(int(first), int(last))


if __name__ == "__main__":
    main()
