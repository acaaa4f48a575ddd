"""Drums: the grooves that the drums' encoder learns from, by rule and chance and from the corpus' songs.

A groove is what a drummer repeats. It is the same groove as another when the same drums are struck after the same
shares of its shortest period, hats left out and wherever one begins to count (`essence`); no two are the same, and
which of them are learned from and which validate follows from that alone, so the splits share none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from zlib import crc32

import numpy as np

from models.training import corpus
from models.training.grooves import KICKS, SNARES, TIMES, drums
from models.training.songs import song

Rng = np.random.Generator
Stroke = tuple[float, str, float]  # beat, one of VOICES, loudness 0..1
Essence = frozenset[tuple[str, Fraction]]

VOICES = {  # with the General MIDI keys that play them
    "K": KICKS,
    "S": SNARES,
    "H": TIMES,  # hats, and whatever else only keeps the time
    "R": (51, 53, 59),  # a ride that is part of the groove
    "L": (37, 56, 67, 75, 76),  # side stick, cowbell, agogo, claves, wood block
    "C": (60, 62, 63, 65),  # bongo, congas, timbale
    "D": (41, 61, 64, 66),  # the lower ones of these
    "T": (43, 45, 47, 48, 50),
}
VALIDATED = 10  # of a hundred grooves
# Strokes in the shortest period, without hats. What has five or fewer is everybody's: rock, disco, waltz, two step. To
# learn from none of these keeps every groove of `ops/quality drums` out of the corpus, which asserts that it does.
LEAST_STROKES = {"train": 6, "validation": 3}
METRES = (  # beats a bar, the steps of a beat that may be had, share
    (4.0, (4, 4, 4, 2), 0.50),
    (4.0, (3,), 0.12),
    (3.0, (4, 2, 3), 0.10),
    (2.0, (4, 6), 0.06),
    (8.0, (4, 2), 0.08),
    (5.0, (2, 4), 0.05),
    (3.5, (2, 4), 0.05),
    (6.0, (2, 4), 0.04),
)
SHARES = {"K": 0.96, "S": 0.85, "H": 0.8, "R": 0.12, "L": 0.28, "C": 0.22, "D": 0.22, "T": 0.15}


@dataclass(frozen=True, slots=True)
class Groove:
    """What a drummer repeats: strokes within `beats`, in quarter notes or, in compound metres, dotted ones."""

    name: str
    beats: float
    strokes: tuple[Stroke, ...]


def grooves(split: str) -> Iterator[Groove]:
    """The grooves of a split (`train` or `validation`) without end, half of them of the split's songs."""
    seen: set[Essence] = set()
    sources = (_of_songs(split), _by_chance())
    for groove in itertools.chain.from_iterable(zip(*sources, strict=False)):
        found = essence(groove)
        if len(found) >= LEAST_STROKES[split] and found not in seen and split_of(found) == split:
            seen.add(found)
            yield groove


def split_of(found: Essence) -> str:
    """`train` or `validation`."""
    place = crc32(repr(sorted(found)).encode()) % 100
    return "validation" if place < VALIDATED else "train"


def essence(groove: Groove) -> Essence:
    """Which drums are struck where in the shortest period, 0..1, wherever one begins to count, without hats."""
    struck = {
        (voice, Fraction(beat / groove.beats).limit_denominator(96))
        for beat, voice, _ in groove.strokes
        if voice != "H"
    }
    if not struck:
        return frozenset()
    periods = [Fraction(1, parts) for parts in range(1, 17)]
    period = min(part for part in periods if {(voice, (at + part) % 1) for voice, at in struck} == struck)
    turned = ({(voice, (at - start) % period / period) for voice, at in struck} for _, start in struck)
    return frozenset(min(turned, key=sorted))


def _of_songs(split: str) -> Iterator[Groove]:
    """First bars of the drum parts that the arranger gives to the split's songs."""
    voices = {key: voice for voice, keys in reversed(VOICES.items()) for key in keys}
    for number in itertools.count():
        composition = song(corpus.SONG_SEEDS[split] + number)
        rng = np.random.default_rng([number, 11])
        for part in drums(composition, composition.beats_per_bar, rng):
            loudest = float(part.notes[:, 3].max())
            strokes = [
                (float(beat), voices.get(int(key), "L"), float(velocity) / loudest)
                for beat, _, key, velocity in part.notes
            ]
            yield Groove(f"{split} song {number}", composition.beats_per_bar, tuple(strokes))


def _by_chance() -> Iterator[Groove]:
    for number in itertools.count():
        rng = np.random.default_rng([number, 12])
        beats, choices, _ = METRES[rng.choice(len(METRES), p=[share for *_, share in METRES])]
        steps_per_beat = int(rng.choice(choices))
        strokes: list[Stroke] = []
        for voice, share in SHARES.items():
            if rng.random() < share:
                loud = float(rng.choice([1.0, 0.85, 0.6]))
                for step in _lane(voice, round(beats * steps_per_beat), steps_per_beat, rng):
                    soft = voice in "SCT" and rng.random() < 0.15
                    strokes.append((step / steps_per_beat, voice, 0.35 if soft else loud))
        yield Groove(f"by chance {number}", beats, tuple(sorted(strokes)))


def _lane(voice: str, steps: int, steps_per_beat: int, rng: Rng) -> list[int]:
    """The steps of a bar on which one drum is struck."""
    if voice == "H":
        return list(range(0, steps, int(rng.choice([1, 2, steps_per_beat]))))
    if voice == "S" and rng.random() < 0.45:
        return _backbeat(steps, steps_per_beat, rng)
    way = rng.choice(["even", "cell", "weighed", "pulse"], p=[0.3, 0.25, 0.35, 0.1])
    if way == "even":
        return _evenly(int(rng.integers(1, max(2, steps // 2))), steps, int(rng.integers(steps)))
    if way == "cell":
        return _cells(steps, rng)
    if way == "pulse":
        return list(range(int(rng.integers(steps_per_beat)), steps, steps_per_beat))
    weights = [1.0 if step % steps_per_beat == 0 else 0.45 if step % 2 == 0 else 0.25 for step in range(steps)]
    struck = set(np.flatnonzero(rng.random(steps) < np.array(weights) * rng.uniform(0.3, 0.8)).tolist())
    return sorted(struck | ({0} if voice == "K" and rng.random() < 0.75 else set()))


def _backbeat(steps: int, steps_per_beat: int, rng: Rng) -> list[int]:
    """Every second beat, or the middle of the bar, often with a stroke more."""
    every = list(range(steps_per_beat, steps, 2 * steps_per_beat))
    struck = set(every if rng.random() < 0.75 else [steps // 2])
    more = rng.integers(steps, size=int(rng.choice([0, 1, 2], p=[0.4, 0.4, 0.2])))
    return sorted(struck | set(more.tolist()))


def _evenly(count: int, steps: int, first: int) -> list[int]:
    """As evenly as whole steps allow: what is called a Euclidean rhythm."""
    return sorted((step * steps // count + first) % steps for step in range(count))


def _cells(steps: int, rng: Rng) -> list[int]:
    """A few steps over and over, cut off by the bar, with one stroke of it put elsewhere now and then."""
    length = int(rng.choice([length for length in (2, 3, 4, 5, 6, 7, 8) if length <= steps]))
    cell = np.flatnonzero(rng.random(length) < rng.uniform(0.25, 0.6))
    struck = {start + int(at) for start in range(0, steps, length) for at in cell if start + at < steps}
    if struck and rng.random() < 0.4:
        struck.remove(int(rng.choice(sorted(struck))))
        struck.add(int(rng.integers(steps)))
    return sorted(struck)
