"""The windows of a track, each as one vector: which seconds they are, and which encoder makes them.

A separated stem is encoded in the same way: its constant-Q transform is one like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models import fourier
from models.card import Card, Fourier, Hearing
from models.chroma import chroma
from models.cqt import Cqt

Latents = NDArray[np.float32]  # (windows, dim), rows of unit length or zero


def latents(cqt: Cqt, card: Card) -> Latents:
    """Encode every window of a track.

    Args:
        cqt: as it is stored, uint8 (bins, frames).
        card: the encoder.
    Returns:
        float32 (windows, latent_dim), window i starting at i * window_hop_s. A silent window within a sounding track is
        a row of zeros, which is similar to nothing; a silent or empty track gives (0, latent_dim).
    """
    if not cqt.any():
        return np.zeros((0, card.hearing.latent_dim), np.float32)
    if isinstance(card.encoder, Fourier):
        return _of_chroma(cqt, card.hearing, card.encoder)
    from models import network  # loads torch

    made = np.zeros((len(places := windows(cqt.shape[1], card.hearing)), card.hearing.latent_dim), np.float32)
    sounding = [row for row, (start, end) in enumerate(places) if cqt[:, start:end].any()]
    made[sounding] = network.encode([cqt[:, slice(*places[row])] for row in sounding], card)
    return made


def windows(frames: int, hearing: Hearing) -> Sequence[tuple[int, int]]:
    """First frame of every window of a track, and the one behind its last, for encoders that take any length.

    A track shorter than a window is one window of its own length. Where more than half a hop would be left over at the
    end, one more window begins a hop later and is as much shorter as the track ends earlier.
    """
    return placed(frames, round(hearing.window_s / hearing.frame_s), hearing.window_hop_s / hearing.frame_s)


def placed(frames: int, length: int, hop: float) -> Sequence[tuple[int, int]]:
    """The same of windows of `length` frames, one every `hop` frames."""
    count = 1 + max(0, int((frames - length) / hop))
    if frames - (round((count - 1) * hop) + length) > hop / 2:
        count += 1
    starts = [round(index * hop) for index in range(count)]
    return [(start, min(start + length, frames)) for start in starts]


class WindowAxis(Protocol):
    """Whatever says how long windows are, and how far apart they begin."""

    @property
    def window_s(self) -> float: ...

    @property
    def window_hop_s(self) -> float: ...


def window_range_s(index: int, duration_s: float, hearing: WindowAxis) -> tuple[float, float]:
    """Start and end, in seconds, of window `index` of a track that lasts `duration_s`."""
    start_s = index * hearing.window_hop_s
    return min(start_s, duration_s), min(start_s + hearing.window_s, duration_s)


def _of_chroma(cqt: Cqt, hearing: Hearing, encoder: Fourier) -> Latents:
    """Fourier magnitudes need windows of one length: a track shorter than that is repeated until it is full."""
    pitches = chroma(cqt, hearing)
    frames = round(hearing.window_s / hearing.frame_s)
    full = np.pad(pitches, ((0, 0), (0, max(0, frames - pitches.shape[1]))), mode="wrap")
    hop_frames = hearing.window_hop_s / hearing.frame_s
    count = 1 + int((full.shape[1] - frames) / hop_frames)
    starts = [round(index * hop_frames) for index in range(count)]
    return np.stack([fourier.latent(full[:, start : start + frames], encoder) for start in starts])
