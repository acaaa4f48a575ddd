"""A descriptor of rhythm in which nothing is learned: what the drums' encoder must beat.

The same correlations between kick, snare and cymbal onsets as the encoder's, over lags on a logarithmic axis. Another
tempo shifts them along it, and the magnitude of the Fourier transform along that axis forgets the shift: the scale
transform (Cohen 1993), in rhythm since Holzapfel and Stylianou 2011, "Scale transform in rhythmic similarity of music",
there of the autocorrelation of one onset strength. The constants were chosen on 60 other grooves, by two soundfonts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import tukey

from models import rhythm, rhythm_card
from models.rhythm import Onsets

HEARING = rhythm_card.load().hearing
BAND_WEIGHTS = (1.0, 1.0, 0.25)  # cymbals differ most from one performance to the next; all alike costs 0.16 MAP
LEAST_LAG_S, MOST_LAG_S, LAG_STEP = 0.1, 9.0, 0.01  # the step is a ratio: 1 % longer from lag to lag
LAG_POWER = 1.0  # lags weigh by their length, so a bar outweighs an eighth; 1/2, as published, costs 0.03
TAPERED_SHARE = 0.3  # of the lag axis, so that what a change of tempo moves over its ends matters little
SCALES = 30  # Fourier coefficients that are kept of each pair of bands: up to 6.7 cycles where lags grow e-fold


def descriptor(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of every window, float32 (windows, pairs of bands * SCALES), rows of unit length, or zeros."""
    made = [np.abs(np.fft.rfft(lag_curves(window)))[:, :, :SCALES].ravel() for window in windows_of(samples)]
    return unit(np.array(made))


def windows_of(samples: NDArray[np.float32]) -> list[Onsets]:
    """The onsets of every window, as the encoder hears them."""
    strengths = rhythm.onsets(samples, HEARING)
    return [strengths[:, start:end] for start, end in rhythm.windows(strengths.shape[1], HEARING)]


def lag_curves(strengths: Onsets) -> NDArray[np.float64]:
    """Weighted correlations along a logarithmic axis of lags, (bands, bands, lags)."""
    lags = np.exp(np.arange(np.log(LEAST_LAG_S), np.log(MOST_LAG_S), LAG_STEP)) * HEARING.frames_per_s
    weighted = rhythm.correlations(strengths) * np.outer(BAND_WEIGHTS, BAND_WEIGHTS)[:, :, None]
    return np.asarray(rhythm.at_lags(weighted, lags) * tukey(len(lags), TAPERED_SHARE) * (lags / lags[-1]) ** LAG_POWER)


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows, flattened, of unit length; those of zeros stay."""
    flat = rows.reshape(len(rows), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9), np.float32)
