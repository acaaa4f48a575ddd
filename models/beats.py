"""Beats, and what is heard on each: the harmony and the timbre from one beat to the next.

Sections are compared beat by beat, so that neither tempo nor rubato matters. Onsets of a mel spectrogram are tracked by
dynamic programming (Ellis 2007, "Beat tracking by dynamic programming"), then doubled or halved into one octave of
tempo, since trackers differ in octaves and two performances must not. Transforms are made in blocks of a minute, so an
hour takes no more memory than its beats, 64 mel bands and 84 bins need.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from models.decode import SILENT_PEAK

RATE_HZ = 22_050
HOP_SAMPLES = 512
FRAME_S = HOP_SAMPLES / RATE_HZ
BINS, BASS_BINS = 84, 36  # from C1; the bass ends below C4
COMPRESSION = 300.0
MEL_BANDS, CEPSTRA = 64, 15
BLOCK_FRAMES, MARGIN_FRAMES = 2_584, 44  # a minute, and a second on each side: the lowest filter lasts half of one
TEMPO_BLOCK_FRAMES = 15_504  # six minutes: the tempo of a concert is no single number
SLOWEST_S, FASTEST_S = 0.8, 0.4  # from beat to beat: 75 to 150 a minute
SHORTEST_SAMPLES = 2 * RATE_HZ  # what is shorter is filled up with silence: the lowest filter needs as much

Samples = NDArray[np.float32]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Beats:
    """A track from beat to beat; the last one ends with the track.

    Attributes:
        starts_s: float32 (beats,), rising from 0. None for a track that is silent or empty.
        harmony: float32 (beats, 24): pitch classes of the bass, C first, then those above it; at least 0.
        timbre: float32 (beats, 15): cepstra of the mel spectrogram in decibels, without the first, which is loudness.
        loudness_db: float32 (beats,), mean of the mel bands, the loudest of all being 0.
        onsets: float32 (beats,), how suddenly the beat begins.
        duration_s: of the track.
    """

    starts_s: FloatArray
    harmony: FloatArray
    timbre: FloatArray
    loudness_db: FloatArray
    onsets: FloatArray
    duration_s: float


def beats(samples: Samples) -> Beats:
    """Track the beats of mono float32 samples at `RATE_HZ`, and hear each; where there are none, twice a second."""
    duration_s = len(samples) / RATE_HZ
    if _silent(samples):
        none = np.zeros(0, np.float32)
        return Beats(none, np.zeros((0, 24), np.float32), np.zeros((0, CEPSTRA), np.float32), none, none, duration_s)
    levels_db = librosa.power_to_db(_by_blocks(samples, _mel), ref=np.max)
    strengths = librosa.onset.onset_strength(S=levels_db, sr=RATE_HZ, hop_length=HOP_SAMPLES)
    places = _one_octave(_tracked(strengths), strengths)
    cepstra = dct(levels_db, axis=0, norm="ortho")[1 : 1 + CEPSTRA]
    starts_s = np.asarray(places * FRAME_S, np.float32)
    return Beats(
        starts_s=starts_s,
        harmony=beat_harmony(samples, starts_s),
        timbre=_means(cepstra, places),
        loudness_db=_means(levels_db.mean(axis=0, keepdims=True), places)[:, 0],
        onsets=np.asarray(strengths[places], np.float32),
        duration_s=duration_s,
    )


def beat_harmony(samples: Samples, starts_s: FloatArray) -> FloatArray:
    """The harmony of each beat, of this track or of a stem of it, float32 (beats, 24); silence gives zeros.

    Magnitudes of a constant-Q transform, as logarithms relative to their maximum, are summed over octaves and averaged
    over the frames of a beat.
    """
    if not len(starts_s) or _silent(samples):
        return np.zeros((len(starts_s), 24), np.float32)
    magnitude = _by_blocks(samples, _cqt)
    level = np.log1p(COMPRESSION / magnitude.max() * magnitude)
    bass = level[:BASS_BINS].reshape(-1, 12, level.shape[1]).mean(axis=0)
    upper = level[BASS_BINS:].reshape(-1, 12, level.shape[1]).mean(axis=0)
    places = np.rint(starts_s / FRAME_S).astype(np.intp)
    missing = max(0, int(places[-1]) + 1 - level.shape[1])
    return _means(np.pad(np.concatenate([bass, upper]), ((0, 0), (0, missing))), places)


def _silent(samples: Samples) -> bool:
    return float(np.abs(samples).max(initial=0.0)) < SILENT_PEAK


def _mel(samples: Samples) -> FloatArray:
    return np.asarray(
        librosa.feature.melspectrogram(y=samples, sr=RATE_HZ, hop_length=HOP_SAMPLES, n_mels=MEL_BANDS), np.float32
    )


def _cqt(samples: Samples) -> FloatArray:
    return np.asarray(np.abs(librosa.cqt(samples, sr=RATE_HZ, hop_length=HOP_SAMPLES, n_bins=BINS)), np.float32)


def _by_blocks(samples: Samples, transform: Callable[[Samples], FloatArray]) -> FloatArray:
    """A transform with frames every hop, (rows, 1 + samples // hop), as if of the whole at once."""
    padded = np.pad(samples, (0, max(0, SHORTEST_SAMPLES - len(samples))))
    frames = 1 + len(samples) // HOP_SAMPLES
    blocks = []
    for first in range(0, frames, BLOCK_FRAMES):
        begin = max(0, first - MARGIN_FRAMES)
        end = first + BLOCK_FRAMES + MARGIN_FRAMES
        block = transform(padded[begin * HOP_SAMPLES : end * HOP_SAMPLES])
        blocks.append(block[:, first - begin : min(first + BLOCK_FRAMES, frames) - begin])
    return np.concatenate(blocks, axis=1)


def _tracked(strengths: FloatArray) -> NDArray[np.intp]:
    """Frames at which beats begin, from 0 to the end of the track, the gaps at both ends filled evenly."""
    starts = range(0, len(strengths), TEMPO_BLOCK_FRAMES)
    pieces = [strengths[start : start + TEMPO_BLOCK_FRAMES] for start in starts]
    tempos = [float(librosa.feature.tempo(onset_envelope=piece, sr=RATE_HZ)[0]) for piece in pieces]
    bpm = np.repeat(tempos, [len(piece) for piece in pieces])
    found = librosa.beat.beat_track(onset_envelope=strengths, sr=RATE_HZ, hop_length=HOP_SAMPLES, bpm=bpm, trim=False)[
        1
    ]
    if len(found) < 2:
        return np.asarray(np.arange(0, len(strengths), round(0.5 / FRAME_S)), np.intp)
    step = max(1, round(float(np.median(np.diff(found)))))
    before = np.arange(found[0] - step, -1, -step)[::-1]
    after = np.arange(found[-1] + step, len(strengths), step)
    return np.asarray(np.concatenate([before, found, after]), np.intp)


def _one_octave(places: NDArray[np.intp], strengths: FloatArray) -> NDArray[np.intp]:
    """The same beats, every second left out or one put between each two, until they are 75 to 150 a minute."""
    while len(places) > 2 and np.median(np.diff(places)) * FRAME_S < FASTEST_S:
        stronger = int(strengths[places[1::2]].mean() > strengths[places[::2]].mean())
        places = places[stronger::2]
    while len(places) > 1 and np.median(np.diff(places)) * FRAME_S > SLOWEST_S:
        between = (places[:-1] + places[1:]) // 2
        places = np.sort(np.concatenate([places, between]))
    # What comes before the first beat belongs to it, if it is too short to be one.
    early = len(places) > 1 and places[0] < (places[1] - places[0]) / 2
    return np.asarray(np.concatenate([[0], places[1:] if early else places[places > 0]]), np.intp)


def _means(rows: FloatArray, places: NDArray[np.intp]) -> FloatArray:
    """Means of (rows, frames) over the frames of each beat, float32 (beats, rows)."""
    counts = np.diff(np.append(places, rows.shape[1]))
    return np.asarray((np.add.reduceat(rows, places, axis=1) / counts).T, np.float32)
