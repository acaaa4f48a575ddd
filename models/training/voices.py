"""The voices' corpus: singers who sing several melodies each, and melodies that several of them sing, as mel powers.

Songs of one singer share no syllable, lie in other parts of the range and come through other rooms: what they have in
common is the voice. What a separator leaves of the accompaniment is taken from the multitracks. Powers only; they live
in the user's cache and are rebuilt by command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import count, islice
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models import voice
from models.training import corpus, multitracks, singing
from models.training.arrange import perform
from models.training.performance import Production
from models.training.production import Samples, produce
from models.voice_card import VoiceHearing

RATE_HZ = singing.RATE_HZ
SONGS = 3  # of each singer
MELODIES = 256  # of the training split: each is sung by some singers
DURATION_S = 12.0  # two windows of 8 s
PERFORMED_S = 40.0  # the melody may come late
LEAST_NOTES = 12  # of a melody within `DURATION_S`
BEGINS_S = 0.1
RANGE_SPREAD = 2.5  # semitones by which a singer's range lies elsewhere in another song
PRODUCED = 0.6  # of the songs come through somebody's studio
HELD_BACK = 8  # of so many speakers of the training split one is kept apart for development
SINGERS = 20  # of a shard
LEFT = 2  # shards of multitracks whose accompaniment is left over
LEAST = 1e-10  # what is added to a power before its logarithm
VERSION = 1  # rises when what is sung changes: shards of others are not used

Notes = NDArray[np.float32]  # (notes, 4): start_s, duration_s, pitch, velocity
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Heard:
    """Songs.

    Attributes:
        power: float16 (songs, bands, frames), natural logarithm of the mel powers.
        singer, melody: int32 (songs,): who sings, and what.
    """

    power: NDArray[np.float16]
    singer: NDArray[np.int32]
    melody: NDArray[np.int32]


def heard(folder: Path, singers: int, hearing: VoiceHearing) -> Heard:
    """The songs of the training split's first `singers`; renders the shards that are not there.

    Progress goes to stderr; safe to interrupt. Raises FileNotFoundError: eSpeak NG is not installed.
    """
    parts = []
    for first in range(0, singers, SINGERS):
        numbers = range(first, min(first + SINGERS, singers))
        path = _shards(folder, hearing) / f"train-{first:05d}-{len(numbers)}.npz"
        if not path.exists():
            _keep(path, **_sung(numbers, folder, hearing))
            sys.stderr.write(f"voices: {path.stem}\n")
        with np.load(path) as told:
            parts.append([told[name] for name in Heard.__slots__])
    return Heard(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def left_over(folder: Path, hearing: VoiceHearing) -> NDArray[np.float16]:
    """What accompanies: float16 (tracks, 3, bands, frames), logarithms as in `Heard`, of drums, bass and other.

    Renders the multitracks that are not there, minutes each; raises FileNotFoundError as that does.
    """
    path = _shards(folder, hearing) / f"left-{LEFT}-{multitracks.VERSION}.npz"
    if not path.exists():
        multitracks.render(folder, "train", range(LEFT))
        tracks = [track[:3] for seed in range(LEFT) for track in multitracks.load_shard(folder, "train", seed)]
        rows = [[_logarithm(stem / np.float32(32_768), hearing) for stem in track] for track in tracks]
        _keep(path, power=np.array(rows, np.float16))
    with np.load(path) as told:
        return np.asarray(told["power"])


def held_back(number: int) -> bool:
    """Whether singer `number` of the training split has a speaker that is kept apart for development."""
    variant = singing.singer("train", number).speaker.split("+")[1]
    return crc32(variant.encode()) % HELD_BACK == 0


def song(singer: int, at: int, folder: Path) -> tuple[int, Samples]:
    """Which melody a singer of the training split sings as song `at` of `SONGS`, and how: `DURATION_S` of it."""
    melody = int(np.random.default_rng([singer, 1]).permutation(MELODIES)[at])
    rng = np.random.default_rng([singer, at, 2])
    who = singing.singer("train", singer)
    elsewhere = replace(who, centre_pitch=who.centre_pitch + float(rng.normal(0, RANGE_SPREAD)))
    line = melodies(folder, "train", MELODIES)[melody]
    dry = take(line, elsewhere, (at, SONGS), rng, folder=folder, duration_s=DURATION_S)
    return melody, produce(dry, _production(rng), RATE_HZ, int(rng.integers(2**31)))


def take(
    line: Notes, who: singing.Singer, part: tuple[int, int], rng: Rng, *, folder: Path, duration_s: float
) -> Samples:
    """A melody, sung with some of the syllables that a speaker has.

    Args:
        line: as `melodies` gives it.
        part: which one of how many songs of the singer this is: no two of them share a syllable.
        folder: where speakers are kept.
        duration_s: of the result, at `RATE_HZ`.
    """
    spoken = singing.speaker(who.speaker, folder)
    at, songs = part
    return singing.sing(line, who, replace(spoken, syllables=spoken.syllables[at::songs]), duration_s, rng)


@cache
def melodies(folder: Path, split: str, number: int) -> tuple[Notes, ...]:
    """The first `number` melodies of a split, as leads of one performance each, from their first note on."""
    return tuple(islice(_melodies(folder, split), number))


def _melodies(folder: Path, split: str) -> Iterator[Notes]:
    for seed in count():
        for _, composition in corpus.compositions(folder, split, seed):
            parts = perform(composition, seed, PERFORMED_S).parts
            notes = next((part.notes for part in parts if part.stem == "lead"), np.zeros((0, 4), np.float32))
            if not len(notes):
                continue
            line = notes - np.array([notes[:, 0].min() - BEGINS_S, 0, 0, 0], np.float32)
            if int((line[:, 0] < DURATION_S).sum()) >= LEAST_NOTES:
                yield line


def _production(rng: Rng) -> Production:
    """A studio and a file, which a mel power cannot have later; `wear` adds the rest when it is learned from."""
    if rng.random() > PRODUCED:
        return Production()
    told = Production(
        reverb_s=float(rng.uniform(0.2, 2.0)),
        reverb_wet=float(rng.uniform(0.02, 0.35)) if rng.random() < 0.8 else 0.0,
        drive=float(rng.uniform(0.05, 0.3)) if rng.random() < 0.15 else 0.0,
        compression=float(rng.uniform(1.5, 6)) if rng.random() < 0.5 else 1.0,
    )
    codecs = (("mp3", 48_000), ("mp3", 96_000), ("aac", 64_000), ("opus", 32_000))
    return replace(told, codec=codecs[rng.integers(len(codecs))]) if rng.random() < 0.25 else told


def _sung(numbers: range, folder: Path, hearing: VoiceHearing) -> dict[str, NDArray[np.generic]]:
    power, rows = [], []
    for number in numbers:
        for at in range(SONGS):
            melody, samples = song(number, at, folder)
            power.append(_logarithm(samples, hearing))
            rows.append((number, melody))
    owner = np.array(rows, np.int32)
    return {"power": np.stack(power), "singer": owner[:, 0], "melody": owner[:, 1]}


def _logarithm(samples: Samples, hearing: VoiceHearing) -> NDArray[np.float16]:
    return np.asarray(np.log(voice.powers(samples, hearing) + LEAST), np.float16)


def _shards(folder: Path, hearing: VoiceHearing) -> Path:
    heard_as = (hearing.rate_hz, hearing.frame_samples, hearing.hop_samples, hearing.bands)
    key = crc32(repr((*heard_as, hearing.lowest_hz, hearing.highest_hz)).encode())
    return folder / f"voices-{VERSION}-{key:08x}"


def _keep(path: Path, **arrays: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{os.getpid()}-{path.name}")
    np.savez(scratch, **arrays)  # type: ignore[arg-type]
    scratch.rename(path)
