"""The shipped clips, heard through the functions that the pipeline calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import hear
from models.audio.flac import from_flac
from models.verdict import Features
from streams import cards

FOLDER = Path(__file__).resolve().parents[2] / "ops" / "clips"
CARD = cards.current("type2")


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip's row of the manifest, its stored waveform, and what was heard in it."""

    row: dict[str, Any]
    flac: bytes
    features: Features

    @property
    def composition(self) -> str:
        return str(self.row["composition"])

    def samples(self) -> NDArray[np.float32]:
        """Mono float32 at the encoder's rate, (samples,)."""
        return from_flac(self.flac, CARD.hearing.rate_hz, 1)


def heard(data: bytes) -> tuple[bytes, Features]:
    """A file's stored waveform and its features."""
    decoded = hear.decode_track(data, None)
    encoded = hear.encode_track(decoded.flac, CARD)
    return decoded.flac, Features(encoded.cqt, encoded.latents, decoded.duration_s)


@cache
def clips() -> tuple[Clip, ...]:
    rows = json.loads((FOLDER / "manifest.json").read_text())
    return tuple(Clip(row, *heard((FOLDER / row["file"]).read_bytes())) for row in rows)
