"""Learn voice: fit the voice network to singers, so that all songs of one lie together, whoever else sings the same.

    learn(folder, out)     from what is there to weights, curves and their picture, and the card's SHA-256

The loss is `learn`'s NT-Xent over singers. A batch is made of melodies that several singers sing, and of another song
of each: who listens to the melody is wrong. In every batch each of them has another vocal tract: there are far more
singers than were rendered. Singers whose speakers are kept apart say meanwhile how well voices are told from each
other; those that judge are of the test split. Learning goes on from the weights that are there.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from models import voice, voice_card
from models.training import plot, voices
from models.training.learn import curves_path, follow, mixed_precision, nt_xent, rate
from models.training.voices import Heard
from models.training.wear import Wear, stretched, worn
from models.training.weights import sign, write
from models.voice_card import VoiceHearing
from models.voice_network import VoiceNetwork

CARD = voice_card.load("voice")
DEVELOPMENT_SEED = 20_261_121  # of how the songs of the development's singers are worn: the same every time


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the voices' encoder is trained.

    Attributes:
        singers: of the training split, among them those that are kept apart for development.
        at_once: singers in a batch, two songs of each; at most `together` of them sing the same melody.
        window_s: shortest and longest of what is cut from a song.
        tract: the vocal tracts of a batch are longer or shorter by at most this share.
        average: how slowly the weights that are kept follow those that learn.
    """

    singers: int = 400
    at_once: int = 48
    together: int = 4
    steps: int = 1_200
    window_s: tuple[float, float] = (3.0, 6.0)
    tract: float = 0.15
    learning_rate: float = 2e-3
    weight_decay: float = 3e-2
    warmup_steps: int = 50
    temperature: float = 0.1
    average: float = 0.99
    clip: float = 2.0
    wear: Wear = field(default_factory=Wear)


RECIPE = Recipe()


def learn(folder: Path, out: Path, recipe: Recipe = RECIPE, *, seed: int = 1, validate_every: int = 250) -> Path:
    """Train one run, from `out`'s weights where there are some; what is rendered of the corpus is not rendered again.

    Every `validate_every` steps `out`/stems/voice.safetensors and its curves are written, and where its card lies there
    the weights' SHA-256 and the runs into that; at the end the curves' picture. Progress goes to stderr. Returns the
    weights' path.

    Raises:
        FileNotFoundError: a program or soundfont of the multitracks is not installed.
    """
    stems = out / "stems"
    weights, told_at = stems / f"{CARD.name}.safetensors", curves_path(stems, CARD.name)
    told_at.parent.mkdir(parents=True, exist_ok=True)
    corpus, apart = split(voices.heard(folder, recipe.singers, CARD.hearing))
    left = voices.left_over(folder, CARD.hearing)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = VoiceNetwork(CARD.hearing.bands, CARD.architecture)
    told: dict[str, Any] = {"runs": []}
    if weights.exists():
        network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
        told = json.loads(told_at.read_text())
    average = copy.deepcopy(network).eval()
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda at: rate(at, recipe.warmup_steps, recipe.steps))
    run: dict[str, Any] = {"seed": seed, "steps": 0, "losses": [], "validation": []}
    told = {"recipe": asdict(recipe), "runs": [*told["runs"], run]}
    began, losses = time.monotonic(), []
    for step in range(1, recipe.steps + 1):
        windows, labels = draw(corpus, left, recipe, CARD.hearing, rng)
        with mixed_precision("cpu"):
            latents = network(torch.from_numpy(windows))
        loss = nt_xent(latents.float(), torch.from_numpy(labels), recipe.temperature)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimiser.step()
        schedule.step()
        follow(average, network, min(recipe.average, step / (step + 20)))
        losses.append(float(loss.detach()))
        if step % 50 == 0 or step == recipe.steps:
            run["losses"].append([step, round(float(np.mean(losses[-50:])), 4)])
        if step % validate_every == 0 or step == recipe.steps:
            run |= {"steps": step, "seconds": round(time.monotonic() - began)}
            run["validation"].append([step, validate(average, apart, left, recipe.wear, CARD.hearing)])
            sys.stderr.write(f"voice {step}/{recipe.steps} {run['losses'][-1:]} {run['validation'][-1][1]}\n")
            write(average.state_dict(), weights)
            told_at.write_text(json.dumps(told, indent=1) + "\n")
            sign(stems / f"{CARD.name}.json", weights, told["runs"])
    plot.curves(told_at)
    return weights


def split(heard: Heard) -> tuple[Heard, Heard]:
    """The songs that are learned from, and those of singers whose speakers are kept apart."""
    apart = np.array([voices.held_back(int(number)) for number in heard.singer])
    return _of(heard, ~apart), _of(heard, apart)


def _of(heard: Heard, rows: NDArray[np.bool_]) -> Heard:
    return Heard(heard.power[rows], heard.singer[rows], heard.melody[rows])


def draw(
    corpus: Heard, left: NDArray[np.float16], recipe: Recipe, hearing: VoiceHearing, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """One batch: levels, float32 (windows, bands, frames), each worn in its own way; int64 (windows,), who sings."""
    rows = _pairs(corpus, recipe, rng)
    frames = round(rng.uniform(*recipe.window_s) * hearing.frames_per_s)
    power = np.exp(np.stack([_cut(corpus.power[row], frames, rng) for row in rows]).astype(np.float32))
    tracts = np.exp(rng.uniform(-recipe.tract, recipe.tract, len(rows) // 2)).repeat(2)
    others = accompaniment(left, len(rows), frames, rng)
    windows = worn(stretched(power, tracts, hearing), others, recipe.wear, hearing, rng)
    return voice.levels(windows, hearing), corpus.singer[rows].astype(np.int64)


def _pairs(corpus: Heard, recipe: Recipe, rng: np.random.Generator) -> list[int]:
    """Rows of the corpus: of each singer one song that others in the batch sing, too, and another one."""
    rows: list[int] = []
    chosen: set[int] = set()
    for melody in rng.permutation(np.unique(corpus.melody)):
        singing = rng.permutation(np.flatnonzero(corpus.melody == melody))
        free = [int(row) for row in singing if int(corpus.singer[row]) not in chosen][: recipe.together]
        for row in free[: recipe.at_once - len(chosen)]:
            others = np.flatnonzero((corpus.singer == corpus.singer[row]) & (corpus.melody != melody))
            rows += [row, int(rng.choice(others))]
            chosen.add(int(corpus.singer[row]))
        if len(chosen) == recipe.at_once:
            break
    return rows


def _cut(power: NDArray[np.float16], frames: int, rng: np.random.Generator) -> NDArray[np.float16]:
    first = int(rng.integers(max(0, power.shape[-1] - frames) + 1))
    return power[..., first : first + frames]


def accompaniment(left: NDArray[np.float16], count: int, frames: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Powers of what is left over, float32 (count, bands, frames): of some track some of everything, or one stem."""
    made = []
    for track in left[rng.integers(len(left), size=count)]:
        shares = rng.dirichlet(np.full(len(track), 0.5)).astype(np.float32)
        stems = np.exp(_cut(track, frames, rng).astype(np.float32))
        loud = np.maximum(stems.mean(axis=(1, 2)), 1e-6)  # a stem that is silent stays so
        made.append(np.tensordot(shares / loud, stems, axes=1))
    return np.asarray(np.stack(made), np.float32)


def validate(
    network: VoiceNetwork, apart: Heard, left: NDArray[np.float16], wear: Wear, hearing: VoiceHearing
) -> dict[str, float]:
    """How well voices are told from each other: equal error rates of clean and of worn songs, MAP and top-1 of worn.

    Every song is encoded as a stem is, by windows; `same_melody` is the rate against those who sing the same.
    """
    clean = np.exp(apart.power.astype(np.float32))
    rng = np.random.default_rng(DEVELOPMENT_SEED)
    changed = worn(clean, accompaniment(left, len(clean), clean.shape[2], rng), wear, hearing, rng)
    same = apart.singer[:, None] == apart.singer[None]
    itself = np.eye(len(same), dtype=bool)
    figures = {}
    for name, power in (("clean", clean), ("worn", changed)):
        scores = _scores(_voices(network, power, hearing))
        figures[f"{name}_eer"] = equal_error_rate(scores[same & ~itself], scores[~same])
    alike = ~same & (apart.melody[:, None] == apart.melody[None])
    if alike.any():
        figures["same_melody_eer"] = equal_error_rate(scores[same & ~itself], scores[alike])
    np.fill_diagonal(scores, -np.inf)
    precisions, firsts = [], []
    for row, relevant in zip(scores, same, strict=True):
        ranked = relevant[np.argsort(-row)[:-1]]
        places = np.flatnonzero(ranked)
        precisions.append(float(np.mean((np.arange(len(places)) + 1) / (places + 1))))
        firsts.append(float(ranked[0]))
    figures |= {"map": float(np.mean(precisions)), "top1": float(np.mean(firsts))}
    return {name: round(value, 4) for name, value in figures.items()}


def _voices(network: VoiceNetwork, power: NDArray[np.float32], hearing: VoiceHearing) -> NDArray[np.float32]:
    places = voice.windows(power.shape[2], hearing)
    with torch.inference_mode():
        windows = (torch.from_numpy(voice.levels(power[:, :, slice(*place)], hearing)) for place in places)
        made = [network(window).numpy() for window in windows]
    return np.stack([voice.mean(of_song) for of_song in np.stack(made, axis=1)])


def _scores(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(latents @ latents.T, np.float32)


def equal_error_rate(same: Sequence[float] | NDArray[Any], strangers: Sequence[float] | NDArray[Any]) -> float:
    """The share of strangers that are accepted where as large a share of the same is refused, 0..1.

    Args:
        same, strangers: scores of pairs, higher is more alike. Between two thresholds the shares are joined linearly.
    """
    alike, others = np.sort(np.asarray(same, np.float64)), np.sort(np.asarray(strangers, np.float64))
    thresholds = np.unique(np.concatenate([alike, others, [np.inf]]))
    refused = np.searchsorted(alike, thresholds, side="left") / len(alike)
    accepted = 1 - np.searchsorted(others, thresholds, side="left") / len(others)
    apart = accepted - refused  # falls from 1 to -1
    after = int(np.argmax(apart <= 0))
    share = apart[after - 1] / (apart[after - 1] - apart[after])
    return float(refused[after - 1] + share * (refused[after] - refused[after - 1]))
