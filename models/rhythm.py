"""Rhythm: what a drum stem repeats, whatever its tempo, its kit and its room, as one vector for each window.

A drum stem has no pitch for a network of pitch classes to hear. What stays when a groove is played again is which drums
follow each other after which share of a bar. Three bands hear onsets: kick, snare and toms, cymbals. How onsets of one
band follow those of another is their cross-correlation over lags. A slower performance stretches all lags by a factor,
which is a shift on a logarithmic axis, and the magnitude of the Fourier transform along that axis forgets it. That is
the scale transform (Cohen 1993), in rhythm since Holzapfel and Stylianou 2011, "Scale transform in rhythmic similarity
of music", there of the autocorrelation of one onset strength. `models.score` compares these vectors like any latents.

The constants were chosen on 60 other grooves, by two soundfonts, and then judged once (tests/quality/drums.py,
2026-11-21). Where a comment tells no cost, changing one by a quarter costs at most 0.02 MAP there; windows and frames
were not varied. Vectors have no negative component, so strangers' scores are high, 0.78 to 0.93: ranks are what counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal.windows import tukey

from models.decode import SILENT_PEAK
from models.latents import placed

RATE_HZ = 22_050
WINDOW_S, WINDOW_HOP_S = 10.0, 2.0  # as the pitch-class networks'
FRAME_SAMPLES, HOP_SAMPLES = 512, 256  # 23 ms, every 12 ms
FRAMES_PER_S = RATE_HZ / HOP_SAMPLES
BANDS_HZ = (  # each band is the mean of what its parts between two edges hear
    (30, 90),  # kick; up to 150 Hz costs 0.04 MAP
    (150, 220, 320, 450, 640, 900, 1_250, 1_750),  # snare, toms, hand drums
    (3_500, 5_000, 7_000, 9_000, 11_025),  # cymbals
)
BAND_WEIGHTS = (1.0, 1.0, 0.25)  # cymbals differ most from one performance to the next; all alike costs 0.16 MAP
LOUD_SHARE, COMPRESSION = 0.98, 30.0  # log(1 + 30 x), x = 1 where only 2 % of the stem's frames are louder
RISE_FRAMES = 4  # 46 ms: over which loudness must have risen
BACKGROUND_S = 0.2  # of an onset only what exceeds the mean around it counts
LEAST_LAG_S, MOST_LAG_S, LAG_STEP = 0.1, 9.0, 0.01  # the step is a ratio: 1 % longer from lag to lag
LAG_POWER = 1.0  # lags weigh by their length, so a bar outweighs an eighth; 1/2, as published, costs 0.03
TAPERED_SHARE = 0.3  # of the lag axis, so that what a change of tempo moves over its ends matters little
SCALES = 30  # Fourier coefficients that are kept of each pair of bands: up to 6.7 cycles where lags grow e-fold
DIM = len(BANDS_HZ) ** 2 * SCALES
QUIET = 1e-3  # of the stem's peak: -60 dB; a window that never exceeds it is silent

Onsets = NDArray[np.float32]  # (bands, frames)


def rhythm(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Encode every window of a drum stem.

    Args:
        samples: mono float32 in -1..1 at `RATE_HZ`, (samples,).
    Returns:
        float32 (windows, DIM), rows of unit length and nowhere negative, window i starting at i * WINDOW_HOP_S. Within
        a sounding stem a window that is silent, or without an onset, is a row of zeros; a stem that is silent (no
        sample over -80 dBFS) or empty gives (0, DIM).
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENT_PEAK:
        return np.zeros((0, DIM), np.float32)
    strengths = onsets(samples)
    made = np.zeros((len(places := windows(strengths.shape[1])), DIM), np.float32)
    for row, (start, end) in enumerate(places):
        if np.abs(samples[start * HOP_SAMPLES : end * HOP_SAMPLES]).max(initial=0.0) >= QUIET * peak:
            made[row] = scale_magnitudes(strengths[:, start:end])
    return made


def windows(frames: int) -> Sequence[tuple[int, int]]:
    """First frame of every window of a stem, and the one behind its last."""
    return placed(frames, round(WINDOW_S * FRAMES_PER_S), WINDOW_HOP_S * FRAMES_PER_S)


def onsets(samples: NDArray[np.float32]) -> Onsets:
    """How much louder each band has just become, non-negative, float32 (bands, 1 + samples // HOP_SAMPLES).

    Loudness is compressed relative to each part's own loud frames, so equalisation and gain change nothing.
    """
    padded = np.pad(samples, (0, max(0, FRAME_SAMPLES - len(samples))))
    spectrum = np.abs(librosa.stft(padded, n_fft=FRAME_SAMPLES, hop_length=HOP_SAMPLES)) ** 2
    frequencies_hz = librosa.fft_frequencies(sr=RATE_HZ, n_fft=FRAME_SAMPLES)
    return np.stack([_risen(spectrum, np.searchsorted(frequencies_hz, edges_hz)) for edges_hz in BANDS_HZ])


def _risen(spectrum: NDArray[np.float32], edges: NDArray[np.intp]) -> NDArray[np.float32]:
    power = np.add.reduceat(spectrum, edges, axis=0)[:-1]
    loud = np.maximum(np.quantile(power, LOUD_SHARE, axis=1, keepdims=True), 1e-6 * power.max() + 1e-12)
    level = np.log1p(COMPRESSION * power / loud)
    rise = np.zeros_like(level)
    rise[:, RISE_FRAMES:] = np.maximum(level[:, RISE_FRAMES:] - level[:, :-RISE_FRAMES], 0.0)
    strength = rise.mean(axis=0)
    background = uniform_filter1d(strength, round(BACKGROUND_S * FRAMES_PER_S))
    return np.asarray(np.maximum(strength - background, 0.0), np.float32)


def scale_magnitudes(strengths: Onsets) -> NDArray[np.float32]:
    """The magnitudes of the scale transform of all pairs of bands, float32 (DIM,) of unit length, or zeros.

    Args:
        strengths: of one window, float32 (bands, frames).
    """
    magnitudes = np.abs(np.fft.rfft(lag_curves(strengths)))[:, :, :SCALES].ravel()
    norm = float(np.linalg.norm(magnitudes))
    return np.asarray(magnitudes / norm if norm > 0 else magnitudes, np.float32)


def lag_curves(strengths: Onsets) -> NDArray[np.float64]:
    """Weighted correlations along a logarithmic axis of lags, (bands, bands, lags): another tempo moves them along it.

    Args:
        strengths: of one window, float32 (bands, frames).
    """
    weighted = correlations(strengths) * np.outer(BAND_WEIGHTS, BAND_WEIGHTS)[:, :, None]
    lags = np.exp(np.arange(np.log(LEAST_LAG_S), np.log(MOST_LAG_S), LAG_STEP)) * FRAMES_PER_S
    known = np.pad(weighted, ((0, 0), (0, 0), (0, int(lags[-1]) + 2)))
    before, share = lags.astype(np.intp), lags % 1
    curves = known[:, :, before] * (1 - share) + known[:, :, before + 1] * share
    return np.asarray(curves * tukey(len(lags), TAPERED_SHARE) * (lags / lags[-1]) ** LAG_POWER)


def correlations(strengths: Onsets) -> NDArray[np.float64]:
    """How the onsets of each band are followed by those of each, (bands, bands, frames); [i, j, l]: j follows i by l.

    Each band's own is 1 at lag 0; a band without onsets gives zeros.
    """
    centred = strengths - strengths.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    frames = strengths.shape[1]
    transforms = np.fft.rfft(centred / np.maximum(norms, 1e-9), 2 * frames)
    return np.asarray(np.fft.irfft(transforms[:, None].conj() * transforms, 2 * frames)[:, :, :frames])
