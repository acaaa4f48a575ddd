"""Rhythm: what a drum stem repeats, whatever its tempo, its kit and its room, as one vector for each window.

A drum stem has no pitch for a network of pitch classes to hear. What stays when a groove is played again is which drums
follow each other after which share of a bar. Three bands hear onsets: kick, snare and toms, cymbals. How onsets of one
band follow those of another is their cross-correlation over lags. A slower performance stretches all lags by a factor,
which is a shift on a logarithmic axis (as in the scale transform of Holzapfel and Stylianou 2011, "Scale transform in
rhythmic similarity of music"), and `rhythm_network` learned to look away from it. `models.score` compares the vectors
like any latents. All numbers are on the card, `weights/stems/drums.json`.
"""

from __future__ import annotations

from collections.abc import Sequence

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from models.audio.decode import SILENT_PEAK
from models.latents import placed
from models.rhythm_card import RhythmCard, RhythmHearing

Onsets = NDArray[np.float32]  # (bands, frames)
Curves = NDArray[np.float32]  # (windows, pairs of bands, lags)


def rhythm(samples: NDArray[np.float32], card: RhythmCard) -> NDArray[np.float32]:
    """Encode every window of a drum stem.

    Args:
        samples: mono float32 in -1..1 at the card's `rate_hz`, (samples,).
        card: of the drums' encoder.
    Returns:
        float32 (windows, latent_dim), rows of unit length, window i starting at i * window_hop_s. Within a sounding
        stem a window that is silent, or without an onset, is a row of zeros; a stem that is silent (no sample over
        -80 dBFS) or empty gives (0, latent_dim).
    Raises:
        `WrongWeights` when the weights are not those that the card names.
    """
    from models import rhythm_network  # loads torch

    heard = curves(samples, card.hearing)
    made = np.zeros((len(heard), card.architecture.latent_dim), np.float32)
    sounding = heard.any(axis=(1, 2))
    made[sounding] = rhythm_network.encode(heard[sounding], card)
    return made


def curves(samples: NDArray[np.float32], hearing: RhythmHearing) -> Curves:
    """The lag curves of every window, zeros for a silent one; (0, pairs, lags) for a silent stem."""
    shape, hop = (hearing.pairs, len(lags_frames(hearing))), hearing.hop_samples
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENT_PEAK:
        return np.zeros((0, *shape), np.float32)
    strengths = onsets(samples, hearing)
    made = np.zeros((len(places := windows(strengths.shape[1], hearing)), *shape), np.float32)
    for row, (start, end) in enumerate(places):
        if np.abs(samples[start * hop : end * hop]).max(initial=0.0) >= hearing.quiet * peak:
            made[row] = lag_curves(strengths[:, start:end], hearing)
    return made


def windows(frames: int, hearing: RhythmHearing) -> Sequence[tuple[int, int]]:
    """First frame of every window of a stem, and the one behind its last."""
    return placed(frames, round(hearing.window_s * hearing.frames_per_s), hearing.window_hop_s * hearing.frames_per_s)


def onsets(samples: NDArray[np.float32], hearing: RhythmHearing) -> Onsets:
    """How much louder each band has just become, non-negative, float32 (bands, 1 + samples // hop_samples).

    Loudness is compressed relative to each part's own loud frames, so equalisation and gain change nothing.
    """
    padded = np.pad(samples, (0, max(0, hearing.frame_samples - len(samples))))
    spectrum = np.abs(librosa.stft(padded, n_fft=hearing.frame_samples, hop_length=hearing.hop_samples)) ** 2
    frequencies_hz = librosa.fft_frequencies(sr=hearing.rate_hz, n_fft=hearing.frame_samples)
    edges = [np.searchsorted(frequencies_hz, edges_hz) for edges_hz in hearing.bands_hz]
    return np.stack([_risen(spectrum, band, hearing) for band in edges])


def _risen(spectrum: NDArray[np.float32], edges: NDArray[np.intp], hearing: RhythmHearing) -> NDArray[np.float32]:
    power = np.add.reduceat(spectrum, edges, axis=0)[:-1]
    loud = np.maximum(np.quantile(power, hearing.loud_share, axis=1, keepdims=True), 1e-6 * power.max() + 1e-12)
    level = np.log1p(hearing.compression * power / loud)
    rise = np.zeros_like(level)
    frames = hearing.rise_frames
    rise[:, frames:] = np.maximum(level[:, frames:] - level[:, :-frames], 0.0)
    strength = rise.mean(axis=0)
    background = uniform_filter1d(strength, round(hearing.background_s * hearing.frames_per_s))
    return np.asarray(np.maximum(strength - background, 0.0), np.float32)


def lag_curves(strengths: Onsets, hearing: RhythmHearing) -> NDArray[np.float32]:
    """Correlations along a logarithmic axis of lags, float32 (pairs, lags): another tempo moves them along it.

    Args:
        strengths: of one window, float32 (bands, frames); lags that it is too short for are zeros.
    """
    lags = lags_frames(hearing)
    followed = correlations(strengths).reshape(hearing.pairs, -1)
    return np.asarray(at_lags(followed, lags) * (lags / lags[-1]) ** hearing.lag_power, np.float32)


def lags_frames(hearing: RhythmHearing) -> NDArray[np.float64]:
    """The axis of lags, in frames."""
    logarithms = np.arange(np.log(hearing.least_lag_s), np.log(hearing.most_lag_s), hearing.lag_step)
    return np.asarray(np.exp(logarithms) * hearing.frames_per_s)


def at_lags(correlated: NDArray[np.float64], lags: NDArray[np.float64]) -> NDArray[np.float64]:
    """(…, frames) read at lags between them, (…, lags); zeros behind the last."""
    known = np.pad(correlated, [*[(0, 0)] * (correlated.ndim - 1), (0, int(lags[-1]) + 2)])
    before, share = lags.astype(np.intp), lags % 1
    return np.asarray(known[..., before] * (1 - share) + known[..., before + 1] * share)


def correlations(strengths: Onsets) -> NDArray[np.float64]:
    """How the onsets of each band are followed by those of each, (bands, bands, frames); [i, j, l]: j follows i by l.

    Each band's own is 1 at lag 0; a band without onsets gives zeros.
    """
    centred = strengths - strengths.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    frames = strengths.shape[1]
    transforms = np.fft.rfft(centred / np.maximum(norms, 1e-9), 2 * frames)
    return np.asarray(np.fft.irfft(transforms[:, None].conj() * transforms, 2 * frames)[:, :, :frames])
