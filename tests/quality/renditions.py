"""Renditions of works: what the sets of real music are made of, how their sound is worn, and where they are kept.

They are for judging only. Nothing of them is trained on, nothing of them lies in the repository: they are made once
from the files of a Debian package and kept, as FLAC, under the user's cache folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from models.audio.decode import decode
from models.audio.flac import mono
from tests.quality.changes import RATE_HZ, Samples, mp3

Map = tuple[NDArray[np.float64], NDArray[np.float64]]  # beats of the original work, seconds of the rendition


@dataclass(frozen=True, slots=True)
class Rendition:
    """One sounding version of a work.

    Attributes:
        work: its label; renditions of one work share it.
        index: 0 is the original, the others are changed.
        flac: the file of its waveform, mono, 22,050 Hz.
        beats, seconds: float64, equally long, both rising: beat of the original work, and the second of this rendition
            at which it sounds.
    """

    work: str
    index: int
    flac: Path
    beats: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def samples(self) -> Samples:
        """Mono float32 at 22,050 Hz, (samples,)."""
        return soundfile.read(self.flac, dtype="float32")[0]


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soundtrace" / "quality"


def folder_of(name: str, recipe: str, seed: int) -> Path:
    """Where the renditions of one recipe are kept: another recipe or another seed is another folder."""
    key = hashlib.sha256(f"{name} {recipe} {seed}".encode()).hexdigest()[:16]
    return cache_folder() / f"{name}-{key}"


def files_of(package: str, folder: Path, suffix: str) -> list[Path]:
    """The package's files, by name. Ends the run with a message where it is not installed."""
    found = sorted(folder.glob(f"*{suffix}"))
    if not found:
        raise SystemExit(f"no {suffix} files in {folder}: install the Debian package '{package}'")
    return found


def needed(command: str, package: str) -> str:
    """The path of a program. Ends the run with a message where it is not installed."""
    if (path := shutil.which(command)) is None:
        raise SystemExit(f"there is no program '{command}': install the Debian package '{package}'")
    return path


def seeded(seed: int, work: str, index: int) -> np.random.Generator:
    """The same numbers for the same rendition, whatever was made before it."""
    return np.random.default_rng([seed, crc32(work.encode()), index])


def kept(folder: Path, work: str, index: int, make: Callable[[], tuple[Samples, Map]]) -> Rendition:
    """The rendition as it is kept; `make` is called for one that is not there yet."""
    flac, places = folder / f"{work}-{index}.flac", folder / f"{work}-{index}.npy"
    if not flac.exists():
        sys.stderr.write(f"{folder.name}: {flac.stem}\n")
        folder.mkdir(parents=True, exist_ok=True)
        samples, place_map = make()
        np.save(places, np.stack(place_map))
        half = flac.with_suffix(".part")
        soundfile.write(half, 0.9 * samples / np.abs(samples).max(), RATE_HZ, format="FLAC", subtype="PCM_16")
        half.rename(flac)
    beats, seconds = np.load(places)
    return Rendition(work, index, flac, beats, seconds)


def worn(samples: Samples, rng: np.random.Generator, snr_db: tuple[float, float] = (20, 35)) -> Samples:
    """As through another room, microphone and file: spectral tilt, reverberation, noise, and half the time MP3."""
    heard = _tilted(samples, rng.uniform(-3, 3))
    heard = _reverberant(heard, rng.uniform(0.3, 1.2), rng.uniform(0.1, 0.4), rng)
    power = float(np.mean(heard**2)) / 10 ** (rng.uniform(*snr_db) / 10)
    heard = heard + rng.normal(0, np.sqrt(power), len(heard)).astype(np.float32)
    heard = 0.9 * heard / np.abs(heard).max()
    bits_per_s = int(rng.choice((48_000, 64_000, 96_000)))
    return _through_mp3(heard, bits_per_s) if rng.random() < 0.5 else heard


def _tilted(samples: Samples, db_per_octave: float) -> Samples:
    """`db_per_octave` more towards the treble, pivoting at 1 kHz; level below 50 Hz."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(samples), 1 / RATE_HZ), 50) / 1_000)
    return np.fft.irfft(spectrum * 10 ** (db_per_octave * octaves / 20), len(samples)).astype(np.float32)


def _reverberant(samples: Samples, decay_s: float, wet: float, rng: np.random.Generator) -> Samples:
    """With the tail of a room that loses 60 dB in `decay_s`, `wet` (0..1) of the dry sound's level."""
    time_s = np.arange(round(decay_s * RATE_HZ)) / RATE_HZ
    tail = rng.normal(0, 1, len(time_s)) * 10 ** (-3 * time_s / decay_s)
    tail *= wet / np.linalg.norm(tail)
    return samples + fftconvolve(samples, tail)[: len(samples)].astype(np.float32)


def _through_mp3(samples: Samples, bits_per_s: int) -> Samples:
    decoded = mono(decode(mp3(bits_per_s, samples), None).samples)
    return np.pad(decoded, (0, max(0, len(samples) - len(decoded))))[: len(samples)]
