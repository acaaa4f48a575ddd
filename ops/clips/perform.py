"""Perform: a tune and its arrangement become a score of key presses, with phrasing, accents and small human errors."""

import math
import random
from dataclasses import dataclass, replace
from fractions import Fraction

from arrangements import Arrangement, Part
from midi import Hit
from notation import Chord, Note, chords, melody
from tunes import Tune

# fmt: off
PROGRAMS = {
    "piano": 0, "electric piano": 4, "harpsichord": 6, "celesta": 8, "vibraphone": 11, "rock organ": 18,
    "church organ": 19, "accordion": 21, "nylon guitar": 24, "steel guitar": 25, "overdriven guitar": 29,
    "distorted guitar": 30, "acoustic bass": 32, "fingered bass": 33, "synth bass": 38, "violin": 40, "viola": 41,
    "cello": 42, "pizzicato strings": 45, "harp": 46, "strings": 48, "choir": 52, "trumpet": 56, "trombone": 57,
    "tuba": 58, "horn": 60, "alto sax": 65, "tenor sax": 66, "oboe": 68, "bassoon": 70, "clarinet": 71, "piccolo": 72,
    "flute": 73, "recorder": 74, "saw lead": 81, "warm pad": 89, "banjo": 105, "fiddle": 110,
}
DRUMS = {"b": 35, "k": 36, "x": 37, "s": 38, "h": 42, "o": 46, "c": 49, "r": 51, "m": 54, "y": 81}
# fmt: on
DRUM_CHANNEL = 9


@dataclass(frozen=True)
class Score:
    """What the form makes of a tune: notes and chords by place in the form, in beats, before any part plays them."""

    melody: list[tuple[int, Note]]
    chords: list[tuple[int, Chord]]
    bar: int
    origin: Fraction  # where the first bar line stands
    end: Fraction


@dataclass(frozen=True)
class Touch:
    """How the players of one clip press their keys; `chance` makes the small errors, the same ones every time."""

    arrangement: Arrangement
    score: Score
    chance: random.Random

    def press(self, note: Note, stress: int, part: Part, channel: int) -> Hit:
        """One note: accents on the beat, a swell over four bars, a few milliseconds early or late."""
        bar, beat = self.score.bar, note.start - self.score.origin
        accent = 6 if beat % bar == 0 else 0 if beat.denominator == 1 else -5
        swell = 6 * math.sin(math.pi * float(beat % (4 * bar)) / (4 * bar))
        velocity = part.level + stress + accent + round(swell) + self.chance.randint(-4, 4)
        late = self.chance.uniform(-0.008, 0.010) * self.arrangement.bpm / 60
        start = self._swung(note.start)
        length = (self._swung(note.start + note.length) - start) * part.legato
        pitch = note.pitch + (0 if channel == DRUM_CHANNEL else self.arrangement.semitones)
        return Hit(channel, max(0.0, start + late), length, pitch, max(20, min(122, velocity)))

    def _swung(self, beat: Fraction) -> float:
        """Move the middle of each beat to `swing`, leaving the beats where they are."""
        swing, (whole, part) = self.arrangement.swing, divmod(float(beat), 1.0)
        return whole + (part * 2 * swing if part < 0.5 else swing + (part - 0.5) * 2 * (1 - swing))


def perform(tune: Tune, arrangement: Arrangement) -> tuple[list[Hit], dict[int, int], list[tuple[float, float]]]:
    """The key presses, the program of each channel and the tempos of one clip, the same for the same arguments."""
    score = unfold(tune, arrangement)
    touch = Touch(arrangement, score, random.Random(f"{arrangement.tune}--{arrangement.slug}"))
    free = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    hits: list[Hit] = []
    programs: dict[int, int] = {}
    for number, part in enumerate(arrangement.parts):
        channel = DRUM_CHANNEL if part.instrument == "drums" else free[number]
        programs[channel] = 0 if channel == DRUM_CHANNEL else PROGRAMS[part.instrument]
        hits += [touch.press(note, stress, part, channel) for note, stress in played(part, score)]
    bpm, closing = arrangement.bpm, float(score.end - score.bar)
    return hits, programs, [(0.0, bpm), (closing, bpm * 0.92), (closing + score.bar / 2, bpm * 0.82)]


def unfold(tune: Tune, arrangement: Arrangement) -> Score:
    """Lay the sections of the form end to end; a pickup cuts off what would still sound of the section before."""
    tokens = arrangement.form.split()
    first = tune.sections[next(token for token in tokens if not token.startswith("i"))]
    clock = origin = Fraction(0) if tokens[0].startswith("i") else _sung(first.pickup, tune)[1]
    line: list[tuple[int, Note]] = []
    harmony: list[tuple[int, Chord]] = []
    for place, token in enumerate(tokens):
        section, bars = (first, int(token[1:])) if token.startswith("i") else (tune.sections[token], None)
        symbols = [chord for chord in chords(section.chords, tune.bar) if bars is None or chord.start < bars * tune.bar]
        if bars is None:
            upbeat, length = _sung(section.pickup, tune)
            begin = clock - length
            line = [(at, replace(n, length=min(n.length, begin - n.start))) for at, n in line if n.start < begin]
            line += [(place, replace(n, start=begin + n.start)) for n in upbeat]
            line += [(place, replace(n, start=clock + n.start)) for n in _sung(section.melody, tune, tune.bar)[0]]
        harmony += [(place, replace(chord, start=clock + chord.start)) for chord in symbols]
        clock += symbols[-1].start + symbols[-1].length
    return Score(line, harmony, tune.bar, origin, clock)


def _sung(text: str, tune: Tune, bar: int | None = None) -> tuple[list[Note], Fraction]:
    """A melody's notes and where the last of them ends."""
    notes = melody(text, tune.signature, tune.unit, bar)
    return notes, notes[-1].start + notes[-1].length if notes else Fraction(0)


def played(part: Part, score: Score) -> list[tuple[Note, int]]:
    """The notes of one part, each with its stress: velocity above or below the part's level."""
    if part.plays in ("melody", "harmony"):
        line = [note for place, note in score.melody if _plays(part, place)]
        mean = sum(note.pitch for note in line) / max(len(line), 1)
        sung = [_below(note, score) if part.plays == "harmony" else note for note in line]
        voice = [(note, round((high.pitch - mean) / 2)) for note, high in zip(sung, line, strict=True)]
        late, up = part.delay * score.bar, 12 * part.octave
        return [(Note(n.start + late, n.length, n.pitch + up), stress) for n, stress in _within(voice, late, score)]
    return [note for row in part.plays.split() for note in _row(part, row, score)]


def _within(voice: list[tuple[Note, int]], late: int, score: Score) -> list[tuple[Note, int]]:
    """A voice which comes `late` beats later, ended by a note held through the last bar."""
    if not late:
        return voice
    closing = score.end - score.bar - late
    kept = [(note, stress) for note, stress in voice if note.start <= closing]
    return [(Note(n.start, Fraction(score.bar), n.pitch) if n.start == closing else n, stress) for n, stress in kept]


def _row(part: Part, row: str, score: Score) -> list[tuple[Note, int]]:
    """One row of a pattern over the whole form; held notes end with their chord, the last bar is one long strike."""
    step = Fraction(score.bar, len(row))
    notes: list[tuple[Note, int]] = []
    for place, chord in score.chords:
        if not _plays(part, place):
            continue
        closing = chord.start + chord.length == score.end
        began = math.ceil((chord.start - score.origin) / step)
        steps = [row[k % len(row)] for k in range(began, math.ceil((chord.start + chord.length - score.origin) / step))]
        if closing:
            strike = next((symbol for symbol in steps if symbol not in "-."), ".")
            steps = [strike] + ["-"] * (len(steps) - 1)
        elif steps and steps[0] == "-" and part.instrument != "drums":
            steps[0] = next((symbol for symbol in reversed(row[: began % len(row)]) if symbol != "-"), ".")
        for k, symbol in enumerate(steps):
            if symbol in "-.":
                continue
            held = next((j for j in range(k + 1, len(steps)) if steps[j] != "-"), len(steps)) - k
            start = score.origin + step * (began + k)
            notes += [(Note(start, step * held, pitch), 0) for pitch in _pitches(symbol, chord, part)]
    return notes


def _pitches(symbol: str, chord: Chord, part: Part) -> list[int]:
    """The MIDI pitches of one pattern symbol under one chord."""
    if part.instrument == "drums":
        return [DRUMS[symbol]]
    low = 36 + chord.bass + 12 * part.octave
    if symbol in "BFO":
        fifth = low + (chord.tones[2] - chord.tones[0]) % 12 if chord.bass == chord.tones[0] else low + 12
        return [{"B": low, "F": fifth if fifth < low + 8 else low, "O": low + 12}[symbol]]
    floor = 55 + 12 * part.octave
    voicing = sorted(floor + (tone - floor) % 12 for tone in chord.tones)
    if symbol == "C":
        return voicing
    above, index = divmod(int(symbol) - 1, len(voicing))
    return [voicing[index] + 12 * above]


def _below(note: Note, score: Score) -> Note:
    """The nearest chord tone at least a minor third below a melody note."""
    sounding = [chord for _, chord in score.chords if chord.start <= note.start < chord.start + chord.length]
    tones = sounding[0].tones if sounding else score.chords[0][1].tones
    return Note(note.start, note.length, next(p for p in range(note.pitch - 3, 0, -1) if p % 12 in tones))


def _plays(part: Part, place: int) -> bool:
    return not part.passes or str(place) in part.passes
