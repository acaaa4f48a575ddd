"""How the songs of `section_songs` are arranged: what every letter sounds like, and how a repeat differs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.training import grooves
from models.training.arrange import BASSES, CHORDS, LEADS
from models.training.composition import QUALITIES, Chord, Composition, Section
from models.training.performance import Part

Rng = np.random.Generator
Notes = list[tuple[float, float, float, float]]  # start and length in beats, pitch, velocity


@dataclass(frozen=True, slots=True)
class Style:
    """What one letter sounds like in one performance."""

    lead: int
    chords: int
    bass: int
    pattern: str
    line: str
    drums: NDArray[np.float32]  # notes of 16 bars
    kit: int
    level: float


@dataclass(frozen=True, slots=True)
class Place:
    """A section in its performance: `turn` is 1 where its label is heard first, `framing` an intro or outro."""

    framing: bool
    turn: int
    beats: float
    bar: float


def styles(material: dict[str, Section], bar: float, seed: tuple[int, ...], index: int, rng: Rng) -> dict[str, Style]:
    """Most letters share most instruments; what a letter does not share is its own.

    Args:
        material: by letter.
        bar: in beats.
        seed: of the song's grooves, the song's number last.
        index: of the performance; in any but the first, three of five grooves are new.
        rng: of the performance.
    """

    def drawn() -> dict[str, int]:
        return {
            role: int(rng.choice(programs))
            for role, programs in (("lead", LEADS), ("chords", CHORDS), ("bass", BASSES))
        }

    common, kit = drawn(), int(rng.choice(grooves.KITS))
    made = {}
    for at, letter in enumerate(material):
        own = {
            role: program if rng.random() < 0.6 else other
            for (role, program), other in zip(common.items(), drawn().values(), strict=True)
        }
        # The groove of the first performance stays in two of five letters of the second.
        again = np.random.default_rng([*seed, at])
        redrawn = index and again.random() < 0.6
        groove_rng = np.random.default_rng([*seed, at, 1 + bool(redrawn)])
        groove: list[Part] = []
        while not groove:
            groove = grooves.drums(Composition(f"{seed[-1]}{letter}", "", bar, 1.0, (), ()), 16 * bar, groove_rng)
        made[letter] = Style(
            **own,
            pattern=str(rng.choice(["held", "pulses", "offbeats", "up"])),
            line=str(rng.choice(["root", "pulses", "octaves", "fifths"])),
            drums=groove[0].notes,
            kit=kit,
            level=float(rng.uniform(0.85, 1.1)),
        )
    return made


def played(section: Section, style: Style, place: Place, rng: Rng) -> dict[tuple[str, int], Notes]:
    """The notes of one section, by stem and program, from its own beat 0."""
    beats, bar = place.beats, place.bar
    again = place.turn > 1
    level = style.level * (float(rng.uniform(0.75, 1.1)) if again else 1.0)
    framing = place.framing
    parts: dict[tuple[str, int], Notes] = {}
    repeated = range(int(-(-beats // section.beats)))
    chords = [replace(c, start_beat=c.start_beat + t * section.beats) for t in repeated for c in section.chords]
    chords = [replace(c, beats=min(c.beats, beats - c.start_beat)) for c in chords if c.start_beat < beats - 1e-6]
    melody = [
        (float(s) + t * section.beats, float(n), float(p), 95 * level) for t in repeated for s, n, p in section.melody
    ]
    melody = [(s, min(n, beats - s), p, v) for s, n, p, v in melody if s < beats - 1e-6]
    if not framing:
        lead = _varied(melody, rng) if again else melody
        parts["lead", style.lead] = lead
        if again and rng.random() < 0.25:  # a second voice
            parts["lead", int(rng.choice(LEADS))] = [(s, n, p - 12, 0.7 * v) for s, n, p, v in lead]
    parts["accompaniment", style.chords] = [row for c in chords for row in _figure(c, style.pattern, 68 * level)]
    if again and rng.random() < 0.25:  # a pad
        parts["accompaniment", int(rng.choice((48, 49, 50, 88, 89, 91)))] = [
            row for c in chords for row in _figure(c, "held", 55 * level)
        ]
    if not (framing and rng.random() < 0.4):
        parts["bass", style.bass] = [row for c in chords for row in _bass(c, style.line, 85 * level)]
    if rng.random() >= (0.5 if framing else 0.15 if again else 0.05):
        parts["drums", style.kit] = _drums(style, beats, bar, level, rng)
    return parts


def _varied(melody: Notes, rng: Rng) -> Notes:
    """8 % of the notes changed, 6 % dropped, some preceded by a grace note."""
    rows: Notes = []
    for start, length, pitch, velocity in melody:
        chance = rng.random()
        if chance < 0.06:
            continue
        other = pitch + float(rng.choice([-2, -1, 1, 2])) if chance < 0.14 else pitch
        if chance > 0.95 and start >= 0.1:
            rows.append((start - 0.1, 0.1, other + 2, 0.8 * velocity))
        rows.append((start, length, other, velocity + float(rng.normal(0, 6))))
    return rows


def _figure(chord: Chord, pattern: str, level: float) -> Notes:
    pitches = sorted(53 + (chord.root + step - 53) % 12 for step in QUALITIES[chord.quality])
    if pattern == "held":
        return [(chord.start_beat, chord.beats, pitch, level) for pitch in pitches]
    step = 0.5 if pattern == "up" else 1.0
    places = np.arange(0, chord.beats - 1e-6, step)
    if pattern == "up":
        return [(chord.start_beat + at, step, pitches[i % len(pitches)], level) for i, at in enumerate(places)]
    late = 0.5 * (pattern == "offbeats")
    return [
        (chord.start_beat + at + late, 0.5, pitch, level)
        for at in places
        if at + late < chord.beats
        for pitch in pitches
    ]


def _bass(chord: Chord, line: str, level: float) -> Notes:
    root = 33 + (chord.root - 33) % 12
    if line == "root":
        return [(chord.start_beat, chord.beats, root, level)]
    above = {"pulses": 0, "octaves": 12, "fifths": 7}[line]
    places = np.arange(0, chord.beats - 1e-6, 1.0)
    return [
        (chord.start_beat + at, min(1.0, chord.beats - at), root + above * (i % 2), level)
        for i, at in enumerate(places)
    ]


def _drums(style: Style, beats: float, bar: float, level: float, rng: Rng) -> Notes:
    rows = [
        (float(s) + t * 16 * bar, float(n), float(p), float(v) * level) for t in range(2) for s, n, p, v in style.drums
    ]
    fill = rng.random() < 0.7
    rows = [row for row in rows if row[0] < beats - (bar / 2 if fill else 1e-6)]
    if fill:
        toms = sorted(rng.choice(grooves.TOMS, int(2 * bar)), reverse=True)
        rows += [(beats - bar / 2 + 0.25 * at, 0.2, float(tom), 90 * level) for at, tom in enumerate(toms)]
    if rng.random() < 0.6:
        rows.append((0.0, 0.5, 49.0, 100 * level))
    return rows
