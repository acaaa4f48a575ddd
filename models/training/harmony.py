"""Chords for a melody: the likeliest path through all chords, by what sounds and by what usually follows what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.training.composition import QUALITIES, Chord

_TRIADS = [(root, quality) for quality in ("major", "minor", "diminished", "dominant") for root in range(12)]
_TONES = np.zeros((len(_TRIADS), 12))
for _row, (_root, _quality) in enumerate(_TRIADS):
    _TONES[_row, [(_root + step) % 12 for step in QUALITIES[_quality]]] = 1
_LIKING = np.array([{"major": 0.3, "minor": 0.2, "diminished": -0.5, "dominant": -0.1}[q] for _, q in _TRIADS])
_ROOTS = np.array([root for root, _ in _TRIADS])
_MOTION = np.array([0.25, -0.3, 0.1, 0.0, 0.05, 0.4, -0.6, 0.3, 0.0, 0.15, 0.1, -0.3])  # by semitones the root moves up
_FOLLOWS = _MOTION[(_ROOTS[None, :] - _ROOTS[:, None]) % 12]


def harmonise(
    notes: NDArray[np.float32], beats: float, slot_beats: float, rng: np.random.Generator, whim: float = 0.0
) -> tuple[Chord, ...]:
    """Chords of `slot_beats` each under notes (start_beat, beats, pitch), float32 (notes, 3).

    `whim` is the standard deviation of a random liking added to every chord of every slot: 0 gives the likeliest
    chords, 1 often others which fit too. Equal neighbours are joined.
    """
    slots = max(1, round(beats / slot_beats))
    heard = np.zeros((slots, 12))
    starts, ends = notes[:, 0], notes[:, 0] + notes[:, 1]
    for slot in range(slots):
        shared = np.minimum(ends, (slot + 1) * slot_beats) - np.maximum(starts, slot * slot_beats)
        on_slot = np.abs(starts - slot * slot_beats) < 0.01
        np.add.at(heard[slot], notes[:, 2].astype(int) % 12, np.maximum(shared, 0) * (1 + 0.5 * on_slot))
    heard /= np.maximum(heard.sum(axis=1, keepdims=True), 1e-6)
    profile = heard.mean(axis=0)
    diatonic = (_TONES @ profile) / _TONES.sum(axis=1)
    liking = 1.6 * heard @ _TONES.T - 1.0 * heard @ (1 - _TONES.T) + 2.0 * diatonic + _LIKING
    liking = liking + whim * rng.normal(size=liking.shape)
    best = liking[0]
    came_from = np.zeros((slots, len(_TRIADS)), int)
    for slot in range(1, slots):
        through = best[:, None] + _FOLLOWS
        came_from[slot] = through.argmax(axis=0)
        best = through.max(axis=0) + liking[slot]
    path = [int(best.argmax())]
    for slot in range(slots - 1, 0, -1):
        path.append(int(came_from[slot][path[-1]]))
    return joined([Chord(slot * slot_beats, slot_beats, *_TRIADS[at]) for slot, at in enumerate(reversed(path))])


def joined(chords: list[Chord]) -> tuple[Chord, ...]:
    """The same chords, equal neighbours as one."""
    kept: list[Chord] = []
    for chord in chords:
        last = kept[-1] if kept else None
        if last is not None and (last.root, last.quality) == (chord.root, chord.quality):
            kept[-1] = Chord(last.start_beat, last.beats + chord.beats, last.root, last.quality)
        else:
            kept.append(chord)
    return tuple(kept)
