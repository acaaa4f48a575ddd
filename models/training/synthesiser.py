"""Synthesiser: instruments and drum kits drawn at random, which no soundfont has.

What learns from two soundfonts learns how their basses sound; of instruments that never come twice it can only learn
what a bass does. A patch is additive (partials that fall off and die away, each at its own rate) or frequency
modulation (Chowning 1973); a drum is a tone that sinks, as a drum machine's, and filtered noise. Every number is drawn
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from models.training.production import Samples

MOST_PARTIALS = 40
TOP_SHARE = 0.45  # of the rate: no partial lies higher
VIBRATO_DELAY_S = 0.25
LEAST_VIBRATO_S = 0.4  # shorter notes have none
STRIKE_S = 0.03  # of noise, where a patch is struck
HIT_S = 1.5  # of a drum at most
SILENT = 6.9  # natural logarithm of 60 dB: what decays for d seconds is then silent


@dataclass(frozen=True, slots=True)
class Family:
    """What drums of a kind are drawn from, each from the least to the most.

    Attributes:
        keys: General MIDI's.
        tone_hz: where its tone ends; it begins up to `falls` times higher.
        tone, noise: amplitudes.
        tone_s, noise_s: until each is silent.
        low_hz, high_hz: the noise's band.
    """

    keys: tuple[int, ...]
    tone_hz: tuple[float, float]
    falls: float
    tone: tuple[float, float]
    tone_s: tuple[float, float]
    noise: tuple[float, float]
    noise_s: tuple[float, float]
    low_hz: tuple[float, float]
    high_hz: tuple[float, float]


_CLICK, _TOP = (1_000.0, 4_000.0), (5_000.0, 10_500.0)
FAMILIES = (
    Family((35, 36), (32, 80), 6.0, (0.8, 1.0), (0.08, 0.8), (0.0, 0.4), (0.003, 0.05), (30, 1_500), (2_000, 9_000)),
    Family((38, 40), (130, 280), 1.6, (0.1, 0.8), (0.05, 0.3), (0.4, 1.0), (0.06, 0.5), (150, 2_000), _TOP),
    Family((37, 39), (300, 1_800), 1.2, (0.0, 0.6), (0.02, 0.08), (0.3, 1.0), (0.02, 0.25), (400, 1_500), _TOP),
    Family((41, 43, 45, 47, 48, 50), (60, 240), 1.8, (0.7, 1.0), (0.15, 0.9), (0.0, 0.4), (0.01, 0.2), (60, 800), _TOP),
    Family(
        (42, 44, 54, 69, 70, 82), (3e3, 9e3), 1.0, (0.0, 0.2), (0.02, 0.1), (0.6, 1.0), (0.02, 0.15), (2e3, 7e3), _TOP
    ),
    Family(
        (46, 49, 51, 52, 53, 55, 57, 59), (2e3, 7e3), 1.0, (0, 0.3), (0.2, 1.4), (0.5, 1), (0.2, 1.4), (800, 6e3), _TOP
    ),
)
OTHER = Family((), (150, 2_500), 1.5, (0.3, 1.0), (0.03, 0.4), (0.0, 0.6), (0.01, 0.3), _CLICK, _TOP)


@dataclass(frozen=True, slots=True)
class Patch:
    """One instrument.

    Attributes:
        partials: float (MOST_PARTIALS,), the amplitudes of the fundamental and what lies over it.
        damping_per_s: by which each partial's amplitude falls, natural logarithm: float (MOST_PARTIALS,).
        stretch: inharmonicity B of a stiff string: partial k lies at k f sqrt(1 + B k^2) (Fletcher 1964).
        modulation: None, or the modulator's frequency over the carrier's, its index, and by how much that falls a
            second: frequency modulation instead of partials.
        attack_s, release_s: of the envelope.
        voices_cents: how far each of the voices that play at once is off.
        vibrato_cents, vibrato_hz: of longer notes.
        strike: amplitude of the noise that begins a note.
        touch: by which power of the velocity a note is louder.
    """

    partials: NDArray[np.float64]
    damping_per_s: NDArray[np.float64]
    stretch: float
    modulation: tuple[float, float, float] | None
    attack_s: float
    release_s: float
    voices_cents: tuple[float, ...]
    vibrato_cents: float
    vibrato_hz: float
    strike: float
    touch: float


def patch(rng: np.random.Generator) -> Patch:
    """An instrument that nobody has heard."""
    number = np.arange(1, MOST_PARTIALS + 1)
    slope = rng.choice([rng.uniform(0.4, 1.2), rng.uniform(1.0, 3.0)])
    partials = number**-slope * np.exp(rng.normal(0, rng.uniform(0.0, 0.8), MOST_PARTIALS))
    if rng.random() < 0.3:  # hollow: a square wave, a clarinet, a stopped pipe
        partials[1::2] *= rng.uniform(0.0, 0.4)
    if rng.random() < 0.3:  # plucked at a place where some partials rest
        partials *= np.abs(np.sin(np.pi * number * rng.uniform(0.08, 0.5))) + 0.02
    held = rng.random() < 0.5
    death = float(rng.uniform(0.0, 0.6) if held else np.exp(rng.uniform(np.log(0.8), np.log(8.0))))
    return Patch(
        partials=partials,
        damping_per_s=death * (1 + rng.uniform(0.0, 0.5) * (number - 1)) + rng.choice([0.0, 0.3]) * (number - 1),
        stretch=float(rng.choice([0.0, 10 ** rng.uniform(-4.5, -3.2)])),
        modulation=(
            (
                float(rng.choice([0.5, 1.0, 1.0, 2.0, 3.0, 3.5])),
                float(rng.uniform(0.3, 6.0)),
                float(rng.uniform(0.5, 8)),
            )
            if rng.random() < 0.25
            else None
        ),
        attack_s=float(np.exp(rng.uniform(np.log(0.001), np.log(0.12 if held else 0.008)))),
        release_s=float(np.exp(rng.uniform(np.log(0.01), np.log(0.4)))),
        voices_cents=tuple(rng.normal(0, rng.uniform(2, 12), int(rng.choice([0, 0, 1, 2]))).tolist()),
        vibrato_cents=float(rng.choice([0.0, rng.uniform(5, 40)])) if held else 0.0,
        vibrato_hz=float(rng.uniform(3.5, 7.5)),
        strike=0.0 if held else float(rng.choice([0.0, rng.uniform(0.05, 0.5)])),
        touch=float(rng.uniform(0.6, 1.6)),
    )


def played(
    notes: NDArray[np.float32], instrument: Patch, duration_s: float, rate_hz: int, rng: np.random.Generator
) -> Samples:
    """A part played by an instrument, dry.

    Args:
        notes: float32 (notes, 4): start_s, duration_s, pitch (MIDI number), velocity (1..127).
        instrument: a patch.
        duration_s: of the result.
        rate_hz: of the result.
        rng: for the noise of strikes and where vibratos begin.
    Returns:
        float32 (duration_s * rate_hz,), whose peak is one, or zeros where nothing sounds.
    """
    heard = np.zeros(round(duration_s * rate_hz), np.float32)
    for start_s, length_s, pitch, velocity in notes.astype(float).tolist():
        begin = round(max(start_s, 0.0) * rate_hz)
        if begin >= len(heard):
            continue
        note = (velocity / 127) ** instrument.touch * _note(instrument, pitch, length_s, rate_hz, rng)
        end = min(begin + len(note), len(heard))
        heard[begin:end] += note[: end - begin].astype(np.float32)
    peak = float(np.abs(heard).max(initial=0.0))
    return heard / np.float32(peak) if peak > 0 else heard


def kit(keys: Iterable[int], rate_hz: int, rng: np.random.Generator) -> dict[int, Samples]:
    """A drum for each of General MIDI's keys, of a kit that nobody has heard, struck once: float32 (samples,)."""
    return {key: _drum(key, rate_hz, rng) for key in sorted(set(keys))}


def drummed(
    notes: NDArray[np.float32],
    drums: Mapping[int, Samples],
    duration_s: float,
    rate_hz: int,
    rng: np.random.Generator,
) -> Samples:
    """A drum part, whose notes are General MIDI's keys, played by `drums`, each struck once; the rest as `played`."""
    heard = np.zeros(round(duration_s * rate_hz), np.float32)
    touch = float(rng.uniform(0.8, 2.2))
    for start_s, _, key, velocity in notes.astype(float).tolist():
        begin, hit = round(max(start_s, 0.0) * rate_hz), drums[int(key)]
        end = min(begin + len(hit), len(heard))
        if begin < end:
            heard[begin:end] += np.float32((velocity / 127) ** touch) * hit[: end - begin]
    peak = float(np.abs(heard).max(initial=0.0))
    return heard / np.float32(peak) if peak > 0 else heard


def _drum(key: int, rate_hz: int, rng: np.random.Generator) -> Samples:
    """One drum, struck once: float32 (samples,)."""
    family = next((family for family in FAMILIES if key in family.keys), OTHER)
    tone_s, noise_s = _drawn(family.tone_s, rng), _drawn(family.noise_s, rng)
    times_s = np.arange(round(min(max(tone_s, noise_s), HIT_S) * rate_hz)) / rate_hz
    end_hz, sweep_s = _drawn(family.tone_hz, rng), float(rng.uniform(0.01, 0.09))
    higher_hz = end_hz * (float(rng.uniform(1, family.falls)) - 1)
    turns = end_hz * times_s + higher_hz * sweep_s * (1 - np.exp(-times_s / sweep_s))
    tone = rng.uniform(*family.tone) * np.exp(-SILENT * times_s / tone_s) * np.sin(2 * np.pi * turns)
    band_hz = sorted((_drawn(family.low_hz, rng), _drawn(family.high_hz, rng)))
    band = butter(2, band_hz, "bandpass", fs=rate_hz, output="sos")
    hiss = sosfilt(band, rng.standard_normal(len(times_s)))
    hiss *= rng.uniform(*family.noise) * np.exp(-SILENT * times_s / noise_s) / (np.abs(hiss).max(initial=0.0) + 1e-9)
    return np.asarray(rng.uniform(0.5, 1.0) * (tone + hiss), np.float32)


def _drawn(among: tuple[float, float], rng: np.random.Generator) -> float:
    """Between the two, all octaves alike."""
    return float(np.exp(rng.uniform(*np.log(among))))


def _note(
    instrument: Patch, pitch: float, length_s: float, rate_hz: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    frequency_hz = 440 * 2 ** ((pitch - 69) / 12)
    samples = max(1, round((length_s + instrument.release_s) * rate_hz))
    times_s = np.arange(samples) / rate_hz
    tone = np.zeros(samples)
    for cents in (0.0, *instrument.voices_cents):
        tone += _tone(instrument, frequency_hz * 2 ** (cents / 1200), times_s, rate_hz)
    if instrument.vibrato_cents and length_s > LEAST_VIBRATO_S:
        swing = np.clip((times_s - VIBRATO_DELAY_S) / VIBRATO_DELAY_S, 0, 1) * (
            2 ** (instrument.vibrato_cents / 1200) - 1
        )
        turn = 2 * np.pi * instrument.vibrato_hz
        late_s = swing / turn * np.sin(turn * times_s + rng.uniform(0, 2 * np.pi))
        tone = np.interp(times_s + late_s, times_s, tone)
    if instrument.strike:
        ends = min(samples, round(STRIKE_S * rate_hz))
        burst = np.exp(-5 * np.arange(ends) / ends) * rng.standard_normal(ends)
        tone[:ends] += instrument.strike * np.abs(tone[:ends]).max(initial=0.0) * burst
    swell = np.minimum(times_s / instrument.attack_s, 1.0)
    fade = np.clip((length_s + instrument.release_s - times_s) / instrument.release_s, 0.0, 1.0)
    return np.asarray(tone * swell * fade**2)


def _tone(instrument: Patch, frequency_hz: float, times_s: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    if instrument.modulation is not None:
        ratio, index, fall_per_s = instrument.modulation
        bend = index * np.exp(-fall_per_s * times_s) * np.sin(2 * np.pi * ratio * frequency_hz * times_s)
        death = np.exp(-instrument.damping_per_s[0] * times_s)
        return np.asarray(death * np.sin(2 * np.pi * frequency_hz * times_s + bend))
    number = np.arange(1, MOST_PARTIALS + 1)
    turns = 2 * np.pi * frequency_hz / rate_hz * number * np.sqrt(1 + instrument.stretch * number**2)
    heard = turns < 2 * np.pi * TOP_SHARE
    return _sum_of_partials(
        turns[heard], instrument.partials[heard], np.exp(-instrument.damping_per_s[heard] / rate_hz), len(times_s)
    )


@njit(cache=True)
def _sum_of_partials(
    turns: NDArray[np.float64], amplitudes: NDArray[np.float64], factors: NDArray[np.float64], samples: int
) -> NDArray[np.float64]:
    """Sines of `turns` radians a sample, whose amplitudes shrink by a factor every sample."""
    tone = np.zeros(samples)
    for row in range(len(turns)):
        # A rotation for each sample: no sine is computed but the first.
        across, along = np.cos(turns[row]) * factors[row], np.sin(turns[row]) * factors[row]
        real, imaginary = amplitudes[row], 0.0
        for sample in range(samples):
            tone[sample] += imaginary
            real, imaginary = real * across - imaginary * along, real * along + imaginary * across
    return tone
