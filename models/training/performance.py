"""A performance: which notes sound when, in which stem, and where in the composition that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEMS = ("lead", "accompaniment", "bass", "drums")


@dataclass(frozen=True, slots=True)
class Part:
    """One instrument.

    Attributes:
        stem: one of `STEMS`.
        program: General MIDI program 0..127; of drums the kit (0, 8, 16, 24, 25, 32, 40 or 48).
        notes: float32 (notes, 4): start_s, duration_s, pitch (MIDI number), velocity (1..127). In order of start.
    """

    stem: str
    program: int
    notes: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Production:
    """What is done to the sound of a performance on its way to the listener. None or 0: not done.

    Attributes:
        detune_cents: of the whole recording, as by vinyl speed (tempo follows).
        eq_db: gains at 100, 400, 1,600 and 6,400 Hz, linear in between on a logarithmic axis.
        reverb_s: time to decay by 60 dB; `reverb_wet` is its share of the amplitude.
        drive: 0..1, how much a soft clipper bends the waveform.
        compression: ratio of a compressor over -20 dB below the peak; 1: none.
        low_cut_hz, high_cut_hz: a band limit.
        noise_db: level of broadband noise below the music (20: quiet hiss, 0: as loud).
        speech_db: level of speech on top, below the music.
        codec: `mp3`, `aac`, `opus` or `amr` (the telephone), with its bits per second.
        gain_db: of the result.
    """

    detune_cents: float = 0.0
    eq_db: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    reverb_s: float = 0.0
    reverb_wet: float = 0.0
    drive: float = 0.0
    compression: float = 1.0
    low_cut_hz: float | None = None
    high_cut_hz: float | None = None
    noise_db: float | None = None
    speech_db: float | None = None
    codec: tuple[str, int] | None = None
    gain_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Performance:
    """A composition as played once.

    Attributes:
        parts: the instruments; a stem may have several, or none.
        soundfont: name of the soundfont, without path and suffix.
        production: what happens to the sound.
        score_map: float64 (spans, 4): start_s, end_s, start_beat, end_beat. Spans are in order of time and may leave
            gaps (intro, interlude); a beat may be played more than once. Within a span time is linear in beats.
        duration_s: of the whole.
    """

    parts: tuple[Part, ...]
    soundfont: str
    production: Production
    score_map: NDArray[np.float64]
    duration_s: float
