"""Arrange: a composition becomes one performance of many, in another key, tempo, order, line-up and sound each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.training.composition import QUALITIES, Chord, Composition, Section
from models.training.grooves import drums
from models.training.harmony import harmonise
from models.training.performance import Part, Performance, Production

Rng = np.random.Generator
Notes = NDArray[np.float32]  # (notes, 4): start and length in beats of the performance, pitch, velocity

Row = tuple[float, float, float, float]
Figure = Callable[[Chord, "_Played", list[float], float], list[Row]]

FONTS = ("FluidR3_GM", "MuseScore_General")
LEADS = (
    *(0, 1, 3, 4, 5, 6, 7, 9, 11, 12, 13, 16, 18, 19, 21, 22, 24, 25, 26, 27, 28, 29, 30, 40, 41, 42, 46, 48, 52, 53),
    *(54, 56, 57, 59, 60, 61, 64, 65, 66, 68, 69, 70, 71, 72, 73, 74, 75, 79, 80, 81, 82, 85, 104, 105, 107, 110),
)
CHORDS = (
    *(
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        11,
        12,
        15,
        16,
        17,
        18,
        19,
        20,
        21,
        24,
        25,
        26,
        27,
        28,
        29,
        30,
        45,
        46,
        48,
        49,
        50,
        51,
        52,
    ),
    *(54, 61, 62, 63, 81, 88, 89, 90, 91, 94, 104, 105, 106),
)
BASSES = (32, 33, 34, 35, 36, 37, 38, 39, 42, 43, 57, 58, 70, 87)
PATTERNS = (
    "held",
    "pulses",
    "halves",
    "offbeats",
    "oompah",
    "up",
    "down",
    "wave",
    "alberti",
    "scatter",
    "rhythm",
    "line",
)
BASS_LINES = ("root", "root and fifth", "octaves", "walking", "repeated", "rhythm", "pedal")


@dataclass(frozen=True, slots=True)
class _Played:
    """A section at its place in the performance: `transposition` is the performance's with the section's own on top."""

    section: Section
    first_beat: float  # of the composition
    start_beat: float  # of the performance
    transposition: int
    chords: tuple[Chord, ...]


@dataclass(frozen=True, slots=True)
class _Clock:
    """When the beats of a performance come: its bar lines in beats and seconds, and how the players keep to them."""

    edges_beat: NDArray[np.float64]
    edges_s: NDArray[np.float64]
    swing: float  # beats by which off-beat eighths come late
    loose_s: float  # standard deviation of every onset
    duration_s: float


def perform(
    composition: Composition,
    seed: int,
    duration_s: float = 40.0,
    solo: bool = False,
    fonts: tuple[str, ...] = FONTS,
) -> Performance:
    """One performance, decided by the composition and the seed alone; `solo` leaves nothing but the lead."""
    rng = np.random.default_rng([crc32(composition.name.encode()), seed])
    bpm = float(np.exp(rng.uniform(np.log(68), np.log(165)))) * (1.25 if composition.pulse_beats == 1.5 else 1.0)
    needed = duration_s * bpm / 60
    intro = composition.beats_per_bar * int(rng.choice([0, 1, 2], p=[0.75, 0.1, 0.15])) * (not solo)
    played, total = _structure(composition, intro, needed * 1.15 + 4 * composition.beats_per_bar, rng)
    bars = round(total / composition.beats_per_bar)
    edges_s = _tempo(bars, composition.beats_per_bar * 60 / bpm, rng)
    # Begin anywhere in the first section: two performances then share only a part, at other times.
    skipped_s = edges_s[int(rng.integers(0, 5))] if intro == 0 else 0.0
    parts = _lead(played, rng)
    if not solo:
        parts += _accompaniment(composition, played, rng)
        parts += _bass(composition, played, rng)
        if intro:
            parts = [_with_intro(part, played[0], intro, rng) for part in parts]
        parts += drums(composition, total, rng)
    clock = _Clock(
        edges_beat=np.asarray(np.arange(bars + 1) * composition.beats_per_bar, np.float64),
        edges_s=edges_s - skipped_s,
        swing=float(rng.choice([0.0, 0.0, rng.uniform(0.05, 0.16)])) if composition.pulse_beats == 1.0 else 0.0,
        loose_s=float(rng.uniform(0, 0.018)),
        duration_s=duration_s,
    )
    heard = [Part(part.stem, part.program, _timed(part.notes, clock, rng)) for part in parts]
    return Performance(
        parts=tuple(part for part in heard if len(part.notes)),
        soundfont=str(rng.choice(fonts)),
        production=_production(rng),
        score_map=_score_map(played, clock),
        duration_s=duration_s,
    )


def _structure(composition: Composition, intro: float, needed: float, rng: Rng) -> tuple[list[_Played], float]:
    """Sections in the order of this performance, repeated until `needed` beats are full."""
    order = list(composition.form)
    kind = rng.random()
    if kind < 0.25 and len(order) > 1:
        del order[int(rng.integers(len(order)))]
    elif kind < 0.45:
        order.insert(again := int(rng.integers(len(order))), order[again])
    elif kind < 0.6:
        rng.shuffle(order)
    first = int(rng.integers(len(order))) if rng.random() < 0.5 else 0
    order = order[first:] + order[:first]
    key = int(rng.integers(-6, 6))
    whim = float(rng.choice([0.0, 0.0, 0.3, 0.7]))
    sevenths = float(rng.choice([0.0, 0.0, 0.3, 0.8]))
    played: list[_Played] = []
    chords: dict[int, tuple[Chord, ...]] = {}
    at, place = float(intro), 0
    while at < needed:
        which = order[place % len(order)]
        section = composition.sections[which]
        if which not in chords:
            chords[which] = _reharmonised(section, composition.beats_per_bar, whim, sevenths, rng)
        if place and place % len(order) == 0 and rng.random() < 0.1:
            key += int(rng.choice([1, 2]))
        played.append(_Played(section, composition.first_beats[which], at, key, chords[which]))
        at += section.beats
        place += 1
    return played, at


def _reharmonised(section: Section, bar: float, whim: float, sevenths: float, rng: Rng) -> tuple[Chord, ...]:
    chords = section.chords
    if whim and len(section.melody):
        others = harmonise(section.melody, section.beats, bar if rng.random() < 0.6 else bar / 2, rng, whim)
        if whim > 0.5:
            chords = others
        else:  # here and there
            chords = tuple(_at(others, chord.start_beat, chord) if rng.random() < 0.35 else chord for chord in chords)
    if not sevenths:
        return chords
    richer = {
        "major": ("major seventh", "sixth", "suspended", "ninth"),
        "minor": ("minor seventh",),
        "dominant": ("ninth",),
    }
    return tuple(
        Chord(c.start_beat, c.beats, c.root, str(rng.choice(richer[c.quality])))
        if c.quality in richer and rng.random() < sevenths
        else c
        for c in chords
    )


def _at(chords: tuple[Chord, ...], beat: float, instead: Chord) -> Chord:
    found = next(c for c in chords if c.start_beat <= beat + 1e-6 < c.start_beat + c.beats + 1e-3)
    return Chord(instead.start_beat, instead.beats, found.root, found.quality)


def _tempo(bars: int, bar_s: float, rng: Rng) -> NDArray[np.float64]:
    """Seconds of every bar line: a tempo that drifts, more or less."""
    loose = float(rng.choice([0.0, 0.005, 0.02, 0.04], p=[0.35, 0.3, 0.25, 0.1]))
    drift = np.cumsum(rng.normal(0, loose, bars))
    drift = np.clip(drift - np.linspace(0, drift[-1], bars) * 0.5, -0.25, 0.25)
    return np.asarray(np.concatenate([[0.0], np.cumsum(bar_s * np.exp(drift))]), np.float64)


def _lead(played: list[_Played], rng: Rng) -> list[Part]:
    program = int(rng.choice(LEADS))
    wanted = float(rng.choice([58, 65, 70, 74, 79, 84], p=[0.1, 0.2, 0.25, 0.25, 0.15, 0.05]))
    level = float(rng.uniform(86, 118))
    length = float(rng.choice([0.4, 0.7, 0.92, 1.0, 1.05]))
    dropped, ornate = float(rng.choice([0.0, 0.04, 0.12])), float(rng.choice([0.0, 0.05, 0.2], p=[0.5, 0.3, 0.2]))
    shifted = float(rng.choice([0.0, 0.0, 0.1]))
    lines = []
    for one in played:
        notes = _lines(one.section.melody, one, level)
        if len(notes):
            # Whole octaves, so that the melody lies where the instrument is heard.
            notes[:, 2] += 12 * np.round((wanted - np.median(notes[:, 2])) / 12)
            lines.append(_varied(notes, dropped, ornate, shifted, rng))
    notes = np.concatenate(lines) if lines else np.zeros((0, 4), np.float32)
    notes[:, 1] *= length
    parts = [Part("lead", program, notes)]
    if rng.random() < 0.3:  # doubled: at the octave, or by another instrument
        again = notes.copy()
        again[:, 2] += float(rng.choice([0, 12, -12, 0]))
        again[:, 3] *= float(rng.uniform(0.5, 0.95))
        parts.append(Part("lead", int(rng.choice(LEADS)), again))
    return parts


def _lines(line: NDArray[np.float32], one: _Played, level: float) -> Notes:
    velocity = np.full((len(line), 1), level, np.float32)
    moved = line + np.array([one.start_beat, 0, one.transposition], np.float32)
    return np.concatenate([moved, velocity], axis=1).astype(np.float32)


def _varied(notes: Notes, dropped: float, ornate: float, shifted: float, rng: Rng) -> Notes:
    kept = notes[rng.random(len(notes)) >= dropped] if len(notes) > 4 else notes
    kept = kept.copy()
    kept[:, 3] += rng.normal(0, 7, len(kept))
    if shifted:
        early = rng.random(len(kept)) < shifted
        kept[early, 0] = np.maximum(kept[early, 0] - 0.25, 0)
    if not ornate:
        return kept
    extra = []
    for at in np.flatnonzero(rng.random(len(kept)) < ornate):
        start, beats, pitch, velocity = kept[at]
        step = float(rng.choice([1, 2, -1, -2]))
        kind = rng.random()
        if kind < 0.5 or beats < 0.5:  # a grace note
            extra.append((max(start - 0.1, 0), 0.1, pitch + step, velocity * 0.8))
        elif kind < 0.75:  # a mordent
            extra.append((start + 0.12, 0.12, pitch + step, velocity * 0.85))
            extra.append((start + 0.24, beats - 0.24, pitch, velocity * 0.9))
            kept[at, 1] = 0.12
        elif at + 1 < len(kept):  # a passing note
            extra.append((start + beats / 2, beats / 2, np.round((pitch + kept[at + 1, 2]) / 2), velocity * 0.85))
            kept[at, 1] = beats / 2
    return _sorted(np.concatenate([kept, np.array(extra, np.float32).reshape(-1, 4)]))


def _accompaniment(composition: Composition, played: list[_Played], rng: Rng) -> list[Part]:
    parts = []
    if played[0].section.voices and rng.random() < 0.4:  # the composition's own lower voices
        program = int(rng.choice(CHORDS))
        lines = [_lines(voice, one, rng.uniform(60, 95)) for one in played for voice in one.section.voices]
        return [Part("accompaniment", program, _sorted(np.concatenate(lines)))]
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.04, 0.5, 0.34, 0.12]))):
        centre, level = float(rng.integers(48, 70)), float(rng.uniform(48, 96))
        figure = _figure(composition, str(rng.choice(PATTERNS)), rng)
        rows: list[Row] = []
        for one in played:
            for chord in one.chords:
                rows += figure(chord, one, _voicing(chord, one.transposition, centre), level)
        parts.append(Part("accompaniment", int(rng.choice(CHORDS)), _sorted(np.array(rows, np.float32).reshape(-1, 4))))
    return parts


def _voicing(chord: Chord, transposition: int, centre: float) -> list[float]:
    """The chord's notes, each in the octave nearest to the centre, from below."""
    classes = [(chord.root + step + transposition) % 12 for step in QUALITIES[chord.quality]]
    return sorted(pitch + 12 * np.round((centre - pitch) / 12) for pitch in classes)


def _figure(composition: Composition, pattern: str, rng: Rng) -> Figure:  # noqa: C901  one small case a pattern
    """A function from a chord at its place to the notes of this pattern."""
    bar, pulse = composition.beats_per_bar, composition.pulse_beats
    grid = float(rng.choice([0.5, 0.25] if pulse == 1.0 else [0.5, 0.5])) if bar % 0.5 < 1e-6 else 0.5
    mask = rng.random(round(bar / 0.5)) < rng.uniform(0.35, 0.8)
    mask[0] = True
    length = float(rng.choice([0.5, 0.9, 1.0]))

    def hits(one: _Played, chord: Chord) -> list[tuple[float, float]]:
        start, end = one.start_beat + chord.start_beat, one.start_beat + chord.start_beat + chord.beats
        if pattern == "held":
            return [(start, end - start)]
        step = {"pulses": pulse, "halves": bar / 2, "offbeats": pulse, "oompah": pulse, "rhythm": 0.5}.get(
            pattern, grid
        )
        count = max(1, round((end - start) / step))
        places = [(start + at * step, step) for at in range(count) if start + at * step < end - 1e-6]
        if pattern == "offbeats":
            return [(at + step / 2, step / 2) for at, _ in places]
        if pattern == "oompah":
            return [(at, wide) for at, wide in places if abs((at - one.start_beat) % bar) > 1e-3]
        if pattern == "rhythm":
            return [
                (at, wide) for at, wide in places if mask[int(((at - one.start_beat) % bar) / 0.5 + 1e-6) % len(mask)]
            ]
        return places

    def arpeggio(at: int, voices: list[float]) -> float:
        n = len(voices)
        if pattern == "down":
            return voices[-1 - at % n]
        if pattern == "wave":
            turn = at % max(2 * n - 2, 1)
            return voices[turn if turn < n else 2 * n - 2 - turn]
        if pattern == "alberti":
            return voices[(0, n - 1, n // 2, n - 1)[at % 4]]
        return voices[int(rng.integers(n))] if pattern == "scatter" else voices[at % n]

    def figure(chord: Chord, one: _Played, voices: list[float], level: float) -> list[Row]:
        rows = []
        for at, (start, beats) in enumerate(hits(one, chord)):
            loud = level * (1.08 if at == 0 else float(rng.uniform(0.85, 1.0)))
            if pattern == "line":  # one voice that moves in longer notes
                if at % 4 == 0:
                    rows.append((start, grid * 4, voices[int(rng.integers(len(voices)))], loud))
            elif pattern in {"up", "down", "wave", "alberti", "scatter"}:
                rows.append((start, beats * length, arpeggio(at, voices), loud))
            else:
                rows += [(start, beats * length, pitch, loud) for pitch in voices]
        return rows

    return figure


def _bass(composition: Composition, played: list[_Played], rng: Rng) -> list[Part]:
    if rng.random() < 0.15:
        return []
    program, level = int(rng.choice(BASSES)), float(rng.uniform(65, 108))
    if played[0].section.voices and rng.random() < 0.5:
        lines = [_lines(one.section.voices[-1], one, level) for one in played]
        notes = np.concatenate(lines)
        notes[:, 2] -= 12 * (rng.random() < 0.4)
        return [Part("bass", program, notes)]
    line, low = str(rng.choice(BASS_LINES)), float(rng.integers(30, 42))
    mask = rng.random(16) < 0.55
    rows = []
    for one in played:
        for chord, after in zip(one.chords, [*one.chords[1:], one.chords[0]], strict=True):
            start, end = one.start_beat + chord.start_beat, one.start_beat + chord.start_beat + chord.beats
            step = _bass_step(line, chord, composition.pulse_beats, rng)
            for at in range(max(1, round((end - start) / step))):
                beat = start + at * step
                if beat >= end - 1e-6 or (line == "rhythm" and at and not mask[at % 16]):
                    continue
                heading = after if beat + step >= end - 1e-6 else None
                pitch = _bass_pitch(line, at, one, (chord, heading), low=low, rng=rng)
                rows.append((beat, min(step, end - beat) * 0.95, pitch, level * float(rng.uniform(0.85, 1.05))))
    return [Part("bass", program, np.array(rows, np.float32).reshape(-1, 4))]


def _bass_step(line: str, chord: Chord, pulse: float, rng: Rng) -> float:
    """Beats from one note to the next."""
    wide = max(pulse, 1.0) * (2 if rng.random() < 0.5 else 1)
    steps = {"root": chord.beats, "root and fifth": wide, "octaves": 0.5, "repeated": 0.5, "rhythm": 0.5}
    return steps.get(line, pulse)


def _bass_pitch(line: str, at: int, one: _Played, chords: tuple[Chord, Chord | None], *, low: float, rng: Rng) -> float:
    """The `at`-th note over the first of `chords`; the second is the one that follows at once, if it does."""
    chord, heading = chords

    def root_of(chord: Chord) -> float:
        return (chord.root + one.transposition - low) % 12 + low

    root = root_of(chord)
    if line == "root and fifth" and at % 2:
        return root + 7 if root + 7 < low + 14 else root - 5
    if line == "octaves" and at % 2:
        return root + 12
    if line == "walking" and at:
        if heading is not None:
            return root_of(heading) + float(rng.choice([-1, 1, -2]))
        return root + float(rng.choice([*QUALITIES[chord.quality], 2, -2, -5]))
    return root_of(one.chords[0]) if line == "pedal" else root


def _with_intro(part: Part, first: _Played, beats: float, rng: Rng) -> Part:
    """The part with the first bars of its first section played before; the lead rests there."""
    if part.stem == "lead" or rng.random() < 0.3:
        return part
    inside = part.notes[part.notes[:, 0] < first.start_beat + beats].copy()
    inside[:, 0] -= beats
    return Part(part.stem, part.program, np.concatenate([inside, part.notes]))


def _timed(notes: Notes, clock: _Clock, rng: Rng) -> Notes:
    """Beats to seconds, cut to the performance."""
    start, end = notes[:, 0].astype(np.float64), (notes[:, 0] + notes[:, 1]).astype(np.float64)
    if clock.swing:
        offbeat = np.abs(start % 1 - 0.5) < 0.05
        start = start + clock.swing * offbeat
    start_s = np.interp(start, clock.edges_beat, clock.edges_s) + rng.normal(0, clock.loose_s, len(notes))
    end_s = np.maximum(np.interp(end, clock.edges_beat, clock.edges_s), start_s + 0.04)
    inside = (end_s > 0.02) & (start_s < clock.duration_s - 0.05)
    start_s, end_s = np.maximum(start_s[inside], 0), np.minimum(end_s[inside], clock.duration_s)
    columns = [start_s, end_s - start_s, notes[inside, 2], np.clip(notes[inside, 3], 12, 127)]
    return _sorted(np.stack(columns, axis=1).astype(np.float32))


def _score_map(played: list[_Played], clock: _Clock) -> NDArray[np.float64]:
    rows = []
    for one in played:
        last_beat = one.start_beat + one.section.beats
        inside = (clock.edges_beat >= one.start_beat - 1e-6) & (clock.edges_beat <= last_beat + 1e-6)
        beats, at_s = clock.edges_beat[inside] - one.start_beat + one.first_beat, clock.edges_s[inside]
        rows += list(zip(at_s[:-1], at_s[1:], beats[:-1], beats[1:], strict=True))
    spans = np.array(rows, np.float64).reshape(-1, 4)
    return spans[(spans[:, 0] >= -1e-6) & (spans[:, 1] <= clock.duration_s + 1e-6)]


def _sorted(notes: Notes) -> Notes:
    return notes[np.argsort(notes[:, 0], kind="stable")].astype(np.float32)


def _production(rng: Rng) -> Production:
    """Clean to ruined: every second performance is nearly untouched in each respect."""

    def sometimes(share: float) -> bool:
        return bool(rng.random() < share)

    low, high = float(rng.choice([0, 60, 150, 300])), float(rng.choice([3_400, 5_000, 8_000, 11_000]))
    return Production(
        detune_cents=float(rng.uniform(-45, 45)) if sometimes(0.5) else 0.0,
        eq_db=tuple(float(x) for x in rng.normal(0, 4 if sometimes(0.7) else 0.5, 4)),  # type: ignore[arg-type]
        reverb_s=float(rng.uniform(0.3, 2.5)),
        reverb_wet=float(rng.uniform(0.05, 0.4)) if sometimes(0.7) else 0.0,
        drive=float(rng.uniform(0.1, 0.8)) if sometimes(0.2) else 0.0,
        compression=float(rng.uniform(1.5, 6)) if sometimes(0.4) else 1.0,
        low_cut_hz=low if sometimes(0.2) and low else None,
        high_cut_hz=high if sometimes(0.25) else None,
        noise_db=float(rng.uniform(5, 40)) if sometimes(0.4) else None,
        speech_db=float(rng.uniform(-3, 15)) if sometimes(0.08) else None,
        codec=(str(rng.choice(["mp3", "aac", "opus"])), int(rng.choice([32_000, 64_000, 96_000])))
        if sometimes(0.3)
        else None,
        gain_db=float(rng.uniform(-12, 3)),
    )
