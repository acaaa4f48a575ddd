"""Two decoders behind one shape: what the header says, and the sound block by block.

libsndfile is exact and fast; FFmpeg (PyAV) reads what it cannot, also the sound of a video. MP3 goes to FFmpeg first:
libsndfile estimates the length of an MP3 which carries none, and silently stops there (measured: 5 s of 20 s kept).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

Container = Literal["wav", "flac", "mp3", "m4a", "other"]
Block = NDArray[np.float32]  # (frames, channels), nominally -1..1

BLOCK_FRAMES = 65_536  # bounds the memory that a lying header can claim
LONGEST_FRAMES = 2**40  # libsndfile's way of saying "unknown" lies above

# Self-contained formats only: a playlist (HLS, concat, SDP, DASH) would make FFmpeg open other addresses and files.
DEMUXERS = "aac,ac3,aiff,amr,ape,asf,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"

MAGIC: tuple[tuple[int, bytes, Container], ...] = (
    (8, b"WAVE", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"ID3", "mp3"),
    (4, b"ftyp", "m4a"),
    (0, b"OggS", "other"),
    (0, b"\x1a\x45\xdf\xa3", "other"),  # Matroska, WebM
    (0, b"FORM", "other"),  # AIFF
    (0, b"caff", "other"),
)


class Refused(Exception):
    """One decoder's reason not to open, or not to go on with, some bytes. Never leaves this package."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a container says about its sound; nothing of it is trusted further than that.

    `duration_s` is None where the container gives none (streams, some MP3) or an impossible one.
    """

    container: Container
    duration_s: float | None
    rate_hz: int
    channels: int


Reader = Callable[[bytes], AbstractContextManager[tuple[Header, Iterator[Block]]]]


def sniff(data: bytes) -> Container | None:
    """The container that the first bytes announce, None for nothing that we know. File names play no part."""
    for offset, magic, container in MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return container
    # MPEG audio, layer III: eleven sync bits, then layer bits 01.
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2:
        return "mp3"
    return None


def readers(data: bytes) -> tuple[tuple[str, Reader], ...]:
    """The decoders to try, by name, best first."""
    sndfile: tuple[str, Reader] = ("libsndfile", open_sndfile)
    ffmpeg: tuple[str, Reader] = ("ffmpeg", open_ffmpeg)
    return (ffmpeg, sndfile) if sniff(data) == "mp3" else (sndfile, ffmpeg)


@contextmanager
def open_sndfile(data: bytes) -> Iterator[tuple[Header, Iterator[Block]]]:
    """Read with libsndfile. Raises Refused, at opening or from the blocks."""
    try:
        file = soundfile.SoundFile(io.BytesIO(data))
    except soundfile.LibsndfileError as error:
        raise Refused(error.error_string.strip()) from None
    with file:
        containers: dict[str, Container] = {"WAV": "wav", "WAVEX": "wav", "RF64": "wav", "FLAC": "flac", "MP3": "mp3"}
        duration_s = file.frames / file.samplerate if 0 <= file.frames < LONGEST_FRAMES else None
        header = Header(containers.get(file.format, "other"), duration_s, file.samplerate, file.channels)
        yield header, _sndfile_blocks(file)


def _sndfile_blocks(file: soundfile.SoundFile) -> Iterator[Block]:
    try:
        while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            yield block
    except soundfile.LibsndfileError as error:
        raise Refused(error.error_string.strip() or f"error {error.code}") from None


@contextmanager
def open_ffmpeg(data: bytes) -> Iterator[tuple[Header, Iterator[Block]]]:
    """Read the first sound track with FFmpeg. Raises Refused, at opening or from the blocks."""
    try:
        guarded = {"format_whitelist": DEMUXERS, "protocol_whitelist": "none"}
        file = av.open(io.BytesIO(data), mode="r", options=guarded, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise Refused(_reason(error)) from None
    with file:
        if not file.streams.audio:
            raise Refused("there is no sound track")
        stream = file.streams.audio[0]
        if stream.codec_context is None:
            raise Refused("its sound track is in no coding that FFmpeg knows")
        container = _ffmpeg_container(file)
        header = Header(container, _ffmpeg_duration_s(file, stream, container, data), stream.rate, stream.channels)
        yield header, _ffmpeg_blocks(file, stream)


def _ffmpeg_container(file: av.container.InputContainer) -> Container:
    names = file.format.name.split(",")
    moving = [s for s in file.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if "m4a" in names and not moving:
        return "m4a"
    exact: dict[str, Container] = {"wav": "wav", "w64": "wav", "flac": "flac", "mp3": "mp3"}
    return exact.get(names[0], "other")


def _ffmpeg_duration_s(
    file: av.container.InputContainer, stream: av.AudioStream, container: Container, data: bytes
) -> float | None:
    if container == "mp3" and not _mp3_tells_its_length(data):
        return None  # FFmpeg guesses from the first frame's bit rate, wrong by a factor of two on variable rates
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if file.duration is None else file.duration / av.time_base


def _mp3_tells_its_length(data: bytes) -> bool:
    """Whether the first MPEG frame, behind an ID3v2 tag, carries a Xing, Info or VBRI frame count."""
    start = 0
    if data[:3] == b"ID3" and len(data) > 10:
        start = 10 + sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(reversed(data[6:10])))
    first_frames = data[start : start + 4_096]
    return any(tag in first_frames for tag in (b"Xing", b"Info", b"VBRI"))


def _ffmpeg_blocks(file: av.container.InputContainer, stream: av.AudioStream) -> Iterator[Block]:
    # A stream may change its rate or channels on the way; what the header said is kept.
    # Interleaved: PyAV 18 crashes the process when it hands out eight separate planes.
    floats = av.AudioResampler(format="flt", layout=stream.layout, rate=stream.rate)
    try:
        for frame in chain(file.decode(stream), (None,)):  # None: give what is left
            for converted in floats.resample(frame):
                yield np.asarray(converted.to_ndarray(), np.float32).reshape(-1, stream.channels)
    except (av.FFmpegError, ValueError) as error:
        raise Refused(_reason(error)) from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
