"""Section: the parts of a track, which of them are the same music, and the harmony that they are known again by."""

from __future__ import annotations

from models.hear import hear_structure
from streams.artifacts import pack_structure
from streams.records import Audio
from streams.stage import StageContext


async def section(audio: Audio, stage: StageContext) -> None:
    waveform = await stage.load(audio.audio_id, "waveform")
    cqt = (await stage.load_array(audio.audio_id, "cqt")).array
    await stage.store(audio, "section", pack_structure(await stage.heavy(hear_structure, waveform, cqt)))
