"""Decode: anybody's bytes become samples that are safe to store, with a note on their health."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from models.audio.probe import PADDING_S, SHORTEST_S, check_duration, check_header, empty, unreadable
from models.audio.readers import Block, Header, Reader, Refused, readers, sniff
from models.errors import AudioError, NotFinite, Undecodable

STORED_RATE_HZ = 48_000  # nothing above 24 kHz is ever listened to
STORED_CHANNELS = 2
SILENT_PEAK = 1e-4  # -80 dBFS, three steps of 16 bits: below is dither
MISSING_S = 0.5  # encoder delay and padding stay under this
UNKNOWN_RIFF_BYTES = 0x7FFF_0000  # recorders that write to a pipe claim this much or more

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong with a file that can be heard all the same.

    Attributes:
        silent: no sample reaches -80 dBFS on any channel.
        clipped: full-scale flat tops, three equal samples or more.
        truncated: the file ends, or breaks, before the length that it promises.
        missing_s: how much it promised beyond what was decoded; 0 where it is whole or promised nothing.
        attenuated_db: by how much the whole track was turned down because peaks went beyond full scale.
    """

    silent: bool
    clipped: bool
    truncated: bool
    missing_s: float
    attenuated_db: float


@dataclass(frozen=True, slots=True)
class Waveform:
    """Decoded sound: at most 48 kHz, one or two channels, within -1..1.

    Attributes:
        samples: float32, (frames, channels).
        rate_hz: of `samples`.
        health: what is wrong with it.
        source: what the file's header said, before mixing and resampling.
    """

    samples: Samples
    rate_hz: int
    health: Health
    source: Header

    @property
    def duration_s(self) -> float:
        """Seconds of sound that were decoded."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True, slots=True)
class _Heard:
    """How far one decoder came; `stopped` is its reason to stop before the end."""

    samples: Samples
    rate_hz: int
    header: Header
    clipped: bool
    stopped: str | None

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz


def decode(data: bytes, max_track_s: float | None) -> Waveform:
    """Decode a file of whatever format, by its content.

    The decoders are tried in turn until one reaches the end; a file that breaks off is kept as far as the better one
    came, when that is a second or more. Decoding stops as soon as `max_track_s` is passed, so memory is bounded by the
    limit and not by what a header claims. More than two channels are mixed to two (odd ones left, even ones right),
    rates above 48 kHz are resampled.

    Args:
        data: the whole file.
        max_track_s: the longest sound taken, in seconds; None for no limit.
    Raises:
        Any leaf of AudioError.
    """
    if not data:
        raise empty()
    best: _Heard | None = None
    reasons = []
    for name, reader in readers(data):
        try:
            heard = _hear(reader, data, max_track_s)
        except Refused as refused:
            reasons.append(f"{name}: {refused}")
            continue
        if heard.stopped is not None:
            reasons.append(f"{name}: {heard.stopped}")
        if best is None or heard.duration_s > best.duration_s:
            best = heard
        if heard.stopped is None and heard.duration_s >= SHORTEST_S:
            break
    if best is None:
        raise unreadable(data, reasons)
    if best.duration_s < SHORTEST_S and best.stopped is not None:
        raise _corrupt(best, reasons)
    check_duration(best.duration_s, max_track_s)
    return _finished(best, data)


def _hear(reader: Reader, data: bytes, max_track_s: float | None) -> _Heard:
    """Run one decoder as far as it goes. Raises Refused only if it cannot open the file."""
    with reader(data) as (header, blocks):
        check_header(header)
        rate_hz = min(header.rate_hz, STORED_RATE_HZ)
        nothing = np.zeros((0, min(header.channels, STORED_CHANNELS)), np.float32)
        shrink = soxr.ResampleStream(header.rate_hz, rate_hz, nothing.shape[1], "float32")
        kept = [nothing]
        frames = 0
        flat_tops = False
        stopped = None
        try:
            for block in blocks:
                _check_finite(block, frames / header.rate_hz)
                frames += len(block)
                if max_track_s is not None and frames > (max_track_s + PADDING_S) * header.rate_hz:
                    check_duration(frames / header.rate_hz, max_track_s)
                flat_tops = flat_tops or _has_flat_tops(block)
                mixed = _two_channels(block)
                kept.append(mixed if rate_hz == header.rate_hz else shrink.resample_chunk(mixed))
        except Refused as refused:
            stopped = str(refused)
        if rate_hz != header.rate_hz:
            kept.append(shrink.resample_chunk(nothing, last=True))
    return _Heard(np.concatenate(kept), rate_hz, header, flat_tops, stopped)


def _check_finite(block: Block, start_s: float) -> None:
    if not np.isfinite(block).all():
        raise NotFinite(
            f"there are NaN or infinite samples in the second from {start_s:.0f} s on",
            "export the file again; they are not replaced, because that would invent silence",
        )


def _two_channels(block: Block) -> Samples:
    if block.shape[1] <= STORED_CHANNELS:
        return block
    return np.stack([block[:, side::2].mean(axis=1) for side in range(STORED_CHANNELS)], axis=1)


def _has_flat_tops(block: Block) -> bool:
    level = (np.abs(block[1:]) >= 0.999) & (block[1:] == block[:-1])
    return bool((level[1:] & level[:-1]).any())


def _corrupt(heard: _Heard, reasons: list[str]) -> AudioError:
    return Undecodable(
        f"decoding broke off after {heard.duration_s:.2f} s ({'; '.join(reasons)})", "export it again from its source"
    )


def _finished(heard: _Heard, data: bytes) -> Waveform:
    peak = max((float(np.abs(block).max()) for block in _slices(heard.samples)), default=0.0)
    attenuated_db = 0.0
    samples = heard.samples
    if peak > 1.0:
        samples = samples / np.float32(peak)
        attenuated_db = float(20 * np.log10(peak))
    missing_s = _missing_s(heard, data)
    truncated = heard.stopped is not None or missing_s > 0
    health = Health(peak < SILENT_PEAK, heard.clipped, truncated, round(missing_s, 3), round(attenuated_db, 2))
    return Waveform(samples, heard.rate_hz, health, heard.header)


def _slices(samples: Samples) -> Iterator[Samples]:
    return (samples[start : start + 2**20] for start in range(0, len(samples), 2**20))


def _missing_s(heard: _Heard, data: bytes) -> float:
    """Seconds promised by the container and not there: by its length, or for a RIFF by its size in bytes."""
    promised_s = heard.header.duration_s or 0.0
    if sniff(data) == "wav" and data[:4] == b"RIFF":
        promised_bytes = int.from_bytes(data[4:8], "little") + 8
        if len(data) < promised_bytes < UNKNOWN_RIFF_BYTES:
            promised_s = heard.duration_s * promised_bytes / len(data)
    missing_s = promised_s - heard.duration_s
    return missing_s if missing_s > MISSING_S else 0.0
