"""Hear one track: the two heavy steps of the pipeline, bytes in, bytes and arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.cqt import Cqt, pooled_cqt
from models.decode import Health, decode
from models.envelope import envelope
from models.flac import from_flac, to_flac
from models.latents import Latents, latents
from models.verdict import Features, compare


@dataclass(frozen=True, slots=True)
class Decoded:
    """A track as it is stored.

    Attributes:
        flac: the waveform, at most 48 kHz, one or two channels, 16 bits.
        envelope: int8 (points, 2), ten points a second, for drawing.
        health: what is wrong with the file although it can be heard.
        duration_s: seconds of sound that were decoded.
        rate_hz, channels: of the file itself, before mixing and resampling.
    """

    flac: bytes
    envelope: NDArray[np.int8]
    health: Health
    duration_s: float
    rate_hz: int
    channels: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """What is stored of a track besides its sound.

    Attributes:
        cqt: uint8 (bins, frames), the same for every encoder of the same CQT numbers.
        latents: float32 (windows, latent_dim), the card's encoder's.
    """

    cqt: Cqt
    latents: Latents


def decode_track(data: bytes, max_track_s: float | None) -> Decoded:
    """Decode a file for storage. Raises a leaf of AudioError for what cannot be heard."""
    waveform = decode(data, max_track_s)
    return Decoded(
        flac=to_flac(waveform),
        envelope=envelope(waveform.samples, waveform.rate_hz),
        health=waveform.health,
        duration_s=waveform.duration_s,
        rate_hz=waveform.source.rate_hz,
        channels=waveform.source.channels,
    )


def encode_track(flac: bytes, card: Card) -> Encoded:
    """Encode a stored waveform. The latents are made from the CQT as it is stored, so a re-encode gives the same.

    Raises: `WrongWeights` when the card is of a network whose weights are not those that it names.
    """
    cqt = pooled_cqt(from_flac(flac, card.hearing.rate_hz, 1), card.hearing)
    return Encoded(cqt, latents(cqt, card))


def warm(card: Card) -> None:
    """Run every numeric path once on four seconds of a sweep, so that nothing is compiled, loaded or planned later.

    librosa's compiled functions are kept by numba on disk (NUMBA_CACHE_DIR, or beside librosa): the first process on a
    machine takes seconds here, the later ones a fraction.
    """
    rate_hz = card.hearing.rate_hz
    time_s = np.arange(4 * rate_hz) / rate_hz
    sweep = (0.3 * np.sin(2 * np.pi * 100 * np.exp2(time_s) * time_s)).astype(np.float32)
    cqt = pooled_cqt(sweep, card.hearing)
    windows = latents(cqt, card)
    # A frame less, so that the two sides differ and are really aligned.
    compare(Features(cqt, windows, 4.0), Features(cqt[:, 1:], windows, 4.0), card)
