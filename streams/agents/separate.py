"""Separate: a waveform becomes its four stems, of those with a pitch the constant-Q transforms, and of what
accompanies a voice the peaks by which it is known again under that voice."""

from __future__ import annotations

from models.hear import fingerprint_accompaniment, separate_track
from models.separators import retirement
from streams import cards
from streams.artifacts import pack, pack_stem_cqts
from streams.errors import Invalid
from streams.records import Audio
from streams.stage import StageContext


async def separate(audio: Audio, stage: StageContext) -> None:
    if stage.todo & {"stems", "stem_cqt"}:
        await _separate(audio, stage)
    if "stem_fingerprint" in stage.todo:
        presence = (await stage.load_array(audio.audio_id, "stem_cqt")).meta["presence"]
        stems, sung = await stage.load(audio.audio_id, "stems"), bool(presence["vocals"]["present"])
        found = await stage.heavy(fingerprint_accompaniment, stems, sung=sung)
        await stage.store(audio, "stem_fingerprint", pack(found, {}))


async def _separate(audio: Audio, stage: StageContext) -> None:
    if stage.separator.successor:
        raise Invalid(*retirement(stage.separator), code="model-versions-differ")
    waveform = await stage.load(audio.audio_id, "waveform")
    folder = cards.weights_folder(stage.separator, stage.settings)
    heard = await stage.heavy(separate_track, waveform, stage.separator, stage.card.hearing, folder)
    await stage.store(audio, "stems", heard.flac)
    await stage.store(audio, "stem_cqt", pack_stem_cqts(heard.cqts, heard.presence, stage.card.hearing))
