"""Pitch classes over time, from the stored constant-Q transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.card import Hearing

Chroma = NDArray[np.float32]  # (12, frames), non-negative

SILENT_COLUMN = 1e-3  # one step of eight bits in one bin is 0.009 after the square root


def chroma(cqt: NDArray[np.uint8], hearing: Hearing) -> Chroma:
    """The strength of the twelve pitch classes, C first: square roots of magnitudes, summed over octaves.

    The square root lets a quiet melody count beside a loud bass; it separates better than the magnitudes and than their
    logarithms (`sources` on the card).

    Args:
        cqt: what `cqt.pooled_cqt` made, uint8 (bins, frames).
        hearing: the card's numbers.
    Returns:
        float32 (12, frames). Silent frames are zero columns.
    """
    stored = np.arange(256) / 255
    magnitude = np.expm1(stored * np.log1p(hearing.compression)) / hearing.compression
    roots = np.sqrt(magnitude).astype(np.float32)[cqt]
    octaves = hearing.bins // hearing.bins_per_octave
    return np.asarray(roots.reshape(octaves, hearing.bins_per_octave, -1).sum(axis=0), np.float32)


def unit_columns(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale every column of (rows, frames) to Euclidean length 1; a silent column becomes zeros."""
    length = np.linalg.norm(columns, axis=0)
    return np.asarray(columns / np.where(length > SILENT_COLUMN, length, np.inf), np.float32)
