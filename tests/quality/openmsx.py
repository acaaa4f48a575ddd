"""OpenMSX, re-arranged: thirty-one pieces that people wrote for games, as MIDI, each with two arrangements of our own.

Debian package `openttd-openmsx`. An arrangement is transposed, faster or slower, redrawn in all its programs, lacks
some tracks, moves some by an octave, is played with other velocities and another kit or no drums at all, from another
soundfont, takes another but mostly overlapping stretch, and is worn (`renditions.worn`). The recipe was frozen before
any encoder was trained: whoever changes it changes VERSION, and no figure of the other recipe may be set beside it.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import mido
import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.quality.changes import RATE_HZ, Samples
from tests.quality.renditions import Map, Rendition, files_of, folder_of, kept, needed, seeded, worn

PACKAGE = "openttd-openmsx"
FOLDER = Path("/usr/share/games/openttd/baseset/openmsx")
FONTS = (
    #  package                              file
    ("fluid-soundfont-gm", Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")),
    ("timgm6mb-soundfont", Path("/usr/share/sounds/sf2/TimGM6mb.sf2")),
    ("opl3-soundfont", Path("/usr/share/sounds/sf2/OPL-3_FM_128M.sf2")),
    ("musescore-general-soundfont-small", Path("/usr/share/sounds/sf3/MuseScore_General.sf3")),
)
VERSION = "1"
SEED = 20_261_121
ARRANGEMENTS = 2

DRUMS = 9  # General MIDI's tenth channel
PROGRAMS = (*range(96), *range(104, 112))  # no sound effects, no percussion
KITS = (0, 8, 16, 24, 25, 32, 40)
SET_ANEW = {0, 7, 32, 91, 93}  # controls that belong to an instrument: bank, volume, reverb, chorus


@dataclass(frozen=True, slots=True)
class Note:
    """Ticks from the beginning, the MIDI track it is written in, and what is played."""

    start: int
    end: int
    track: int
    channel: int
    pitch: int
    velocity: int

    @property
    def part(self) -> tuple[int, int]:
        return self.track, self.channel


@dataclass(frozen=True, slots=True)
class Score:
    """A MIDI file as lists.

    Attributes:
        ticks_per_beat: of all ticks here.
        tempos: (tick, microseconds per beat), the first at tick 0.
        controls: (tick, message): programs, controls and bends, in their order.
        notes: by start.
    """

    ticks_per_beat: int
    tempos: tuple[tuple[int, int], ...]
    controls: tuple[tuple[int, mido.Message], ...]
    notes: tuple[Note, ...]

    @property
    def span(self) -> tuple[int, int]:
        """Ticks of the first note's start and the last one's end."""
        return min(note.start for note in self.notes), max(note.end for note in self.notes)

    def seconds(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """When these ticks sound, in seconds from tick 0."""
        at, beat_us = np.array(self.tempos, np.float64).T
        tick_s = beat_us / 1e6 / self.ticks_per_beat
        passed = np.concatenate([[0.0], np.cumsum(np.diff(at) * tick_s[:-1])])
        index = np.searchsorted(at, ticks, side="right") - 1
        return passed[index] + (ticks - at[index]) * tick_s[index]

    def beats(self, start: int, end: int) -> NDArray[np.int64]:
        """Ticks of every beat from `start` on, and of `end`."""
        return np.append(np.arange(start, end, self.ticks_per_beat, dtype=np.int64), end)


def renditions() -> list[Rendition]:
    """Original and arrangements of every piece, pieces by name. Makes those that are not kept yet."""
    folder = folder_of("openmsx", VERSION, SEED)
    return [
        kept(folder, path.stem, index, lambda path=path, index=index: _rendition(path, index))
        for path in files_of(PACKAGE, FOLDER, ".mid")
        for index in range(1 + ARRANGEMENTS)
    ]


def _rendition(path: Path, index: int) -> tuple[Samples, Map]:
    """The sound of one rendition and its map from beats of the written piece to seconds."""
    score = read(path)
    common = seeded(SEED, path.stem, -1 % 2**32)
    stretch = _stretch(score, common)
    font = common.permutation(len(FONTS))[index]
    rng = seeded(SEED, path.stem, index)
    played = score
    if index:
        stretch = _moved(stretch, score.span, rng)
        played = rearranged(excerpt(score, stretch), rng)
    else:
        played = excerpt(score, stretch)
    ticks = score.beats(*stretch)
    seconds = played.seconds(ticks - stretch[0])
    samples = rendered(played, *FONTS[font])[: round((seconds[-1] + 0.5) * RATE_HZ)]
    return worn(samples, rng) if index else samples, (ticks / score.ticks_per_beat, seconds)


def read(path: Path) -> Score:
    """Read a MIDI file. A note that is struck again before it ended ends there."""
    file = mido.MidiFile(path)
    tempos, controls, notes = [(0, 500_000)], [], []
    for track, messages in enumerate(file.tracks):
        tick, sounding = 0, {}
        for message in messages:
            tick += message.time
            match message.type:
                case "set_tempo":
                    tempos.append((tick, message.tempo))
                case "program_change" | "control_change" | "pitchwheel":
                    controls.append((tick, message.copy(time=0)))
                case "note_on" | "note_off":
                    key = (message.channel, message.note)
                    if key in sounding:
                        start, velocity = sounding.pop(key)
                        if tick > start:
                            notes.append(Note(start, tick, track, *key, velocity))
                    if message.type == "note_on" and message.velocity:
                        sounding[key] = (tick, message.velocity)
    last_at = dict(sorted(tempos, key=lambda row: row[0]))  # of several tempos at one tick the last holds
    return Score(
        file.ticks_per_beat,
        tuple(last_at.items()),
        tuple(sorted(controls, key=lambda row: row[0])),
        tuple(sorted(notes, key=lambda note: note.start)),
    )


def excerpt(score: Score, stretch: tuple[int, int]) -> Score:
    """What is struck within these ticks, from tick 0; controls from before hold from the beginning."""
    start, end = stretch
    before = [row for row in score.tempos if row[0] <= start]
    within = [(tick - start, beat_us) for tick, beat_us in score.tempos if start < tick < end]
    return replace(
        score,
        tempos=((0, before[-1][1]), *within),
        controls=tuple((max(0, tick - start), message) for tick, message in score.controls if tick < end),
        notes=tuple(
            replace(note, start=note.start - start, end=min(note.end, end) - start)
            for note in score.notes
            if start <= note.start < end
        ),
    )


def rearranged(score: Score, rng: np.random.Generator) -> Score:
    """Another arrangement, drawn from `rng`."""
    semitones = int(rng.choice([*range(-6, 0), *range(1, 7)]))
    faster = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25))))
    with_drums = rng.random() >= 0.3
    staying = _staying(score, rng)
    octaves = {part: int(rng.choice((-12, 12))) if rng.random() < 0.3 else 0 for part in staying}
    loudness = {part: rng.uniform(0.7, 1.2) for part in [*staying, *_parts(score, drums=True)]}
    notes = []
    for note in score.notes:
        drum = note.channel == DRUMS
        if (drum and not with_drums) or (not drum and note.part not in staying):
            continue
        pitch = note.pitch if drum else _in_range(note.pitch + semitones + octaves[note.part])
        velocity = int(np.clip(loudness[note.part] * note.velocity + rng.normal(0, 8), 20, 127))
        notes.append(replace(note, pitch=pitch, velocity=velocity))
    instruments = []
    for channel in range(16):
        program = int(rng.choice(KITS if channel == DRUMS else PROGRAMS))
        volume = mido.Message("control_change", channel=channel, control=7, value=int(rng.integers(70, 121)))
        instruments += [(0, mido.Message("program_change", channel=channel, program=program)), (0, volume)]
    return replace(
        score,
        tempos=tuple((tick, round(beat_us / faster)) for tick, beat_us in score.tempos),
        controls=(*instruments, *(row for row in score.controls if not _set_anew(row[1]))),
        notes=tuple(notes),
    )


def rendered(score: Score, package: str, font: Path) -> Samples:
    """The sound of a score, mono float32 at 22,050 Hz, by FluidSynth."""
    fluidsynth = needed("fluidsynth", "fluidsynth")
    if not font.exists():
        raise SystemExit(f"there is no {font}: install the Debian package '{package}'")
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "score.mid", Path(folder) / "sound.wav"
        _file(score).save(midi)
        options = ["-ni", "-q", "-o", "synth.dynamic-sample-loading=1", "-T", "wav", "-r", str(RATE_HZ)]
        subprocess.run([fluidsynth, *options, "-F", wav, font, midi], check=True, capture_output=True)
        return soundfile.read(wav, dtype="float32", always_2d=True)[0].mean(axis=1)


def _file(score: Score) -> mido.MidiFile:
    file = mido.MidiFile(type=0, ticks_per_beat=score.ticks_per_beat)
    rows = [(tick, 0, mido.MetaMessage("set_tempo", tempo=beat_us)) for tick, beat_us in score.tempos]
    rows += [(tick, 1, message) for tick, message in score.controls]
    for note in score.notes:
        played = {"channel": note.channel, "note": note.pitch}
        rows.append((note.end, 2, mido.Message("note_off", **played)))
        rows.append((note.start, 3, mido.Message("note_on", **played, velocity=note.velocity)))
    rows.sort(key=lambda row: row[:2])
    before, track = 0, mido.MidiTrack()
    for tick, _, message in rows:
        track.append(message.copy(time=tick - before))
        before = tick
    file.tracks.append(track)
    return file


def _stretch(score: Score, rng: np.random.Generator) -> tuple[int, int]:
    """The original's: 66 to 78 s from anywhere, or the whole piece where it is shorter."""
    first, last = score.span
    ticks = score.beats(first, last)
    seconds = score.seconds(ticks)
    length_s = rng.uniform(66, 78)
    start_s = rng.uniform(seconds[0], max(seconds[0], seconds[-1] - length_s))
    start, end = np.interp([start_s, start_s + length_s], seconds, ticks)
    return round(start), round(end)


def _moved(stretch: tuple[int, int], span: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Another stretch of the piece that begins up to a fifth earlier or later."""
    start, end = stretch
    by = round(rng.uniform(0.05, 0.2) * rng.choice((-1, 1)) * (end - start))
    return max(span[0], start + by), min(span[1], end + by)


def _parts(score: Score, drums: bool) -> list[tuple[int, int]]:
    return sorted({note.part for note in score.notes if (note.channel == DRUMS) == drums})


def _staying(score: Score, rng: np.random.Generator) -> list[tuple[int, int]]:
    """The parts that are still played: one, up to 40 % of them, is dropped, but no part without which a third of the
    notes would not be left."""
    parts = _parts(score, drums=False)
    counts = {part: sum(note.part == part for note in score.notes) for part in parts}
    total, to_drop = sum(counts.values()), max(1, round(rng.uniform(0, 0.4) * len(parts)))
    for index in rng.permutation(len(parts)):
        part = parts[index]
        if to_drop and sum(counts.values()) - counts[part] >= total / 3:
            del counts[part]
            to_drop -= 1
    return sorted(counts)


def _in_range(pitch: int) -> int:
    """The same pitch class within 21..108, the piano's keys."""
    while pitch < 21:
        pitch += 12
    while pitch > 108:
        pitch -= 12
    return pitch


def _set_anew(message: mido.Message) -> bool:
    return message.type == "program_change" or (message.type == "control_change" and message.control in SET_ANEW)
