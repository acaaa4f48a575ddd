"""Fingerprint: a waveform becomes the peaks of its spectrum, from which the same recording is known again."""

from __future__ import annotations

from models.hear import fingerprint_track
from streams.artifacts import pack
from streams.records import Audio
from streams.stage import StageContext


async def fingerprint(audio: Audio, stage: StageContext) -> None:
    waveform = await stage.load(audio.audio_id, "waveform")
    await stage.store(audio, "fingerprint", pack(await stage.heavy(fingerprint_track, waveform), {}))
