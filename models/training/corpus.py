"""The corpus: which compositions are learned from and which are kept back, and their performances as shards on disk.

A shard is one seed: `COMPOSITIONS` compositions, `PERFORMANCES` performances of each, as stems of constant-Q magnitudes
with the map from score to time. Any range of seeds can be rendered alone and gives the same bytes. Features only; they
live in the user's cache and are rebuilt by command.

There are two ways to a shard: `bank` adds up the notes of the note bank, 30 ms a performance; `audio` renders, produces
and transforms sound, a second a performance, and has the produced mix as a fifth layer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.card import Hearing
from models.cqt import compressed
from models.training import bank, sound
from models.training.arrange import perform
from models.training.composition import Composition
from models.training.songs import song
from models.training.tunes import tunes

WAYS = ("bank", "audio")
COMPOSITIONS = 64
PERFORMANCES = 4
DURATION_S = 40.0
HELD_BACK = {"test": 6, "validation": 4}  # of a hundred tunes
SONG_SEEDS = {"test": 2_000_000_000, "validation": 1_000_000_000, "train": 0}  # where each split's songs begin
SPANS = 96  # most bars of a score map that are kept


@dataclass(frozen=True, slots=True)
class Shard:
    """Performances of some compositions.

    Attributes:
        stems: uint8 (performances, layers, bins, frames), compressed as `models.cqt` does, on one scale: the four
            stems, and the produced mix as a fifth layer where the sound was rendered as audio.
        maps: float32 (performances, SPANS, 4), start_s, end_s, start_beat, end_beat; unused rows are 0.
        compositions: int64 (performances,), the same number for performances of the same composition.
    """

    stems: NDArray[np.uint8]
    maps: NDArray[np.float32]
    compositions: NDArray[np.int64]


def split_of(composition: Composition) -> str:
    """`train`, `validation` or `test`, by the tune's name."""
    if composition.source == "songs":
        seed = int(composition.name.split("/")[1])
        return next(split for split, first in SONG_SEEDS.items() if seed >= first)
    place = crc32(composition.name.encode()) % 100
    if place < HELD_BACK["test"]:
        return "test"
    return "validation" if place < HELD_BACK["test"] + HELD_BACK["validation"] else "train"


@cache
def split_tunes(folder: Path, split: str) -> tuple[Composition, ...]:
    """The corpus' tunes of one split, shuffled once and for all."""
    found = [composition for composition in tunes(folder) if split_of(composition) == split]
    order = np.random.default_rng(1).permutation(len(found))
    return tuple(found[at] for at in order)


def compositions(folder: Path, split: str, seed: int) -> list[tuple[int, Composition]]:
    """The numbered compositions of a shard: half tunes, each again after all were had, half songs, never again."""
    known = split_tunes(folder, split)
    half = COMPOSITIONS // 2
    numbers = range(seed * half, (seed + 1) * half)
    played = [(number % len(known), known[number % len(known)]) for number in numbers]
    return played + [(SONG_SEEDS[split] + 1_000_000 + n, song(SONG_SEEDS[split] + n)) for n in numbers]


def render(folder: Path, split: str, way: str, seeds: Iterable[int], hearing: Hearing, *, processes: int = 1) -> None:
    """Render the shards of these seeds which are not there. Progress goes to stderr; safe to interrupt."""
    missing = [seed for seed in seeds if not shard_path(folder, split, way, seed).exists()]
    with ProcessPoolExecutor(processes) as pool:
        jobs = [pool.submit(_render, folder, split, way, seed, hearing) for seed in missing]
        for at, job in enumerate(jobs, 1):
            job.result()
            sys.stderr.write(f"corpus: {split} {way} shard {at} of {len(jobs)}\n")


def shard_path(folder: Path, split: str, way: str, seed: int) -> Path:
    return folder / "shards" / f"{split}-{way}-{seed:05d}"


def load_shard(folder: Path, split: str, way: str, seed: int) -> Shard:
    """A rendered shard, its stems memory-mapped. Raises FileNotFoundError when it was not rendered."""
    at = shard_path(folder, split, way, seed)
    with np.load(at / "maps.npz") as told:
        return Shard(np.load(at / "stems.npy", mmap_mode="r"), told["maps"], told["compositions"])


def rendered(folder: Path, split: str, way: str) -> list[int]:
    """The seeds that were rendered, in order."""
    return sorted(int(path.name.rsplit("-", 1)[1]) for path in (folder / "shards").glob(f"{split}-{way}-[0-9]*"))


def _render(folder: Path, split: str, way: str, seed: int, hearing: Hearing) -> None:
    chosen = compositions(folder, split, seed)
    stems, maps, numbers = [], [], []
    for number, composition in chosen:
        for at in range(PERFORMANCES):
            # Performances as audio are others than those of the bank, of the same compositions.
            number_at = seed * PERFORMANCES + at + (way == "audio") * 1_000_000
            performance = perform(composition, number_at, DURATION_S)
            if way == "audio":
                layers, _ = sound.performance_cqts(performance, hearing, number_at)
                stems.append(_exactly(layers, hearing))
                maps.append(padded_map(sound.produced_score_map(performance)))
            else:
                stems.append(compressed_stems(bank.stem_magnitudes(performance, _bank(folder), hearing), hearing))
                maps.append(padded_map(performance.score_map))
            numbers.append(number)
    path = shard_path(folder, split, way, seed)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.mkdir(parents=True, exist_ok=True)
    np.save(scratch / "stems.npy", np.stack(stems))
    np.savez(scratch / "maps.npz", maps=np.stack(maps), compositions=np.array(numbers, np.int64))
    scratch.rename(path)


@cache
def _bank(folder: Path) -> bank.Bank:
    return bank.load(folder / "bank")


def compressed_stems(magnitudes: NDArray[np.float32], hearing: Hearing) -> NDArray[np.uint8]:
    """Stems on one scale, float32 (4, bins, frames), as bytes relative to the peak of their sum."""
    return compressed(magnitudes, float(np.sqrt(np.square(magnitudes).sum(axis=0)).max()), hearing)


def _exactly(layers: NDArray[np.uint8], hearing: Hearing) -> NDArray[np.uint8]:
    """Cut or filled to `DURATION_S`: a detuned performance is longer or shorter."""
    frames = int(np.ceil(DURATION_S / hearing.frame_s))
    return np.pad(layers[:, :, :frames], ((0, 0), (0, 0), (0, max(0, frames - layers.shape[2]))))


def padded_map(score_map: NDArray[np.float64]) -> NDArray[np.float32]:
    """The score map with `SPANS` rows, of those that end within `DURATION_S`."""
    spans = score_map[score_map[:, 1] <= DURATION_S][:SPANS]
    return np.pad(spans, ((0, SPANS - len(spans)), (0, 0))).astype(np.float32)
