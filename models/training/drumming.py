"""Drumming: a groove as one drummer plays it once, stroke by stroke.

What no two drummers share is drawn for each performance: tempo and its drift, swing, each drum's place before or behind
the beat, accents, what is left out or added, fills and cymbals.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.training.drums import VOICES, Groove, Stroke
from models.training.grooves import TOMS

CRASHES = (49, 57)
SNARE = 38  # that plays fills
LOUDNESS = 2.2  # power of a stroke's loudness in its amplitude, as `bank`
TEMPO_BPM = (80.0, 150.0)  # of a groove
TEMPO_RATIO = 1.38  # of a performance to that, at most, and its inverse

Rng = np.random.Generator


class Hit(NamedTuple):
    """When a drum is struck, which key plays it, and how loudly (amplitude)."""

    at_s: float
    key: int
    gain: float


def played(groove: Groove, duration_s: float, rng: Rng) -> list[Hit]:
    """Who is struck when in `duration_s` of a groove over and over, beginning anywhere in it."""
    common = np.random.default_rng([len(groove.strokes), *groove.name.encode()])
    bpm = np.exp(common.uniform(*np.log(TEMPO_BPM)) + rng.uniform(-1, 1) * np.log(TEMPO_RATIO))
    beat_s = 60 / float(bpm)
    keys = {voice: int(rng.choice(choices)) for voice, choices in VOICES.items()}
    balance = {voice: float(10 ** (rng.normal(0, 3) / 20)) for voice in VOICES}
    ahead_s = {voice: float(rng.normal(0, 0.005)) for voice in VOICES}
    loose_s, uneven, swing = rng.uniform(0, 0.012), rng.uniform(0, 0.15), _swing(rng)
    drift, wave_s = rng.normal(0, 0.006), rng.uniform(6, 20)
    first_s = float(rng.uniform(0, groove.beats * beat_s))
    hits = []
    for beat, voice, loud in _strokes(groove, (duration_s + first_s) / beat_s, rng):
        at_s = _swung(beat, swing) * beat_s - first_s
        at_s += drift * wave_s * np.sin(at_s / wave_s) + ahead_s.get(voice, 0.0) + rng.normal(0, loose_s)
        key = keys[voice] if voice in keys else int(voice)
        gain = (loud * float(np.exp(rng.normal(0, uneven)))) ** LOUDNESS * balance.get(voice, 1.0)
        if 0 <= at_s < duration_s:
            hits.append(Hit(float(at_s), key, gain))
    return hits


def _strokes(groove: Groove, beats: float, rng: Rng) -> list[Stroke]:
    """The groove, turn by turn, with what this drummer changes; fills and crashes have their key for a voice."""
    strokes = _arranged(groove, rng)
    missed, added = rng.uniform(0, 0.05), rng.choice([0.0, 0.03, 0.08], p=[0.5, 0.3, 0.2])
    every, length = int(rng.choice([0, 2, 4, 8], p=[0.4, 0.1, 0.3, 0.2])), float(rng.choice([0.25, 0.5, 1.0]))
    found: list[Stroke] = []
    for turn in range(int(beats / groove.beats) + 1):
        start, filled = turn * groove.beats, bool(every) and turn % every == every - 1
        ends = groove.beats * (1 - length) if filled else groove.beats
        if every and turn and turn % every == 0 and rng.random() < 0.7:
            found.append((start, str(rng.choice(CRASHES)), 1.0))
        for beat, voice, loud in strokes:
            if beat < ends and rng.random() >= missed:
                found.append((start + beat, voice, loud))
            if rng.random() < added:
                found.append((start + float(rng.integers(round(4 * groove.beats))) / 4, voice, 0.6 * loud))
        if filled:
            found += _fill(start + ends, start + groove.beats, rng)
    return found


def _arranged(groove: Groove, rng: Rng) -> list[Stroke]:
    """The groove's strokes with the cymbals of this performance, now and then with ghost notes, or a colour less."""
    others = [stroke for stroke in groove.strokes if stroke[1] != "H"]
    hats = [stroke for stroke in groove.strokes if stroke[1] == "H"]
    colours = sorted({voice for _, voice, _ in others} & set("LCDTR"))
    if len(colours) > 1 and rng.random() < 0.1:
        without = str(rng.choice(colours))
        others = [stroke for stroke in others if stroke[1] != without]
    if rng.random() < 0.6:  # another time than the groove's own
        every = float(rng.choice([0.25, 1 / 3, 0.5, 1.0, 2.0]))
        loud, after = float(rng.uniform(0.3, 0.9)), every / 2 if rng.random() < 0.2 else 0.0
        kept = rng.uniform(0.5, 1.0) if rng.random() < 0.4 else 1.0
        places = np.arange(after, groove.beats, every)
        hats = [(float(beat), "H", loud) for beat in places if rng.random() < kept] if rng.random() < 0.75 else []
    ghosts: list[Stroke] = []
    if rng.random() < 0.35:
        share = rng.uniform(0.05, 0.3)
        ghosts = [(beat / 4, "S", 0.3) for beat in range(round(4 * groove.beats)) if rng.random() < share]
    return others + hats + ghosts


def _fill(start: float, end: float, rng: Rng) -> list[Stroke]:
    """Toms or a snare from beat `start` to beat `end`, downwards or in any order."""
    places = np.arange(start, end, float(rng.choice([0.25, 1 / 3, 0.5])))
    drums = rng.choice([SNARE, *TOMS], len(places)) if rng.random() < 0.8 else np.full(len(places), SNARE)
    if rng.random() < 0.5:
        drums = np.sort(drums)[::-1]
    kept = rng.random(len(places)) < 0.9
    return [(float(beat), str(drum), 0.9) for beat, drum in zip(places[kept], drums[kept], strict=True)]


def _swing(rng: Rng) -> tuple[float, float]:
    """How late the second half of each unit is (a share of it), and the unit: a beat or half a beat."""
    if rng.random() < 0.5:
        return 0.0, 1.0
    return float(rng.uniform(-0.03, 0.08)), float(rng.choice([1.0, 0.5]))


def _swung(beat: float, swing: tuple[float, float]) -> float:
    late, unit = swing
    whole, within = divmod(beat / unit, 1.0)
    return float(unit * (whole + np.interp(within, [0, 0.5, 1], [0, 0.5 + late, 1])))
