"""The note bank: every note of a soundfont heard once, and performances put together from what was heard.

Rendering a performance to audio and transforming it costs a second for every forty. Adding up the constant-Q powers of
its single notes costs a hundredth of that, so a network can see a hundred thousand performances instead of thousands.
What is lost is the interference of notes with each other and all that production does between them: the corpus can
hold performances rendered as audio as well, and everything is judged on audio.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.card import Hearing
from models.cqt import magnitude
from models.training.arrange import BASSES, CHORDS, FONTS, LEADS
from models.training.grooves import COLOURS, KICKS, KITS, SNARES, TIMES, TOMS
from models.training.performance import STEMS, Part, Performance
from models.training.sound import fluidsynth, soundfont_path, write_midi

FIRST_PITCH, LAST_PITCH, PITCH_STEP = 24, 105, 3
DRUM_KEYS = tuple(sorted({49, *KICKS, *SNARES, *TIMES, *COLOURS, *TOMS}))
BEFORE_S, HELD_S, AFTER_S = 0.6, 3.0, 1.2  # the lowest filters of the CQT hear a note half a second early
VELOCITY = 100.0
LOUDNESS = 2.2  # power of the velocity in the amplitude, about what General MIDI's curve (40 log10(v / 127) dB) gives


@dataclass(frozen=True, slots=True)
class Sound:
    """All notes of one program of one soundfont.

    Attributes:
        magnitude: float16 (keys, frames, bins), |CQT| at every hop, from `BEFORE_S` before the onset; it is let go
            `HELD_S` after it.
        release: float32 (keys, frames after), the total power after letting go, over that before.
    """

    magnitude: NDArray[np.float16]
    release: NDArray[np.float32]


Bank = dict[tuple[str, int, bool], Sound]  # by soundfont, program, drums


def build(folder: Path, hearing: Hearing, processes: int = 2) -> None:
    """Render what is missing in the bank, one file a sound. Minutes the first time; safe to interrupt."""
    folder.mkdir(parents=True, exist_ok=True)
    programs = sorted({*LEADS, *CHORDS, *BASSES})
    wanted = [(font, program, False) for font in FONTS for program in programs]
    wanted += [(font, kit, True) for font in FONTS for kit in KITS]
    missing = [row for row in wanted if not _file(folder, *row).exists()]
    with ProcessPoolExecutor(processes) as pool:
        jobs = [pool.submit(_render, _file(folder, *row), *row, hearing) for row in missing]
        for at, job in enumerate(jobs, 1):
            job.result()
            if at % 20 == 0 or at == len(jobs):
                sys.stderr.write(f"bank: {at} of {len(jobs)} sounds\n")


def load(folder: Path) -> Bank:
    """The bank as `build` left it, memory-mapped. Raises FileNotFoundError when it is empty."""
    bank: Bank = {}
    for path in sorted(folder.glob("*.npy")):
        font, program, kind = path.stem.rsplit("-", 2)
        notes = np.load(path, mmap_mode="r")
        let_go = round(notes.shape[1] * (BEFORE_S + HELD_S) / (BEFORE_S + HELD_S + AFTER_S))
        total = np.square(notes[:, let_go - 1 :].astype(np.float32)).sum(axis=2)
        release = np.minimum(total[:, 1:] / np.maximum(total[:, :1], 1e-12), 1.0)
        bank[font, int(program), kind == "drums"] = Sound(notes, release)
    if not bank:
        raise FileNotFoundError(f"there is no note bank in {folder}: build it first")
    return bank


def stem_magnitudes(performance: Performance, bank: Bank, hearing: Hearing) -> NDArray[np.float32]:
    """The pooled constant-Q magnitudes of each stem, float32 (4, bins, frames), as `sound` would have rendered them.

    Powers of notes add up, as they do on average over unknown phases.
    """
    rate_hz = hearing.rate_hz / hearing.hop_samples
    frames = int(np.ceil(performance.duration_s / hearing.frame_s)) * hearing.pool_frames
    stems = np.zeros((len(STEMS), frames, hearing.bins), np.float32)
    for part in performance.parts:
        sound = bank.get((performance.soundfont, part.program, part.stem == "drums"))
        if sound is not None:
            _add(stems[STEMS.index(part.stem)], part, sound, rate_hz)
    magnitudes = np.sqrt(stems, out=stems).reshape(len(STEMS), -1, hearing.pool_frames, hearing.bins).mean(axis=2)
    return np.ascontiguousarray(magnitudes.transpose(0, 2, 1))


def _add(stem: NDArray[np.float32], part: Part, sound: Sound, rate_hz: float) -> None:
    before, held = round(BEFORE_S * rate_hz), round(HELD_S * rate_hz)
    bins = stem.shape[1]
    for start_s, duration_s, pitch, velocity in part.notes:
        if part.stem == "drums":
            if (key := int(pitch)) not in DRUM_KEYS:
                continue
            row, shift, lowest = DRUM_KEYS.index(key), 0, 0
        else:
            row = int(np.clip(round((pitch - FIRST_PITCH) / PITCH_STEP), 0, len(sound.magnitude) - 1))
            shift = int(pitch) - (FIRST_PITCH + row * PITCH_STEP)
            if abs(shift) > PITCH_STEP:
                continue  # out of what the transform hears
            lowest = max(0, int(pitch) - 24 - 2)
        gain = np.float32((velocity / VELOCITY) ** (2 * LOUDNESS))
        lasts = min(max(2, round(duration_s * rate_hz)), held) if part.stem != "drums" else held
        first = round(start_s * rate_hz) - before
        # The same sound `shift` semitones higher is the same pattern as many bins higher.
        low, high = max(lowest, shift, 0), min(bins, bins + shift)
        to = stem[:, low:high]
        source = np.square(sound.magnitude[row, : before + lasts, low - shift : high - shift], dtype=np.float32)
        _put(to, source, first, gain)
        if part.stem != "drums":
            longer = round(duration_s * rate_hz) - held
            fading = sound.release[row]
            if longer > 0:  # hold the last frame
                fading = np.concatenate([np.ones(longer, np.float32), fading])
            _put(to, fading[:, None] * source[-1], first + before + lasts, gain)


def _put(to: NDArray[np.float32], source: NDArray[np.float32], first: int, gain: np.float32) -> None:
    """Add what of `source` falls into `to` when it begins at frame `first`."""
    start, end = max(first, 0), min(first + len(source), len(to))
    if end > start:
        to[start:end] += gain * source[start - first : end - first]


def _file(folder: Path, font: str, program: int, drums: bool) -> Path:
    return folder / f"{font}-{program}-{'drums' if drums else 'notes'}.npy"


def _render(path: Path, font: str, program: int, drums: bool, hearing: Hearing) -> None:
    """One sound: all its keys one after the other, let ring, and cut apart."""
    keys = DRUM_KEYS if drums else range(FIRST_PITCH, LAST_PITCH + 1, PITCH_STEP)
    apart_s = BEFORE_S + HELD_S + AFTER_S
    starts_s = BEFORE_S + apart_s * np.arange(len(keys))
    notes = np.array([(start, HELD_S, key, VELOCITY) for start, key in zip(starts_s, keys, strict=True)], np.float32)
    part = Part("drums" if drums else "lead", program, notes)
    with tempfile.TemporaryDirectory() as scratch:
        midi, wav = Path(scratch, "notes.mid"), Path(scratch, "notes.wav")
        write_midi([part], midi)
        subprocess.run(
            fluidsynth(soundfont_path(font), midi, wav, hearing.rate_hz), check=True, stdout=subprocess.DEVNULL
        )
        samples = soundfile.read(wav, dtype="float32", always_2d=True)[0].mean(axis=1)
    rate_hz = hearing.rate_hz / hearing.hop_samples
    count = round(apart_s * rate_hz)
    samples = np.pad(samples, (0, max(0, int(len(keys) * apart_s * hearing.rate_hz) + hearing.rate_hz - len(samples))))
    heard = np.zeros((len(keys), count, hearing.bins), np.float16)
    for row in range(len(keys)):
        # Each by itself with silence on both sides, so that no note leaks into the next one's frames.
        begin = round((starts_s[row] - BEFORE_S) * hearing.rate_hz)
        one = samples[begin : begin + round(apart_s * hearing.rate_hz)]
        heard[row] = magnitude(one, hearing).T[:count]
    np.save(path, heard)
