"""The card of the voices' encoder: every number that decides what it hears, and what was measured with it.

It lies in `weights/stems` like the drums': it is of no encoder type, no dataset can be pinned to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class VoiceHearing:
    """How a vocal stem becomes windows of levels.

    Attributes:
        frame_samples, hop_samples: of the short-time spectrum.
        bands: mel bands from `lowest_hz` to `highest_hz`.
        range_db: how far below the mean of its window a level is still told from silence.
        sung_db: a frame is sung that is at most so far below the stem's loudest.
        least_sung_s: how much of a window must be sung for it to be heard.
    """

    rate_hz: int
    frame_samples: int
    hop_samples: int
    bands: int
    lowest_hz: float
    highest_hz: float
    range_db: float
    window_s: float
    window_hop_s: float
    sung_db: float
    least_sung_s: float

    @property
    def frames_per_s(self) -> float:
        return self.rate_hz / self.hop_samples


@dataclass(frozen=True, slots=True)
class VoiceArchitecture:
    """The shape of a `voice_network.VoiceNetwork`.

    Attributes:
        channels: of each convolution along time; `dilations`: of those behind the first, one each.
        gathered: channels of what is pooled; `attention`: of the layer that decides which frames count.
    """

    channels: int
    dilations: tuple[int, ...]
    gathered: int
    attention: int
    latent_dim: int


@dataclass(frozen=True, slots=True)
class VoiceCard:
    """`measured`, `sources`, `limits` and `data` are for people, as on the cards of `models.card`."""

    name: str
    version: int
    model_version: str
    summary: str
    hearing: VoiceHearing
    architecture: VoiceArchitecture
    weights: str
    sha256: str
    sources: dict[str, str]
    measured: dict[str, Any]
    limits: tuple[str, ...]
    data: dict[str, Any]


@cache
def load(name: str = "voice") -> VoiceCard:
    """The card `weights/stems/<name>.json`. Raises: FileNotFoundError for an unknown name, TypeError for a bad card."""
    told = json.loads(files("models").joinpath("weights", "stems", f"{name}.json").read_text("utf-8"))
    architecture = {**told["architecture"], "dilations": tuple(told["architecture"]["dilations"])}
    return VoiceCard(
        **{
            **told,
            "hearing": VoiceHearing(**told["hearing"]),
            "architecture": VoiceArchitecture(**architecture),
            "limits": tuple(told["limits"]),
        }
    )
