"""A composition: melody, chords and sections in beats, before anybody plays it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

QUALITIES: dict[str, tuple[int, ...]] = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "diminished": (0, 3, 6),
    "augmented": (0, 4, 8),
    "suspended": (0, 5, 7),
    "fifth": (0, 7),
    "dominant": (0, 4, 7, 10),
    "minor seventh": (0, 3, 7, 10),
    "major seventh": (0, 4, 7, 11),
    "half-diminished": (0, 3, 6, 10),
    "sixth": (0, 4, 7, 9),
    "ninth": (0, 4, 10, 14),
}


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord of a section: `root` is a pitch class, `quality` a key of `QUALITIES`."""

    start_beat: float
    beats: float
    root: int
    quality: str

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        return tuple((self.root + step) % 12 for step in QUALITIES[self.quality])


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a composition that is played as one.

    Attributes:
        melody: float32 (notes, 3): start_beat, beats, MIDI pitch; in order of start, from beat 0.
        chords: one after the other, without gaps, from beat 0.
        beats: length, a whole number of bars.
        voices: further lines that belong to the composition (the lower voices of a chorale), each as `melody`.
    """

    melody: NDArray[np.float32]
    chords: tuple[Chord, ...]
    beats: float
    voices: tuple[NDArray[np.float32], ...] = ()


@dataclass(frozen=True, slots=True)
class Composition:
    """What performances have in common.

    Attributes:
        name: unique, such as `ryansMammoth/AliceJig`.
        source: the collection, or `songs`.
        beats_per_bar: in quarter notes.
        pulse_beats: 1, or 1.5 in compound metres.
        sections: the different ones.
        form: their order as composed, as places in `sections`.
    """

    name: str
    source: str
    beats_per_bar: float
    pulse_beats: float
    sections: tuple[Section, ...]
    form: tuple[int, ...]

    @property
    def first_beats(self) -> list[float]:
        """Where each section begins on the composition's own beat axis, on which every section stands once."""
        lengths = [section.beats for section in self.sections]
        return [float(sum(lengths[:place])) for place in range(len(lengths))]
