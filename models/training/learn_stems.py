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
from models.training.learn import curves_path, follow, mixed_precision, rate
from models.training.multitracks import RATE_HZ
from models.training.weights import sign, write
from models.unet import FFT_SAMPLES, HOP_SAMPLES, UNet

NAME = "unet"
SEGMENT_S = 6.0
BATCH = 6
LEARNING_RATE, WARMUP_STEPS, WEIGHT_DECAY, MOMENTUM, CLIP = 3e-3, 100, 1e-2, 0.95, 1.0
AVERAGE = 0.995
COHERENT = 0.65  # of the examples are cut from one track
GAIN_DB = 4.0
AS_PLAYED = 0.3  # of the examples keep their speed
SPEED, OWN_SPEED = 1.15, 1.35  # how much faster or slower, and higher or lower, a track runs at most, and a lone stem
KNOTS_HZ = tuple(50.0 * 2.5**knot for knot in range(7))  # to 12 kHz, of the equaliser of every stem
COLOUR_DB = 6.0  # its standard deviation at most
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
# had shards without the third bank and the kits, run 4 no recorded drums and no equalisers. What makes them today
# renders all shards by today's recipe.
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
        loss = loss_of(network, coloured(spectra_of(stems.to(device), network.taper)))
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
    the same learning rate. `torch.optim.Muon` makes its matrices orthogonal in bfloat16, which takes 5.4 s a step on a
    processor that has no such numbers, where 32 bits take 0.15 s (two cores with AVX2, 2026-11-29).
    """

    def __init__(self, network: torch.nn.Module, learning_rate: float) -> None:
        every = list(network.parameters())
        self._weights = [one for one in every if one.ndim > 1]
        self._momenta = [torch.zeros_like(one) for one in self._weights]
        self._learning_rate = learning_rate
        self._rows = torch.optim.AdamW([one for one in every if one.ndim == 1], weight_decay=0.0)

    @torch.no_grad()
    def step(self, share: float) -> None:
        """Go down the gradients, which are then gone, by a share of the learning rate."""
        learning_rate = self._learning_rate * share
        for weight, momentum in zip(self._weights, self._momenta, strict=True):
            if weight.grad is None:
                continue
            momentum.lerp_(weight.grad, 1 - MOMENTUM)
            step = _orthogonal(weight.grad.lerp(momentum, MOMENTUM).view(len(weight), -1))
            weight.mul_(1 - learning_rate * WEIGHT_DECAY)
            weight.sub_(step.view_as(weight), alpha=learning_rate * 0.2 * max(step.shape) ** 0.5)
            weight.grad = None
        for group in self._rows.param_groups:
            group["lr"] = learning_rate
        self._rows.step()
        self._rows.zero_grad()


def _orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """About the nearest matrix whose rows or columns are orthonormal: five steps of Newton and Schulz (Jordan 2024)."""
    found = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    found = found / (found.norm() + 1e-7)
    for _ in range(5):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), found, beta=3.4445)
    return found if len(matrix) <= matrix.shape[1] else found.T


def spectra_of(stems: torch.Tensor, taper: torch.Tensor) -> torch.Tensor:
    """Of stems, float (batch, 4, samples), whose mix becomes of unit variance: complex (batch, 4, bins, frames)."""
    stems = stems / (stems.sum(dim=1).std(dim=1)[:, None, None] + 1e-6)
    spectra = torch.stft(stems.flatten(0, 1), FFT_SAMPLES, HOP_SAMPLES, window=taper, return_complex=True)
    return spectra.view(*stems.shape[:2], *spectra.shape[1:])


def coloured(spectra: torch.Tensor) -> torch.Tensor:
    """Each stem through an equaliser drawn at random and as loud as before: as if others had played it."""
    bins = spectra.shape[2]
    knots = np.log2(KNOTS_HZ)
    place = np.interp(np.log2(np.arange(bins) * RATE_HZ / FFT_SAMPLES + 1e-9), knots, np.arange(len(knots)))
    low = torch.from_numpy(np.minimum(place.astype(int), len(knots) - 2)).to(spectra.device)
    beyond = torch.from_numpy(place.astype(np.float32)).to(spectra.device) - low
    deviation_db = COLOUR_DB * torch.rand(*spectra.shape[:2], 1)
    gains_db = (deviation_db * torch.randn(*spectra.shape[:2], len(knots))).to(spectra.device)
    gains = 10 ** (torch.lerp(gains_db[..., low], gains_db[..., low + 1], beyond) / 20)
    power = torch.view_as_real(spectra).square().sum(dim=(3, 4))
    level = torch.sqrt(power.sum(dim=2) / ((power * gains.square()).sum(dim=2) + 1e-9))
    return spectra * (gains * level[..., None])[..., None]


def loss_of(network: Any, spectra: torch.Tensor) -> torch.Tensor:
    """Mean over stems, as `spectra_of` gives them, of the root mean square of each one's error; the mix's is one."""
    mix = spectra.sum(dim=1)
    with mixed_precision(spectra.device.type):
        shares: torch.Tensor = network.masks(mix.abs())
    found = shares[:, :, network.band_of_bin, :, None] * torch.view_as_real(mix)[:, None]
    error = 2 * (found - torch.view_as_real(spectra)).square().mean(dim=(2, 3, 4)) / network.taper.square().sum()
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
    """Examples, float32 (count, 4, samples): stems of one track, or of four, each a little changed.

    All of one track run at one speed and so stay in tune, but for the drums: those of every other have their own.
    """
    length = round(SEGMENT_S * RATE_HZ)
    longest = int(length * OWN_SPEED) + 2
    made = np.zeros((count, len(STEMS), length), np.float32)
    for example in made:
        coherent, as_played, drums_alone = rng.random() < COHERENT, rng.random() < AS_PLAYED, rng.random() < 0.5
        common = _speed(SPEED, rng)
        for row, source in enumerate(STEMS):
            if row == 0 or not coherent:
                shard = shards[rng.integers(len(shards))]
                track = shard[rng.integers(len(shard))]
                start = int(rng.integers(track.shape[1] - longest))
            if rng.random() < ABSENT:
                continue
            lone = not coherent or (drums_alone and source == "drums")
            speed = 1.0 if as_played else _speed(OWN_SPEED, rng) if lone else common
            stem = track[row, start : start + longest].astype(np.float32) / 32_768
            changed = stem[:length] if as_played else np.interp(np.arange(length) * speed, np.arange(longest), stem)
            example[row] = changed * np.float32(rng.choice([-1.0, 1.0]) * 10 ** (rng.normal(0, GAIN_DB) / 20))
    return made


def _speed(most: float, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(-np.log(most), np.log(most))))


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
