"""Decode: a file becomes a waveform everybody can read, and an envelope to draw; its health is noted."""

from __future__ import annotations

from dataclasses import asdict

from models import hear
from models.audio.envelope import POINTS_PER_S
from streams.artifacts import pack
from streams.records import Audio
from streams.stage import StageContext


async def decode(audio: Audio, stage: StageContext) -> None:
    heard = await stage.heavy(hear.decode_track, await stage.upload(audio), stage.settings.track_limit_s)
    facts = {
        "hop_s": 1 / POINTS_PER_S,
        "start_s": 0.0,
        "duration_s": heard.duration_s,
        "rate_hz": heard.rate_hz,
        "channels": heard.channels,
        "health": asdict(heard.health),
    }
    await stage.store(audio, "waveform", heard.flac)
    await stage.store(audio, "envelope", pack(heard.envelope, facts))
