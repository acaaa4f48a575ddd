"""What happens to a recording before somebody asks for it: a room, a line, a file, a voice, another pitch or speed.

Everything is mono float32 at 22,050 Hz and keeps its place: what a file's encoder puts in front is taken off again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import librosa
import numpy as np
import soxr
from scipy.signal import butter, correlate, fftconvolve, sosfilt

from models.audio.decode import decode
from models.audio.flac import mono
from models.training import multitracks
from models.training.speech import speech
from tests.quality.changes import RATE_HZ, Samples, mp3

LINE_HZ = 8_000  # a telephone's rate
ROOM_S, ROOM_WET = 0.6, 0.5

Step = Callable[[Samples, np.random.Generator], Samples]


@dataclass(frozen=True, slots=True)
class Damage:
    """One way, step by step.

    Attributes:
        steps: applied in this order.
        tempo: of the result beside its source; > 1 is faster.
        semitones: > 0 is higher.
    """

    steps: tuple[Step, ...]
    tempo: float = 1.0
    semitones: float = 0.0

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        for step in self.steps:
            samples = step(samples, rng)
        return samples


def faster(ratio: float) -> Step:
    return lambda samples, _: librosa.effects.time_stretch(samples, rate=ratio)


def higher(semitones: float) -> Step:
    return lambda samples, _: librosa.effects.pitch_shift(samples, sr=RATE_HZ, n_steps=semitones)


def sped_up(ratio: float) -> Step:
    """Pitch and tempo together, as a turntable does."""
    return lambda samples, _: np.asarray(soxr.resample(samples, RATE_HZ * ratio, RATE_HZ), np.float32)


def noise(snr_db: float) -> Step:
    """White."""

    def step(samples: Samples, rng: np.random.Generator) -> Samples:
        deviation = np.sqrt(np.mean(samples**2) / 10 ** (snr_db / 10))
        return np.asarray(samples + rng.normal(0, deviation, len(samples)), np.float32)

    return step


def talk(level_db: float) -> Step:
    """Somebody talks over it, `level_db` louder than the music while he does."""

    def step(samples: Samples, rng: np.random.Generator) -> Samples:
        voice = speech(len(samples), RATE_HZ, rng, multitracks.speakers("test"))  # who the separator does not know
        loud = np.sqrt(np.mean(np.square(voice[voice != 0])))
        gain = np.sqrt(np.mean(np.square(samples))) / loud * 10 ** (level_db / 20)
        return np.asarray(samples + gain * voice, np.float32)

    return step


def gain(decibels: float) -> Step:
    """Upwards it clips."""
    return lambda samples, _: np.clip(samples * np.float32(10 ** (decibels / 20)), -1, 1)


def file(samples: Samples, _: np.random.Generator) -> Samples:
    """MP3 at 64 kbit/s."""
    scaled = samples / max(1.0, float(np.abs(samples).max()))
    decoded = mono(decode(mp3(64_000, scaled), None).samples)
    late = int(correlate(decoded, scaled, mode="full", method="fft").argmax()) - len(scaled) + 1
    decoded = np.pad(decoded, (max(0, -late), len(samples)))[max(0, late) :]
    return np.asarray(decoded[: len(samples)], np.float32)


def line(samples: Samples, _: np.random.Generator) -> Samples:
    """A telephone: 300 to 3,400 Hz, eight bits by mu-law at 8 kHz."""
    narrow = sosfilt(butter(6, (300, 3_400), "bandpass", fs=RATE_HZ, output="sos"), samples)
    sent = soxr.resample(narrow, RATE_HZ, LINE_HZ)
    sent = 0.9 * sent / np.abs(sent).max()
    law = np.sign(sent) * np.log1p(255 * np.abs(sent)) / np.log(256)
    coarse = np.round(127 * law) / 127
    heard = soxr.resample(np.sign(coarse) * np.expm1(np.abs(coarse) * np.log(256)) / 255, LINE_HZ, RATE_HZ)
    return np.pad(np.asarray(heard, np.float32), (0, len(samples)))[: len(samples)]


def room(samples: Samples, rng: np.random.Generator) -> Samples:
    """A tail that loses 60 dB in 0.6 s, at half the level of the dry sound."""
    time_s = np.arange(round(ROOM_S * RATE_HZ)) / RATE_HZ
    tail = rng.normal(0, 1, len(time_s)) * 10 ** (-3 * time_s / ROOM_S)
    tail *= ROOM_WET / np.linalg.norm(tail)
    return np.asarray(samples + fftconvolve(samples, tail)[: len(samples)], np.float32)


def _semitones(ratio: float) -> float:
    return float(12 * np.log2(ratio))


DAMAGES: dict[str, Damage] = {
    "clean": Damage(()),
    "mp3 64 kbit/s": Damage((file,)),
    **{f"noise {snr_db} dB": Damage((noise(snr_db),)) for snr_db in (10, 5, 0)},
    "room, telephone": Damage((room, line)),
    "speech 0 dB": Damage((talk(0),)),
    "gain -20 dB": Damage((gain(-20),)),
    "gain +20 dB, clipped": Damage((gain(20),)),
    **{f"pitch {by:+d}": Damage((higher(by),), semitones=by) for by in (-4, -2, -1, 1, 2, 4)},
    **{f"tempo ×{ratio}": Damage((faster(ratio),), ratio) for ratio in (0.8, 0.9, 1.1, 1.25)},
    **{f"speed ×{ratio}": Damage((sped_up(ratio),), ratio, _semitones(ratio)) for ratio in (0.90, 0.94, 1.06, 1.10)},
    "tempo ×1.1, pitch +2, noise 10 dB": Damage((faster(1.1), higher(2), noise(10)), 1.1, 2),
    "speed ×1.06, noise 5 dB, mp3": Damage((sped_up(1.06), noise(5), file), 1.06, _semitones(1.06)),
    "tempo ×0.9, pitch -2, room, telephone": Damage((faster(0.9), higher(-2), room, line), 0.9, -2),
    "tempo ×1.2, pitch -3, speech -6 dB": Damage((faster(1.2), higher(-3), talk(-6)), 1.2, -3),
}
CHANGED = Damage((faster(1.1), higher(2)), 1.1, 2)  # of a sample
