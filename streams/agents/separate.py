"""Separate: a waveform becomes its four stems, and of those with a pitch the constant-Q transforms."""

from __future__ import annotations

from models.hear import separate_track
from streams import cards
from streams.artifacts import pack_stem_cqts
from streams.records import Audio
from streams.stage import StageContext


async def separate(audio: Audio, stage: StageContext) -> None:
    waveform = await stage.load(audio.audio_id, "waveform")
    folder = cards.weights_folder(stage.separator, stage.settings)
    heard = await stage.heavy(separate_track, waveform, stage.separator, stage.card.hearing, folder)
    await stage.store(audio, "stems", heard.flac)
    await stage.store(audio, "stem_cqt", pack_stem_cqts(heard.cqts, heard.presence, stage.card.hearing))
