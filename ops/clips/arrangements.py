"""Arrangements: the clips, one row each: which tune, in which order, key and tempo, and who plays what.

A form names the sections in order; `i4` is an introduction on the chords of the first four bars to come.
A part plays the `melody`, the `harmony` (a chord tone below the melody) or a pattern. A pattern divides each bar into
equal steps: `B` bass note, `F` fifth, `O` octave of the bass, `1`..`6` chord tones from below, `C` the whole chord,
`-` hold, `.` rest; for drums a letter of `perform.DRUMS`. Rows of a pattern, separated by spaces, sound together.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One player: `level` is the MIDI velocity, `passes` the places in the form where it plays (empty: all)."""

    instrument: str
    plays: str
    octave: int = 0
    level: int = 76
    passes: str = ""
    delay: int = 0  # bars by which the melody comes later (a canon)
    legato: float = 0.95  # sounding share of the written length


@dataclass(frozen=True)
class Arrangement:
    """One clip: `semitones` above the tune as written, `swing` the beat's share of its first half."""

    tune: str
    slug: str
    phrase: str
    form: str
    semitones: int
    bpm: float
    parts: tuple[Part, ...]
    swing: float = 0.5


# fmt: off
ARRANGEMENTS = (
    Arrangement("ode-to-joy", "string-quartet", "string quartet, moving inner voices", "A B", 0, 104, (
        Part("violin", "melody", 0, 96), Part("violin", "3-2-3-2-", 0, 62), Part("viola", "2-3-1-3-", -1, 66),
        Part("cello", "B---F---", 0, 80))),
    Arrangement("ode-to-joy", "brass-march", "brass march with drums", "i2 A B", -4, 120, (
        Part("trumpet", "melody", 0, 100, legato=0.85), Part("horn", "harmony", 0, 74),
        Part("trombone", ".C.C.C.C", -1, 66, legato=0.6), Part("tuba", "B.F.B.F.", 0, 104, legato=0.7),
        Part("drums", "k...k... ..s...s. s.ss.sss c-------", 0, 62))),
    Arrangement("ode-to-joy", "bossa-flute", "bossa nova with flute and nylon guitar", "i4 A B", 5, 138, (
        Part("flute", "melody", 0, 98), Part("nylon guitar", "C..C..C. 1..2..1.", 0, 68, legato=0.8),
        Part("acoustic bass", "B--FF--B", 0, 88), Part("vibraphone", "....C...", 1, 84, "12"),
        Part("drums", "k..kk..k x..x..x. hhhhhhhh", 0, 64))),
    Arrangement("greensleeves", "lute-and-recorder", "recorder over a plucked lute", "A B", 0, 56, (
        Part("recorder", "melody", 0, 92), Part("nylon guitar", "B-1234 ------", 0, 74),
        Part("cello", "B-----", 0, 52, "1"))),
    Arrangement("greensleeves", "folk-rock-jig", "folk rock jig, electric guitar and organ", "i2 A A B", -5, 88, (
        Part("overdriven guitar", "melody", 0, 84, "13"), Part("fiddle", "melody", 0, 96, "2"),
        Part("fiddle", "harmony", 0, 72, "3"), Part("rock organ", "C--C--", 0, 54),
        Part("steel guitar", "1.32.3", 0, 64), Part("fingered bass", "B-BF-F", 0, 92),
        Part("drums", "k....k ...s.. h.hh.h", 0, 82))),
    Arrangement("greensleeves", "choir-and-harp", "choir and harp, second strain first", "B A", 5, 51, (
        Part("choir", "melody", 0, 98, legato=1.0), Part("harp", "123432 B-----", 0, 76),
        Part("strings", "C-----", -1, 46), Part("flute", "harmony", 1, 56, "1"))),
    Arrangement("minuet-in-g", "harpsichord", "solo harpsichord, two voices and a broken bass", "A a B b", 0, 154, (
        Part("harpsichord", "melody", 0, 92), Part("harpsichord", "B-1-2-", 0, 78))),
    Arrangement("minuet-in-g", "jazz-waltz", "jazz waltz, vibraphone and walking bass", "i4 A a b", -2, 144, (
        Part("vibraphone", "melody", 0, 96), Part("piano", "..C..C .C....", 0, 76, legato=0.6),
        Part("acoustic bass", "B-F-O-", 0, 92), Part("drums", "r-rrr- k----- ..x.x.", 0, 54)), swing=0.62),
    Arrangement("minuet-in-g", "synth-pop", "synthesiser pop, second half first", "B b a", -5, 126, (
        Part("saw lead", "melody", 0, 74), Part("warm pad", "C-----", 0, 62),
        Part("electric piano", "123432", 0, 82, legato=0.7), Part("synth bass", "BBBBBO", 0, 88, legato=0.7),
        Part("drums", "k..... ..s.s. hhhhho", 0, 78))),
    Arrangement("drunken-sailor", "accordion-shanty", "accordion and fiddle with hand drum", "A B A", 0, 168, (
        Part("accordion", "melody", 0, 92, legato=0.85), Part("fiddle", "melody", 1, 72, "12"),
        Part("accordion", "..C...C.", 0, 78, legato=0.5), Part("acoustic bass", "B...F...", 0, 92, legato=0.8),
        Part("drums", "b...b.b. ..x...x. m.m.m.m.", 0, 66))),
    Arrangement("drunken-sailor", "piano-ballad", "slow piano ballad with cello", "i4 A B", 5, 142, (
        Part("piano", "melody", 0, 90, legato=1.0),
        Part("piano", "B---F---O------- ..1.2.3.4.3.2.1.", 0, 62, legato=1.2), Part("cello", "harmony", -1, 62, "2"),
        Part("strings", "C-------", 0, 36, "2"))),
    Arrangement("drunken-sailor", "rock-band", "rock band, chorus first", "i2 B A B", 2, 182, (
        Part("distorted guitar", "melody", 0, 76), Part("overdriven guitar", "B.BBB.BB F.FFF.FF", 1, 72, legato=0.7),
        Part("rock organ", "C---C---", 0, 66), Part("fingered bass", "BBBBBBOB", 0, 96, legato=0.8),
        Part("drums", "k.k.k..k ..s...s. hhhhhhhh", 0, 80))),
    Arrangement("auld-lang-syne", "church-organ", "hymn on the church organ", "A B", 0, 112, (
        Part("church organ", "melody", 0, 92, legato=0.98), Part("church organ", "C-C-", 0, 70, legato=0.98),
        Part("church organ", "B-B-", 0, 84, legato=0.98))),
    Arrangement("auld-lang-syne", "swing-clarinet", "swing combo with clarinet and walking bass", "i4 A B", -2, 142, (
        Part("clarinet", "melody", 0, 84, legato=0.85), Part("tenor sax", "harmony", 0, 66, "2"),
        Part("piano", ".C..C..C", 0, 88, legato=0.5), Part("acoustic bass", "B-1-F-2-", 0, 94),
        Part("drums", "r-rrr-rr k---k--- ..x...x.", 0, 70)), swing=0.64),
    Arrangement("canon-in-d", "three-violins", "three violins in canon over harpsichord and cello",
                "A B C D Z", 0, 114, (
        Part("violin", "melody", 0, 92), Part("violin", "melody", 0, 84, delay=4),
        Part("violin", "melody", 0, 78, delay=8), Part("cello", "B---B---", 0, 88),
        Part("harpsichord", "C---C---", 0, 56))),
    Arrangement("canon-in-d", "rock-guitar", "rock band, fast variations, no canon", "A C D E Z", 5, 122, (
        Part("overdriven guitar", "melody", -1, 90),
        Part("distorted guitar", "B.BBB.BBB.BBB.BB F.FFF.FFF.FFF.FF", 1, 64, "1234", legato=0.7),
        Part("electric piano", "1-2-3-2-1-2-3-2-", 0, 76, "01"), Part("fingered bass", "BBBBBBBB", 0, 94, legato=0.8),
        Part("drums", "k..kk... ..s...s. h.h.h.hh", 0, 90, "1234"))),
    Arrangement("fur-elise", "solo-piano", "piano with the broken chords of the original", "A A B A", 0, 50, (
        Part("piano", "melody", 0, 88, legato=1.0), Part("piano", "BO3---", 0, 66, legato=1.6))),
    Arrangement("fur-elise", "accordion-tango", "accordion, pizzicato strings and drum kit", "i4 A B A A", 5, 61, (
        Part("accordion", "melody", 0, 96), Part("clarinet", "melody", 0, 80, "4"),
        Part("pizzicato strings", "..C.C.", 0, 78, legato=0.6), Part("piano", "B..... ....C.", 0, 80, legato=0.6),
        Part("acoustic bass", "B..F..", 0, 96, legato=0.8), Part("drums", "k..... ..x.x. h.h.h.", 0, 62))),
    Arrangement("oh-susanna", "banjo-bluegrass", "bluegrass, banjo rolls and fiddle", "A A B A", 0, 226, (
        Part("banjo", "melody", 0, 100, "03"), Part("fiddle", "melody", 0, 96, "12"),
        Part("fiddle", "harmony", 0, 66, "3"), Part("banjo", "13241324", 0, 62, "12"),
        Part("steel guitar", "..C...C.", 0, 66, legato=0.5), Part("acoustic bass", "B---F---", 0, 94, legato=0.8))),
    Arrangement("oh-susanna", "wind-polka", "wind band polka, chorus first", "i4 B A B", -4, 196, (
        Part("clarinet", "melody", 0, 84, "13", legato=0.8), Part("flute", "melody", 1, 90, "2", legato=0.8),
        Part("oboe", "harmony", 0, 64, "23"), Part("horn", "..C...C.", 0, 80, legato=0.5),
        Part("tuba", "B...F...", 0, 106, legato=0.6), Part("drums", "b...b... ..s...s. c-------", 0, 62))),
    Arrangement("silent-night", "guitar-and-choir", "classical guitar and choir", "A B C", 0, 130, (
        Part("choir", "melody", 0, 98, legato=1.0), Part("nylon guitar", "B12321", 0, 78, legato=1.4),
        Part("choir", "C-----", -1, 44, "2"))),
    Arrangement("silent-night", "soul-ballad", "soul ballad, electric piano, saxophone and drums", "i2 A C", -5, 94, (
        Part("alto sax", "melody", 1, 82), Part("electric piano", "C--1-2 --3--.", 0, 76),
        Part("strings", "C-----", 0, 44, "2"), Part("fingered bass", "B--F-O", 0, 92),
        Part("drums", "k--k-- ...s.. hhhhhh", 0, 84)), swing=0.6),
    Arrangement("brahms-lullaby", "celesta-and-harp", "celesta, harp and soft strings", "A B", 5, 86, (
        Part("celesta", "melody", 0, 100, legato=1.3), Part("harp", "B-2343", 0, 66, legato=1.4),
        Part("strings", "C-----", 0, 44), Part("oboe", "harmony", 0, 56, "1"))),
    Arrangement("turkish-march", "wind-band", "wind band with triangle and bass drum", "A A B C", 0, 118, (
        Part("oboe", "melody", 0, 94, "03", legato=0.8), Part("piccolo", "melody", 0, 84, "13", legato=0.8),
        Part("clarinet", "melody", 0, 76, "2", legato=0.8), Part("clarinet", "harmony", 0, 62, "013", legato=0.8),
        Part("horn", ".C.C", 0, 80, legato=0.5), Part("bassoon", "B.B.", 0, 92, legato=0.6),
        Part("drums", "b... .y.y ...s", 0, 88))),
)
# fmt: on
