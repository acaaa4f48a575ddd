"""The classical encoder: 12 s windows of chroma as two-dimensional Fourier magnitudes.

The magnitude of a Fourier transform does not change under circular shifts, so neither transposition (a shift of pitch
classes) nor the exact start of a window changes a latent (Ellis and Bertin-Mahieux 2012, "Large-scale cover song
recognition using the 2D Fourier transform magnitude").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.card import Hearing
from models.chroma import Chroma, unit_columns

Latents = NDArray[np.float32]  # (windows, dim), rows of unit length or zero


def latents(chroma: Chroma, hearing: Hearing) -> Latents:
    """Encode every window of a track.

    A track shorter than one window, but at least a second, is one window, repeated until it is full.

    Args:
        chroma: float32 (12, frames), any gain.
        hearing: the card's numbers.
    Returns:
        float32 (windows, latent_dim), window i starting at i * window_hop_s. A silent window within a sounding track is
        a row of zeros, which is similar to nothing; a silent or empty track gives (0, latent_dim).
    """
    if not chroma.any():
        return np.zeros((0, hearing.latent_dim), np.float32)
    frames = round(hearing.window_s / hearing.frame_s)
    full = np.pad(chroma, ((0, 0), (0, max(0, frames - chroma.shape[1]))), mode="wrap")
    hop_frames = hearing.window_hop_s / hearing.frame_s
    count = 1 + int((full.shape[1] - frames) / hop_frames)
    starts = [round(index * hop_frames) for index in range(count)]
    return np.stack([latent(full[:, start : start + frames], hearing) for start in starts])


def latent(patch: Chroma, hearing: Hearing) -> NDArray[np.float32]:
    """One window, chroma (12, frames), as a unit vector of `latent_dim` floats; silence gives zeros.

    Kept are pitch frequencies 0..6 and time frequencies up to +-`time_frequencies` cycles per window, without the
    mirrored half and without the constant. The mean over other music is taken off, so that strangers lie near 0.
    """
    if not patch.any():
        return np.zeros(hearing.latent_dim, np.float32)
    spectrum = np.abs(np.fft.fft2(unit_columns(patch)))
    top = hearing.time_frequencies
    # Rows 0 and 6 are their own mirror image: positive time frequencies tell all.
    both_ways = [np.concatenate([spectrum[row, : top + 1], spectrum[row, -top:]]) for row in range(1, 6)]
    kept = np.concatenate([spectrum[0, 1 : top + 1], *both_ways, spectrum[6, : top + 1]]) ** hearing.latent_power
    centred = kept / np.linalg.norm(kept) - np.array(hearing.latent_mean)
    return np.asarray(centred / max(np.linalg.norm(centred), 1e-9), np.float32)


def window_range_s(index: int, duration_s: float, hearing: Hearing) -> tuple[float, float]:
    """Start and end, in seconds, of window `index` of a track that lasts `duration_s`."""
    start_s = index * hearing.window_hop_s
    return min(start_s, duration_s), min(start_s + hearing.window_s, duration_s)
