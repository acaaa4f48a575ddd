"""Encode: a waveform becomes its pooled constant-Q transform, and from that the windows that the index holds.

Where the transform is stored already, as another encoder left it, the waveform is not needed.
"""

from __future__ import annotations

from models.hear import encode_track
from models.latents import latents
from streams.artifacts import pack_cqt, pack_latents
from streams.records import Audio
from streams.stage import StageContext


async def encode(audio: Audio, stage: StageContext) -> None:
    card = stage.card
    if "cqt" in audio.present:
        cqt = (await stage.load_array(audio.audio_id, "cqt")).array
        windows = await stage.heavy(latents, cqt, card)
    else:
        heard = await stage.heavy(encode_track, await stage.load(audio.audio_id, "waveform"), card)
        windows = heard.latents
        await stage.store(audio, "cqt", pack_cqt(heard.cqt, card.hearing))
    await stage.store(audio, "full_audio_latent", pack_latents(windows, card.hearing))
