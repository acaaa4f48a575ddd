"""Wesnoth, changed: recordings of a game's orchestral music, each once as it is and once changed as a signal.

Debian package `wesnoth-1.16-music`. Changed is: another but mostly overlapping stretch, transposed by two to four
semitones, 0.8 to 1.25 times as fast, and worn (`renditions.worn`), in more noise than a re-arrangement. What it tells
is what such changes cost among real recordings, not what another performance would. The recipe was frozen before any
encoder was trained: whoever changes it changes VERSION, and no figure of the other recipe may be set beside it.
"""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr

from models.audio.flac import mono
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.renditions import Map, Rendition, files_of, folder_of, kept, seeded, worn

PACKAGE = "wesnoth-1.16-music"
FOLDER = Path("/usr/share/games/wesnoth/1.16/data/core/music")
VERSION = "2"
SEED = 20_261_121

SHORTEST_S = 20  # jingles are left out
BEAT_S = 0.5  # nobody has marked the beats of these recordings: every half second counts as one


def renditions() -> list[Rendition]:
    """Original and changed version of every track, tracks by name. Makes those that are not kept yet."""
    folder = folder_of("wesnoth", VERSION, SEED)
    return [
        kept(folder, path.stem, index, lambda path=path, index=index: _rendition(path, index))
        for path in files_of(PACKAGE, FOLDER, ".ogg")
        if soundfile.info(path).duration >= SHORTEST_S
        for index in range(2)
    ]


def _rendition(path: Path, index: int) -> tuple[Samples, Map]:
    """60 to 90 s from anywhere in the track, or the whole of a shorter one; moved and changed where `index` is 1."""
    read, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    whole = soxr.resample(mono(read), rate_hz, RATE_HZ)
    common = seeded(SEED, path.stem, -1 % 2**32)
    length = min(len(whole), round(common.uniform(60, 90) * RATE_HZ))
    start = int(common.integers(0, len(whole) - length + 1))
    end = start + length
    rng = seeded(SEED, path.stem, index)
    if index:
        by = round(rng.uniform(0.2, 0.4) * rng.choice((-1, 1)) * length)
        start, end = max(0, start + by), min(len(whole), end + by)
    seconds = np.arange(start, end, BEAT_S * RATE_HZ) / RATE_HZ
    beats, seconds = seconds / BEAT_S, seconds - seconds[0]
    samples = whole[start:end]
    if not index:
        return samples, (beats, seconds)
    semitones = rng.uniform(2, 4) * rng.choice((-1, 1))
    faster = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25))))
    changed = librosa.effects.pitch_shift(samples, sr=RATE_HZ, n_steps=semitones)
    changed = librosa.effects.time_stretch(changed, rate=faster)
    return worn(changed, rng, snr_db=(10, 25)), (beats, seconds / faster)
