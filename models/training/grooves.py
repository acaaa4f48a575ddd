"""Drum parts: a groove by metre and chance, with fills."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from models.training.composition import Composition
from models.training.performance import Part

Rng = np.random.Generator

KITS = (0, 8, 16, 24, 25, 32, 40)
KICKS, SNARES = (35, 36), (37, 38, 40, 39)
TIMES = (42, 44, 46, 51, 53, 59, 54, 70, 82)
COLOURS = (56, 60, 61, 62, 63, 64, 65, 67, 69, 75, 76, 77)
TOMS = (41, 43, 45, 47, 48, 50)


def drums(composition: Composition, beats: float, rng: Rng) -> list[Part]:
    """No drums, or one part of `beats` length. Half of the performances of a composition share its groove."""
    if rng.random() < 0.3:
        return []
    own = rng.random() < 0.5
    groove = _groove(composition, np.random.default_rng(crc32(composition.name.encode()) + 1) if own else rng)
    bar = composition.beats_per_bar
    level, fills = float(rng.uniform(50, 112)), int(rng.choice([0, 4, 8]))
    rows = []
    for at in range(round(beats / bar)):
        fill = fills and at % fills == fills - 1
        if at and fills and at % fills == 0:
            rows.append((at * bar, 0.5, 49.0, level))
        for start, pitch, loud in groove:
            if fill and start >= bar / 2:
                continue
            rows.append((at * bar + start, 0.2, pitch, level * loud * float(rng.uniform(0.85, 1.05))))
        if fill:
            steps = int(bar / 2 / 0.25)
            down = sorted(rng.choice(TOMS, steps), reverse=True)
            rows += [(at * bar + bar / 2 + 0.25 * step, 0.2, float(tom), level) for step, tom in enumerate(down)]
    notes = np.array(rows, np.float32).reshape(-1, 4)
    return [Part("drums", int(rng.choice(KITS)), notes[np.argsort(notes[:, 0], kind="stable")])]


def _groove(composition: Composition, rng: Rng) -> list[tuple[float, float, float]]:
    """One bar as (start_beat, key, loudness)."""
    bar, pulse = composition.beats_per_bar, composition.pulse_beats
    grid = 0.5 if pulse == 1.5 or bar % 0.25 > 1e-6 else float(rng.choice([0.5, 0.25]))
    count = round(bar / grid)
    places = np.arange(count) * grid
    on_pulse = np.abs(places / pulse - np.round(places / pulse)) < 1e-6
    pulse_number = np.round(places / pulse).astype(int)
    style = str(rng.choice(["backbeat", "four on the floor", "half time", "march", "free", "waltz"]))
    kick = rng.random(count) < np.where(on_pulse, 0.35, 0.15)
    kick[0] = True
    snare = rng.random(count) < 0.06
    if style == "four on the floor":
        kick = on_pulse | (rng.random(count) < 0.05)
    if style in {"backbeat", "four on the floor"}:
        snare |= on_pulse & (pulse_number % 2 == 1)
    elif style == "half time":
        snare |= on_pulse & (pulse_number == max(1, round(bar / pulse / 2)))
    elif style == "march":
        snare |= rng.random(count) < 0.5
    elif style == "waltz":
        snare |= on_pulse & (pulse_number > 0)
    else:
        snare |= rng.random(count) < 0.15
    time = (np.arange(count) % int(rng.choice([1, 2])) == 0) & (rng.random(count) < rng.uniform(0.6, 1.0))
    rows = [(float(at), float(rng.choice(KICKS)), 1.0) for at in places[kick]]
    side = float(rng.choice(SNARES))
    rows += [(float(at), side, 0.95) for at in places[snare]]
    cymbal = float(rng.choice(TIMES))
    rows += [(float(at), cymbal, 0.6) for at in places[time]]
    if rng.random() < 0.35:
        colour = float(rng.choice(COLOURS))
        rows += [(float(at), colour, 0.6) for at in places[rng.random(count) < 0.3]]
    return sorted(rows)
