"""The ways in which a recording is changed on its way to us: each takes mono float32 samples, gives a file's bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import av
import librosa
import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.quality.clips import CARD

Samples = NDArray[np.float32]
RATE_HZ = CARD.hearing.rate_hz


def wav(samples: Samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()


def pitch(semitones: float, samples: Samples) -> bytes:
    return wav(librosa.effects.pitch_shift(samples, sr=RATE_HZ, n_steps=semitones))


def tempo(ratio: float, samples: Samples) -> bytes:
    """`ratio` > 1 is faster."""
    return wav(librosa.effects.time_stretch(samples, rate=ratio))


def noise(snr_db: float, samples: Samples) -> bytes:
    """White noise, `snr_db` below the music."""
    power = float(np.mean(samples**2)) / 10 ** (snr_db / 10)
    hiss = np.random.default_rng(0).normal(0, np.sqrt(power), len(samples))
    return wav((samples + hiss).astype(np.float32) * 0.7)


def gain(decibels: float, samples: Samples) -> bytes:
    """Upwards it clips."""
    return wav(samples * np.float32(10 ** (decibels / 20)))


def excerpt(seconds: float, samples: Samples) -> bytes:
    """From the middle."""
    length = round(seconds * RATE_HZ)
    start = (len(samples) - length) // 2
    return wav(samples[start : start + length])


def mp3(bits_per_s: int, samples: Samples) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=RATE_HZ)
        stream.bit_rate = bits_per_s
        pcm = np.round(np.clip(samples, -1, 1) * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        fifo = av.AudioFifo()
        fifo.write(av.AudioResampler(format=stream.format, layout="mono", rate=RATE_HZ).resample(frame)[0])
        while (piece := fifo.read(stream.frame_size or 1_152, partial=True)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()


CHANGES: dict[str, Callable[[Samples], bytes]] = {
    "unchanged": wav,
    **{f"pitch {semitones:+d} semitones": partial(pitch, semitones) for semitones in (-4, -2, -1, 1, 2, 4)},
    **{f"tempo ×{ratio}": partial(tempo, ratio) for ratio in (0.8, 0.9, 1.1, 1.25)},
    **{f"noise {snr_db} dB": partial(noise, snr_db) for snr_db in (20, 10, 0)},
    "mp3 64 kbit/s": partial(mp3, 64_000),
    "mp3 32 kbit/s": partial(mp3, 32_000),
    "gain -20 dB": partial(gain, -20),
    "gain +20 dB": partial(gain, 20),
    **{f"excerpt {seconds} s": partial(excerpt, seconds) for seconds in (20, 10, 5)},
}
