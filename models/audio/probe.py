"""A look at a file's header: enough to refuse at the door what could never be heard."""

from __future__ import annotations

import io

import av

from models.audio.readers import Header, Refused, readers, sniff
from models.errors import AudioError, EmptyFile, TooLong, TooShort, Undecodable, UnsupportedFormat

SHORTEST_S = 1.0  # contract, section 0
RATES_HZ = (4_000, 384_000)  # contract, section 0
MOST_CHANNELS = 8  # contract, section 0
PADDING_S = 0.1  # what AAC and MP3 encoders add around the sound: a file cut at the limit is not over it


def probe(data: bytes, max_track_s: float | None = None) -> Header:
    """What a file's header says, without decoding it.

    Args:
        data: the whole file.
        max_track_s: the longest sound taken, in seconds; None for no limit.
    Returns:
        The header. `duration_s` is counted for an MP3 that does not tell it, None where only decoding would tell.
    Raises:
        EmptyFile, UnsupportedFormat, Undecodable, TooShort, TooLong. What only the samples show (NaN, a corrupt
        middle, a length that was a lie) is found by `decode`.
    """
    if not data:
        raise empty()
    reasons = []
    header = None
    for name, opened in readers(data):
        try:
            with opened(data) as (header, _):
                check_header(header)
            break
        except Refused as refused:
            reasons.append(f"{name}: {refused}")
    if header is None:
        raise unreadable(data, reasons)
    if header.container == "mp3" and header.duration_s is None:
        header = Header("mp3", _counted_s(data), header.rate_hz, header.channels)
    if header.duration_s is not None:
        check_duration(header.duration_s, max_track_s)
    return header


def check_header(header: Header) -> None:
    """Raise Undecodable when a header says something impossible."""
    if not RATES_HZ[0] <= header.rate_hz <= RATES_HZ[1]:
        raise Undecodable(
            f"the file says {header.rate_hz} samples a second, {RATES_HZ[0]}..{RATES_HZ[1]} are taken",
            "resample it, or repair its header",
        )
    if not 1 <= header.channels <= MOST_CHANNELS:
        raise Undecodable(
            f"the file says {header.channels} channels, 1..{MOST_CHANNELS} are taken",
            "mix it down, or repair its header",
        )


def check_duration(duration_s: float, max_track_s: float | None) -> None:
    """Raise TooShort or TooLong; `max_track_s` None is no limit."""
    if duration_s < SHORTEST_S:
        raise TooShort(
            f"the file holds {duration_s:.3f} s of sound, at least {SHORTEST_S:g} s is needed",
            "send a longer recording",
        )
    if max_track_s is not None and duration_s > max_track_s + PADDING_S:
        raise TooLong(
            f"the file holds {duration_s:.1f} s of sound or more, the limit is {max_track_s:g} s",
            "cut the file, or raise the limit on track length",
        )


def empty() -> EmptyFile:
    """The error for no bytes at all."""
    return EmptyFile("the file holds 0 bytes", "send it again, whole")


def unreadable(data: bytes, reasons: list[str]) -> AudioError:
    """The error for bytes that no decoder took; `reasons` are theirs."""
    said = "; ".join(reasons)
    if sniff(data) is None:
        return UnsupportedFormat(f"the content is not audio that we can read ({said})", "send WAV, FLAC, MP3 or M4A")
    return Undecodable(f"the file cannot be decoded ({said})", "export it again from its source")


def _counted_s(data: bytes) -> float:
    """Seconds in the packets of an MP3 without a frame count; they are counted, not decoded."""
    with av.open(io.BytesIO(data), mode="r", format="mp3", metadata_errors="replace") as file:
        stream = file.streams.audio[0]
        units: int = sum(packet.duration or 0 for packet in file.demux(stream))
        return float(units * stream.time_base) if stream.time_base else 0.0
