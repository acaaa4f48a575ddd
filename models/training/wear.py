"""Wear: what rooms, files and separators do to a voice, done to its mel powers, anew each time it is learned from.

Powers of sounds that know nothing of each other add up, an equaliser multiplies each band, a separator's mask each
place. So a song that was sung once is heard in as many ways as there are batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models.voice import Power
from models.voice_card import VoiceHearing

Rng = np.random.Generator

KNOTS_HZ = (100.0, 400.0, 1_600.0, 6_400.0)  # as `production`'s equaliser
CENTRE_HZ = 1_000.0  # what a tilt leaves as it is
LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Wear:
    """How much is done at most; shares are of the windows.

    Attributes:
        tilt_db: per octave, either way; `knots_db`: standard deviation of an equaliser's gains.
        left, left_db: how often accompaniment is left over, and how far below the voice it is.
        masked, masked_db, mistake_db: how often the voice was cut out of a mix by a mask, how far below it the
            accompaniment was there, and the standard deviation of what the mask takes for voice or accompaniment.
        noisy, noise_db: how often there is noise, and how far below the voice.
        limited: how often the band is limited; to between `high_hz` and from between `low_hz`.
    """

    tilt_db: float = 3.0
    knots_db: float = 3.0
    left: float = 0.5
    left_db: tuple[float, float] = (5.0, 25.0)
    masked: float = 0.4
    masked_db: tuple[float, float] = (-8.0, 6.0)
    mistake_db: float = 6.0
    noisy: float = 0.5
    noise_db: tuple[float, float] = (15.0, 45.0)
    limited: float = 0.2
    high_hz: tuple[float, float] = (3_400.0, 8_000.0)
    low_hz: tuple[float, float] = (80.0, 300.0)


def worn(power: Power, left: Power, wear: Wear, hearing: VoiceHearing, rng: Rng) -> Power:
    """Windows as they may come, (windows, bands, frames) as they went in.

    Args:
        power: of voices, not negative.
        left: what accompanies each, of the same shape, at any level.
    """
    count = len(power)
    found: Power = power * _equaliser(count, wear, hearing, rng)
    mixed = _below(found, left, rng.uniform(*wear.masked_db, count))
    cut = (found + mixed) * _mask(found, mixed, wear, rng)
    found = np.where(_some(rng, count, wear.masked), cut, found)
    rest = _below(found, left, rng.uniform(*wear.left_db, count))
    found = np.where(_some(rng, count, wear.left), found + rest, found)
    hiss = _below(found, _noise(power.shape, hearing, rng), rng.uniform(*wear.noise_db, count))
    found = np.where(_some(rng, count, wear.noisy), found + hiss, found)
    return np.asarray(found * _band(count, wear, hearing, rng), np.float32)


def stretched(power: Power, factors: NDArray[np.float64], hearing: VoiceHearing) -> Power:
    """Windows with all frequencies times a factor each: other singers, of shorter (above 1) or longer vocal tracts.

    What would come from beyond the outermost bands is as loud as these.
    """
    centres = centres_hz(hearing)
    bands = np.arange(len(centres))
    made = np.empty_like(power)
    for window, factor, found in zip(power, factors, made, strict=True):
        place = np.interp(centres / factor, centres, bands)
        below = np.minimum(place.astype(np.intp), len(bands) - 2)
        share = (place - below).astype(np.float32)[:, None]
        found[:] = window[below] * (1 - share) + window[below + 1] * share
    return made


def centres_hz(hearing: VoiceHearing) -> NDArray[np.float64]:
    """The middle of every mel band, (bands,)."""
    edges = librosa.mel_frequencies(hearing.bands + 2, fmin=hearing.lowest_hz, fmax=hearing.highest_hz)
    return np.asarray(edges[1:-1], np.float64)


def _some(rng: Rng, count: int, share: float) -> NDArray[np.bool_]:
    return np.asarray(rng.random((count, 1, 1)) < share)


def _below(voice: Power, other: Power, below_db: NDArray[np.float64]) -> Power:
    """`other` at so many dB under `voice`, of each window the mean."""
    wanted = voice.mean(axis=(1, 2), keepdims=True) * 10 ** (-below_db[:, None, None] / 10)
    return np.asarray(other * (wanted / np.maximum(other.mean(axis=(1, 2), keepdims=True), LEAST)), np.float32)


def _equaliser(count: int, wear: Wear, hearing: VoiceHearing, rng: Rng) -> Power:
    octaves = np.log2(centres_hz(hearing) / CENTRE_HZ)
    knots = np.log2(np.array(KNOTS_HZ) / CENTRE_HZ)
    tilts = rng.uniform(-wear.tilt_db, wear.tilt_db, count)
    gains = rng.normal(0, wear.knots_db, (count, len(knots)))
    gain_db = [tilt * octaves + np.interp(octaves, knots, row) for tilt, row in zip(tilts, gains, strict=True)]
    return np.asarray(10 ** (np.array(gain_db)[:, :, None] / 10), np.float32)


def _mask(voice: Power, other: Power, wear: Wear, rng: Rng) -> Power:
    """Which share of each place is taken for voice: the true one, mistaken by islands of some bands and frames."""
    islands = gaussian_filter(rng.standard_normal(voice.shape, np.float32), (0, 1.0, 1.5))
    islands *= np.float32(wear.mistake_db / max(float(islands.std()), LEAST))
    mistaken = np.maximum(voice, LEAST) * 10 ** (islands / 10)
    return np.asarray(mistaken / (mistaken + other), np.float32)


def _noise(shape: tuple[int, ...], hearing: VoiceHearing, rng: Rng) -> Power:
    """Between white and pink; its power in a band and frame is one of a few degrees of freedom."""
    slope = rng.uniform(0, 1, (shape[0], 1, 1))
    grain = rng.standard_exponential(shape, np.float32) * 0.5 + 0.5
    return np.asarray(grain * (centres_hz(hearing)[:, None] / CENTRE_HZ) ** -slope, np.float32)


def _band(count: int, wear: Wear, hearing: VoiceHearing, rng: Rng) -> Power:
    """Slopes of 24 dB per octave, as those of `production.band_limited`."""
    centres = centres_hz(hearing)[:, None]
    high, low = rng.uniform(*wear.high_hz, (count, 1, 1)), rng.uniform(*wear.low_hz, (count, 1, 1))
    gain = 1 / (1 + (centres / high) ** 8) / (1 + (low / centres) ** 8)
    return np.asarray(np.where(_some(rng, count, wear.limited), gain, 1.0), np.float32)
