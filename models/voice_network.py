"""The voice network: a window of mel levels becomes a unit vector that keeps the voice and forgets what it sings.

Dilated convolutions along time see a syllable at once (the time-delay network of Snyder et al. 2018, "X-vectors"); the
mean and the deviation of what they find, over the frames that a small attention thinks worth it, are what a voice does
on the whole (Okabe et al. 2018, "Attentive statistics pooling for deep speaker embedding").
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.network import batches, filled
from models.voice_card import VoiceArchitecture, VoiceCard

AT_ONCE = 32  # windows in a batch: an hour of singing takes no more memory than two minutes
LEAST_VARIANCE = 1e-5  # the root's slope is infinite at 0


def encode(windows: Iterable[NDArray[np.float32]], card: VoiceCard) -> NDArray[np.float32]:
    """Encode windows, on the processor: what a device would save, the way there would cost.

    Args:
        windows: float32 (bands, frames) each, as `voice.levels` gives them. Those of one length that stand together are
            encoded together.
        card: of the voices' encoder.
    Returns:
        float32 (windows, latent_dim), rows of unit length.
    Raises:
        `WrongWeights`.
    """
    network = load_network(card)
    made = [np.zeros((0, card.architecture.latent_dim), np.float32)]
    with torch.inference_mode():
        made += [network(torch.from_numpy(np.stack(batch))).numpy() for batch in batches(windows, AT_ONCE)]
    return np.concatenate(made)


def load_network(card: VoiceCard) -> VoiceNetwork:
    """The network of a card, ready to encode; loaded once per process. Raises: `WrongWeights`."""
    return _loaded(card.weights, card.sha256, card.hearing.bands, card.architecture)


@cache
def _loaded(weights: str, sha256: str, bands: int, architecture: VoiceArchitecture) -> VoiceNetwork:
    return filled(VoiceNetwork(bands, architecture), weights, sha256)


class VoiceNetwork(nn.Module):
    """Levels to latents."""

    def __init__(self, bands: int, architecture: VoiceArchitecture) -> None:
        super().__init__()
        channels, gathered = architecture.channels, architecture.gathered
        self.norm = nn.BatchNorm1d(bands)
        self.first = nn.Conv1d(bands, channels, 5, stride=2, padding=2)
        self.first_norm = nn.BatchNorm1d(channels)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation) for dilation in architecture.dilations
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in architecture.dilations)
        self.gather = nn.Conv1d(channels * len(architecture.dilations), gathered, 1)
        self.gather_norm = nn.BatchNorm1d(gathered)
        self.attend = nn.Sequential(
            nn.Conv1d(gathered, architecture.attention, 1), nn.Tanh(), nn.Conv1d(architecture.attention, gathered, 1)
        )
        self.summary_norm = nn.BatchNorm1d(2 * gathered)
        self.project = nn.Linear(2 * gathered, architecture.latent_dim)

    def forward(self, levels: Tensor) -> Tensor:
        """Float (batch, bands, frames) to float (batch, latent_dim), rows of unit length."""
        maps = self.first_norm(self.first(self.norm(levels)).relu())
        found = []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            maps = maps + norm(convolution(maps).relu())
            found.append(maps)
        gathered = self.gather_norm(self.gather(torch.cat(found, dim=1)).relu())
        weights = self.attend(gathered).float().softmax(dim=2)
        frames = gathered.float()
        average = (weights * frames).sum(dim=2)
        variance = (weights * (frames - average[:, :, None]).square()).sum(dim=2)
        summary = torch.cat([average, variance.clamp(min=LEAST_VARIANCE).sqrt()], dim=1)
        return functional.normalize(self.project(self.summary_norm(summary)), dim=1)
