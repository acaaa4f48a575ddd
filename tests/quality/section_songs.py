"""Songs whose form is known: thirty, by rule and chance, each in two performances, for judging sections.

What the sections of a song are made of is a song of the training generator: progressions and melodies by letter. An
arrangement gives every letter instruments, accompaniment and drums; a repeat differs from the time before (notes
changed, dropped and added, another voice, no drums, dynamics, a fill, a crash), the third chorus is two semitones
higher, the tempo drifts, there is noise. In every third song verse and chorus have the same chords. The second
performance is in another key and tempo, with other instruments, accompaniment and mostly other drums, and lacks a
section or repeats one. Soundfonts are two. The recipe was frozen before the sections' threshold for strangers was set;
whoever changes it changes VERSION.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.training import songs
from models.training.composition import Section
from models.training.performance import Part, Performance, Production
from models.training.sound import stem_waveforms
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.renditions import folder_of
from tests.quality.section_arranging import Notes, Place, played, styles

VERSION = "1"
SEED = 20_261_121
SONGS = 30
FONTS = ("FluidR3_GM", "TimGM6mb")
FORMS = (
    *("IABABCBO", "IABABCBB", "AABABCBO", "IAABAABO", "IABACABO", "ABABCAB"),
    *("IABCABCO", "IABABDCBO", "AABACA", "IABABCDBO", "ABCBDB", "IABCBABO"),
)
CHORUS = "B"
BUILT_ON = {"I": "A", "O": "B"}

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Span:
    """A section as it was played: its own label, and whose material that is (an intro's is the verse's)."""

    start_s: float
    end_s: float
    label: str
    material: str


@dataclass(frozen=True, slots=True)
class Played:
    """One performance of a song: its sound, kept as FLAC, and its true sections."""

    song: int
    index: int
    flac: Path
    spans: tuple[Span, ...]

    @property
    def tuning(self) -> bool:
        """Whether numbers may be chosen on it; the other half is reported."""
        return self.song // 3 % 2 == 0

    @property
    def hard(self) -> bool:
        """Whether verse and chorus have the same chords."""
        return self.song % 3 == 0

    def samples(self) -> Samples:
        return soundfile.read(self.flac, dtype="float32")[0]


def renditions(beats_per_bar: float = 4.0) -> list[Played]:
    """Both performances of every song, songs in order. Makes those that are not kept yet."""
    folder = folder_of(f"sections-{beats_per_bar:g}", VERSION, SEED)
    folder.mkdir(parents=True, exist_ok=True)
    return [_kept(folder, song, index, beats_per_bar) for song in range(SONGS) for index in range(2)]


def _kept(folder: Path, song: int, index: int, beats_per_bar: float) -> Played:
    flac, truth = folder / f"{song:02d}-{index}.flac", folder / f"{song:02d}-{index}.json"
    if not flac.exists():
        samples, spans = _performed(song, index, beats_per_bar)
        truth.write_text(json.dumps([asdict(span) for span in spans]))
        half = flac.with_suffix(".part")
        soundfile.write(half, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
        half.rename(flac)
    return Played(song, index, flac, tuple(Span(**span) for span in json.loads(truth.read_text())))


def _performed(song: int, index: int, bar: float) -> tuple[Samples, list[Span]]:
    common, rng = (np.random.default_rng([SEED, song, which]) for which in (9, index))
    # The same forms in both halves: songs 0-2, 6-8, … are the tuning one.
    form = FORMS[(song // 6 * 3 + song % 3) % len(FORMS)]
    material = _material(form, bar, song % 3 == 0, common)
    lengths = {label: _bars(label, material, bar, common) for label in sorted(set(form))}
    bpm = float(np.exp(common.uniform(np.log(78), np.log(140))))
    key = int(common.integers(-3, 4))
    if index:
        bpm *= float(np.exp(rng.uniform(np.log(0.85), np.log(1.2))))
        key += int(rng.choice([*range(-6, 0), *range(1, 6)]))
        at = int(rng.integers(1, len(form) - 1))
        form = form[:at] + form[at + 1 :] if rng.random() < 0.5 else form[: at + 1] + form[at:]
    sounds = styles(material, bar, (SEED, song), index, rng)
    notes: dict[tuple[str, int], Notes] = {}
    seen: dict[str, int] = {}
    edges = [0.0]
    for label in form:
        letter = BUILT_ON.get(label, label)
        seen[label] = seen.get(label, 0) + 1
        raised = 2 * (label == CHORUS and seen[label] == 3)
        beats = lengths[label] * bar
        place = Place(label in BUILT_ON, seen[label], beats, bar)
        for part, rows in played(material[letter], sounds[letter], place, rng).items():
            moved = [
                (start + edges[-1], length, pitch + (key + raised) * (part[0] != "drums"), velocity)
                for start, length, pitch, velocity in rows
            ]
            notes.setdefault(part, []).extend(moved)
        edges.append(edges[-1] + beats)
    clock = _clock(edges[-1], bpm, rng)
    edges_s = np.interp(edges, *clock)
    samples = _sounding(notes, clock, FONTS[int(rng.integers(2))], rng)
    spans = [
        Span(float(start), float(end), label, BUILT_ON.get(label, label))
        for label, start, end in zip(form, edges_s[:-1], edges_s[1:], strict=True)
    ]
    return samples, spans


def _material(form: str, bar: float, hard: bool, rng: Rng) -> dict[str, Section]:
    """A section for every letter, all from one song of the generator."""
    letters = sorted({BUILT_ON.get(label, label) for label in form})
    while True:
        song = songs.song(int(rng.integers(2**31)))
        if song.beats_per_bar == bar and song.pulse_beats == 1.0 and len(song.sections) >= len(letters):
            break
    material = dict(zip(letters, song.sections, strict=False))
    if hard:
        material["B"] = _over(material["B"], material["A"])
    return material


def _over(section: Section, other: Section) -> Section:
    """The section's melody over the other's chords, its long notes moved into them."""
    turns = int(-(-section.beats // other.beats))
    chords = tuple(
        replace(chord, start_beat=chord.start_beat + turn * other.beats, beats=chord.beats)
        for turn in range(turns)
        for chord in other.chords
        if chord.start_beat + turn * other.beats < section.beats
    )
    melody = section.melody.copy()
    for row in melody:
        chord = next(c for c in reversed(chords) if c.start_beat <= row[0] + 1e-3)
        if row[1] >= 1 or row[0] % 1 == 0:
            row[2] = min(
                (row[2] + step for step in range(-3, 4)),
                key=lambda p: (p % 12 not in chord.pitch_classes, abs(p - row[2])),
            )
    return Section(melody, chords, section.beats)


def _bars(label: str, material: dict[str, Section], bar: float, rng: Rng) -> int:
    if label in BUILT_ON:
        return int(rng.choice([4, 8]))
    bars = round(material[label].beats / bar)
    return 8 if bars == 4 else bars


def _clock(beats: float, bpm: float, rng: Rng) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Beats, and the seconds at which they come: up to 5 % faster and slower over the song."""
    axis = np.arange(0, beats + 9)
    drift = float(rng.uniform(0, 0.05)) * np.sin(2 * np.pi * (axis / axis[-1] * rng.uniform(0.5, 3) + rng.random()))
    return axis, 0.1 + np.concatenate([[0], np.cumsum(60 / bpm * np.exp(drift[:-1]))])


def _sounding(
    notes: dict[tuple[str, int], Notes], clock: tuple[NDArray[np.float64], NDArray[np.float64]], font: str, rng: Rng
) -> Samples:
    parts = []
    for (stem, program), rows in notes.items():
        table = np.array(sorted(rows), np.float64)
        start_s, end_s = np.interp(table[:, 0], *clock), np.interp(table[:, 0] + table[:, 1], *clock)
        start_s = start_s + rng.normal(0, 0.006, len(start_s))
        columns = [start_s, np.maximum(end_s - start_s, 0.05), table[:, 2], np.clip(table[:, 3], 12, 127)]
        parts.append(Part(stem, program, np.stack(columns, axis=1).astype(np.float32)))
    duration_s = float(clock[1][-6])
    performance = Performance(tuple(parts), font, Production(), np.zeros((0, 4)), duration_s)
    mix = sum(stem_waveforms(performance, RATE_HZ).values(), np.zeros(round(duration_s * RATE_HZ), np.float32))
    power = float(np.mean(mix**2)) / 10 ** (rng.uniform(25, 45) / 10)
    heard = mix + rng.normal(0, np.sqrt(power), len(mix)).astype(np.float32)
    return np.asarray(0.9 * heard / np.abs(heard).max(), np.float32)
