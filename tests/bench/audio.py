"""Audio to ask with: the shipped clips under ever new bytes, and short cuts of them."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from streams.cli.demo_audio import write_excerpt

CLIPS = tuple(sorted((Path(__file__).resolve().parents[2] / "ops" / "clips").glob("*.m4a")))
QUERY_S = 10.0


def copies(folder: Path, wanted: int) -> list[Path]:
    """Clips in turn. A free box of chance behind each makes the bytes new; the sound stays."""
    made = []
    for number in _numbers(folder, wanted):
        clip = CLIPS[number % len(CLIPS)]
        made.append(folder / f"{clip.stem}-{number}.m4a")
        made[-1].write_bytes(clip.read_bytes() + struct.pack(">I4s8s", 16, b"free", secrets.token_bytes(8)))
    return made


def cuts(folder: Path, wanted: int) -> list[Path]:
    """Ten seconds of each clip in turn, as WAV, each from another moment."""
    made = []
    for number in _numbers(folder, wanted):
        start_s = 2.0 + 0.05 * number
        made.append(folder / f"cut-{number}.wav")
        write_excerpt(CLIPS[number % len(CLIPS)], made[-1], start_s, start_s + QUERY_S)
    return made


def _numbers(folder: Path, wanted: int) -> Iterator[int]:
    """As many as `wanted`, none of which was given for this folder before."""
    first = sum(1 for _ in folder.iterdir())
    return (number for number, _ in zip(count(first), range(wanted), strict=False))
