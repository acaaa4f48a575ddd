"""Whole pieces, once as they are and once changed: Wesnoth's recordings and OpenMSX's scores, uncut.

A recording is transposed by two to four semitones, 0.8 to 1.25 times as fast, and worn; a score is re-arranged as
`openmsx` does it. Nobody has marked their sections. What is known is where each second of one lies in the other, and of
a score which of its stretches repeat the same notes. Whoever changes the recipe changes VERSION.
"""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.audio.flac import mono
from tests.quality import openmsx, wesnoth
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.renditions import Map, Rendition, files_of, folder_of, kept, seeded, worn

VERSION = "1"
SEED = 20_261_121
SHORTEST_S = 70  # what is shorter has too few sections to find one among
STEPS_PER_BEAT = 4
APART_STEPS = 8  # sections may be cut two beats apart


def recordings() -> list[Rendition]:
    """Every track of Wesnoth's, by name, as it is and changed. Makes those that are not kept yet."""
    folder = folder_of("sections-wesnoth", VERSION, SEED)
    return [
        kept(folder, path.stem, index, lambda path=path, index=index: _changed(path, index))
        for path in files_of(wesnoth.PACKAGE, wesnoth.FOLDER, ".ogg")
        if soundfile.info(path).duration >= SHORTEST_S
        for index in range(2)
    ]


def scores() -> list[Rendition]:
    """Every piece of OpenMSX's, by name, as written and re-arranged. Makes those that are not kept yet."""
    folder = folder_of("sections-openmsx", VERSION, SEED)
    return [
        kept(folder, path.stem, index, lambda path=path, index=index: _played(path, index))
        for path in files_of(openmsx.PACKAGE, openmsx.FOLDER, ".mid")
        for index in range(2)
    ]


def _changed(path: Path, index: int) -> tuple[Samples, Map]:
    read, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    samples = soxr.resample(mono(read), rate_hz, RATE_HZ)
    seconds = np.array([0.0, len(samples) / RATE_HZ])
    if not index:
        return samples, (seconds, seconds)
    rng = seeded(SEED, path.stem, index)
    semitones = rng.uniform(2, 4) * rng.choice((-1, 1))
    faster = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25))))
    changed = librosa.effects.pitch_shift(samples, sr=RATE_HZ, n_steps=semitones)
    changed = librosa.effects.time_stretch(changed, rate=faster)
    return worn(changed, rng, snr_db=(10, 25)), (seconds, seconds / faster)


def _played(path: Path, index: int) -> tuple[Samples, Map]:
    score = openmsx.read(path)
    rng = seeded(SEED, path.stem, index)
    fonts = seeded(SEED, path.stem, -1 % 2**32).permutation(len(openmsx.FONTS))
    played = openmsx.excerpt(score, score.span)
    if index:
        played = openmsx.rearranged(played, rng)
    ticks = score.beats(*score.span)
    seconds = played.seconds(ticks - score.span[0])
    samples = openmsx.rendered(played, *openmsx.FONTS[fonts[index]])[: round((seconds[-1] + 0.5) * RATE_HZ)]
    return worn(samples, rng) if index else samples, (ticks / score.ticks_per_beat, seconds)


def repeated(rendition: Rendition, spans_s: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Which stretches of a score repeat each other's notes, (stretches, stretches), 0..1.

    Of two stretches it is the share of equal notes, by F, where they lie upon each other best: by up to two beats
    apart, and transposed as a whole at will. Drums do not count.
    """
    score = openmsx.read(openmsx.FOLDER / f"{rendition.work}.mid")
    notes = np.array(
        [(n.start * STEPS_PER_BEAT / score.ticks_per_beat, n.pitch) for n in score.notes if n.channel != openmsx.DRUMS]
    )
    steps = np.rint(notes[:, 0]).astype(int)
    rolls = []
    for span_s in spans_s:
        first, last = np.interp(span_s, rendition.seconds, rendition.beats) * STEPS_PER_BEAT
        inside = (steps >= round(first)) & (steps < round(last))
        roll = np.zeros((max(1, round(last) - round(first)), 128), bool)
        roll[steps[inside] - round(first), notes[inside, 1].astype(int)] = True
        rolls.append(roll)
    return np.array([[_shared(first, second) for second in rolls] for first in rolls])


def _shared(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    if not first.any() or not second.any():
        return 0.0
    # Correlation of both rolls over all shifts in time and pitch at once.
    shape = (len(first) + len(second), 256)
    spectra = np.fft.rfft2(first, shape) * np.fft.rfft2(second, shape).conj()
    common = np.fft.irfft2(spectra, shape)
    near = np.r_[0 : APART_STEPS + 1, -APART_STEPS:0]
    return float(2 * common[near].max() / (first.sum() + second.sum()))
