"""Learn stems: fit the separator to the multitracks.

Two thirds of the examples are cut from one track, the others put together from four: unmusical, but every stem is then
heard in front of every other (Uhlich et al. 2017). What is made small is the root mean square error of each stem of
each example: 80 steps from the weights of version 2 brought the validation from 6.07 to 6.17 dB, and to 6.00 by the
absolute error of the spectra's real and imaginary parts, 5.65 by the logarithm of the squared error, which is nearer to
the measure (the same examples, one trial each, 2026-11-29). Matrices and convolutions are learned by Muon
(Jordan et al. 2024), the rest by AdamW. Learning goes on from the weights that are there: what a run leaves is the
weights, which shards it saw, and its curves.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs.hf import load_safetensors_model
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset

from models.memory import keep_freed
from models.stems import STEMS
from models.training import multitracks, plot
from models.training.learn import curves_path, follow, rate
from models.training.multitracks import RATE_HZ
from models.training.weights import sign, write
from models.unet import FFT_SAMPLES, HOP_SAMPLES, UNet

NAME = "unet"
SEGMENT_S = 6.0
BATCH = 6
LEARNING_RATE, WARMUP_STEPS, WEIGHT_DECAY, CLIP = 3e-3, 100, 1e-2, 1.0
AVERAGE = 0.995
COHERENT = 0.65  # of the examples are cut from one track
GAIN_DB = 4.0
AS_PLAYED = 0.5  # of the examples keep their speed and their brightness
SPEED = 1.12  # how much faster or slower, and higher or lower, a stem of the others runs at most
TILT = 0.5  # of a filter of two taps: darker or brighter
ABSENT = 0.08  # how often a stem is left out
VALIDATED_S = 20.0
LEAST_ERROR = 1e-6  # 60 dB under the mix: what is closer counts as met


@dataclass(frozen=True, slots=True)
class Run:
    """One run of training, which goes on from the weights that are there.

    Attributes:
        shards: the first of the training split, which it learns from.
        schedule_steps: after which its learning rate would be zero; None: those that it takes.
    """

    seed: int
    steps: int
    shards: int
    learning_rate: float = LEARNING_RATE
    schedule_steps: int | None = None


# Of the shipped weights. The first two had the absolute error for their loss, and shards without the synthesiser; run 3
# had shards without the third bank and the kits. What makes them today renders all shards by today's recipe.
RUNS = (
    Run(1, 2_250, 15, schedule_steps=5_600),
    Run(2, 2_600, 15, 2e-3),
    Run(3, 5_000, 12, 2e-3),
    Run(4, 6_000, 12, 1.5e-3),
)


def missing_runs(out: Path) -> tuple[Run, ...]:
    """The runs of the shipped weights that `out`'s curves do not tell of, or tell of as broken off."""
    told = curves_path(out, NAME)
    done = json.loads(told.read_text())["runs"] if told.exists() else []
    complete = {(run["seed"], run["steps"]) for run in done}
    return tuple(run for run in RUNS if (run.seed, run.steps) not in complete)


def learn(run: Run, folder: Path, out: Path, *, validate_every: int = 500) -> Path:
    """Train one run, from `out`'s weights where there are some; of its shards those that are there, or come meanwhile.

    Every `validate_every` steps the averaged weights are validated and written, fp16, and the card beside them signed:
    what is there can be used whenever it is broken off. Returns the weights' path.
    """
    keep_freed()
    torch.manual_seed(run.seed)
    weights, curves = out / f"{NAME}.safetensors", curves_path(out, NAME)
    curves.parent.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = json.loads(curves.read_text()) if curves.exists() else {"runs": []}
    network: Any = load_safetensors_model(weights) if weights.exists() else UNet()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device).train()
    average = copy.deepcopy(network).eval()
    optimiser = Optimiser(network, run.learning_rate)
    curve: dict[str, Any] = {**asdict(run), "steps": 0, "losses": [], "validation": []}
    told["runs"].append(curve)
    losses, began = [], time.monotonic()
    stream = DataLoader(_Examples(run, folder), batch_size=None, num_workers=1, prefetch_factor=2)
    for step, (stems, seen) in enumerate(islice(stream, run.steps), 1):
        loss = loss_of(network, stems.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step(rate(step - 1, WARMUP_STEPS, run.schedule_steps or run.steps))
        follow(average, network, min(AVERAGE, step / (step + 20)))
        losses.append(float(loss.detach()))
        if step % 50 == 0 or step == run.steps:
            curve["losses"].append([step, round(float(np.mean(losses[-50:])), 4)])
            speed = step * BATCH * SEGMENT_S / (time.monotonic() - began)
            sys.stderr.write(f"{NAME} {step}/{run.steps} loss {curve['losses'][-1][1]:.4f}, {speed:.0f} x real time\n")
        if step % validate_every == 0 or step == run.steps:
            curve |= {"steps": step, "seen": seen, "seconds": round(time.monotonic() - began)}
            curve["validation"].append([step, validate(average, folder)])
            sys.stderr.write(f"{NAME} {step}: {curve['validation'][-1][1]}\n")
            keep(average, weights)
            curves.write_text(json.dumps(told, indent=1) + "\n")
            sign(out / f"{NAME}.json", weights, told["runs"])
            plot.curves(curves, "root mean square error; of runs 1 and 2 the absolute error of spectra")
    return weights


class Optimiser:
    """Muon for matrices and convolutions, each as a matrix of its filters; AdamW for what is a row of numbers.

    Muon's steps are scaled to the size of AdamW's (Liu et al. 2025, "Muon is scalable for LLM training"), so both have
    the same learning rate.
    """

    def __init__(self, network: torch.nn.Module, learning_rate: float) -> None:
        every = list(network.parameters())
        self._weights = [one for one in every if one.ndim > 1]
        # Muon takes matrices only. As views they share the weights' memory, so what they learn is the network's.
        self._matrices = [torch.nn.Parameter(one.detach().view(len(one), -1)) for one in self._weights]
        self._learning_rate = learning_rate
        self._optimisers = (
            torch.optim.Muon(self._matrices, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW([one for one in every if one.ndim == 1], weight_decay=0.0),
        )

    def step(self, share: float) -> None:
        """Go down the gradients, which are then gone, by a share of the learning rate."""
        for matrix, weight in zip(self._matrices, self._weights, strict=True):
            matrix.grad, weight.grad = None if weight.grad is None else weight.grad.flatten(1), None
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self._learning_rate * share
            optimiser.step()  # type: ignore[no-untyped-call]
            optimiser.zero_grad()


def loss_of(network: Any, stems: torch.Tensor) -> torch.Tensor:
    """Mean over stems, float (batch, 4, samples), of the root mean square of each one's error; the mix's own is one."""
    stems = stems / (stems.sum(dim=1).std(dim=1)[:, None, None] + 1e-6)
    wanted = torch.stft(stems.flatten(0, 1), FFT_SAMPLES, HOP_SAMPLES, window=network.taper, return_complex=True)
    wanted = wanted.view(*stems.shape[:2], *wanted.shape[1:])
    mix = wanted.sum(dim=1)
    with torch.autocast(stems.device.type, dtype=torch.bfloat16):
        shares: torch.Tensor = network.masks(mix.abs())
    found = shares[:, :, network.band_of_bin, :, None] * torch.view_as_real(mix)[:, None]
    error = 2 * (found - torch.view_as_real(wanted)).square().mean(dim=(2, 3, 4)) / network.taper.square().sum()
    mean: torch.Tensor = (error + LEAST_ERROR).sqrt().mean()
    return mean


class _Examples(IterableDataset[tuple[torch.Tensor, list[int]]]):
    """Endless batches, and the shards that they are drawn of; every 50 of them it looks for new ones."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.folder = run, folder

    def __iter__(self) -> Iterator[tuple[torch.Tensor, list[int]]]:
        rng = np.random.default_rng(self.run.seed)
        while True:
            seen = [seed for seed in multitracks.rendered(self.folder, "train") if seed < self.run.shards]
            shards = [multitracks.load_shard(self.folder, "train", seed) for seed in seen]
            for _ in range(50):
                yield torch.from_numpy(draw(shards, BATCH, rng)), seen


def draw(shards: list[NDArray[np.int16]], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Examples, float32 (count, 4, samples): stems of one track, or of four, each a little changed."""
    length = round(SEGMENT_S * RATE_HZ)
    made = np.zeros((count, len(STEMS), length), np.float32)
    for example in made:
        coherent, as_played = rng.random() < COHERENT, rng.random() < AS_PLAYED
        speed = _speed(rng)
        for row in range(len(STEMS)):
            if row == 0 or not coherent:
                shard = shards[rng.integers(len(shards))]
                track = shard[rng.integers(len(shard))]
                start = int(rng.integers(track.shape[1] - int(length * SPEED) - 2))
                speed = speed if coherent else _speed(rng)
            if rng.random() < ABSENT:
                continue
            stem = track[row, start : start + int(length * SPEED) + 2].astype(np.float32) / 32_768
            changed = stem[:length] if as_played else _changed(stem, length, speed, rng)
            example[row] = changed * np.float32(rng.choice([-1.0, 1.0]) * 10 ** (rng.normal(0, GAIN_DB) / 20))
    return made


def _speed(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(-np.log(SPEED), np.log(SPEED))))


def _changed(stem: NDArray[np.float32], length: int, speed: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """`length` samples of a stem at another speed and brightness."""
    samples = np.interp(np.arange(length) * speed, np.arange(len(stem)), stem)
    samples[1:] += rng.uniform(-TILT, TILT) * samples[:-1]
    return np.asarray(samples, np.float32)


def validate(network: torch.nn.Module, folder: Path) -> dict[str, float]:
    """Median signal-to-distortion ratio of each source over the tracks of the first validation shard that have all."""
    tracks = multitracks.load_shard(folder, "validation", 0)[:, :, : round(VALIDATED_S * RATE_HZ)] / np.float32(32_768)
    full = [track for track in tracks if (np.abs(track).max(axis=1) > 0).all()]
    rows = []
    for track in full:
        mix = torch.from_numpy(track.sum(axis=0))[None, None]
        device = next(network.parameters()).device
        with torch.inference_mode():
            scale = mix.std()
            found = (network((mix / scale).to(device)).cpu() * scale)[0, :, 0].numpy()
        rows.append(distortion_db(found, track))
    medians = np.median(rows, axis=0)
    figures = {source: round(float(value), 2) for source, value in zip(STEMS, medians, strict=True)}
    return figures | {"mean": round(float(medians.mean()), 2)}


def distortion_db(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    """Signal-to-distortion ratio in dB along the last axis: energy of what is wanted to energy of the error."""
    error = np.square(found - wanted, dtype=np.float64).sum(axis=-1)
    return np.asarray(10 * np.log10((np.square(wanted, dtype=np.float64).sum(axis=-1) + 1e-9) / (error + 1e-9)))


def keep(network: Any, path: Path) -> None:
    """Write a network as demucs reads it, in half precision: class and arguments in the file's own metadata."""
    args, kwargs = network._init_args_kwargs
    told = {
        "klass": f"{type(network).__module__}.{type(network).__qualname__}",
        "args": json.dumps(args),
        "kwargs": json.dumps(kwargs),
    }
    write(network.state_dict(), path, told)
