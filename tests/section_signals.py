"""Songs whose form is known, as sound and as what is stored of it."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.section.sections import Section, Structure
from tests import signals

Samples = NDArray[np.float32]
RATE_HZ = signals.RATE_HZ
BARS, BEATS = 8, 32  # of a section
PROGRESSIONS = {  # roots and thirds, a bar each, in semitones above C
    "A": ((0, 4), (7, 4), (9, 3), (5, 4)),
    "B": ((2, 3), (7, 4), (0, 4), (4, 3)),
    "C": ((8, 4), (3, 4), (10, 4), (1, 4)),
    "D": ((6, 3), (11, 4), (2, 4), (9, 4)),
}
TIMBRES = {"A": "reed", "B": "string", "C": "flute", "D": "string"}


@cache
def song(form: str, bpm: float = 110.0, transposition: int = 0, beats_per_bar: int = 4) -> Samples:
    """A melody of its own for every letter, over a chord in each of eight bars, a drum on every beat."""
    beat_s = 60 / bpm
    sections = {letter: _section(letter, beat_s, transposition, beats_per_bar) for letter in set(form)}
    whole = np.concatenate([sections[letter] for letter in form])
    return np.asarray(0.7 * whole / np.abs(whole).max(), np.float32)


def _section(letter: str, beat_s: float, transposition: int, beats_per_bar: int) -> Samples:
    rng = np.random.default_rng(ord(letter))
    partials = signals.TIMBRES[TIMBRES[letter]]
    length = BARS * beats_per_bar
    samples = np.zeros(round(length * beat_s * RATE_HZ))
    for beat in range(length):
        root, third = PROGRESSIONS[letter][beat // beats_per_bar % 4]
        lead = 72 + root + int(rng.choice((0, third, 7, 12)))
        struck = [(lead, 1.0), (36 + root, 0.8), (60 + root, 0.3), (60 + root + third, 0.3)]
        sound = sum(level * signals.note(transposition + pitch, beat_s, partials) for pitch, level in struck)
        start = round(beat * beat_s * RATE_HZ)
        room = len(samples) - start
        samples[start : start + len(sound)] += sound[:room]
        drum = rng.normal(0, 0.4, 1_000) * np.exp(-np.arange(1_000) / 200)
        samples[start : start + 1_000] += drum[:room]
    return np.asarray(samples, np.float32)


def written(form: str, beat_s: float = 0.5, transposition: int = 0, seed: int = 0) -> Structure:
    """What would be stored of a song of such sections: every letter has harmony of its own, a chord every two beats.

    `seed` decides the letters' harmony; a little of it is the performance's own.
    """
    rows = []
    for letter in form:
        rng = np.random.default_rng([seed, ord(letter)])
        chords = np.repeat(rng.random((BEATS // 2, 2, 12)) ** 4, 2, axis=0)
        rows.append(np.roll(chords, transposition, axis=2).reshape(-1, 24))
    harmony = np.concatenate(rows) + 0.2 * np.random.default_rng(len(form)).random((BEATS * len(form), 24))
    starts_s = np.arange(len(harmony), dtype=np.float32) * np.float32(beat_s)
    edges_s = [*starts_s[::BEATS].tolist(), len(harmony) * beat_s]
    sections = tuple(
        Section(edges_s[place], edges_s[place + 1], letter, 1.0, None, 0.0) for place, letter in enumerate(form)
    )
    return Structure(sections, starts_s, harmony.astype(np.float16))
