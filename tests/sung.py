"""Songs that somebody sings, of held-out voices: needs the program espeak-ng."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.training import singing
from tests import signals

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the program espeak-ng")

LINES = ((62, 65, 69, 67, 65, 64, 62, 60), (60, 64, 67, 72, 71, 67, 64, 62))
BACKINGS = (signals.FIRST_TUNE, signals.OTHER_TUNE)
DURATION_S = 16.0
LOUDNESS = 0.07  # of the voice and of what accompanies it

Samples = NDArray[np.float32]


def song(singer: int, at: int, speakers: Path) -> tuple[Samples, Samples]:
    """Song 0 or 1 by a singer of the test split: voice and backing, float32 (samples,), whose sum does not clip."""
    notes = [(1.0 + 1.7 * row, 1.5, pitch, 100) for row, pitch in enumerate(LINES[at])]
    who = singing.singer("test", singer)
    spoken = singing.speaker(who.speaker, speakers)
    voice = singing.sing(np.array(notes, np.float32), who, spoken, DURATION_S, np.random.default_rng(at))
    backing = signals.tune(BACKINGS[at], timbre="string")[: len(voice)]
    backing = np.pad(backing, (0, len(voice) - len(backing)))
    return tuple(np.float32(LOUDNESS) * part / part.std() for part in (voice, backing))  # type: ignore[return-value]
