"""What the demo makes of a clip to ask with: a copy that is higher and faster, an excerpt."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr

from models.audio.decode import decode

RATE_HZ = 22_050


def write_moved(clip: Path, copy: Path, semitones: int, tempo: float) -> None:
    """A copy raised by `semitones` and `tempo` times as fast: played faster, then stretched to the length wanted."""
    raised = 2 ** (semitones / 12)
    faster = soxr.resample(_mono(clip), RATE_HZ, RATE_HZ / raised)
    soundfile.write(copy, librosa.effects.time_stretch(faster, rate=tempo / raised), RATE_HZ)


def write_excerpt(clip: Path, excerpt: Path, start_s: float, end_s: float) -> None:
    soundfile.write(excerpt, _mono(clip)[int(start_s * RATE_HZ) : int(end_s * RATE_HZ)], RATE_HZ)


def _mono(clip: Path) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    heard = decode(clip.read_bytes(), None)
    return np.asarray(soxr.resample(heard.samples.mean(axis=1), heard.rate_hz, RATE_HZ), np.float32)
