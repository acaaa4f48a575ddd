"""Model cards: every number that decides what a model hears, where it comes from, and what was measured with it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Hearing:
    """The numbers that decide the stored artifacts. Changing one makes a new `params_hash`, so new artifacts."""

    rate_hz: int
    hop_samples: int
    pool_frames: int
    bins: int
    bins_per_octave: int
    fmin_hz: float
    compression: float
    window_s: float
    window_hop_s: float
    time_frequencies: int
    latent_dim: int
    latent_power: float
    latent_mean: tuple[float, ...]

    @property
    def frame_s(self) -> float:
        """Seconds from one frame of the pooled CQT to the next."""
        return self.hop_samples * self.pool_frames / self.rate_hz


@dataclass(frozen=True, slots=True)
class Matching:
    """The numbers that decide scores and verdicts of stored artifacts."""

    smooth_frames: int
    step_frames: int
    stack_steps: int
    transpositions: int
    recurrence_share: float
    gap_onset: float
    gap_extend: float
    least_contrast: float
    least_change: float
    chance_offset: float
    chance_slope: float
    least_chance: float
    style_ratio: float
    composition_ratio: float
    composition_share: float
    composition_weight: float


@dataclass(frozen=True, slots=True)
class Card:
    """One encoder, as its file under `weights/` describes it.

    `measured`, `sources` and `limits` are for people: figures, where each number comes from, what it cannot do.
    """

    name: str
    encoder_type: str
    version: int
    model_version: str
    summary: str
    hearing: Hearing
    matching: Matching
    sources: dict[str, str]
    measured: dict[str, Any]
    limits: tuple[str, ...]

    @property
    def params_hash(self) -> str:
        """Sixteen hex digits over the numbers that decide the stored artifacts, and over nothing else."""
        numbers = json.dumps([self.name, self.version, asdict(self.hearing)], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(numbers.encode()).hexdigest()[:16]


@cache
def load(name: str) -> Card:
    """The card `weights/<name>.json`. Raises FileNotFoundError for an unknown name, TypeError for a bad card."""
    card = json.loads(files("models").joinpath("weights", f"{name}.json").read_text("utf-8"))
    card["hearing"]["latent_mean"] = tuple(card["hearing"]["latent_mean"])
    return Card(
        **{
            **card,
            "hearing": Hearing(**card["hearing"]),
            "matching": Matching(**card["matching"]),
            "limits": tuple(card["limits"]),
        }
    )
