"""Hear one track: the heavy steps of the pipeline, bytes in, bytes and arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from models import stems
from models.audio.decode import Health, decode
from models.audio.envelope import envelope
from models.audio.flac import from_flac, to_flac
from models.card import Card, Hearing
from models.cqt import Cqt, pooled_cqt
from models.fingerprint.peaks import RATE_HZ as PEAKS_RATE_HZ
from models.fingerprint.peaks import Peaks, peaks
from models.fingerprint.recognise import recordings
from models.latents import Latents, latents
from models.motif.melodies import LAYERS as MELODY_LAYERS
from models.motif.melodies import Melodies, heard, melodies, shared
from models.presence import Presence, audible, presence
from models.rhythm import rhythm
from models.rhythm_card import RhythmCard
from models.section.sections import RATE_HZ as STRUCTURE_RATE_HZ
from models.section.sections import Structure, structure
from models.separators import SeparatorCard
from models.verdict import Features, compare
from models.voice import voice
from models.voice_card import VoiceCard


@dataclass(frozen=True, slots=True)
class Decoded:
    """A track as it is stored.

    Attributes:
        flac: the waveform, at most 48 kHz, one or two channels, 16 bits.
        envelope: int8 (points, 2), ten points a second, for drawing.
        health: what is wrong with the file although it can be heard.
        duration_s: seconds of sound that were decoded.
        rate_hz, channels: of the file itself, before mixing and resampling.
    """

    flac: bytes
    envelope: NDArray[np.int8]
    health: Health
    duration_s: float
    rate_hz: int
    channels: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """What is stored of a track besides its sound.

    Attributes:
        cqt: uint8 (bins, frames), the same for every encoder of the same CQT numbers.
        latents: float32 (windows, latent_dim), the card's encoder's.
    """

    cqt: Cqt
    latents: Latents


@dataclass(frozen=True, slots=True)
class Separated:
    """A track's stems as they are stored.

    Attributes:
        flac: the four stems, see `models.stems`.
        cqts: uint8 (4, bins, frames), of `stems.PITCHED`; zeros for a layer that the track does not have, and where one
            is not heard.
        presence: of each stem and of the accompaniment.
    """

    flac: bytes
    cqts: NDArray[np.uint8]
    presence: dict[str, Presence]


def decode_track(data: bytes, max_track_s: float | None) -> Decoded:
    """Decode a file for storage. Raises a leaf of AudioError for what cannot be heard."""
    waveform = decode(data, max_track_s)
    return Decoded(
        flac=to_flac(waveform),
        envelope=envelope(waveform.samples, waveform.rate_hz),
        health=waveform.health,
        duration_s=waveform.duration_s,
        rate_hz=waveform.source.rate_hz,
        channels=waveform.source.channels,
    )


def fingerprint_track(flac: bytes) -> Peaks:
    """The peaks of a stored waveform."""
    return peaks(from_flac(flac, PEAKS_RATE_HZ, 1))


def fingerprint_accompaniment(stems_flac: bytes, *, sung: bool) -> Peaks:
    """The peaks of what accompanies the voice among stored stems; none without a voice, where it is the mix again."""
    if not sung:
        return peaks(np.zeros(0, np.float32))
    accompaniment = stems.layers(stems.stems_from_flac(stems_flac))["accompaniment"]
    return peaks(np.asarray(soxr.resample(accompaniment, stems.RATE_HZ, PEAKS_RATE_HZ), np.float32))


def encode_track(flac: bytes, card: Card) -> Encoded:
    """Encode a stored waveform. The latents are made from the CQT as it is stored, so a re-encode gives the same.

    Raises: `WrongWeights` when the card is of a network whose weights are not those that it names.
    """
    cqt = pooled_cqt(from_flac(flac, card.hearing.rate_hz, 1), card.hearing)
    return Encoded(cqt, latents(cqt, card))


def separate_track(flac: bytes, separator: SeparatorCard, hearing: Hearing, folder: Path) -> Separated:
    """Separate a stored waveform.

    Args:
        flac: as `decode_track` made it.
        separator: which network separates.
        hearing: the numbers of the transforms.
        folder: where a separator's weights lie that are not shipped.
    Raises:
        `WrongWeights`, `MissingWeights`.
    """
    from models.separate import separate  # loads torch

    mix = from_flac(flac, separator.rate_hz, separator.channels)
    apart = stems.at_rate(separate(mix, separator.rate_hz, separator, folder), separator.rate_hz)
    sounds = stems.layers(apart)
    in_two = {name: sounds[name] for name in ("vocals", "accompaniment")}
    found = {**presence(in_two, stems.RATE_HZ), **presence(apart, stems.RATE_HZ)}
    when = {**audible(in_two, stems.RATE_HZ), **audible(apart, stems.RATE_HZ)}
    return Separated(stems.stems_to_flac(apart), stems.stem_cqts(sounds, found, when, hearing), found)


def hear_melodies(flac: bytes, stems_flac: bytes, *, sung: bool) -> Melodies:
    """The melodies of a stored waveform and of its stored stems; without a voice where it is told as absent."""
    mix = from_flac(flac, stems.RATE_HZ, 1)
    layers = stems.layers(stems.stems_from_flac(stems_flac))
    vocals = layers["vocals"] if sung else np.zeros(0, np.float32)
    return melodies({"full_audio": mix, "vocals": vocals, "accompaniment": layers["accompaniment"]})


def hear_structure(flac: bytes, cqt: Cqt) -> Structure:
    """The sections of a stored waveform, whose constant-Q transform is stored too."""
    return structure(from_flac(flac, STRUCTURE_RATE_HZ, 1), cqt)


def encode_drums(flac: bytes, card: RhythmCard, *, present: bool) -> Latents:
    """The windows of the drums among stored stems; none where they are told as absent. Raises: `WrongWeights`."""
    drums = stems.stems_from_flac(flac)["drums"]
    return rhythm(drums if present else np.zeros_like(drums), card)


def encode_voice(flac: bytes, card: VoiceCard, *, present: bool) -> Latents:
    """The windows of the voice among stored stems; none where vocals are told as absent. Raises: `WrongWeights`."""
    vocals = stems.stems_from_flac(flac)["vocals"]
    return voice(vocals if present else np.zeros_like(vocals), card)


def warm(card: Card) -> None:
    """Hear and compare some seconds of sound once, so that no layer compiles, loads or plans anything later.

    librosa's compiled functions are kept by numba on disk (NUMBA_CACHE_DIR, or beside librosa): the first process on a
    machine takes seconds here, the later ones a fraction.
    """
    rate_hz = card.hearing.rate_hz
    time_s = np.arange(4 * rate_hz) / rate_hz
    sweep = (0.3 * np.sin(2 * np.pi * 100 * np.exp2(time_s) * time_s)).astype(np.float32)
    cqt = pooled_cqt(sweep, card.hearing)
    windows = latents(cqt, card)
    # A frame less, so that the two sides differ and are really aligned.
    compare(Features(cqt, windows, 4.0), Features(cqt[:, 1:], windows, 4.0), card)
    noise = np.random.default_rng(0).normal(0, 0.1, 8 * stems.RATE_HZ).astype(np.float32)
    found = peaks(noise[: 8 * PEAKS_RATE_HZ])
    recordings(found, found)
    melody = melodies(dict.fromkeys(MELODY_LAYERS, noise))
    mix = heard(melody.events, melody.contours, "full_audio", 8.0)
    shared(mix, mix, "full_audio", None)
