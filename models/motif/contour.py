"""The contour of the highest line, as soft pitch classes over time: no note is decided, so none can be missed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_S = 5
LOWEST_PITCH = 60  # MIDI: below lies what accompanies
TILT_PER_SEMITONE = 0.025  # a line that is heard higher counts as stronger
TILTED_FROM = 48
LEAST_SHARE = 0.85  # of the strongest pitch of its frame: one line is kept, or two
SILENT_SHARE = 0.05  # of the track's strongest frame: below it nothing is sung

Contour = NDArray[np.uint8]  # (frames, 12)


def contour(heard: NDArray[np.float32], frames_per_s: float, first_pitch: int) -> Contour:
    """The pitch classes of the highest strong line.

    Args:
        heard: salience, non-negative float32 (pitches, frames), rows in semitones from MIDI `first_pitch` on.
        frames_per_s: of its columns.
    Returns:
        uint8 (frames, 12) at `FRAMES_PER_S`, C first; each row relative to its own greatest (255), zeros in silence.
    """
    steps = int(np.ceil(heard.shape[1] / frames_per_s * FRAMES_PER_S))
    edges = np.minimum(np.rint(np.arange(steps) * (frames_per_s / FRAMES_PER_S)), heard.shape[1] - 1).astype(np.intp)
    high = heard[LOWEST_PITCH - first_pitch :]
    tilt = 1 + TILT_PER_SEMITONE * (LOWEST_PITCH - TILTED_FROM + np.arange(len(high)))
    tilted = high * tilt[:, None].astype(np.float32)
    strongest = tilted.max(axis=0)
    floor = np.maximum(LEAST_SHARE * strongest, SILENT_SHARE * float(strongest.max(initial=0.0)))
    lines = np.where((tilted >= floor) & (tilted > 0), tilted, np.float32(0))
    pooled = np.add.reduceat(lines, edges, axis=1)
    folded = np.zeros((12, steps), np.float32)
    np.add.at(folded, (LOWEST_PITCH + np.arange(len(high))) % 12, pooled)
    greatest = folded.max(axis=0)
    return np.asarray(np.rint(255 * folded / np.where(greatest > 0, greatest, 1)).T, np.uint8)
