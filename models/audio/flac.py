"""The stored waveform: FLAC of 16 bits.

Sixteen bits are 96 dB, more than any analysis here sees (the pooled CQT spans 82 dB); 24 bits nearly double the size of
everything that was decoded from MP3 or AAC.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.audio.decode import Waveform

Samples = NDArray[np.float32]


def to_flac(waveform: Waveform) -> bytes:
    """Encode losslessly at 16 bits. `decode` has kept the samples within -1..1, so nothing is clipped here."""
    file = io.BytesIO()
    # libsndfile multiplies by 32768 and would wrap the one value 1.0 to full negative without clipping to 32767.
    whole = np.clip(np.rint(waveform.samples * 32_768.0), -32_768, 32_767).astype(np.int16)
    soundfile.write(file, whole, waveform.rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def from_flac(data: bytes, rate_hz: int, channels: int) -> Samples:
    """Decode and give each model the rate and channels that it needs.

    Args:
        data: what `to_flac` made.
        rate_hz: wanted rate; soxr's high quality resampler is used.
        channels: 1 mixes down, 2 doubles a mono track.
    Returns:
        float32, (frames,) for one channel and (frames, 2) for two.
    """
    samples, stored_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    samples = mono(samples) if channels == 1 else np.repeat(samples, channels // samples.shape[1], axis=1)
    if stored_hz != rate_hz:
        samples = soxr.resample(samples, stored_hz, rate_hz)
    return np.asarray(samples, np.float32)


def mono(samples: Samples) -> Samples:
    """Mean of the channels, float32 (frames, channels) -> (frames,).

    Where the channels cancel (one wired out of phase: the mean keeps under 1 % of the power) the louder one is taken.
    """
    mean = samples.mean(axis=1)
    power = (samples**2).mean(axis=0)
    if (mean**2).mean() < 0.01 * power.max():
        return np.asarray(samples[:, int(power.argmax())], np.float32)
    return np.asarray(mean, np.float32)
