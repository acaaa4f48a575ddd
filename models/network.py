"""The pitch-class network: a window of the pooled CQT becomes a unit vector that keeps the tune and forgets the key.

Transposition invariance is structural, as in PiCKINet (O'Hanlon, Benetos and Dixon 2021, "Detecting cover songs with
pitch class key-invariant networks"): every layer is equivariant to a shift along the pitch axis, octaves are folded by
functions that do not depend on their order, and the maximum over the twelve pitch classes forgets which came first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby, islice
from typing import TypeVar

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.card import Architecture, Card, Network
from models.errors import WrongWeights

Window = NDArray[np.uint8]  # (bins, frames) of a stored CQT
N = TypeVar("N", bound=nn.Module)
Number = TypeVar("Number", bound=np.generic)

SEMITONES = 12
AT_ONCE = {"cpu": 16, "cuda": 256}  # windows in a batch: on a CPU more fit into no cache, and only cost memory


def encode(windows: Sequence[Window], card: Card) -> NDArray[np.float32]:
    """Encode windows of a track, on CUDA where it is there. All devices agree to within a cosine of 0.999.

    Args:
        windows: uint8 (bins, frames) as stored, none of them silent. Windows of one length that stand together are
            encoded together. One that is too short for the network is filled up with silence.
        card: of a network.
    Returns:
        float32 (windows, latent_dim), rows of unit length.
    """
    network = load_network(card)
    device = network.exponent.device
    made = [np.zeros((0, card.hearing.latent_dim), np.float32)]
    with torch.inference_mode():
        for batch in batches(windows, AT_ONCE[device.type]):
            stored = torch.from_numpy(np.stack(batch)).to(device)
            made.append(network(_long_enough(stored.float() / 255, network.least_frames)).cpu().numpy())
    return np.concatenate(made)


def load_network(card: Card) -> PitchClassNetwork:
    """The network of a card, ready to encode; loaded once per process. Raises: `WrongWeights`."""
    if not isinstance(card.encoder, Network):
        raise TypeError(f"card '{card.name}' is not of a network")
    return _loaded(card.encoder)


@cache
def _loaded(encoder: Network) -> PitchClassNetwork:
    network = filled(PitchClassNetwork(encoder.architecture), encoder.weights, encoder.sha256)
    return network.to("cuda" if torch.cuda.is_available() else "cpu")


def filled(network: N, weights: str, sha256: str) -> N:
    """A network, ready to encode, with what a file of `models/weights` holds for it. Raises: `WrongWeights`."""
    stored = safetensors.torch.load(verified(weights, sha256))
    network.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in stored.items()}
    )
    return network.eval()


def verified(weights: str, sha256: str) -> bytes:
    """The bytes of a file of `models/weights`, once they are what its card says. Raises: `WrongWeights`."""
    remedy = "install soundtrace again: cards and weights are released together"
    path = files("models").joinpath("weights", weights)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise WrongWeights(f"the weights {path} are missing", remedy) from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise WrongWeights(f"the weights {path} have SHA-256 {found}, their card says {sha256}", remedy)
    return data


def batches(windows: Iterable[NDArray[Number]], at_once: int) -> Iterator[list[NDArray[Number]]]:
    """The windows in order, at most `at_once` together, and never two lengths."""
    for _, alike in groupby(windows, lambda window: window.shape[1]):
        while batch := list(islice(alike, at_once)):
            yield batch


def _long_enough(windows: Tensor, frames: int) -> Tensor:
    return functional.pad(windows, (0, max(0, frames - windows.shape[2])))


class PitchClassNetwork(nn.Module):
    """Windows of pooled CQT to latents.

    Silence is 0 everywhere before the first bias, and beyond the edges of the pitch axis; so as long as nothing sounds
    in the outermost octave's half, a transposed window gives the same latent to within rounding.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.least_frames = architecture.least_frames
        stem, widths = architecture.stem_channels, architecture.widths
        self.stem = nn.Conv2d(3, 2 * stem, (13, 5), stride=(1, architecture.stem_stride), padding=(6, 2))
        self.folded_norm = nn.BatchNorm2d(3 * stem)
        ins = (3 * stem, *widths[:-1])
        dilations = [1 if place < 2 else 2 for place in range(len(widths))]
        self.blocks = nn.ModuleList(map(_Block, ins, widths, dilations))
        self.summarised = architecture.summarised
        self.exponent = nn.Parameter(torch.tensor(3.0))
        summary = 2 * sum(widths[place] for place in self.summarised)
        self.norm = nn.BatchNorm1d(summary)
        self.project = nn.Linear(summary, architecture.latent_dim)

    def forward(self, windows: Tensor) -> Tensor:
        """Encode windows.

        Args:
            windows: float (batch, bins, frames), log-compressed magnitudes 0..1, as stored / 255; any number of frames
                from `stem_stride` * 2 ** (blocks - 1) up.
        Returns:
            float (batch, latent_dim), rows of unit length.
        """
        values, weights = self.stem(_roles(windows)).chunk(2, dim=1)
        maps = self.folded_norm(_fold(values.relu(), weights))
        summaries: list[Tensor] = []
        for place, block in enumerate(self.blocks):
            if place:
                maps = functional.max_pool2d(maps, (1, 2), ceil_mode=True)
            maps = block(maps)
            if place in self.summarised:
                summaries += self._summary(maps)
        return functional.normalize(self.project(self.norm(torch.cat(summaries, dim=1))), dim=1)

    def _summary(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Each channel's strength, whatever the pitch class and the time: a generalised mean, and the maximum."""
        lines = maps.amax(dim=2).float()  # over pitch classes: (batch, channels, frames)
        exponent = self.exponent.clamp(1.0, 8.0)
        return lines.clamp(min=1e-4).pow(exponent).mean(dim=2).pow(1 / exponent), lines.amax(dim=2)


class _Block(nn.Module):
    """A residual block: a circular convolution over all twelve pitch classes, then one over time."""

    def __init__(self, ins: int, outs: int, dilation: int) -> None:
        super().__init__()
        self.pitch = nn.Conv2d(ins, outs, (SEMITONES, 1), bias=False)
        self.pitch_norm = nn.BatchNorm2d(outs)
        self.time = nn.Conv2d(outs, outs, (1, 3), padding=(0, dilation), dilation=(1, dilation), bias=False)
        self.time_norm = nn.BatchNorm2d(outs)
        self.skip = nn.Conv2d(ins, outs, 1)

    def forward(self, maps: Tensor) -> Tensor:
        circle = torch.cat([maps, maps[:, :, :-1]], dim=2)
        moved = self.time(self.pitch_norm(self.pitch(circle)).relu())
        summed: Tensor = self.time_norm(moved) + self.skip(maps)
        return summed.relu()


def _roles(windows: Tensor) -> Tensor:
    """What sounds, and of it what lies high and what lies low among what sounds at once: (batch, 3, bins, frames).

    Which octave a note is in would tell the key; whether it is the top or the bottom voice does not.
    """
    up_to = windows.cumsum(dim=1)
    share = up_to / up_to[:, -1:].clamp(min=1e-3)
    return torch.stack([windows, windows * share.square(), windows * (1 - share).square()], dim=1)


def _fold(values: Tensor, weights: Tensor) -> Tensor:
    """Fold octaves: mean, maximum, and a learned weighting, each blind to the octaves' order."""
    batch, channels, bins, frames = values.shape
    octaves = (batch, channels, bins // SEMITONES, SEMITONES, frames)
    values, weights = values.view(octaves), weights.view(octaves)
    attended = (values * weights.softmax(dim=2)).sum(dim=2)
    return torch.cat([values.mean(dim=2), values.amax(dim=2), attended], dim=1)
