"""Beats, and what is heard on each: the harmony and the timbre from one beat to the next.

Sections are compared beat by beat, so that neither tempo nor rubato matters. Onsets of a mel spectrogram are tracked by
dynamic programming (Ellis 2007, "Beat tracking by dynamic programming"), then doubled or halved into one octave of
tempo, since trackers differ in octaves and two performances must not. The spectrogram is made in blocks of a minute, so
an hour costs no more memory than 64 bands of it. Harmony is read off the pooled CQT that is stored anyway: frames of
23 ms instead of its 116 ms found no boundary, letter or counterpart more (2026-11-21, the songs of `ops/quality
sections`).
"""

from __future__ import annotations

from dataclasses import dataclass

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from models.audio.decode import SILENT_PEAK
from models.card import Hearing
from models.cqt import Cqt

RATE_HZ = 22_050
WINDOW_SAMPLES, HOP_SAMPLES = 2_048, 512
FRAME_S = HOP_SAMPLES / RATE_HZ
BASS_OCTAVES = 3  # from C1; what is above begins with C4
SILENT_LEVEL = 1e-6  # less is what is left of a difference of sums
MEL_BANDS, CEPSTRA = 64, 15
BLOCK_FRAMES, MARGIN_FRAMES = 2_584, 4  # a minute, and a window on each side
TEMPO_BLOCK_FRAMES = 15_504  # six minutes: the tempo of a concert is no single number
SLOWEST_S, FASTEST_S = 0.8, 0.4  # from beat to beat: 75 to 150 a minute

Samples = NDArray[np.float32]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Beats:
    """A track from beat to beat; the last one ends with the track.

    Attributes:
        starts_s: float32 (beats,), rising from 0. None for a track that is silent or empty.
        timbre: float32 (beats, 15): cepstra of the mel spectrogram in decibels, without the first, which is loudness.
        loudness_db: float32 (beats,), mean of the mel bands, the loudest of all being 0.
        duration_s: of the track.
    """

    starts_s: FloatArray
    timbre: FloatArray
    loudness_db: FloatArray
    duration_s: float


def beats(samples: Samples) -> Beats:
    """Track the beats of mono float32 samples at `RATE_HZ`, and hear each; where there are none, twice a second."""
    duration_s = len(samples) / RATE_HZ
    if float(np.abs(samples).max(initial=0.0)) < SILENT_PEAK:
        none = np.zeros(0, np.float32)
        return Beats(none, np.zeros((0, CEPSTRA), np.float32), none, duration_s)
    levels_db = librosa.power_to_db(_mel(samples), ref=np.max)
    strengths = librosa.onset.onset_strength(S=levels_db, sr=RATE_HZ, hop_length=HOP_SAMPLES)
    places = _one_octave(_tracked(strengths), strengths)
    cepstra = dct(levels_db, axis=0, norm="ortho")[1 : 1 + CEPSTRA]
    return Beats(
        starts_s=np.asarray(places * FRAME_S, np.float32),
        timbre=_means(cepstra, places),
        loudness_db=_means(levels_db.mean(axis=0, keepdims=True), places)[:, 0],
        duration_s=duration_s,
    )


def beat_harmony(cqt: Cqt, hearing: Hearing, starts_s: FloatArray) -> FloatArray:
    """The harmony of each beat, of a track or of a stem of it.

    Logarithmic magnitudes are averaged over octaves, and over the time of a beat.

    Args:
        cqt: what `cqt.pooled_cqt` made, uint8 (bins, frames); behind its end is silence.
        hearing: the numbers that it was made with.
        starts_s: float32 (beats,), rising; the last beat ends with the transform.
    Returns:
        float32 (beats, 24): pitch classes of the bass, C first, then those above it; at least 0, silence gives zeros.
    """
    levels = np.log1p(hearing.compression) / 255 * cqt.reshape(-1, 12, cqt.shape[1])
    halves = np.concatenate([levels[:BASS_OCTAVES].mean(axis=0), levels[BASS_OCTAVES:].mean(axis=0)])
    summed = np.pad(np.cumsum(halves, axis=1), ((0, 0), (1, 0)))
    edges = np.append(starts_s / hearing.frame_s, max(cqt.shape[1], starts_s[-1] / hearing.frame_s + 1))
    at_edges = np.stack([np.interp(edges, np.arange(summed.shape[1]), row) for row in summed], axis=1)
    means = np.diff(at_edges, axis=0) / np.diff(edges)[:, None]
    return np.asarray(np.where(means < SILENT_LEVEL, 0.0, means), np.float32)


def _mel(samples: Samples) -> FloatArray:
    """Power in mel bands, (bands, 1 + samples // hop), block by block as if of the whole at once."""
    frames = 1 + len(samples) // HOP_SAMPLES
    padded = np.pad(samples, (0, max(0, WINDOW_SAMPLES - len(samples))))
    blocks = []
    for first in range(0, frames, BLOCK_FRAMES):
        begin, end = max(0, first - MARGIN_FRAMES), min(first + BLOCK_FRAMES, frames)
        behind = (end + MARGIN_FRAMES) * HOP_SAMPLES if end < frames else len(padded)
        block = librosa.feature.melspectrogram(
            y=padded[begin * HOP_SAMPLES : behind],
            sr=RATE_HZ,
            n_fft=WINDOW_SAMPLES,
            hop_length=HOP_SAMPLES,
            n_mels=MEL_BANDS,
        )
        blocks.append(block[:, first - begin : end - begin])
    return np.asarray(np.concatenate(blocks, axis=1), np.float32)


def _tracked(strengths: FloatArray) -> NDArray[np.intp]:
    """Frames at which beats begin, from 0 to the end of the track, the gaps at both ends filled evenly."""
    starts = range(0, len(strengths), TEMPO_BLOCK_FRAMES)
    pieces = [strengths[start : start + TEMPO_BLOCK_FRAMES] for start in starts]
    tempos = [float(librosa.feature.tempo(onset_envelope=piece, sr=RATE_HZ)[0]) for piece in pieces]
    bpm = np.repeat(tempos, [len(piece) for piece in pieces])
    _, found = librosa.beat.beat_track(
        onset_envelope=strengths, sr=RATE_HZ, hop_length=HOP_SAMPLES, bpm=bpm, trim=False
    )
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
