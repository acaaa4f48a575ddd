"""Encode: a waveform becomes its pooled constant-Q transform, and from that the windows that the index holds."""

from __future__ import annotations

from models import hear
from streams.artifacts import pack
from streams.records import Audio
from streams.stage import StageContext


async def encode(audio: Audio, stage: StageContext) -> None:
    hearing = stage.card.hearing
    heard = await stage.heavy(hear.encode_track, await stage.load(audio.audio_id, "waveform"), stage.card)
    # Frames are the CQT's second dimension: its own shape is the field's, its time axis is told beside it.
    await stage.store(audio, "cqt", pack(heard.cqt, {"hop_s": hearing.frame_s, "start_s": 0.0}))
    windows = {"hop_s": hearing.window_hop_s, "window_s": hearing.window_s, "start_s": 0.0}
    await stage.store(audio, "full_audio_latent", pack(heard.latents, windows))
