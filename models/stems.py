"""Stems as they are kept: one FLAC of four channels, and of the layers with a pitch the constant-Q transforms.

A layer is what matching compares: a stem, or the accompaniment, which is all but the vocals. Of a stem that a track
does not have there is nothing, and none of another where it is not heard: its transform is zeros there, whatever the
separator left in its sound.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from models.audio.flac import mono
from models.card import Hearing
from models.cqt import compressed, pooled_magnitude
from models.presence import LOUDNESS_BLOCK_S, Presence

STEMS = ("drums", "bass", "other", "vocals")  # in demucs' order; channels of the stored FLAC
PITCHED = ("vocals", "accompaniment", "bass", "other")  # rows of the stored transforms; drums have no pitch
RATE_HZ = 22_050  # of the stored stems, mono: what everything that hears them takes
BLOCK_SAMPLES = 1 << 18  # written at once: beside the stems of a long track there is no second copy of them

Samples = NDArray[np.float32]


def at_rate(stems: Mapping[str, Samples], rate_hz: int) -> dict[str, Samples]:
    """Each stem mono at `RATE_HZ`, float32 (samples,), from (frames,) or (frames, channels) at `rate_hz`."""
    single = {name: mono(stem) if stem.ndim == 2 else stem for name, stem in stems.items()}
    if rate_hz == RATE_HZ:
        return single
    return {name: np.asarray(soxr.resample(stem, rate_hz, RATE_HZ), np.float32) for name, stem in single.items()}


def stems_to_flac(stems: Mapping[str, Samples]) -> bytes:
    """The four stems as the channels of one FLAC of 16 bits, turned down together where one exceeds full scale."""
    rows = [stems[name] for name in STEMS]
    loudest = max(1.0, *(float(np.abs(row).max(initial=0.0)) for row in rows))
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE_HZ, len(rows), "PCM_16", format="FLAC") as written:
        for first in range(0, len(rows[0]), BLOCK_SAMPLES):
            together = np.stack([row[first : first + BLOCK_SAMPLES] for row in rows], axis=1)
            written.write(np.clip(np.rint(together * (32_768.0 / loudest)), -32_768, 32_767).astype(np.int16))
    return file.getvalue()


def stems_from_flac(data: bytes) -> dict[str, Samples]:
    """The stems by name, float32 (samples,) at `RATE_HZ`."""
    together, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return {name: np.ascontiguousarray(together[:, column]) for column, name in enumerate(STEMS)}


def layers(stems: Mapping[str, Samples]) -> dict[str, Samples]:
    """The stems, and the accompaniment: all but the vocals."""
    return {**stems, "accompaniment": np.sum([stems[name] for name in STEMS if name != "vocals"], axis=0)}


def stem_cqts(
    sounds: Mapping[str, Samples],
    found: Mapping[str, Presence],
    heard: Mapping[str, NDArray[np.bool_]],
    hearing: Hearing,
) -> NDArray[np.uint8]:
    """The transforms of `PITCHED`.

    Args:
        sounds: each layer, float32 (samples,) at `RATE_HZ`.
        found: what there is of each.
        heard: when each is heard in the mix, see `models.presence.audible`.
        hearing: the numbers of the transforms.
    Returns:
        uint8 (4, bins, frames): zeros for a layer that the track does not have, and more than a block away from where
        it is heard. What is there is what others left in it.
    """
    return np.stack([_where_heard(sounds[layer], found[layer], heard[layer], hearing) for layer in PITCHED])


def _where_heard(samples: Samples, found: Presence, heard: NDArray[np.bool_], hearing: Hearing) -> NDArray[np.uint8]:
    magnitude = pooled_magnitude(samples if found.present else np.zeros_like(samples), hearing)
    if found.present:
        near = maximum_filter1d(heard.astype(np.uint8), 3)
        block = (np.arange(magnitude.shape[1]) * hearing.frame_s / LOUDNESS_BLOCK_S).astype(int)
        magnitude[:, near[np.minimum(block, len(near) - 1)] == 0] = 0
    return compressed(magnitude, float(magnitude.max(initial=0.0)), hearing)
