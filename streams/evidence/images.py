"""Arrays as pictures within SVG: PNG by the standard library, since none of what is installed at run time writes it."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

# White to near black: the colours of the layers stand out on it, and it prints as it is.
RAMP = ((255, 255, 255), (16, 18, 24))


def image(shares: NDArray[np.floating], place: tuple[float, float, float, float]) -> str:
    """An SVG image of shares 0..1, (height, width), 0 white and 1 dark; `place` is its x, y, width and height."""
    data = base64.b64encode(png(np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8))).decode()
    x, y, width, height = place
    return (
        f'<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{data}"/>'
    )


def png(shades: NDArray[np.uint8]) -> bytes:
    """A PNG of eight bits with the ramp as its palette, of uint8 (height, width)."""
    height, width = shades.shape
    lines = np.pad(shades, ((0, 0), (1, 0))).tobytes()  # a leading 0: the line is not filtered
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", ramp().tobytes()),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        )
    )


def ramp() -> NDArray[np.uint8]:
    """The colours of 256 shades, (256, 3)."""
    return np.asarray(np.rint(np.linspace(*RAMP, 256)), np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
