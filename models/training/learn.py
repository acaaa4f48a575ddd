"""Learn: fit a pitch-class network to the corpus, so that the same place of the same music lies together in any dress.

The loss is supervised NT-Xent (Khosla et al. 2020, "Supervised contrastive learning"): each window must be nearer to
the other performances of its place than to any window of another composition. Learning goes on from the weights that
are there: what a run leaves is the weights, which seeds it saw, and its curves.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from models.card import Architecture, Hearing
from models.network import PitchClassNetwork
from models.training import batches, corpus
from models.training.performance import STEMS
from models.training.weights import write


@dataclass(frozen=True, slots=True)
class Run:
    """One run of training, which goes on from the weights that are there, on the corpus' first `shards` shards."""

    seed: int
    steps: int
    learning_rate: float
    shards: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is trained, run by run; with `begins_as` it takes over what the network of that name learned."""

    name: str
    architecture: Architecture
    window_s: float
    compositions: int
    views: int
    runs: tuple[Run, ...]
    temperature: float = 0.08
    weight_decay: float = 1e-2
    warmup_steps: int = 150
    average: float = 0.998
    clip: float = 2.0
    begins_as: str | None = None


SMALL = Recipe(
    "pitchclass_small",
    Architecture(24, 3, (64, 96, 128), (2,), 128),
    window_s=10.0,
    compositions=48,
    views=3,
    runs=(Run(1, 5_000, 2e-3, 60), Run(2, 4_000, 1e-3, 85)),
)
LARGE = Recipe(
    "pitchclass_large",
    Architecture(24, 3, (64, 96, 128, 256, 256), (2, 4), 128),
    window_s=10.0,
    compositions=48,
    views=3,
    runs=(Run(2, 1_500, 1e-3, 85),),
    begins_as="pitchclass_small",
)
RECIPES = {recipe.name: recipe for recipe in (SMALL, LARGE)}


def missing_runs(recipe: Recipe, out: Path) -> tuple[Run, ...]:
    """The runs of a recipe that `out`'s curves do not tell of, or tell of as broken off."""
    told = curves_path(out, recipe.name)
    done = json.loads(told.read_text())["runs"] if told.exists() else []
    complete = {(run["seed"], run["steps"]) for run in done}
    return tuple(run for run in recipe.runs if (run.seed, run.steps) not in complete)


def learn(recipe: Recipe, run: Run, folder: Path, out: Path, hearing: Hearing, *, validate_every: int = 500) -> Path:
    """Train one run, from `out`'s weights where there are some; of its shards those that are there, or come meanwhile.

    Every `validate_every` steps the averaged weights are validated and written; a run that was ended begins anew from
    them with a fresh optimiser. Returns the weights' path.
    """
    torch.manual_seed(run.seed)
    weights, curves = out / f"{recipe.name}.safetensors", curves_path(out, recipe.name)
    curves.parent.mkdir(exist_ok=True)
    network = PitchClassNetwork(recipe.architecture)
    told: dict[str, Any] = {"recipe": asdict(recipe), "runs": []}
    if weights.exists():
        network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
        told = json.loads(curves.read_text())
    elif recipe.begins_as is not None:
        network.load_state_dict(inherited(network, load_file(out / f"{recipe.begins_as}.safetensors")))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device).train()
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), run.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, recipe.warmup_steps, run.steps))
    curve: dict[str, Any] = {"seed": run.seed, "steps": 0, "losses": [], "validation": []}
    told["runs"].append(curve)
    stream = DataLoader(_Batches(recipe, run, folder, hearing), batch_size=None, num_workers=1, prefetch_factor=4)
    began, losses = time.monotonic(), []
    for step, (windows, labels, seen) in enumerate(stream, 1):
        with mixed_precision(device):
            latents = network(windows.to(device))
        loss = nt_xent(latents.float(), labels.to(device), recipe.temperature)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimiser.step()
        schedule.step()
        follow(average, network, min(recipe.average, step / (step + 20)))
        losses.append(float(loss.detach()))
        if step % 50 == 0 or step == run.steps:
            curve["losses"].append([step, round(float(np.mean(losses[-50:])), 4)])
            speed = step * len(windows) / (time.monotonic() - began)
            sys.stderr.write(
                f"{recipe.name} {step}/{run.steps} loss {curve['losses'][-1][1]:.3f}, {speed:.0f} windows/s\n"
            )
        if step % validate_every == 0 or step == run.steps:
            curve |= {
                "steps": step,
                "shards": seen,
                "seconds": round(time.monotonic() - began),
            }
            curve["validation"].append([step, validate(average, recipe.window_s, folder, hearing)])
            sys.stderr.write(f"{recipe.name} {step}: {curve['validation'][-1][1]}\n")
            write(average.state_dict(), weights)
            curves.write_text(json.dumps(told, indent=1) + "\n")
        if step == run.steps:
            break
    return weights


def inherited(network: PitchClassNetwork, smaller: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state with which a deeper network says what the smaller one says; what is new has no voice in it yet."""
    state = network.state_dict()
    state["project.weight"].zero_()
    for name, learned in smaller.items():
        if state[name].shape == learned.shape:
            state[name] = learned.float()
        else:  # the smaller one's summaries stand first
            state[name][..., : learned.shape[-1]] = learned
    return state


def curves_path(weights: Path, name: str) -> Path:
    """Where a network's curves, and their picture, lie beside its card."""
    return weights / "curves" / f"{name}.json"


def nt_xent(latents: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """The loss of a batch: latents float (windows, dim) of unit length, labels int (windows,); alike are positives."""
    alike = latents @ latents.T / temperature
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=latents.device)
    strangers = torch.logsumexp(alike.masked_fill(same, float("-inf")), dim=1, keepdim=True)
    each = torch.logaddexp(alike, strangers) - alike
    positive = same & ~itself
    return (each * positive).sum() / positive.sum()


def encode(
    network: PitchClassNetwork, cqt: NDArray[np.uint8], window_s: float, hearing: Hearing
) -> NDArray[np.float32]:
    """The latents of a track, float32 (windows, dim), every 2 s, as `models.latents` makes them."""
    frames, hop = round(window_s / hearing.frame_s), round(2.0 / hearing.frame_s)
    last = max(cqt.shape[1] - frames, 0)
    windows = [cqt[:, start : start + frames] for start in range(0, last + 1, hop)]
    with torch.inference_mode():
        device = next(network.parameters()).device
        latents = network(torch.from_numpy(np.stack(windows)).float().to(device) / 255)
        return np.asarray(latents.cpu().numpy(), np.float32)


def validate(network: PitchClassNetwork, window_s: float, folder: Path, hearing: Hearing) -> dict[str, float]:
    """MAP among the validation shards' performances, unmixed by chance: of full mixes, and of leads alone.

    Every performance is a query by itself and by its lead; the others' full mixes are what is found.
    """
    full, lead, labels = [], [], []
    for seed in corpus.rendered(folder, "validation", "bank")[:1]:
        shard = corpus.load_shard(folder, "validation", "bank", seed)
        for stems, composition in zip(shard.stems, shard.compositions, strict=True):
            full.append(encode(network, _mixed(stems[: len(STEMS)], hearing), window_s, hearing))
            lead.append(encode(network, _mixed(stems[:1], hearing), window_s, hearing))
            labels.append(int(composition))
    same = np.array(labels)[:, None] == np.array(labels)[None, :]
    figures: dict[str, float] = {}
    for name, queries in (("full", full), ("lead", lead)):
        scores = np.array([[(query @ other.T).max(axis=1).mean() for other in full] for query in queries])
        np.fill_diagonal(scores, -np.inf)
        precisions, firsts = [], []
        for row, relevant in zip(scores, same, strict=True):
            ranked = relevant[np.argsort(-row)[:-1]]
            places = np.flatnonzero(ranked)
            precisions.append(float(np.mean((np.arange(len(places)) + 1) / (places + 1))))
            firsts.append(float(ranked[0]))
        figures |= {
            f"{name}_map": round(float(np.mean(precisions)), 4),
            f"{name}_top1": round(float(np.mean(firsts)), 4),
        }
    return figures


def _mixed(stems: NDArray[np.uint8], hearing: Hearing) -> NDArray[np.uint8]:
    scale = np.log1p(hearing.compression)
    magnitude = np.sqrt(np.square(np.expm1(stems * (scale / 255)) / hearing.compression).sum(axis=0))
    peak = max(float(magnitude.max()), 1e-9)
    return np.asarray(np.rint(255 * np.log1p(hearing.compression * magnitude / peak) / scale), np.uint8)


class _Batches(IterableDataset[tuple[Tensor, Tensor, dict[str, list[int]]]]):
    """Endless batches; every 300 of them it looks for new shards."""

    def __init__(self, recipe: Recipe, run: Run, folder: Path, hearing: Hearing) -> None:
        self.recipe, self.run, self.folder, self.hearing = recipe, run, folder, hearing

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, dict[str, list[int]]]]:
        torch.set_num_threads(1)
        rng, number = np.random.default_rng(self.run.seed), 0
        while True:
            rendered = {way: corpus.rendered(self.folder, "train", way) for way in corpus.WAYS}
            seeds = {way: [seed for seed in those if seed < self.run.shards] for way, those in rendered.items()}
            there = [(way, seed) for way in corpus.WAYS for seed in seeds[way]]
            pool = batches.pool([corpus.load_shard(self.folder, "train", way, seed) for way, seed in there])
            for _ in range(300):
                recipe, number = self.recipe, number + 1
                drawn = batches.draw(
                    pool, recipe.compositions, recipe.views, window_s=recipe.window_s, hearing=self.hearing, rng=rng
                )
                stems, gains, labels = drawn
                windows = batches.mix(stems, gains, self.hearing, self.run.seed * 1_000_003 + number)
                yield windows, torch.from_numpy(labels), seeds


def mixed_precision(device: str) -> torch.autocast:
    """Products in bfloat16 where that is quicker.

    A processor that has no such numbers takes thirteen times as long for them as for 32 bits (a step of the separator,
    two cores with AVX2, 2026-11-29).
    """
    enabled = device == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    return torch.autocast(device, torch.bfloat16, enabled=enabled)


def rate(step: int, warmup_steps: int, steps: int) -> float:
    """The share of the learning rate at a step: it rises over `warmup_steps` and falls as a cosine until `steps`."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    along = (step - warmup_steps) / max(1, steps - warmup_steps)
    return 0.5 * (1 + float(np.cos(np.pi * min(along, 1.0))))


@torch.no_grad()
def follow(average: torch.nn.Module, network: torch.nn.Module, inertia: float) -> None:
    """The weights that are kept are an exponential average: they validate better than the last ones."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - inertia)
        else:
            kept.copy_(new)
