"""Pieces of random notes, which can be played again at another tempo and pitch: the truth of an alignment is known."""

from __future__ import annotations

import numpy as np

from models.fingerprint.peaks import RATE_HZ
from tests.signals import Samples

GRID_S = 0.11
NOTES_PER_STEP = 1.2
PARTIALS = (1.0, 0.6, 0.4, 0.2, 0.1)
SCALE = (0, 2, 4, 7, 9)


def piece(number: int, duration_s: float = 30.0, tempo: float = 1.0, semitones: float = 0.0) -> Samples:
    """Decaying notes, mono at `RATE_HZ`, float32.

    Args:
        number: other numbers are other pieces.
        duration_s: as it is written; it lasts `duration_s` / `tempo`.
        tempo: > 1 is faster.
        semitones: > 0 is higher.
    """
    rng = np.random.default_rng(number)
    samples = np.zeros(round(duration_s / tempo * RATE_HZ))
    for step in range(int(duration_s / GRID_S)):
        for _ in range(rng.poisson(NOTES_PER_STEP)):
            midi = 48 + 12 * rng.integers(0, 3) + rng.choice(SCALE)
            late_s, lasting_s, loud = rng.uniform(0, 0.03), rng.uniform(0.15, 0.8), rng.uniform(0.3, 1.0)
            first = round((step * GRID_S + late_s) / tempo * RATE_HZ)
            length = min(round(lasting_s / tempo * RATE_HZ), len(samples) - first)
            if length > 0:
                time_s = np.arange(length) / RATE_HZ
                frequency_hz = 440 * 2 ** ((midi + semitones - 69) / 12)
                waves = sum(a * np.sin(2 * np.pi * frequency_hz * (k + 1) * time_s) for k, a in enumerate(PARTIALS))
                samples[first : first + length] += loud * waves * np.exp(-4 * tempo * time_s / lasting_s)
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def cut(samples: Samples, start_s: float, end_s: float) -> Samples:
    return samples[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)]


def noisy(samples: Samples, snr_db: float) -> Samples:
    """With white noise, `snr_db` below it."""
    deviation = np.sqrt(np.mean(samples**2) / 10 ** (snr_db / 10))
    return (samples + np.random.default_rng(0).normal(0, deviation, len(samples))).astype(np.float32)
