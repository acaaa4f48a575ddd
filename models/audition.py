"""Auditions: a passage of two tracks to hear side by side, the candidate's moved to the query's tempo and key.

An alignment of harmony or of windows tells places to about a second. Beats that are to fall together are sought finer:
which pitch class begins when (after Ewert, Müller and Grosche 2009, "High resolution audio synchronization using chroma
onset features") is correlated over small shifts and tempi, and the place in the passage where both agree best is
played. Over eight pairs of the shipped clips this raises their median cosine from 0.40 to 0.57, and the places of a
passage ask for the same shift within 0.25 s in five of them (2026-11-21). Landmarks tell places to milliseconds, which
are taken as they are.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import librosa
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.ndimage import convolve1d
from scipy.signal import fftconvolve

from models.audio.flac import mono

Samples = NDArray[np.float32]  # mono, (samples,)

RATE_HZ = 32_000  # MP3 has it; its 15 kHz are what a fair judgement by ear needs
CLIP_S = 12.0
LEAST_CLIP_S = 0.5  # a phase vocoder needs some frames
PLACES = 4  # tried in a passage that is longer than a clip
REACH_S = 2.0  # as far as windows, 2 s apart, may be off
FAR = 0.25  # what a shift of all the reach costs: music that repeats agrees a beat or a bar away too
TEMPI = np.linspace(0.96, 1.04, 17)  # around the ratio that was told; 0.5 % is 60 ms at the end of a clip
HOP_SAMPLES = 512  # 16 ms
RISE_FRAMES = 3
BLUR_FRAMES = 9  # 0.14 s: two players do not strike at one instant
FADE_S = 0.02
LOUDEST = 0.95  # a lossy codec overshoots
SAME_SPEED = 1e-3  # 12 ms in a clip: not worth what a phase vocoder does to the sound
CODEC = {"format": "MP3", "subtype": "MPEG_LAYER_III"}


@dataclass(frozen=True, slots=True)
class Passage:
    """Which seconds of the query are which of the candidate.

    Attributes:
        query_start_s, query_end_s, candidate_start_s, candidate_end_s: inside both tracks.
        tempo_ratio: candidate seconds per query second.
        semitones: by which the query is higher; a fraction where cents are known.
        exact: whether places and tempo are told to milliseconds (landmarks), and need not be sought finer.
    """

    query_start_s: float
    query_end_s: float
    candidate_start_s: float
    candidate_end_s: float
    tempo_ratio: float
    semitones: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Audition:
    """Three clips of one length, MP3 of 32 kHz.

    MP3 because every browser plays it, Safari of any age too, and because libsndfile 1.2.2 writes the same bytes each
    time (Ogg Vorbis has a random serial number, FLAC five times the size; 2026-11-21).

    Attributes:
        query: as it is, mixed to mono.
        candidate: in the query's tempo, key and loudness, mono.
        both: the query left, the candidate right.
        query_range_s, candidate_range_s: which seconds of the tracks are heard.
        tempo_ratio: by which the candidate was sped up: as was told, or as was found to fit better.
    """

    query: bytes
    candidate: bytes
    both: bytes
    query_range_s: tuple[float, float]
    candidate_range_s: tuple[float, float]
    tempo_ratio: float


def audition(query_flac: bytes, candidate_flac: bytes, passage: Passage) -> Audition | None:
    """The clips of a passage: `CLIP_S` of it, or all of a shorter one; None of one too short to be heard.

    Args:
        query_flac, candidate_flac: the stored waveforms.
        passage: an evidence.
    """
    length_s = min(CLIP_S, passage.query_end_s - passage.query_start_s)
    if length_s < LEAST_CLIP_S or passage.tempo_ratio <= 0:
        return None
    tried = [_placed(query_flac, candidate_flac, place, length_s) for place in _places(passage, length_s)]
    _, chosen = max(tried, key=lambda place: place[0])  # the earliest of equals
    end_s = chosen.query_start_s + length_s
    source_s = length_s * chosen.tempo_ratio
    mine = read(query_flac, chosen.query_start_s, end_s)
    source = read(candidate_flac, chosen.candidate_start_s, chosen.candidate_start_s + source_s)
    theirs = _as_loud(_of_length(moved(source, chosen.tempo_ratio, chosen.semitones), len(mine)), mine)
    mine, theirs = _faded(mine), _faded(theirs)
    return Audition(
        query=_mp3(mine),
        candidate=_mp3(theirs),
        both=_mp3(np.stack([mine, theirs], axis=1)),
        query_range_s=(chosen.query_start_s, end_s),
        candidate_range_s=(max(chosen.candidate_start_s, 0.0), chosen.candidate_start_s + source_s),
        tempo_ratio=chosen.tempo_ratio,
    )


def moved(samples: Samples, tempo_ratio: float, semitones: float) -> Samples:
    """Played `tempo_ratio` times as fast and `semitones` higher, by one phase vocoder and one resampling.

    Args:
        samples: at `RATE_HZ`.
    Returns:
        About len(samples) / tempo_ratio samples.
    """
    raised = 2.0 ** (semitones / 12.0)
    speed = tempo_ratio / raised
    if abs(speed - 1.0) > SAME_SPEED:
        samples = librosa.effects.time_stretch(samples, rate=speed)
    if raised != 1.0:
        samples = soxr.resample(samples, RATE_HZ * raised, RATE_HZ)
    return np.asarray(samples, np.float32)


def read(flac: bytes, start_s: float, end_s: float) -> Samples:
    """Seconds of a stored waveform at `RATE_HZ`, mono; silence where they lie outside of it."""
    with soundfile.SoundFile(io.BytesIO(flac)) as file:
        first, last = round(start_s * file.samplerate), round(end_s * file.samplerate)
        file.seek(min(max(first, 0), file.frames))
        inside = file.read(max(min(last, file.frames) - file.tell(), 0), dtype="float32", always_2d=True)
        before = min(max(-first, 0), last - first)
        heard = mono(inside) if len(inside) else np.zeros(0, np.float32)
        whole = np.pad(heard, (before, max(last - first - before - len(heard), 0)))
        made = whole if file.samplerate == RATE_HZ else soxr.resample(whole, file.samplerate, RATE_HZ)
    return _of_length(made, round((end_s - start_s) * RATE_HZ))


def _places(passage: Passage, length_s: float) -> Iterator[Passage]:
    """Where in the passage a clip may begin, in both tracks."""
    lasts_s = passage.query_end_s - passage.query_start_s
    # Ends that were told coarsely give a better slope than a ratio that was; exact ones have an exact ratio.
    slope = passage.tempo_ratio
    if not passage.exact:
        slope = (passage.candidate_end_s - passage.candidate_start_s) / lasts_s
    count = min(PLACES, 1 + int((lasts_s - length_s) / (length_s / 2)))
    for later_s in np.linspace(0.0, lasts_s - length_s, count) if count > 1 else (0.0,):
        yield replace(
            passage,
            query_start_s=passage.query_start_s + float(later_s),
            candidate_start_s=passage.candidate_start_s + slope * float(later_s),
        )


def _placed(query_flac: bytes, candidate_flac: bytes, place: Passage, length_s: float) -> tuple[float, Passage]:
    """How well a place agrees, 0..1, and it moved to where it agrees best."""
    reach_s, tempi = (0.0, np.ones(1)) if place.exact else (REACH_S, TEMPI)
    mine = _beginnings(read(query_flac, place.query_start_s, place.query_start_s + length_s), 0.0)
    slowest = place.tempo_ratio * float(tempi.max())
    opens_s = place.candidate_start_s - reach_s * slowest
    closes_s = place.candidate_start_s + (length_s + reach_s) * slowest
    theirs = _beginnings(read(candidate_flac, opens_s, closes_s), place.semitones)
    frame_s = HOP_SAMPLES / RATE_HZ
    reach = round(reach_s / frame_s)
    after = np.arange(-reach, mine.shape[1] + reach) * frame_s  # seconds of the query after the place
    nearness = 1.0 - FAR * (np.arange(-reach, reach + 1) / max(reach, 1)) ** 2
    best = (-1.0, place)
    for tempo in place.tempo_ratio * tempi:
        frames = (place.candidate_start_s + tempo * after - opens_s) / frame_s
        stretched = np.stack([np.interp(frames, np.arange(theirs.shape[1]), row) for row in theirs])
        alike = _agreements(mine, stretched) * nearness
        shift = int(alike.argmax())
        if alike[shift] > best[0]:
            starts_s = place.candidate_start_s + float(tempo) * (shift - reach) * frame_s
            best = (float(alike[shift]), replace(place, candidate_start_s=starts_s, tempo_ratio=float(tempo)))
    return best


def _beginnings(samples: Samples, raised_semitones: float) -> NDArray[np.float64]:
    """How strongly each pitch class begins, (12, frames), raised by so much to the nearest semitone."""
    spectrum = librosa.stft(samples, n_fft=4 * HOP_SAMPLES, hop_length=HOP_SAMPLES)
    bank = librosa.filters.chroma(sr=RATE_HZ, n_fft=4 * HOP_SAMPLES)
    strength = np.roll(bank @ (np.abs(spectrum) ** 2), round(raised_semitones), axis=0)
    loud = np.log1p(1_000 * strength / max(float(strength.max()), 1e-12))
    rise = np.zeros(loud.shape)
    rise[:, RISE_FRAMES:] = np.maximum(loud[:, RISE_FRAMES:] - loud[:, :-RISE_FRAMES], 0.0)
    return np.asarray(convolve1d(rise, np.hanning(BLUR_FRAMES + 2), axis=1, mode="constant"))


def _agreements(mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cosine of the shorter with the longer at every shift, 0 where either is silent."""
    crossed = fftconvolve(theirs, mine[:, ::-1], mode="valid", axes=1).sum(axis=0)
    energy = np.concatenate([[0.0], (theirs**2).sum(axis=0).cumsum()])
    within = energy[mine.shape[1] :] - energy[: -mine.shape[1]]
    norms = np.sqrt(within * (mine**2).sum())
    return np.asarray(np.divide(crossed, norms, out=np.zeros(len(crossed)), where=norms > 1e-6))


def _of_length(samples: Samples, length: int) -> Samples:
    return np.asarray(np.pad(samples[:length], (0, max(0, length - len(samples)))), np.float32)


def _as_loud(samples: Samples, like: Samples) -> Samples:
    """With the power of another, as far as its peaks allow."""
    power, peak = float((samples**2).mean()), float(np.abs(samples).max())
    if power == 0.0 or not like.any():
        return samples
    gain = np.sqrt(float((like**2).mean()) / power)
    return np.asarray(samples * min(gain, LOUDEST / peak), np.float32)


def _faded(samples: Samples) -> Samples:
    ramp = np.linspace(0.0, 1.0, round(FADE_S * RATE_HZ), dtype=np.float32)
    faded = samples.copy()
    faded[: len(ramp)] *= ramp
    faded[-len(ramp) :] *= ramp[::-1]
    return faded


def _mp3(samples: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, **CODEC)
    return file.getvalue()
