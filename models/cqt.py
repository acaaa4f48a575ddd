"""The pooled constant-Q transform: computed once per track, stored, and read by everything that hears pitch."""

from __future__ import annotations

import librosa
import numpy as np
from numpy.typing import NDArray

from models.audio.decode import SILENT_PEAK
from models.card import Hearing

Cqt = NDArray[np.uint8]  # (bins, frames)


def pooled_cqt(samples: NDArray[np.float32], hearing: Hearing) -> Cqt:
    """Log-compressed constant-Q magnitudes, relative to the track's own peak.

    |CQT| (librosa, tuned to A4 = 440 Hz) is averaged over `pool_frames` hops, divided by its maximum, and stored as
    255 log(1 + k x) / log(1 + k) with k = `compression`. Gain therefore changes nothing but rounding.

    Args:
        samples: mono float32 in -1..1 at `hearing.rate_hz`, (samples,).
        hearing: the card's numbers.
    Returns:
        uint8 (bins, ceil(samples / (hop_samples * pool_frames))). A silent track (no sample over -80 dBFS) gives
        zeros, no samples (bins, 0).
    """
    pooled = pooled_magnitude(samples, hearing)
    return compressed(pooled, float(pooled.max(initial=0.0)), hearing)


def pooled_magnitude(samples: NDArray[np.float32], hearing: Hearing) -> NDArray[np.float32]:
    """What `pooled_cqt` compresses, on the scale of the samples.

    Args:
        samples: mono float32 in -1..1 at `hearing.rate_hz`, (samples,).
        hearing: the card's numbers.
    Returns:
        float32 (bins, ceil(samples / (hop_samples * pool_frames))). A silent track (no sample over -80 dBFS) gives
        zeros, no samples (bins, 0).
    """
    block = hearing.hop_samples * hearing.pool_frames
    frames = -(-len(samples) // block)
    if frames == 0 or float(np.abs(samples).max()) < SILENT_PEAK:
        return np.zeros((hearing.bins, frames), np.float32)
    # Padding to whole pools keeps frame i at i * block samples; a CQT of hop h gives one frame more than samples / h.
    padded = np.pad(samples, (0, frames * block - len(samples)))
    every_hop = magnitude(padded, hearing)[:, : frames * hearing.pool_frames]
    return np.asarray(every_hop.reshape(hearing.bins, frames, hearing.pool_frames).mean(axis=2), np.float32)


def magnitude(samples: NDArray[np.float32], hearing: Hearing) -> NDArray[np.float32]:
    """|CQT| at every hop, float32 (bins, 1 + samples // hop_samples), of mono float32 at `hearing.rate_hz`."""
    transform = librosa.cqt(
        samples,
        sr=hearing.rate_hz,
        hop_length=hearing.hop_samples,
        fmin=hearing.fmin_hz,
        n_bins=hearing.bins,
        bins_per_octave=hearing.bins_per_octave,
    )
    return np.asarray(np.abs(transform), np.float32)


def compressed(magnitude: NDArray[np.float32], peak: float, hearing: Hearing) -> Cqt:
    """Pooled magnitudes as they are stored, relative to `peak`, which none of them exceeds; a peak of 0 gives zeros."""
    if peak == 0.0:
        return np.zeros(magnitude.shape, np.uint8)
    share = np.log1p(hearing.compression * magnitude / peak) / np.log1p(hearing.compression)
    return np.asarray(np.rint(255 * share), np.uint8)
