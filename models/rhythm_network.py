"""The rhythm network: the lag curves of a window become a unit vector that keeps the groove and forgets its tempo.

Convolutions along the logarithmic axis of lags see the same pattern wherever a tempo has moved it, and its mean and
maximum over all lags do not say where it was. What a kit, a room or a fill change was learned from performances.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.network import filled
from models.rhythm_card import RhythmArchitecture, RhythmCard

AT_ONCE = 64  # windows in a batch: an hour of drums takes no more memory than two minutes


def encode(curves: NDArray[np.float32], card: RhythmCard) -> NDArray[np.float32]:
    """Encode windows, on the processor: what a device would save, the way there would cost.

    Args:
        curves: float32 (windows, pairs, lags), as `rhythm.curves` gives them.
        card: of the drums' encoder.
    Returns:
        float32 (windows, latent_dim), rows of unit length.
    Raises:
        `WrongWeights`.
    """
    network = load_network(card)
    batches = [curves[first : first + AT_ONCE] for first in range(0, len(curves), AT_ONCE)]
    with torch.inference_mode():
        made = [network(torch.from_numpy(batch)).numpy() for batch in batches]
    return np.concatenate([np.zeros((0, card.architecture.latent_dim), np.float32), *made])


def load_network(card: RhythmCard) -> RhythmNetwork:
    """The network of a card, ready to encode; loaded once per process. Raises: `WrongWeights`."""
    return _loaded(card.weights, card.sha256, card.hearing.pairs, card.architecture)


@cache
def _loaded(weights: str, sha256: str, pairs: int, architecture: RhythmArchitecture) -> RhythmNetwork:
    return filled(RhythmNetwork(pairs, architecture), weights, sha256)


class RhythmNetwork(nn.Module):
    """Lag curves to latents."""

    def __init__(self, pairs: int, architecture: RhythmArchitecture) -> None:
        super().__init__()
        widths = architecture.widths
        along = zip(architecture.kernels, architecture.dilations, architecture.strides, strict=True)
        self.norm = nn.BatchNorm1d(pairs)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(ins, outs, kernel, stride, kernel // 2 * dilation, dilation)
            for ins, outs, (kernel, dilation, stride) in zip((pairs, *widths[:-1]), widths, along, strict=True)
        )
        self.norms = nn.ModuleList(map(nn.BatchNorm1d, widths))
        self.project = nn.Linear(2 * widths[-1], architecture.latent_dim)

    def forward(self, curves: Tensor) -> Tensor:
        """Float (batch, pairs, lags) to float (batch, latent_dim), rows of unit length."""
        maps = self.norm(curves)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            maps = norm(convolution(maps)).relu()
        return functional.normalize(self.project(torch.cat([maps.mean(dim=2), maps.amax(dim=2)], dim=1)), dim=1)
