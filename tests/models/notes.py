"""Melodies as note events whose truth is known, and as sound."""

from __future__ import annotations

import numpy as np

from models.motif.salience import Events
from tests import signals


def events(times_s, pitches, strengths=None, ranks=None) -> Events:
    """Notes as `models.motif.salience` stores them, in order of time."""
    times_ms = np.rint(1_000 * np.asarray(times_s, float))
    strengths = np.full(len(times_ms), 255) if strengths is None else np.asarray(strengths)
    ranks = np.zeros(len(times_ms), int) if ranks is None else np.asarray(ranks)
    packed = np.asarray(pitches, int) << 16 | strengths << 8 | ranks
    order = np.argsort(times_ms, kind="stable")
    return np.stack([times_ms, packed], axis=1)[order].astype(np.uint32)


def melody(seed, count=60, step_s=0.25):
    """A walk that never stays on a pitch: times in s, some notes held for two steps, and MIDI pitches."""
    rng = np.random.default_rng(seed)
    times_s = step_s * np.cumsum(np.r_[0, rng.choice([1, 1, 1, 2], count - 1)])
    pitches = [67]
    while len(pitches) < count:
        step = int(rng.choice([-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]))
        pitches.append(pitches[-1] + (step if 55 <= pitches[-1] + step <= 84 else -step))
    return times_s, np.array(pitches)


def played(times_s, pitches, timbre="reed", *, tempo=1.0, transposition=0.0, chords=False):
    """The melody as sound at `signals.RATE_HZ`, `tempo` times as fast; `chords` put a C major chord beneath."""
    starts_s = np.asarray(times_s, float) / tempo
    lengths_s = np.diff(np.append(starts_s, starts_s[-1] + 0.5))
    sound = np.zeros(round((starts_s[-1] + 1.5) * signals.RATE_HZ), np.float32)

    def add(start_s, length_s, pitch, gain):
        note = gain * signals.note(pitch + transposition, length_s, signals.TIMBRES[timbre])
        start = round(start_s * signals.RATE_HZ)
        sound[start : start + len(note)] += note

    for start_s, length_s, pitch in zip(starts_s, lengths_s, pitches, strict=True):
        add(start_s, length_s, pitch, 1.0)
    if chords:
        for start_s in np.arange(0, starts_s[-1], 0.8 / tempo):
            for pitch in (48, 52, 55):
                add(start_s, 0.8 / tempo, pitch, 0.3)
    return np.asarray(0.8 * sound / np.abs(sound).max(), np.float32)
