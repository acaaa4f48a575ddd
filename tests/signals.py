"""Signals whose truth is known, and the broken files that people really send.

Signals are float32 in -1..1, mono, shape (samples,). Files are bytes.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.float32]
RATE_HZ = 22_050

# Two tunes of 16 notes, in semitones above middle C; each note is a beat. They share no interval pattern.
FIRST_TUNE = (0, 4, 7, 12, 11, 7, 9, 5, 2, 5, 9, 7, 4, 0, 2, -1)
OTHER_TUNE = (7, 6, 7, 3, 0, 3, 8, 10, 8, 7, 1, -2, 3, 2, -4, 5)


def _time_s(duration_s: float, rate_hz: int) -> NDArray[np.float64]:
    return np.arange(round(duration_s * rate_hz)) / rate_hz


def tone(duration_s: float = 2.0, frequency_hz: float = 440.0, rate_hz: int = RATE_HZ, peak: float = 0.5) -> Samples:
    """A steady sine."""
    return (peak * np.sin(2 * np.pi * frequency_hz * _time_s(duration_s, rate_hz))).astype(np.float32)


def chirp(duration_s: float = 2.0, low_hz: float = 100.0, high_hz: float = 4_000.0, rate_hz: int = RATE_HZ) -> Samples:
    """An exponential sweep."""
    time_s = _time_s(duration_s, rate_hz)
    octaves = np.log(high_hz / low_hz)
    phase = 2 * np.pi * low_hz * duration_s / octaves * np.expm1(time_s / duration_s * octaves)
    return (0.5 * np.sin(phase)).astype(np.float32)


def clicks(duration_s: float = 2.0, per_s: float = 2.0, rate_hz: int = RATE_HZ) -> Samples:
    """Single-sample clicks: rhythm without pitch."""
    signal = np.zeros(round(duration_s * rate_hz), np.float32)
    signal[:: round(rate_hz / per_s)] = 0.9
    return signal


def silence(duration_s: float = 2.0, rate_hz: int = RATE_HZ) -> Samples:
    """Digital zero."""
    return np.zeros(round(duration_s * rate_hz), np.float32)


def noise(duration_s: float = 2.0, rate_hz: int = RATE_HZ, seed: int = 0, peak: float = 0.5) -> Samples:
    """White noise, uniform in -peak..peak."""
    return np.random.default_rng(seed).uniform(-peak, peak, round(duration_s * rate_hz)).astype(np.float32)


def note(midi: float, duration_s: float, partials: Sequence[float], rate_hz: int = RATE_HZ) -> Samples:
    """One decaying note; `partials` are the amplitudes of its harmonics."""
    time_s = _time_s(duration_s, rate_hz)
    frequency_hz = 440 * 2 ** ((midi - 69) / 12)
    waves = (a * np.sin(2 * np.pi * frequency_hz * (k + 1) * time_s) for k, a in enumerate(partials))
    return (sum(waves) * np.exp(-2 * time_s / duration_s) * np.minimum(1, time_s / 0.01)).astype(np.float32)


TIMBRES = {"reed": (1.0, 0.2, 0.6, 0.1, 0.3), "flute": (1.0, 0.3, 0.05), "string": (1.0, 0.7, 0.5, 0.35, 0.25, 0.2)}


def tune(
    notes: Sequence[int] = FIRST_TUNE,
    *,
    tempo_bpm: float = 120.0,
    transposition: int = 0,
    timbre: str = "reed",
    repeats: int = 4,
    rate_hz: int = RATE_HZ,
) -> Samples:
    """A melody over a bass: one beat per note, played `repeats` times, each time with another ending.

    A note lasts 60 / tempo_bpm seconds; the whole is `transposition` semitones above what is written.
    """
    partials = TIMBRES[timbre]
    beat_s = 60.0 / tempo_bpm
    beats = []
    for turn in range(repeats):
        # Each turn is another mode of the tune, so that time within the whole is unambiguous.
        turned = [pitch + turn * (index % 3) * (1 if index % 2 else -1) for index, pitch in enumerate(notes)]
        for index, pitch in enumerate(turned):
            bass = turned[index - index % 4] - 24
            beats.append(
                note(60 + transposition + pitch, beat_s, partials, rate_hz)
                + 0.7 * note(60 + transposition + bass, beat_s, partials, rate_hz)
            )
    signal = np.concatenate(beats)
    return np.asarray(0.8 * signal / np.abs(signal).max(), np.float32)


def wav(samples: NDArray[np.float32], rate_hz: int = RATE_HZ, subtype: str = "PCM_16", container: str = "WAV") -> bytes:
    """An honest file, by default a 16-bit WAV."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, subtype=subtype, format=container)
    return file.getvalue()


def encoded(container: str, codec: str, samples: Samples, rate_hz: int = 44_100, **options: str) -> bytes:
    """A file made by FFmpeg, for what libsndfile cannot write."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.rate = rate_hz
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def m4a(duration_s: float = 2.0) -> bytes:
    """AAC in an M4A, a tone."""
    return encoded("ipod", "aac", tone(duration_s, rate_hz=44_100))


def raw_wav(
    payload: bytes, rate_hz: int, channels: int, *, bits: int = 16, data_bytes: int | None = None, code: int = 1
) -> bytes:
    """A WAV whose header says what it is told to, true or not."""
    claimed = len(payload) if data_bytes is None else data_bytes
    frame = channels * bits // 8
    header = struct.pack("<HHIIHH", code, channels, rate_hz, rate_hz * frame % 2**32, frame % 2**16, bits)
    riff = b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", claimed) + payload
    return b"RIFF" + struct.pack("<I", min(claimed + 36, 2**32 - 1)) + riff


def wav_truncated(duration_s: float, kept_s: float) -> bytes:
    """The first `kept_s` seconds of a WAV of `duration_s`."""
    return wav(tone(duration_s))[: 44 + 2 * round(kept_s * RATE_HZ)]


def wav_not_finite(value: float) -> bytes:
    """Two seconds of float WAV with one impossible sample in the middle."""
    samples = tone()
    samples[len(samples) // 2] = value
    return wav(samples, subtype="FLOAT")


def wav_of_rate(rate_hz: int) -> bytes:
    """100,000 good 16-bit samples under a header which claims `rate_hz`."""
    return raw_wav(bytes(wav(tone(100_000 / RATE_HZ))[44:]), rate_hz, 1)


def wav_of_channels(channels: int) -> bytes:
    """Good 16-bit samples under a header which claims `channels` channels."""
    return raw_wav(bytes(wav(noise(20.0))[44:]), RATE_HZ, channels)


def wav_lying(data_bytes: int, duration_s: float = 2.0) -> bytes:
    """`duration_s` seconds under a header which claims `data_bytes` bytes of samples."""
    return raw_wav(wav(tone(duration_s))[44:], RATE_HZ, 1, data_bytes=data_bytes)


def wav_header_only() -> bytes:
    """A WAV header which promises two seconds, and nothing behind it."""
    return wav_truncated(2.0, 0.0)


def text_called_wav() -> bytes:
    """A letter."""
    return b"Dear listener, this is not a recording.\n" * 500
