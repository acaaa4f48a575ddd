"""Section: the parts of a track, which of them are the same music, and the harmony that they are known again by."""

from __future__ import annotations

import numpy as np

from models.hear import hear_stem_harmony, hear_structure
from streams.artifacts import pack, pack_structure, unpack
from streams.records import Audio
from streams.stage import StageContext


async def section(audio: Audio, stage: StageContext) -> None:
    if "section" in stage.todo:
        found = await stage.heavy(hear_structure, await stage.load(audio.audio_id, "waveform"))
        packed = pack_structure(found)
        await stage.store(audio, "section", packed)
    else:
        packed = await stage.load(audio.audio_id, "section")
    if "stem_section" in stage.todo:
        beats_s = np.asarray(unpack(packed).meta["beats_s"], np.float32)
        harmony = await stage.heavy(hear_stem_harmony, await stage.load(audio.audio_id, "stems"), beats_s)
        await stage.store(audio, "stem_section", pack(harmony, {}))
