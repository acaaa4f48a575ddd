"""Notation: melodies and chord symbols as text become notes and chords with exact times.

Melodies use the core of ABC notation: `C` is middle C, `c` an octave above, `c'` and `C,` one octave further; `^ _ =`
are sharp, flat and natural (valid until the bar line); `c2 c/ c3/2` are lengths in units; `z` is a rest, `|` a bar
line. Chords are symbols such as `Dm7 F#7 G/B`, with bar lines. Every bar is counted: a slip of the pen is an error.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
QUALITIES = {"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10), "dim": (0, 3, 6)}
TOKEN = re.compile(r"\s*([_^=]?)([A-Ga-gz])([,']*)(\d*)(/?)(\d*)")
SYMBOL = re.compile(r"([A-G][#b]?)([^/]*)(?:/([A-G][#b]?))?$")


@dataclass(frozen=True)
class Note:
    """One sounding note; `start` and `length` in beats, `pitch` a MIDI number."""

    start: Fraction
    length: Fraction
    pitch: int


@dataclass(frozen=True)
class Chord:
    """One chord; `start` and `length` in beats, `tones` pitch classes from the root up, `bass` a pitch class."""

    start: Fraction
    length: Fraction
    tones: tuple[int, ...]
    bass: int


def pitch_class(name: str) -> int:
    """Pitch class 0..11 of a note name such as `F#` or `Bb`."""
    return (STEPS[name[0]] + name.count("#") - name.count("b")) % 12


def melody(text: str, signature: str, unit: Fraction, bar: int | None) -> list[Note]:
    """Notes of an ABC text.

    Args:
        text: the melody. signature: the altered names of the key, as in `"F# C#"`.
        unit: beats of an unmarked length. bar: beats in each bar, None to leave the bars uncounted (a pickup).
    """
    notes: list[Note] = []
    clock = Fraction(0)
    for number, words in enumerate(text.split("|")):
        began, altered = clock, {name[0]: name[1:].count("#") - name[1:].count("b") for name in signature.split()}
        for accidental, letter, octaves, over, slash, under in _tokens(words):
            length = unit * Fraction(int(over or 1), int(under or 2) if slash else 1)
            if letter != "z":
                name = letter.upper()
                if accidental:
                    altered[name] = {"^": 1, "_": -1, "=": 0}[accidental]
                octave = 60 + 12 * letter.islower() + 12 * (octaves.count("'") - octaves.count(","))
                notes.append(Note(clock, length, octave + STEPS[name] + altered.get(name, 0)))
            clock += length
        if bar is not None and clock - began != bar:
            found = f"'{words.strip()}' lasts {clock - began} beats instead of {bar}"
            raise ValueError(f"bar {number + 1} of '{text[:24]}…': {found}")
    return notes


def chords(text: str, bar: int) -> list[Chord]:
    """Chords of a text; the chords of a bar share its beats, the first of them taking what is left over."""
    found: list[Chord] = []
    for number, words in enumerate(text.split("|")):
        symbols, clock = words.split(), Fraction(bar * number)
        share = Fraction(bar // len(symbols)) if bar >= len(symbols) else Fraction(bar, len(symbols))
        for position, symbol in enumerate(symbols):
            length = share if position else bar - share * (len(symbols) - 1)
            found.append(_chord(symbol, clock, length))
            clock += length
    return found


def _tokens(words: str) -> list[tuple[str, ...]]:
    """The ABC tokens of one bar; a character which is none of them is an error."""
    if TOKEN.sub("", words).strip():
        raise ValueError(f"not ABC: '{TOKEN.sub('', words).strip()}' in bar '{words.strip()}'")
    return [match.groups() for match in TOKEN.finditer(words)]


def _chord(symbol: str, start: Fraction, length: Fraction) -> Chord:
    """The chord of one symbol."""
    match = SYMBOL.match(symbol)
    if match is None or match[2] not in QUALITIES:
        raise ValueError(f"unknown chord symbol '{symbol}': the qualities known are {', '.join(QUALITIES)}")
    root = pitch_class(match[1])
    tones = tuple((root + interval) % 12 for interval in QUALITIES[match[2]])
    return Chord(start, length, tones, pitch_class(match[3] or match[1]))
