"""The card of the drums' encoder: every number that decides what it hears, and what was measured with it.

It lies in `weights/stems`, as the cards of other stems: it is of no encoder type, and no dataset can be pinned to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class RhythmHearing:
    """How a drum stem becomes curves over lags.

    Attributes:
        frame_samples, hop_samples: of the short-time spectrum.
        bands_hz: of each band the edges of its parts; it is the mean of what these hear.
        loud_share: of a part's frames that are not louder than its level 1.
        compression: log(1 + compression * level).
        rise_frames: over which loudness must have risen.
        background_s: of an onset only what exceeds the mean around it counts.
        least_lag_s, most_lag_s, lag_step: ends of the axis of lags; from lag to lag it grows by exp(lag_step).
        lag_power: a lag weighs as much as (lag / most_lag_s) ** lag_power.
        quiet: share of the stem's peak that a window must reach to be heard.
    """

    rate_hz: int
    frame_samples: int
    hop_samples: int
    bands_hz: tuple[tuple[float, ...], ...]
    loud_share: float
    compression: float
    rise_frames: int
    background_s: float
    window_s: float
    window_hop_s: float
    least_lag_s: float
    most_lag_s: float
    lag_step: float
    lag_power: float
    quiet: float

    @property
    def frames_per_s(self) -> float:
        return self.rate_hz / self.hop_samples

    @property
    def pairs(self) -> int:
        """Ordered pairs of bands, each with itself too: the curves of a window."""
        return len(self.bands_hz) ** 2


@dataclass(frozen=True, slots=True)
class RhythmArchitecture:
    """The shape of a `rhythm_network.RhythmNetwork`: what each of its convolutions over lags has.

    Attributes:
        widths: channels; `kernels`, `dilations`, `strides` are along the lags.
    """

    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    dilations: tuple[int, ...]
    strides: tuple[int, ...]
    latent_dim: int


@dataclass(frozen=True, slots=True)
class RhythmCard:
    """`measured`, `sources`, `limits` and `data` are for people, as on the cards of `models.card`."""

    name: str
    version: int
    model_version: str
    summary: str
    hearing: RhythmHearing
    architecture: RhythmArchitecture
    weights: str
    sha256: str
    sources: dict[str, str]
    measured: dict[str, Any]
    limits: tuple[str, ...]
    data: dict[str, Any]


@cache
def load(name: str = "drums") -> RhythmCard:
    """The card `weights/stems/<name>.json`. Raises: FileNotFoundError where there is none, TypeError for a bad one."""
    told = json.loads(files("models").joinpath("weights", "stems", f"{name}.json").read_text("utf-8"))
    hearing, architecture = told["hearing"], told["architecture"]
    bands_hz = tuple(map(tuple, hearing["bands_hz"]))
    lists = {key: tuple(architecture[key]) for key in ("widths", "kernels", "dilations", "strides")}
    return RhythmCard(
        **{
            **told,
            "hearing": RhythmHearing(**{**hearing, "bands_hz": bands_hz}),
            "architecture": RhythmArchitecture(**{**architecture, **lists}),
            "limits": tuple(told["limits"]),
        }
    )
