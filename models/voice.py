"""Voice: who sings in a vocal stem, whatever is sung, as one vector for each window.

What stays when a singer sings another song is the colour of the voice: where its resonances lie, how bright and how
breathy it is, how it shakes. What changes is the melody and the words. A window of eight seconds holds a dozen
syllables and several notes, enough for the one to be told from the other; `voice_network` learned which is which from
synthetic singers. All numbers are on the card, `weights/stems/voice.json`.

A voice is no composition: two songs of one singer are similar here and have nothing else in common. Never raise a
verdict on compositions by this alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import librosa
import numpy as np
from numpy.typing import NDArray

from models.audio.decode import SILENT_PEAK
from models.latents import placed
from models.voice_card import VoiceCard, VoiceHearing

Power = NDArray[np.float32]  # (bands, frames), or more of them: (…, bands, frames)
Latents = NDArray[np.float32]  # (windows, latent_dim), rows of unit length, or zeros where nobody sings

LEAST_POWER = 1e-20  # a window of digital silence is not divided by 0


def voice(samples: NDArray[np.float32], card: VoiceCard) -> Latents:
    """Encode every window of a vocal stem.

    Args:
        samples: mono float32 in -1..1 at the card's `rate_hz`, (samples,).
        card: of the voices' encoder.
    Returns:
        float32 (windows, latent_dim), rows of unit length, window i starting at i * window_hop_s. A window in which
        nobody sings (less than `least_sung_s` within `sung_db` of the loudest frame of the stem) is a row of zeros; a
        stem that is silent (no sample over -80 dBFS) or empty gives (0, latent_dim).
    Raises:
        `WrongWeights` when the weights are not those that the card names.
    """
    from models import voice_network  # loads torch

    hearing, dim = card.hearing, card.architecture.latent_dim
    if float(np.abs(samples).max(initial=0.0)) < SILENT_PEAK:
        return np.zeros((0, dim), np.float32)
    power = powers(samples, hearing)
    places = windows(power.shape[1], hearing)
    made = np.zeros((len(places), dim), np.float32)
    frames = sung(power, hearing)
    least = hearing.least_sung_s * hearing.frames_per_s
    heard = [row for row, (start, end) in enumerate(places) if frames[start:end].sum() >= least]
    made[heard] = voice_network.encode((levels(power[:, slice(*places[row])], hearing) for row in heard), card)
    return made


def similarity(query: Latents, reference: Latents) -> float | None:
    """How alike the voices of two tracks are: the cosine of the means of their windows, clipped to 0..1.

    None where nobody sings on one side: that is no dissimilarity.
    """
    if not query.any() or not reference.any():
        return None
    cosine = float(mean(query) @ mean(reference))
    return min(max(cosine, 0.0), 1.0)


def mean(latents: Latents) -> NDArray[np.float32]:
    """The voice of a track, float32 (latent_dim,) of unit length: the mean of its sounding windows, zeros of none."""
    total = latents.sum(axis=0, dtype=np.float64)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32)


def windows(frames: int, hearing: VoiceHearing) -> Sequence[tuple[int, int]]:
    """First frame of every window of a stem, and the one behind its last."""
    return placed(frames, round(hearing.window_s * hearing.frames_per_s), hearing.window_hop_s * hearing.frames_per_s)


def powers(samples: NDArray[np.float32], hearing: VoiceHearing) -> Power:
    """The power of each mel band over time, float32 (bands, 1 + samples // hop_samples)."""
    padded = np.pad(samples, (0, max(0, hearing.frame_samples - len(samples))))
    power = librosa.feature.melspectrogram(
        y=padded,
        sr=hearing.rate_hz,
        n_fft=hearing.frame_samples,
        hop_length=hearing.hop_samples,
        n_mels=hearing.bands,
        fmin=hearing.lowest_hz,
        fmax=hearing.highest_hz,
    )
    return np.asarray(power, np.float32)


def sung(power: Power, hearing: VoiceHearing) -> NDArray[np.bool_]:
    """Whether each frame of a stem is within `sung_db` of its loudest, bool (frames,)."""
    loudness = power.sum(axis=0)
    return np.asarray(loudness >= loudness.max(initial=LEAST_POWER) * 10 ** (-hearing.sung_db / 10))


def levels(power: Power, hearing: VoiceHearing) -> Power:
    """Windows as the network hears them, float32 (…, bands, frames): dB over `range_db`, 0 the mean power of each.

    A gain changes nothing; what is `range_db` or more below the mean is -1.
    """
    reference = np.maximum(power.mean(axis=(-2, -1), keepdims=True), LEAST_POWER)
    relative_db = 10 * np.log10(np.maximum(power / reference, 10 ** (-hearing.range_db / 10)))
    return np.asarray(relative_db / hearing.range_db, np.float32)
