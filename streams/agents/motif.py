"""Motif: the melodies of a track, of its mix, its voice and what accompanies it, and which of them it repeats."""

from __future__ import annotations

from dataclasses import asdict

from models.hear import hear_melodies
from models.motif.contour import FRAMES_PER_S
from streams.artifacts import pack
from streams.records import Audio
from streams.stage import StageContext


async def motif(audio: Audio, stage: StageContext) -> None:
    waveform = await stage.load(audio.audio_id, "waveform")
    stems = await stage.load(audio.audio_id, "stems")
    presence = (await stage.load_array(audio.audio_id, "stem_cqt")).meta["presence"]
    found = await stage.heavy(hear_melodies, waveform, stems, sung=bool(presence["vocals"]["present"]))
    repeated = {layer: [asdict(one) for one in motifs] for layer, motifs in found.motifs.items()}
    await stage.store(audio, "motif", pack(found.events, {"motifs": repeated}))
    await stage.store(audio, "contour", pack(found.contours, {"hop_s": 1 / FRAMES_PER_S, "start_s": 0.0}))
