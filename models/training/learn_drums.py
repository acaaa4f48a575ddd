"""Learn drums: fit the rhythm network to grooves, so that all performances of one lie together and no two grooves do.

    learn(folder, out)     from nothing to weights, curves and their picture, and the card's SHA-256; 12 minutes

The loss is `learn`'s NT-Xent. What is left after the steps is kept; grooves of the validation split, which are none of
those that judge, say meanwhile how well it finds.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models import rhythm_card
from models.rhythm_card import RhythmHearing
from models.rhythm_network import RhythmNetwork
from models.score import agreements
from models.training import drum_corpus, plot
from models.training.drum_corpus import Heard
from models.training.learn import curves_path, mixed_precision, nt_xent
from models.training.weights import sign, write

CARD = rhythm_card.load("drums")
Places = dict[int, list[NDArray[np.intp]]]  # by groove: the windows of each of its performances


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the drums' encoder is trained.

    Attributes:
        grooves, validated: of the training and of the validation split.
        at_once: grooves in a batch, two performances of each.
        shift: most steps of the axis of lags by which a window is moved either way: another tempo.
        gain: a curve is made louder or softer by at most this share.
        without_cymbals: share of the windows that are heard without the last band.
    """

    grooves: int = 1_500
    validated: int = 75
    at_once: int = 64
    steps: int = 1_000
    learning_rate: float = 2e-3
    weight_decay: float = 3e-2
    temperature: float = 0.1
    shift: int = 10
    gain: float = 0.3
    without_cymbals: float = 0.2


RECIPE = Recipe()


def learn(folder: Path, out: Path, recipe: Recipe = RECIPE, *, seed: int = 1, validate_every: int = 250) -> Path:
    """Train from nothing; what is rendered of the corpus in `folder` already is not rendered again.

    Writes `out`/stems/drums.safetensors with its curves and their picture, and where its card lies there the weights'
    SHA-256 and the run into that. Progress goes to stderr. Returns the weights' path.

    Raises:
        FileNotFoundError: FluidSynth or a soundfont is not installed. RuntimeError: FluidSynth failed.
    """
    weights = out / CARD.weights
    beside = weights.parent
    told_at = curves_path(beside, CARD.name)
    told_at.parent.mkdir(parents=True, exist_ok=True)
    validation = drum_corpus.heard(folder, "validation", recipe.validated, CARD.hearing)
    corpus = drum_corpus.heard(folder, "train", recipe.grooves, CARD.hearing)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = RhythmNetwork(CARD.hearing.pairs, CARD.architecture).train()
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    run: dict[str, Any] = {"seed": seed, "steps": 0, "losses": [], "validation": []}
    began, losses = time.monotonic(), []
    by_groove = places(corpus)
    for step in range(1, recipe.steps + 1):
        windows, labels = draw(corpus, by_groove, recipe, CARD.hearing, rng)
        with mixed_precision("cpu"):
            latents = network(torch.from_numpy(windows))
        loss = nt_xent(latents.float(), torch.from_numpy(labels), recipe.temperature)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        validated = step % validate_every == 0 or step == recipe.steps
        if validated or step % 50 == 0:
            run["losses"].append([step, round(float(np.mean(losses[-50:])), 4)])
        if validated:
            run |= {"steps": step, "seconds": round(time.monotonic() - began)}
            run["validation"].append([step, validate(network, validation)])
            told = f"loss {run['losses'][-1][1]:.3f} {run['validation'][-1][1]}"
            sys.stderr.write(f"{CARD.name} {step}/{recipe.steps} {told}\n")
    write(network.state_dict(), weights)
    told_at.write_text(json.dumps({"recipe": asdict(recipe), "runs": [run]}, indent=1) + "\n")
    plot.curves(told_at)
    sign(beside / f"{CARD.name}.json", weights, [run])
    return weights


def draw(
    corpus: Heard, by_groove: Places, recipe: Recipe, hearing: RhythmHearing, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """One batch: float32 (windows, pairs, lags), each heard a little otherwise; int64 (windows,), their grooves."""
    chosen = rng.choice(list(by_groove), min(recipe.at_once, len(by_groove)), replace=False)
    rows = [
        int(rng.choice(several[at]))
        for several in (by_groove[int(groove)] for groove in chosen)
        for at in rng.choice(len(several), 2, replace=False)
    ]
    curves = corpus.curves[rows].astype(np.float32)
    steps = rng.integers(-recipe.shift, recipe.shift + 1, len(rows)).tolist()
    windows = np.stack([moved(window, by, hearing) for window, by in zip(curves, steps, strict=True)])
    windows *= rng.uniform(1 - recipe.gain, 1 + recipe.gain, (*windows.shape[:2], 1)).astype(np.float32)
    bands = len(hearing.bands_hz)
    of_cymbals = [bands - 1 in divmod(pair, bands) for pair in range(hearing.pairs)]
    windows[np.outer(rng.random(len(rows)) < recipe.without_cymbals, of_cymbals)] = 0
    return windows, np.repeat(chosen, 2).astype(np.int64)


def moved(window: NDArray[np.float32], steps: int, hearing: RhythmHearing) -> NDArray[np.float32]:
    """(pairs, lags) as at another tempo: up the axis of lags for a slower one, zeros where nothing is known."""
    found = np.zeros_like(window)
    lags = window.shape[1]
    here, there = slice(max(0, steps), lags + min(0, steps)), slice(max(0, -steps), lags + min(0, -steps))
    found[:, here] = window[:, there] * np.float32(np.exp(hearing.lag_power * hearing.lag_step * steps))
    return found


def validate(network: RhythmNetwork, heard: Heard) -> dict[str, float]:
    """MAP and top-1 among all performances, each a query by its full windows, ranked as drum stems are."""
    network.eval()
    full = ~heard.short
    with torch.inference_mode():
        latents = network(torch.from_numpy(heard.curves[full].astype(np.float32))).numpy()
    network.train()
    owners = np.stack([heard.groove[full], heard.performance[full]], axis=1)
    performances = np.unique(owners, axis=0)
    windows = [latents[(owners == one).all(axis=1)] for one in performances]
    scores = agreements(windows, windows)
    np.fill_diagonal(scores, -np.inf)
    precisions, firsts = [], []
    for row, groove in zip(scores, performances[:, 0], strict=True):
        relevant = (performances[:, 0] == groove)[np.argsort(-row)[:-1]]
        ranks = np.flatnonzero(relevant)
        precisions.append(float(np.mean((np.arange(len(ranks)) + 1) / (ranks + 1))))
        firsts.append(float(relevant[0]))
    return {"map": round(float(np.mean(precisions)), 4), "top1": round(float(np.mean(firsts)), 4)}


def places(corpus: Heard) -> Places:
    """The windows of each performance of each groove. A window in which nothing is struck tells nothing."""
    sounding = np.flatnonzero(corpus.curves.any(axis=(1, 2)))
    found: Places = {}
    for groove in np.unique(corpus.groove).tolist():
        rows = sounding[corpus.groove[sounding] == groove]
        several = [rows[corpus.performance[rows] == at] for at in np.unique(corpus.performance[rows])]
        if len(several) > 1:
            found[groove] = several
    return found
