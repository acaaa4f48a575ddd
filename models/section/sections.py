"""The sections of a track: where they begin, which of them are the same music, and what each may be for.

    beats        onsets, one octave of tempo; harmony and timbre of every beat
    boundaries   novelty, bars, a dynamic programme
    letters      best diagonals of harmony, merged while they are alike

What `align` needs to find a section in another track, the harmony of every beat, is part of the result. A stem
has the sections of its mix, and its own harmony on the mix's beats.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models import card
from models.cqt import Cqt, pooled_cqt
from models.section import song_parts
from models.section.beats import RATE_HZ as BEATS_RATE_HZ
from models.section.beats import beat_harmony, beats
from models.section.boundaries import boundaries
from models.section.letters import letters, likeness

RATE_HZ = BEATS_RATE_HZ
HEARING = card.load("classical").hearing  # for its CQT, which all encoders share


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a track.

    Attributes:
        start_s, end_s: sections are in order and without gaps, the first begins at 0, the last ends with the track.
        label: a letter; sections of one letter are the same music. A is the first, after Z come AA, AB, …
        confidence: 0..1, how sure the letter is.
        function: intro, verse, chorus, bridge or outro, guessed from the habits of songs; None where nothing suggests
            one.
        function_confidence: 0..1, of that guess; 0 where there is none.
    """

    start_s: float
    end_s: float
    label: str
    confidence: float
    function: str | None
    function_confidence: float


@dataclass(frozen=True, slots=True)
class Structure:
    """A track's sections, and what it takes to compare them.

    Attributes:
        sections: in order; none for a track that is silent or empty.
        beats_s: float32 (beats,), when each begins; every section begins on one.
        harmony: float16 (beats, 24), pitch classes of the bass and of what is above it: of the mix, or of a stem.
    """

    sections: tuple[Section, ...]
    beats_s: NDArray[np.float32]
    harmony: NDArray[np.float16]


def structure(samples: NDArray[np.float32], cqt: Cqt | None = None) -> Structure:
    """Find the sections of a track.

    Args:
        samples: mono float32 at `RATE_HZ`, (samples,), of any length.
        cqt: what `pooled_cqt` made of them with the numbers of `HEARING`, where that is stored; else it is made.
    """
    heard = beats(samples)
    if not len(heard.starts_s):
        return Structure((), heard.starts_s, np.zeros((0, 24), np.float16))
    harmony = beat_harmony(pooled_cqt(samples, HEARING) if cqt is None else cqt, HEARING, heard.starts_s)
    edges = boundaries(heard, harmony)
    labels, sure = letters(likeness(harmony, heard.timbre, edges))
    guesses = song_parts.guessed(labels, edges, heard.loudness_db)
    edges_s = [*heard.starts_s[edges[:-1]].tolist(), heard.duration_s]
    rows = zip(pairwise(edges_s), labels, sure.tolist(), guesses, strict=True)
    found = tuple(Section(*span_s, label, confidence, *guess) for span_s, label, confidence, guess in rows)
    return Structure(found, heard.starts_s, harmony.astype(np.float16))


def harmony_of_cqt(cqt: Cqt, beats_s: NDArray[np.float32]) -> NDArray[np.float16]:
    """The harmony of a stem on the beats of its mix, float16 (beats, 24): with the mix's sections, its structure.

    Args:
        cqt: of the stem, stored, made with the numbers of `HEARING`, beginning with the mix. Silence gives zeros.
        beats_s: of the mix.
    """
    if not len(beats_s):
        return np.zeros((0, 24), np.float16)
    return beat_harmony(cqt, HEARING, beats_s).astype(np.float16)
