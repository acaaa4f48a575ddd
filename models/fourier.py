"""The classical encoder: windows of chroma as two-dimensional Fourier magnitudes.

The magnitude of a Fourier transform does not change under circular shifts, so neither transposition (a shift of pitch
classes) nor the exact start of a window changes a latent (Ellis and Bertin-Mahieux 2012, "Large-scale cover song
recognition using the 2D Fourier transform magnitude").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.card import Fourier
from models.chroma import Chroma, unit_columns


def latent(patch: Chroma, encoder: Fourier) -> NDArray[np.float32]:
    """One window, chroma (12, frames) of any gain, as a unit vector of floats; silence gives zeros.

    Kept are pitch frequencies 0..6 and time frequencies up to +-`time_frequencies` cycles per window, without the
    mirrored half and without the constant. The mean over other music is taken off, so that strangers lie near 0.
    """
    if not patch.any():
        return np.zeros(len(encoder.latent_mean), np.float32)
    spectrum = np.abs(np.fft.fft2(unit_columns(patch)))
    top = encoder.time_frequencies
    # Rows 0 and 6 are their own mirror image: positive time frequencies tell all.
    both_ways = [np.concatenate([spectrum[row, : top + 1], spectrum[row, -top:]]) for row in range(1, 6)]
    kept = np.concatenate([spectrum[0, 1 : top + 1], *both_ways, spectrum[6, : top + 1]]) ** encoder.latent_power
    centred = kept / np.linalg.norm(kept) - np.array(encoder.latent_mean)
    return np.asarray(centred / max(np.linalg.norm(centred), 1e-9), np.float32)
