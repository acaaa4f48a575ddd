"""The outline of a track, for drawing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POINTS_PER_S = 10  # a screen's width for a few minutes


def envelope(samples: NDArray[np.float32], rate_hz: int, points_per_s: int = POINTS_PER_S) -> NDArray[np.int8]:
    """Lowest and highest sample, over all channels, of each tenth of a second.

    Args:
        samples: float32 in -1..1, (frames, channels) or (frames,).
        rate_hz: of the samples.
        points_per_s: how many pairs a second.
    Returns:
        int8 (ceil(duration_s * points_per_s), 2): minimum and maximum in steps of 1/127. No samples give (0, 2),
        silence zeros.
    """
    if not len(samples):
        return np.zeros((0, 2), np.int8)
    by_frame = samples.reshape(len(samples), -1)
    points = -(-len(by_frame) * points_per_s // rate_hz)
    starts = np.minimum(np.arange(points) * rate_hz // points_per_s, len(by_frame) - 1)
    lowest = np.minimum.reduceat(by_frame.min(axis=1), starts)
    highest = np.maximum.reduceat(by_frame.max(axis=1), starts)
    outline = np.clip(np.stack([lowest, highest], axis=1), -1, 1)
    return np.asarray(np.rint(127 * outline), np.int8)
