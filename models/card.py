"""Model cards: every number that decides what a model hears, where it comes from, and what was measured with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

CQT_NUMBERS = ("rate_hz", "hop_samples", "pool_frames", "bins", "bins_per_octave", "fmin_hz", "compression")


@dataclass(frozen=True, slots=True)
class Hearing:
    """What every encoder has: the numbers of the constant-Q transform that it reads, and of its windows."""

    rate_hz: int
    hop_samples: int
    pool_frames: int
    bins: int
    bins_per_octave: int
    fmin_hz: float
    compression: float
    window_s: float
    window_hop_s: float
    latent_dim: int

    @property
    def frame_s(self) -> float:
        """Seconds from one frame of the pooled CQT to the next."""
        return self.hop_samples * self.pool_frames / self.rate_hz

    @property
    def cqt_hash(self) -> str:
        """Sixteen hex digits over the numbers of the CQT: encoders that agree on them share the stored one."""
        return _digest([getattr(self, name) for name in CQT_NUMBERS])


@dataclass(frozen=True, slots=True)
class Fourier:
    """The classical encoder, `models.fourier`: nothing is learned but a mean."""

    time_frequencies: int
    latent_power: float
    latent_mean: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of a `network.PitchClassNetwork`.

    Attributes:
        stem_channels: of the first convolution, before octaves are folded.
        stem_stride: its stride along time, in frames.
        widths: channels of each residual block; time is halved between two of them.
        summarised: the blocks whose maps the latent is made of, the first being 0.
        latent_dim: dimensions of the latent.
    """

    stem_channels: int
    stem_stride: int
    widths: tuple[int, ...]
    summarised: tuple[int, ...]
    latent_dim: int

    @property
    def least_frames(self) -> int:
        """Frames that a window must have: one is left after the last pooling."""
        return int(self.stem_stride * 2 ** (len(self.widths) - 1))


@dataclass(frozen=True, slots=True)
class Network:
    """A learned encoder: its shape, and its weights as a file of `models/weights` with the SHA-256 it must have."""

    architecture: Architecture
    weights: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Matching:
    """The numbers of the alignment of harmony (Qmax), and of the verdicts that it alone can carry."""

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
class LatentMatching:
    """The numbers that decide what a network's latents prove.

    Attributes:
        least_cosine: of two windows that may lie on an alignment; what is above it is their weight.
        gap_onset, gap_extend: what an alignment loses where it begins, and goes on, to pass over unlike windows.
        same_composition_p, style_only_p: the least `p_match` of these verdicts, without a library.
    """

    least_cosine: float
    gap_onset: float
    gap_extend: float
    same_composition_p: float
    style_only_p: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic curve from the standardised score to the probability of the same composition, and how it was fitted.

    Attributes:
        slope, intercept: p = 1 / (1 + exp(-(slope * z + intercept))), z as `Null` gives it.
        n_pairs, positives: pairs that it was fitted on, and how many of them are of one composition.
        brier, base_brier: mean squared error of p on them, and of always saying positives / n_pairs.
        date, material: when, and on what.
    """

    slope: float
    intercept: float
    n_pairs: int
    positives: int
    brier: float
    base_brier: float
    date: str
    material: str


@dataclass(frozen=True, slots=True)
class Null:
    """How strangers' scores are spread, which depends on how many windows each side has.

    A query of one window finds something like it more easily than all windows of a long one do, and the more easily the
    more windows there are to choose from. With q = ln(query windows) and c = ln(candidate windows):

    Attributes:
        mean, mean_query, mean_candidate: mean = mean + mean_query * q + mean_candidate * c.
        sd, sd_query, sd_candidate: standard deviation = sd * exp(sd_query * q + sd_candidate * c).
        n_pairs: that it was fitted on.
    """

    mean: float
    mean_query: float
    mean_candidate: float
    sd: float
    sd_query: float
    sd_candidate: float
    n_pairs: int


@dataclass(frozen=True, slots=True)
class LibraryMatching:
    """The numbers of `models.library`, for searches of a catalogue large enough to tell what its strangers score.

    Attributes:
        related_agreement: tracks that agree this much are no strangers to each other.
        harmony_floor: share of the query (Qmax) that unrelated music's harmony reaches; only what is above it counts.
        harmony_weight: what harmony above the floor counts beside the windows.
        same_composition_p, style_only_p: the least `p_match` of these verdicts, by this calibration.
        calibration: of the score standardised by the library.
    """

    related_agreement: float
    harmony_floor: float
    harmony_weight: float
    same_composition_p: float
    style_only_p: float
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Card:
    """One encoder, as its file under `weights/` describes it.

    `measured`, `sources`, `limits` and `data` are for people: figures, where each number comes from, what it cannot do,
    what it learned from (corpora, licences, seeds). Networks have `latent_matching`, `calibration`, `null` and
    `library`, and windows and harmony make their score; without them the score is the alignment's.
    """

    name: str
    encoder_type: str
    version: int
    model_version: str
    summary: str
    hearing: Hearing
    encoder: Fourier | Network
    matching: Matching
    sources: dict[str, str]
    measured: dict[str, Any]
    limits: tuple[str, ...]
    latent_matching: LatentMatching | None = None
    calibration: Calibration | None = None
    null: Null | None = None
    library: LibraryMatching | None = None
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def params_hash(self) -> str:
        """Sixteen hex digits over what decides the stored latents, weights included, and over nothing else."""
        return _digest([self.name, self.version, asdict(self.hearing) | asdict(self.encoder)])


@cache
def load(name: str) -> Card:
    """The card `weights/<name>.json`.

    Raises: FileNotFoundError for an unknown name, TypeError or ValueError for a bad card.
    """
    card = json.loads(files("models").joinpath("weights", f"{name}.json").read_text("utf-8"))
    parts: dict[str, Callable[..., Any]] = {
        "latent_matching": LatentMatching,
        "calibration": Calibration,
        "null": Null,
        "library": _library,
    }
    judged = {part: made(**card[part]) for part, made in parts.items() if part in card}
    encoder = _encoder(card["encoder"])
    if len(judged) != (len(parts) if isinstance(encoder, Network) else 0):
        raise ValueError(f"card '{name}': a network needs {', '.join(parts)}; without one none of them has a meaning")
    return Card(
        **{
            **card,
            "hearing": Hearing(**card["hearing"]),
            "encoder": encoder,
            "matching": Matching(**card["matching"]),
            "limits": tuple(card["limits"]),
            **judged,
        }
    )


def _library(calibration: dict[str, Any], **numbers: float) -> LibraryMatching:
    return LibraryMatching(calibration=Calibration(**calibration), **numbers)


def _encoder(part: dict[str, Any]) -> Fourier | Network:
    if "architecture" not in part:
        return Fourier(**{**part, "latent_mean": tuple(part["latent_mean"])})
    shape = part["architecture"]
    lists = {name: tuple(shape[name]) for name in ("widths", "summarised")}
    return Network(**{**part, "architecture": Architecture(**{**shape, **lists})})


def _digest(numbers: Any) -> str:
    text = json.dumps(numbers, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
