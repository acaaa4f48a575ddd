"""The tunes that `motifs` measures on, as melody and chords in seconds: from this project's corpus.

A tune is the melody of one of Ryan's reels, jigs and hornpipes or of a chorale by Bach, 21 to 29 s of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.training.composition import Composition
from tests.quality.renditions import seeded

MOST_S = 29.0
Range = tuple[float, float]
Sounding = tuple[float, float, tuple[int, ...]]  # a chord: start_s, length_s, pitch classes, root first
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Tune:
    """A melody and its chords in seconds at its own tempo, from 0.

    Attributes:
        melody: float64 (notes, 3): start_s, length_s, MIDI pitch.
    """

    name: str
    kind: str
    melody: NDArray[np.float64]
    chords: tuple[Sounding, ...]
    bar_s: float
    pulse_s: float
    duration_s: float


def shuffled(compositions: Sequence[Composition], sources: tuple[str, ...]) -> list[Composition]:
    found = [composition for composition in compositions if composition.source in sources]
    return [found[at] for at in np.random.default_rng(1).permutation(len(found))]


def tune(composition: Composition) -> Tune:
    """Its sections one after the other, as many whole bars as `MOST_S` holds."""
    rng = seeded(0, composition.name, 0)
    melody = np.concatenate(
        [
            section.melody + np.array([first, 0, 0], np.float32)
            for section, first in zip(composition.sections, composition.first_beats, strict=True)
        ]
    ).astype(np.float64)
    chords = [
        (first + chord.start_beat, chord.beats, chord.pitch_classes)
        for section, first in zip(composition.sections, composition.first_beats, strict=True)
        for chord in section.chords
    ]
    chorale = composition.source == "bach"
    beat_s = rng.uniform(0.55, 0.75) if chorale else rng.uniform(0.18, 0.26) / np.median(np.diff(melody[:, 0]))
    bar_s = composition.beats_per_bar * beat_s
    total_s = min(sum(section.beats for section in composition.sections) * beat_s, MOST_S // bar_s * bar_s)
    melody[:, :2] *= beat_s
    melody = melody[melody[:, 0] < total_s - 1e-6]
    pulse_s = composition.pulse_beats * beat_s
    while pulse_s > 0.8:
        pulse_s /= 2
    while pulse_s < 0.35:
        pulse_s *= 2
    kept = [(at * beat_s, min(long * beat_s, total_s - at * beat_s), tones) for at, long, tones in chords]
    return Tune(
        composition.name,
        _kind(composition),
        melody,
        tuple(chord for chord in kept if chord[1] > 0.05),
        bar_s,
        pulse_s,
        total_s,
    )


def _kind(composition: Composition) -> str:
    if composition.source == "bach":
        return "chorale"
    return next((kind for kind in ("reel", "jig", "hornpipe") if kind in composition.name.lower()), "tune")


def invented(of: Tune, rng: Rng) -> NDArray[np.float64]:
    """Another melody for a tune's chords, as `Tune.melody`: chord tones on the beats, notes of its scale between."""
    scale = np.bincount(of.melody[:, 2].astype(int) % 12, minlength=12) >= 0.03 * len(of.melody)
    pitches, middle = np.arange(128), float(np.median(of.melody[:, 2]))
    step_s, pitch = of.pulse_s / 2, middle
    rows = []
    for at, long, tones in of.chords:
        for place in range(max(1, round(long / step_s))):
            if place and rng.random() < 0.25:
                continue
            allowed = np.isin(pitches % 12, tones) if place % 2 == 0 else scale[pitches % 12]
            near = np.flatnonzero(allowed & (np.abs(pitches - pitch) <= 7) & (pitches != pitch))
            if len(near):
                pull = 1 / (1 + np.abs(near - pitch)) * np.exp(-0.5 * ((near - middle) / 6) ** 2)
                pitch = float(rng.choice(near, p=pull / pull.sum()))
                rows.append((at + place * step_s, step_s, pitch))
    return np.array(rows)


def bars(of: Tune, rng: Rng) -> Range:
    """Eight bars of a tune, four of a chorale."""
    bars = min((4 if of.kind == "chorale" else 8), int(of.duration_s / of.bar_s + 1e-6))
    first = int(rng.integers(0, max(1, round(of.duration_s / of.bar_s) - bars + 1)))
    return first * of.bar_s, (first + bars) * of.bar_s


def joined(
    pieces: Sequence[tuple[Tune, float, float, int]], ratio: float
) -> tuple[NDArray[np.float64], list[Sounding]]:
    """Melody and chords of stretches of tunes, so many semitones higher, one after the other at `ratio`."""
    notes, chords, at = [], [], 0.0
    for piece, begin, end, shift in pieces:
        inside = (piece.melody[:, 0] >= begin - 1e-6) & (piece.melody[:, 0] < end - 1e-6)
        notes.append((piece.melody[inside] + np.array([at - begin, 0, shift])) * [ratio, ratio, 1])
        for chord_s, long, tones in piece.chords:
            if begin - 1e-6 <= chord_s < end - 1e-6:
                raised = tuple((tone + shift) % 12 for tone in tones)
                chords.append(((chord_s + at - begin) * ratio, min(long, end - chord_s) * ratio, raised))
        at += end - begin
    return np.concatenate(notes), chords


def key_shift(of: Tune, host: Tune) -> int:
    """Semitones, -6..5, that bring a tune into the key of another: by the lengths of their pitch classes."""
    mine, theirs = (
        np.bincount(one.melody[:, 2].astype(int) % 12, weights=one.melody[:, 1], minlength=12) for one in (of, host)
    )
    return (int(np.argmax([np.roll(mine, shift) @ theirs for shift in range(12)])) + 6) % 12 - 6


def stretched(of: Tune, ratio: float) -> Tune:
    return replace(
        of,
        melody=of.melody * [ratio, ratio, 1],
        chords=tuple((at * ratio, long * ratio, tones) for at, long, tones in of.chords),
        bar_s=of.bar_s * ratio,
        pulse_s=of.pulse_s * ratio,
        duration_s=of.duration_s * ratio,
    )
