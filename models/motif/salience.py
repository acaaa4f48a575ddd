"""Note events: when a pitch begins to stand out of a mix, without deciding which line it belongs to.

The constant-Q spectrum, whitened along frequency, is summed over the harmonics of every semitone (salience). Where that
rises, an event is kept with its pitch and with its rank among its neighbours. One tracked line loses 17-25 % of the
notes of a tune in a mix, the list of events 10 % (two soundfonts, 2026-11-21), and a melody of which a fifth is missing
holds few whole chains of five notes.
"""

from __future__ import annotations

import librosa
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from models.audio.decode import SILENT_PEAK
from models.motif import contour

RATE_HZ = 22_050
HOP_SAMPLES = 256
FRAMES_PER_S = RATE_HZ / HOP_SAMPLES
LOWEST_HZ = 55.0
LOWEST_MIDI = 33  # of `LOWEST_HZ` at A4 = 440 Hz
BINS = 252
BINS_PER_OCTAVE = 36
BINS_PER_SEMITONE = BINS_PER_OCTAVE // 12
FILTER_SCALE = 0.75  # shorter filters: onsets matter more than partials that lie close together
WHITENED_BINS = 37  # half an octave on both sides
HARMONICS = 6
HARMONIC_DECAY = 0.8
FIRST_PITCH = 48  # MIDI
PITCHES = 50
BLOCK_FRAMES = 8_192  # 95 s: of a long track no more is transformed at once, about 50 MB
MARGIN_FRAMES = 64  # 0.74 s: longer than half of the lowest filter

RISE_FRAMES = 3  # 35 ms
APART_FRAMES = 5  # an event is the greatest rise within as many frames on both sides
LEAST_RISE = 0.15  # of the rise that the strongest pitch of a tenth of the frames exceeds
LEAST_SHARE = 0.05  # of the salience that the strongest pitch of a tenth of the frames exceeds: a drone does not rise
RANKED_S = 0.5  # an event's rank is the number of stronger ones within as much on both sides
RANKS = 12  # kept are ranks below this: 12-14 events a second of a mix, with nine notes of ten of its melody

STRENGTH_STEPS_PER_OCTAVE = 12  # strength is stored in half decibels below the track's strongest event
TUNED_EVERY = 4  # of how many frames one tells the tuning

Events = NDArray[np.uint32]  # (events, 2): time in ms; pitch << 16 | strength << 8 | rank. In order of time
Salience = NDArray[np.float32]  # (pitches, frames)


def events_and_contour(samples: NDArray[np.float32]) -> tuple[Events, NDArray[np.uint8]]:
    """The note events of a track, and the contour of its highest line; one constant-Q transform serves both.

    Args:
        samples: mono float32 in -1..1 at `RATE_HZ`, (samples,), of any length.
    Returns:
        `Events`, uint32 (events, 2), and the contour, uint8 (frames, 12) at `contour.FRAMES_PER_S` (see there). Silence
        (no sample over -80 dBFS) and no samples give none of either.
    """
    if float(np.abs(samples).max(initial=0.0)) < SILENT_PEAK:
        return np.zeros((0, 2), np.uint32), np.zeros((0, 12), np.uint8)
    heard = salience(samples)
    return events(heard), contour.contour(heard, FRAMES_PER_S, FIRST_PITCH)


def salience(samples: NDArray[np.float32]) -> Salience:
    """How strongly each semitone from `FIRST_PITCH` on is heard, non-negative, float32 (50, 1 + samples // hop).

    Semitones are those of the track's own tuning, to a third of a semitone.
    """
    frames = 1 + len(samples) // HOP_SAMPLES
    first = BINS_PER_SEMITONE * (FIRST_PITCH - LOWEST_MIDI) - 2  # two bins of room on both sides for the tuning
    summed = np.zeros((BINS_PER_SEMITONE * PITCHES + 3, frames), np.float32)
    phasor = 0j
    for start in range(0, frames, BLOCK_FRAMES):
        end, before = min(start + BLOCK_FRAMES, frames), min(MARGIN_FRAMES, start)
        block = samples[(start - before) * HOP_SAMPLES : (end + MARGIN_FRAMES) * HOP_SAMPLES]
        block = np.pad(block, (0, max(0, MARGIN_FRAMES * HOP_SAMPLES - len(block))))  # no shorter than the filters
        white = _whitened(block)[:, before : before + end - start]
        phasor += _tuning_phasor(np.ascontiguousarray(white[:, ::TUNED_EVERY].T))
        summed[:, start:end] = _harmonics(white)[first : first + len(summed)]
    bins_sharp = round(BINS_PER_SEMITONE * float(np.angle(phasor)) / (2 * np.pi))
    tuned = summed[1 + bins_sharp : 1 + bins_sharp + BINS_PER_SEMITONE * PITCHES]
    return np.asarray(tuned.reshape(PITCHES, BINS_PER_SEMITONE, frames).max(axis=1), np.float32)


def events(heard: Salience) -> Events:
    """The rises of salience, (events, 2), in order of time."""
    rise = np.zeros_like(heard)
    middle = slice(RISE_FRAMES, -RISE_FRAMES)
    rise[:, middle] = np.maximum(heard[:, 2 * RISE_FRAMES :] - heard[:, : -2 * RISE_FRAMES], 0)
    reached = np.zeros_like(heard)  # what each pitch rises to
    reached[:, :-RISE_FRAMES] = heard[:, RISE_FRAMES:]
    usual_rise, usual = (float(np.quantile(one.max(axis=0), 0.9)) for one in (rise, heard))
    least = max(LEAST_RISE * usual_rise, LEAST_SHARE * usual)
    tops = (rise == maximum_filter1d(rise, 2 * APART_FRAMES + 1, axis=1)) & (rise >= max(least, 1e-6))
    tops &= reached >= maximum_filter1d(reached, 3, axis=0)
    frames, pitches = np.nonzero(tops.T)
    strengths = 0.5 * (rise + reached)[pitches, frames]
    ranks = _ranks(frames, strengths, round(RANKED_S * FRAMES_PER_S))
    kept = ranks < RANKS
    below = np.log2(strengths.max(initial=1e-9) / np.maximum(strengths[kept], 1e-9)) * STRENGTH_STEPS_PER_OCTAVE
    packed = (pitches[kept] + FIRST_PITCH) << 16 | (255 - np.clip(np.rint(below), 0, 255)).astype(np.intp) << 8
    times_ms = np.rint(frames[kept] * (1_000 / FRAMES_PER_S))
    return np.stack([times_ms, packed | ranks[kept]], axis=1).astype(np.uint32)


def unpacked(found: Events) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Time in s, MIDI pitch, strength (1: the track's greatest) and rank of every event, each (events,)."""
    packed = found[:, 1].astype(np.int64)
    strengths = 2.0 ** (((packed >> 8 & 255) - 255) / STRENGTH_STEPS_PER_OCTAVE)
    return found[:, 0] / 1_000, packed >> 16, strengths, packed & 255


def _whitened(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Roots of constant-Q magnitudes over their mean along frequency, what is below it cut; float32 (bins, frames)."""
    transform = librosa.cqt(
        block,
        sr=RATE_HZ,
        hop_length=HOP_SAMPLES,
        fmin=LOWEST_HZ,
        n_bins=BINS,
        bins_per_octave=BINS_PER_OCTAVE,
        filter_scale=FILTER_SCALE,
    )
    roots = np.sqrt(np.abs(transform))
    return np.asarray(np.maximum(roots - uniform_filter1d(roots, WHITENED_BINS, axis=0), 0), np.float32)


def _harmonics(white: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over harmonics, float32 (bins, frames); those above the transform count as nothing."""
    summed = white.copy()
    for harmonic in range(2, HARMONICS + 1):
        up = round(BINS_PER_OCTAVE * float(np.log2(harmonic)))
        summed[:-up] += np.float32(HARMONIC_DECAY ** (harmonic - 1)) * white[up:]
    return summed


@njit(cache=True)
def _tuning_phasor(white: NDArray[np.float32]) -> complex:
    """Where the partials lie between the semitones, as the sum of their directions on a circle; white (frames, bins).

    Its angle over 2 pi is by how many semitones, -0.5..0.5, the music is sharp.
    """
    total = 0j
    for frame in range(white.shape[0]):
        column = white[frame]
        for place in range(1, len(column) - 1):
            left, top, right = column[place - 1], column[place], column[place + 1]
            if top > left and top >= right:
                at = place + 0.5 * (left - right) / (left - 2 * top + right)
                total += top * np.exp(2j * np.pi * at / BINS_PER_SEMITONE)
    return total


@njit(cache=True)
def _ranks(frames: NDArray[np.intp], strengths: NDArray[np.float32], reach: int) -> NDArray[np.intp]:
    """For each event the number of stronger ones within `reach` frames; `frames` rise."""
    ranks = np.zeros(len(frames), np.intp)
    first = 0
    for event in range(len(frames)):
        while frames[event] - frames[first] > reach:
            first += 1
        other = first
        while other < len(frames) and frames[other] - frames[event] <= reach:
            ranks[event] += strengths[other] > strengths[event]
            other += 1
    return ranks
