"""Encode: a waveform becomes its pooled constant-Q transform, and from that the windows that the index holds.

Where the transform is stored already, as another encoder left it, the waveform is not needed. The transforms of the
stems are stored by `separate`; drums, which have no pitch, are heard by an encoder of their own, and so are voices.
"""

from __future__ import annotations

from collections.abc import Callable

from models import rhythm_card, voice_card
from models.hear import encode_drums, encode_track, encode_voice
from models.latents import Latents, latents
from models.stems import PITCHED
from streams.artifacts import pack_cqt, pack_windows
from streams.records import Audio
from streams.stage import StageContext

Own = rhythm_card.RhythmCard | voice_card.VoiceCard


async def encode(audio: Audio, stage: StageContext) -> None:
    if stage.todo & {"cqt", "full_audio_latent"}:
        await _encode_mix(audio, stage)
    pitched = [layer for layer in PITCHED if f"stem_{layer}" in stage.todo]
    if pitched:
        cqts = (await stage.load_array(audio.audio_id, "stem_cqt")).array
        for layer in pitched:
            windows = await stage.heavy(latents, cqts[PITCHED.index(layer)], stage.card)
            await stage.store(audio, f"stem_{layer}", pack_windows(windows, stage.card.hearing))
    if "stem_drums" in stage.todo:
        await stage.store(audio, "stem_drums", await _heard_as(audio, stage, "drums", rhythm_card.load(), encode_drums))
    if "voice" in stage.todo:  # last: what fails of it leaves the rest as made
        await stage.store(audio, "voice", await _heard_as(audio, stage, "vocals", voice_card.load(), encode_voice))


async def _encode_mix(audio: Audio, stage: StageContext) -> None:
    card = stage.card
    if "cqt" in audio.present:
        cqt = (await stage.load_array(audio.audio_id, "cqt")).array
        windows = await stage.heavy(latents, cqt, card)
    else:
        heard = await stage.heavy(encode_track, await stage.load(audio.audio_id, "waveform"), card)
        windows = heard.latents
        await stage.store(audio, "cqt", pack_cqt(heard.cqt, card.hearing))
    await stage.store(audio, "full_audio_latent", pack_windows(windows, card.hearing))


async def _heard_as(audio: Audio, stage: StageContext, stem: str, card: Own, encode: Callable[..., Latents]) -> bytes:
    """By an encoder of the stem's own. Of a stem that is not there it hears nothing, whatever the separator left."""
    told = (await stage.load_array(audio.audio_id, "stem_cqt")).meta["presence"]
    stems = await stage.load(audio.audio_id, "stems")
    windows = await stage.heavy(encode, stems, card, present=bool(told[stem]["present"]))
    return pack_windows(windows, card.hearing)
