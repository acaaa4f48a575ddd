"""Tunes: the compositions behind the clips, as text (`notation.py` says how to read it), all in the public domain."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Section:
    """A stretch of whole bars; `pickup` sounds in the last beats before it."""

    melody: str
    chords: str
    pickup: str = ""


@dataclass(frozen=True)
class Tune:
    """A composition: `bar` beats in a bar, an unmarked note lasts `unit` beats, `signature` names the altered notes."""

    title: str
    composer: str
    year_or_tradition: str
    key: str
    signature: str
    bar: int
    unit: Fraction
    sections: dict[str, Section]


QUARTER, THIRD, SIXTEENTH, SIXTH = Fraction(1), Fraction(1, 3), Fraction(1, 4), Fraction(1, 6)

# fmt: off
TUNES = {
    "ode-to-joy": Tune("Ode to Joy", "Ludwig van Beethoven", "1824", "D major", "F# C#", 4, QUARTER, {
        "A": Section("F F G A | A G F E | D D E F | F3/2 E/ E2 | F F G A | A G F E | D D E F | E3/2 D/ D2",
                     "D | D A7 | Bm D | A | D | D A7 | Bm D | A7 D"),
        "B": Section("E E F D | E F/G/ F D | E F/G/ F E | D E A,2 | F F G A | A G F E | D D E F | E3/2 D/ D2",
                     "A7 D | A7 D | A7 F#7 | Bm E7 A A | D | D A7 | Bm D | A7 D"),
    }),
    "greensleeves": Tune("Greensleeves", "Traditional (England)", "traditional, registered 1580",
                         "A minor", "", 2, THIRD, {
        "A": Section("c2 d e3/2 ^f/ e | d2 B G3/2 A/ B | c2 A A3/2 ^G/ A | B2 ^G E2 A"
                     "| c2 d e3/2 ^f/ e | d2 B G3/2 A/ B | c3/2 B/ A ^G3/2 ^F/ ^G | A3 A3",
                     "Am | G | Am | E | Am | G | Am E7 | Am", pickup="A"),
        "B": Section("g3 g3/2 ^f/ e | d2 B G3/2 A/ B | c2 A A3/2 ^G/ A | B2 ^G E3"
                     "| g3 g3/2 ^f/ e | d2 B G3/2 A/ B | c3/2 B/ A ^G3/2 ^F/ ^G | A3 A3",
                     "C | G | Am | E | C | G | Am E7 | Am"),
    }),
    "minuet-in-g": Tune("Minuet in G (BWV Anh. 114)", "Christian Petzold", "about 1725", "G major", "F#", 3, QUARTER, {
        "A": Section("d G/A/B/c/ | d G G | e c/d/e/f/ | g G G | c d/c/B/A/ | B c/B/A/G/ | F G/A/B/G/ | A3",
                     "G | G/B | C | G/B | Am | G | D | D7"),
        "a": Section("d G/A/B/c/ | d G G | e c/d/e/f/ | g G G | c d/c/B/A/ | B c/B/A/G/ | A B/A/G/F/ | G3",
                     "G/B | G | C | G/B | Am D7/F# | G | C D7 | G"),
        "B": Section("b g/a/b/g/ | a d/e/f/d/ | g e/f/g/d/ | ^c B/c/ A | A/B/^c/d/e/f/ | g f e | f A ^c | d3",
                     "G | D/F# | Em | A | A7 | Em D A7/C# | D A7 | D D7"),
        "b": Section("d G/F/ G | e G/F/ G | d c B | A/G/F/G/ A | D/E/F/G/A/B/ | c B A | B/d/ G F | G3",
                     "G/B | C | G/B Am G | D | D7 | Am G D7/F# | G D7 | G"),
    }),
    "drunken-sailor": Tune("Drunken Sailor", "Traditional (sea shanty)", "traditional, printed 1839",
                           "D minor", "", 4, QUARTER, {
        "A": Section("A A/A/ A A/A/ | A D F A | G G/G/ G G/G/ | G C E G | A A/A/ A A/A/ | A B c d | c A G E | D2 D2",
                     "Dm | Dm | C | C | Dm | Dm | Am C | Dm"),
        "B": Section("A2 A3/2 A/ | A D F A | G2 G3/2 G/ | G C E G | A2 A3/2 A/ | A B c d | c A G E | D2 D2",
                     "Dm | Dm | C | C | Dm | Dm | Am C | Dm"),
    }),
    "auld-lang-syne": Tune("Auld Lang Syne", "Traditional (Scotland)", "traditional, printed 1799",
                           "F major", "Bb", 4, QUARTER, {
        "A": Section("F3/2 F/ F A | G3/2 F/ G A | F3/2 F/ A c | d3 d | c3/2 A/ A F | G3/2 F/ G A | F3/2 D/ D C | F3 z",
                     "F | C7 | F | Bb | F | C7 | Bb C7 | F", pickup="C"),
        "B": Section("c3/2 A/ A F | G3/2 F/ G d | c3/2 A/ A c | d3 d | c3/2 A/ A F | G3/2 F/ G A | F3/2 D/ D C | F3 z",
                     "F | C7 | F | Bb | F | C7 | Bb C7 | F", pickup="d"),
    }),
    "canon-in-d": Tune("Canon in D", "Johann Pachelbel", "about 1690", "D major", "F# C#", 4, QUARTER, {
        "A": Section("f2 e2 | d2 c2 | B2 A2 | B2 c2", "D A | Bm F#m | G D | G A"),
        "B": Section("d2 c2 | B2 A2 | G2 F2 | G2 E2", "D A | Bm F#m | G D | G A"),
        "C": Section("d f a g | f d f e | d B d a | g b a g", "D A | Bm F#m | G D | G A"),
        "D": Section("f d e c' | d' f' a' a | b g a f | d d' d'3/2 c'/", "D A | Bm F#m | G D | G A"),
        "E": Section("a/ f/4g/4 a/ f/4g/4 a/4A/4B/4c/4 d/4e/4f/4g/4 | f/ d/4e/4 f/ F/4G/4 A/4B/4A/4G/4 A/4F/4G/4A/4"
                     "| G/ B/4A/4 G/ F/4E/4 F/4E/4D/4E/4 F/4G/4A/4B/4 | G/ B/4A/4 B/ c/4d/4 A/4B/4c/4d/4 e/4f/4g/4a/4",
                     "D A | Bm F#m | G D | G A"),
        "Z": Section("f4", "D"),
    }),
    "fur-elise": Tune("Für Elise", "Ludwig van Beethoven", "1810", "A minor", "", 1, SIXTH, {
        "A": Section("e^de B=dc | A2 zCEA | B2 zE^GB | c2 zEe^d | e^de B=dc | A2 zCEA | B2 zEcB | A4 z2",
                     "Am | Am | E | Am | Am | Am | E | Am", pickup="e^d"),
        "B": Section("e3 Gfe | d3 Fed | c3 Edc | B2 zEez | zee' zz^d | ezz^d e^d",
                     "C | G | Am | E | E7 | E7", pickup="Bcd"),
    }),
    "oh-susanna": Tune("Oh! Susanna", "Stephen Foster", "1848", "C major", "", 4, QUARTER, {
        "A": Section("E G G3/2 A/ | G E C3/2 D/ | E E D C | D3 C/D/ | E G G3/2 A/ | G E C3/2 D/ | E E D D | C4",
                     "C | C | C | G7 | C | C | C G7 | C", pickup="C/D/"),
        "B": Section("F2 F2 | A A2 A | G G E C | D3 C/D/ | E G G3/2 A/ | G E C3/2 D/ | E E D D | C4",
                     "F | F | C | G7 | C | C | C G7 | C"),
    }),
    "silent-night": Tune("Silent Night", "Franz Xaver Gruber", "1818", "C major", "", 3, QUARTER, {
        "A": Section("G3/2 A/ G | E3 | G3/2 A/ G | E3 | d2 d | B3 | c2 c | G3", "C | C | C | C | G7 | G7 | C | C"),
        "B": Section("A2 A | c3/2 B/ A | G3/2 A/ G | E3 | A2 A | c3/2 B/ A | G3/2 A/ G | E3",
                     "F | F | C | C | F | F | C | C"),
        "C": Section("d2 d | f3/2 d/ B | c3 | e3 | c G E | G3/2 F/ D | C3 | z3", "G7 | G7 | C | C | C | G7 | C | C"),
    }),
    "brahms-lullaby": Tune("Lullaby (Wiegenlied)", "Johannes Brahms", "1868", "C major", "", 3, QUARTER, {
        "A": Section("G3/2 E/ E | G2 E/G/ | c B3/2 A/ | A G D/E/ | F D D/E/ | F2 D/F/ | B/A/ G B | c2 z",
                     "C | C | C | C G7 | G7 | G7 | G7 | C", pickup="E/E/"),
        "B": Section("c2 A/F/ | G2 E/C/ | F G A | G2 C/C/ | c2 A/F/ | G2 E/C/ | F E D | C3",
                     "F | C | G7 | C | F | C | G7 | C", pickup="C/C/"),
    }),
    "turkish-march": Tune("Turkish March (Rondo alla turca)", "Wolfgang Amadeus Mozart", "1783",
                          "A minor", "", 2, SIXTEENTH, {
        "A": Section("c2z2 dcBc | e2z2 fe^de | ba^ga ba^ga | c'4 a2c'2 | b2a2 g2a2 | b2a2 g2a2 | b2a2 g2^f2 | e4 z4",
                     "Am | Am | Am | Am | Em | Em | Em B7 | Em", pickup="BA^GA"),
        "B": Section("g2g2 agfe | d4 e2f2 | g2g2 agfe | d4 c2d2 | e2e2 fedc | B4 c2d2 | e2e2 fedc | B4 z4",
                     "C | G | C | G | Am | E | Am | E", pickup="e2f2"),
        "C": Section("c2z2 dcBc | e2z2 fe^de | ba^ga ba^ga | c'4 a2b2 | c'2b2 a2^g2 | a2e2 f2d2 | c4 B3A/B/ | A4 z4",
                     "Am | Am | Am | F | Am E | Am Dm | Am E7 | Am", pickup="BA^GA"),
    }),
}
# fmt: on
