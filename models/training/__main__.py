"""`python -m models.training STEP`: from nothing to weights, one step at a time or `all`; each goes on where it was.

tunes           parse music21's corpus                                   4 minutes, once
bank            render every note of the soundfonts                      4 minutes, once
corpus          render shards: --way bank|audio --seeds FIRST:LAST       8 s, or 6 minutes, a shard on one core
learn NAME      the runs of its recipe that its curves do not tell of, or one more with --steps;
                goes on from the weights that are there                  hours; safe to interrupt
plot NAME       draw its curves beside its card
calibrate NAME  fit what its scores are worth, into its card             2 minutes
drums           grooves, and the drums' encoder, from nothing            half an hour
multitracks     render shards for the separator: --seeds FIRST:LAST      3 minutes a shard on one core
stems           train the separator on them, as `learn` does             two hours
voice           singers, and the voices' encoder, after the multitracks  half an hour
all             the shipped recipe of every network: all of the above    from nothing 5 hours

What is shipped is there already: `all` makes what is missing, so from nothing is after removing all safetensors and
curves under models/weights.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from models import card
from models.training import (
    bank,
    calibrate,
    corpus,
    fonts,
    learn,
    learn_drums,
    learn_stems,
    learn_voice,
    multitracks,
    plot,
)
from models.training.tunes import tunes

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
STEMS = WEIGHTS / "stems"
HEARING = card.load("classical").hearing  # the constant-Q transform is the same for all encoders
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
    for name in _networks(asked):
        _network(name, asked)
    if asked.step == "multitracks":
        _multitracks(asked, asked.split, _range(asked.seeds))
    if asked.step in {"stems", "all"}:
        _stems(asked)
    for step, own in (("drums", learn_drums), ("voice", learn_voice)):
        if asked.step == step or (asked.step == "all" and not (WEIGHTS / own.CARD.weights).exists()):
            own.learn(folder, WEIGHTS)


def _network(name: str, asked: argparse.Namespace) -> None:
    if asked.step in {"learn", "all"}:
        for run in _runs(learn.RECIPES[name], asked):
            corpus.render(asked.folder, "train", "bank", range(run.shards), HEARING, processes=asked.processes)
            learn.learn(learn.RECIPES[name], run, asked.folder, WEIGHTS, HEARING)
    if asked.step in {"learn", "plot", "all"}:
        plot.curves(learn.curves_path(WEIGHTS, name))
    if asked.step in {"calibrate", "all"}:
        calibrate.calibrate(name, asked.folder, WEIGHTS)


def _stems(asked: argparse.Namespace) -> None:
    runs = learn_stems.missing_runs(STEMS)
    if asked.steps is not None:
        last = learn_stems.RUNS[-1]
        rate = asked.learning_rate or last.learning_rate
        runs = (learn_stems.Run(_seed(asked, last.seed), asked.steps, asked.shards or last.shards, rate),)
    _multitracks(asked, "validation", range(1))
    for run in runs:
        _multitracks(asked, "train", range(run.shards))
        learn_stems.learn(run, asked.folder, STEMS)


def _multitracks(asked: argparse.Namespace, split: str, seeds: range) -> None:
    if split == "validation":
        fonts.fetch()
    multitracks.render(asked.folder, split, seeds, processes=asked.processes)


def _networks(asked: argparse.Namespace) -> list[str]:
    if asked.step == "all":
        return list(learn.RECIPES)
    return [asked.name] if asked.step in {"learn", "plot", "calibrate"} else []


def _runs(recipe: learn.Recipe, asked: argparse.Namespace) -> tuple[learn.Run, ...]:
    """The recipe's that are missing, or the one that was asked for."""
    if asked.steps is None:
        return learn.missing_runs(recipe, WEIGHTS)
    last = recipe.runs[-1]
    rate = asked.learning_rate or last.learning_rate
    return (learn.Run(_seed(asked, last.seed), asked.steps, rate, asked.shards or last.shards),)


def _seed(asked: argparse.Namespace, last_seed: int) -> int:
    """Of one more run: with the one behind the recipe's last it draws other examples than those."""
    return last_seed + 1 if asked.seed is None else int(asked.seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "step",
        choices=(
            "tunes",
            "bank",
            "corpus",
            "learn",
            "plot",
            "calibrate",
            "drums",
            "multitracks",
            "stems",
            "voice",
            "all",
        ),
    )
    parser.add_argument("name", nargs="?", choices=tuple(learn.RECIPES), default=learn.SMALL.name)
    parser.add_argument(
        "--folder", type=Path, default=cache_folder(), help="cache of the corpus (default: %(default)s)"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--split", choices=tuple(corpus.SONG_SEEDS), default="train")
    parser.add_argument("--way", choices=corpus.WAYS, default="bank")
    parser.add_argument("--seeds", default="0:60", metavar="FIRST:LAST", help="shards, the last left out")
    parser.add_argument("--steps", type=int, help="of one more run, instead of the recipe's")
    parser.add_argument("--learning-rate", type=float, help="of that run (default: as the recipe's last)")
    parser.add_argument("--shards", type=int, help="of the note bank in that run (default: as the recipe's last)")
    parser.add_argument("--seed", type=int, help="of that run (default: the one behind the recipe's last)")
    return parser.parse_args()


def _range(text: str) -> range:
    first, last = text.split(":")
    return range(int(first), int(last))


if __name__ == "__main__":
    main()
