"""Compositions out of nothing: songs and pieces by rule and chance, without end, each from its own seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training.composition import Chord, Composition, Section
from models.training.harmony import joined

Rng = np.random.Generator
Notes = NDArray[np.float32]

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
SCALE_SHARES = (0.40, 0.22, 0.06, 0.03, 0.10, 0.04, 0.04, 0.11)
METRES = (  # beats a bar, pulse in beats, share
    (4.0, 1.0, 0.54),
    (3.0, 1.0, 0.14),
    (2.0, 1.0, 0.05),
    (3.0, 1.5, 0.11),
    (6.0, 1.5, 0.06),
    (5.0, 1.0, 0.05),
    (3.5, 0.5, 0.05),
)
_PROGRESSIONS = """
    1564 1645 6415 1465 1454 4156 1625 2511 1415 1364 1345 6451 1265 4536 1545 6145 1155 1144 6545 1745 1714 4145
    15634145 16251625 14154151 13642515 11445511 15361425 17654565 63415725 12341561 65432157 41524163 1111 1144
    111144115411 11 17 14 15 16 24 4455 6655 1166 44115511 25146255 36251451 4321 6543 1276 1376 15 5411 6677 1715
    147362511 6254 25 3625 1352 5164 1643 6231
"""
PROGRESSIONS = tuple(tuple(map(int, row)) for row in _PROGRESSIONS.split())  # scale degrees, one a slot
FORMS = ("AABA", "AB", "ABAB", "ABAC", "AABB", "ABACA", "ABCB", "AAB", "ABCABC", "ABABCB", "A", "ABCD", "AABC")
PHRASES = ("abac", "aaba", "abab", "abcb", "aabc", "aab'a", "abcd", "aaab", "ab", "aa'ab", "abcc")


@dataclass(frozen=True, slots=True)
class _Style:
    """What the sections of one song share."""

    tonic: int
    scale: tuple[int, ...]
    sung: tuple[int, ...]  # the degrees a melody may use: five of them where it is pentatonic
    bar: float
    pulse: float
    grid: float  # the shortest step of the melody, in beats
    density: float
    leap: float
    rests: float
    seventh: float
    chromatic: float


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in its section a phrase stands."""

    tonic: int
    first_bar: int
    bars: int  # of the section
    varied: bool
    last: bool


def song(seed: int) -> Composition:
    """The song of a seed, in C-based keys of any mode: the performance transposes it."""
    rng = np.random.default_rng([seed, 7])
    bar, pulse, _ = METRES[rng.choice(len(METRES), p=[share for *_, share in METRES])]
    scale = SCALES[str(rng.choice(list(SCALES), p=SCALE_SHARES))]
    pentatonic = rng.random() < 0.2
    sung = ((0, 1, 2, 4, 5) if scale[2] == 4 else (0, 2, 3, 4, 6)) if pentatonic else tuple(range(7))
    triplets = pulse == 1.5 or rng.random() < 0.08
    fine = (0.5 if pulse == 1.5 else 1 / 3) if triplets else float(rng.choice([1.0, 0.5, 0.25], p=[0.15, 0.6, 0.25]))
    style = _Style(
        tonic=int(rng.integers(12)),
        scale=scale,
        sung=sung,
        bar=bar,
        pulse=pulse,
        grid=fine if bar % fine < 1e-6 else 0.5,
        density=float(rng.uniform(0.3, 0.85)),
        leap=float(rng.uniform(0.1, 0.5)),
        rests=float(rng.choice([0.0, 0.08, 0.2])),
        seventh=float(rng.choice([0.0, 0.15, 0.5, 0.9], p=[0.4, 0.25, 0.2, 0.15])),
        chromatic=float(rng.choice([0.0, 0.05, 0.15], p=[0.6, 0.25, 0.15])),
    )
    form = str(rng.choice(FORMS))
    sections = []
    for letter in sorted(set(form)):
        tonic = style.tonic
        if letter != "A" and rng.random() < 0.25:  # another key for the bridge
            tonic = (tonic + int(rng.choice([2, 3, 5, 7, 9, 10]))) % 12
        bars = int(rng.choice([4, 8, 12, 16], p=[0.25, 0.55, 0.07, 0.13]))
        sections.append(_section(style, tonic, bars, rng))
    letters = sorted(set(form))
    return Composition(
        f"songs/{seed}", "songs", bar, pulse, tuple(sections), tuple(letters.index(letter) for letter in form)
    )


def _section(style: _Style, tonic: int, bars: int, rng: Rng) -> Section:
    chords, degrees = _chords(style, tonic, bars, rng)
    pattern = str(rng.choice(PHRASES))
    phrases = [
        letter + ("'" if pattern[at + 1 : at + 2] == "'" else "") for at, letter in enumerate(pattern) if letter != "'"
    ]
    phrase_bars = max(1, bars // len(phrases))
    centre = tonic + 60 + int(rng.integers(-3, 8))
    low = _degree_of(centre, tonic, style)
    motifs: dict[str, list[tuple[float, float, int]]] = {}
    notes: list[tuple[float, float, float]] = []
    for at in range(-(-bars // phrase_bars)):
        name = phrases[at % len(phrases)]
        if name[0] not in motifs:
            motifs[name[0]] = _phrase(style, phrase_bars, low, rng)
        last = at == -(-bars // phrase_bars) - 1
        place = _Place(tonic, at * phrase_bars, bars, varied=len(name) > 1, last=last)
        notes += _fitted(style, motifs[name[0]], place, degrees, rng)
    melody = np.array(notes, np.float32).reshape(-1, 3)
    if len(melody) < 4:  # chance left nearly nothing: another try with the generator further on
        return _section(style, tonic, bars, rng)
    return Section(melody, chords, bars * style.bar)


def _chords(style: _Style, tonic: int, bars: int, rng: Rng) -> tuple[tuple[Chord, ...], list[int]]:
    """The chords of a section, and the scale degree (0..6) of the chord in every half bar."""
    per_bar = float(rng.choice([0.5, 1.0, 2.0], p=[0.2, 0.6, 0.2]))
    slots = max(1, round(bars * per_bar))
    kind = rng.random()
    if kind < 0.6:
        row = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
        if rng.random() < 0.3:
            row = row + PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    elif kind < 0.9:  # a walk: fourths up and thirds down are likelier than steps
        row, degree = (), int(rng.choice([0, 0, 5, 3]))
        for _ in range(int(rng.choice([4, 8, 16]))):
            row += (degree + 1,)
            degree = (degree + int(rng.choice([3, 5, 4, 1, 6, 2], p=[0.3, 0.2, 0.2, 0.12, 0.1, 0.08]))) % 7
    else:
        row = tuple(1 + (start * 3) % 7 for start in range(8))  # the circle of fifths
    borrowed = {degree: rng.random() < style.chromatic for degree in range(7)}
    chords = []
    width = bars * style.bar / slots
    for slot in range(slots):
        degree = row[slot % len(row)] - 1
        if slot == slots - 1 and rng.random() < 0.5:
            degree = int(rng.choice([0, 4]))
        root = (tonic + style.scale[degree]) % 12
        steps = [(style.scale[(degree + third) % 7] - style.scale[degree]) % 12 for third in (2, 4, 6)]
        chords.append((degree, Chord(slot * width, width, root, _quality(steps, borrowed[degree], style, rng))))
    halves = [chords[min(int(half / 2 * per_bar), slots - 1)][0] for half in range(2 * bars)]
    return joined([chord for _, chord in chords]), halves


def _quality(steps: list[int], borrowed: bool, style: _Style, rng: Rng) -> str:
    third, fifth, seventh = steps
    if borrowed:
        return "dominant" if rng.random() < 0.6 else ("minor" if third == 4 else "major")
    if fifth == 6:
        return "half-diminished" if rng.random() < style.seventh else "diminished"
    if fifth == 8:
        return "augmented"
    with_seventh = rng.random() < style.seventh
    if third == 4:
        return ("major seventh" if seventh == 11 else "dominant") if with_seventh else "major"
    return "minor seventh" if with_seventh and seventh == 10 else "minor"


def _phrase(style: _Style, bars: int, low: int, rng: Rng) -> list[tuple[float, float, int]]:
    """A phrase as (start_beat, beats, scale step above its chord's root region); one rhythm cell or two, repeated."""
    cells = [_rhythm(style, rng) for _ in range(int(rng.choice([1, 2, bars], p=[0.4, 0.4, 0.2])))]
    rows: list[tuple[float, float, int]] = []
    at, drift = int(rng.integers(-2, 6)), float(rng.normal(0, 0.15))
    contour: dict[int, list[int]] = {}
    for bar in range(bars):
        cell = bar % len(cells)
        if cell not in contour or rng.random() < 0.5:
            moves = []
            for _ in cells[cell]:
                big = rng.random() < style.leap
                step = int(rng.choice([2, 3, 4, 5])) if big else int(rng.choice([0, 1, 1, 2], p=[0.2, 0.35, 0.35, 0.1]))
                moves.append(step * (1 if rng.random() < 0.5 + drift else -1))
            contour[cell] = moves
        for (start, beats), move in zip(cells[cell], contour[cell], strict=True):
            at = at + move
            if abs(at - 2) > 6:  # back into the range
                at -= 4 * int(np.sign(at - 2))
            rows.append((bar * style.bar + start, beats, low + at))
    return rows


def _rhythm(style: _Style, rng: Rng) -> list[tuple[float, float]]:
    """Onsets and lengths of one bar."""
    count = round(style.bar / style.grid)
    places = np.arange(count) * style.grid
    weight = np.where(np.abs(places % style.pulse) < 1e-6, 1.0, np.where(np.abs(places % 0.5) < 1e-6, 0.55, 0.3))
    on = rng.random(count) < style.density * weight * 1.2
    if rng.random() < 0.8:
        on[0] = True
    if not on.any():
        on[int(rng.integers(count))] = True
    starts = places[on]
    ends = np.append(starts[1:], style.bar)
    return [
        (float(start), float((end - start) * (1.0 if rng.random() > style.rests else 0.5)))
        for start, end in zip(starts, ends, strict=True)
    ]


def _fitted(
    style: _Style, phrase: list[tuple[float, float, int]], place: _Place, degrees: list[int], rng: Rng
) -> list[tuple[float, float, float]]:
    """A phrase at its place: strong notes moved to the chord, the end varied, the section's last note held."""
    notes = []
    end_beat = place.bars * style.bar
    for at, (start, beats, drawn) in enumerate(phrase):
        beat = place.first_bar * style.bar + start
        if beat >= end_beat - 1e-6:
            break
        degree = degrees[min(int(2 * beat / style.bar), len(degrees) - 1)]
        step = drawn
        if place.varied and at > len(phrase) * 0.6:
            step = drawn + int(rng.integers(-2, 3))
        strong = abs(start % style.bar) < 1e-6 or (beats >= style.pulse and rng.random() < 0.6)
        octave, scale_step = divmod(_on_chord(step, degree) if strong else _sung(step, style), 7)
        notes.append((beat, beats, float(place.tonic + 12 * octave + style.scale[scale_step])))
    if place.last and notes and rng.random() < 0.6:
        beat, _, pitch = notes[-1]
        notes[-1] = (beat, end_beat - beat, pitch)
    return notes


def _on_chord(step: int, degree: int) -> int:
    """The nearest step of the chord on `degree`; the step itself where none is near."""
    near = (step + move for move in (0, 1, -1, 2, -2))
    return next((found for found in near if (found - degree) % 7 in {0, 2, 4}), step)


def _sung(step: int, style: _Style) -> int:
    """The nearest step below that a melody of this style may use."""
    return next(found for found in range(step, step - 7, -1) if found % 7 in style.sung)


def _degree_of(pitch: int, tonic: int, style: _Style) -> int:
    """The scale step (7 an octave, 0 the tonic in MIDI octave -1) at or below a pitch."""
    octave, rest = divmod(pitch - tonic, 12)
    return 7 * octave + max(place for place, step in enumerate(style.scale) if step <= rest)
