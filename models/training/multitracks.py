"""Multitracks: what a separator learns from, as shards of stems on disk: drums, bass, other and vocals, produced apart.

A track is a performance whose lead is sung, or played, or talked over; in the training split some of its instruments
are a soundfont's, others the synthesiser's, and some of its drums recorded ones. Each stem has an equaliser, a room, a
compressor and now and then a distortion of its own. A shard is one seed; any range can be rendered alone and gives the
same bytes. They live in the user's cache and are rebuilt by command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.stems import STEMS
from models.training import corpus, kits, singing, sound, synthesiser
from models.training.arrange import FONTS, perform
from models.training.composition import Composition
from models.training.performance import Part, Performance, Production
from models.training.production import Samples, produce, rms
from models.training.speech import VARIANTS, speech

VERSION = 4  # rises when a track of the same seed changes: shards of others are not used
RATE_HZ = 22_050
DURATION_S = 30.0
FONTS_OF = {  # nothing is learned from what validates, nor from what judges
    "train": (*FONTS, "freepats", "OPL-3_FM_128M"),
    "validation": ("sonivox",),
    "test": ("TimGM6mb",),
}
VOICES_OF = {"train": "train", "validation": "train", "test": "test"}
SYNTHESISED_OF = {"train": 0.4, "validation": 0.0, "test": 0.0}  # of the parts that are not sung
RECORDED_OF = {"train": 0.6, "validation": 0.0, "test": 0.0}  # of the drums that are not synthesised
SINGERS = 100_000
KINDS = {"sung": 0.7, "played": 0.2, "spoken": 0.1}  # what is in front, and in how many tracks of the training split
STEM_OF = {"lead": "other", "accompaniment": "other", "bass": "bass", "drums": "drums"}
SYNTHESISED_PEAK = (0.08, 0.4)  # beside soundfonts, whose sum has one of 0.5
DOUBLED_LEAD = 0.2  # of the sung leads are also played
SECOND_VOICE = 0.2
DRIVEN = {"drums": 0.05, "bass": 0.15, "other": 0.25, "vocals": 0.05}  # how often a stem is distorted
LEVEL_DB = {"drums": 0.0, "bass": -1.0, "other": 0.0, "vocals": 1.0}  # of a stem's mean power where it sounds
SPREAD_DB = 2.5
PEAK = 0.7  # of the sum
AUDIBLE = 1e-3  # of a stem's peak: where it sounds

Kit = Callable[[Iterable[int], int, np.random.Generator], dict[int, Samples]]
Stems = NDArray[np.int16]  # (4, samples), in the order of `models.stems.STEMS`; their sum is the mix and does not clip


def render(folder: Path, split: str, seeds: Iterable[int], *, processes: int = 1) -> None:
    """Render the shards of these seeds which are not there, 3 minutes each on one core. Progress goes to stderr."""
    missing = [seed for seed in seeds if not shard_path(folder, split, seed).exists()]
    with ProcessPoolExecutor(processes) as pool:
        jobs = [pool.submit(_render, folder, split, seed) for seed in missing]
        try:
            for at, job in enumerate(as_completed(jobs), 1):
                job.result()
                sys.stderr.write(f"multitracks: {split} shard {at} of {len(jobs)}\n")
        except BaseException:
            pool.shutdown(cancel_futures=True)  # or all the others would be rendered before anybody is told
            raise


def shard_path(folder: Path, split: str, seed: int) -> Path:
    return _shards(folder) / f"{split}-{seed:05d}.npy"


def rendered(folder: Path, split: str) -> list[int]:
    """The seeds that were rendered, in order."""
    return sorted(int(path.stem.rsplit("-", 1)[1]) for path in _shards(folder).glob(f"{split}-*.npy"))


def load_shard(folder: Path, split: str, seed: int) -> NDArray[np.int16]:
    """int16 (tracks, 4, samples), memory-mapped. Raises FileNotFoundError when it was not rendered."""
    return np.asanyarray(np.load(shard_path(folder, split, seed), mmap_mode="r"))


def _shards(folder: Path) -> Path:
    return folder / f"multitracks-{VERSION}"


def _render(folder: Path, split: str, seed: int) -> None:
    tracks = [track(composition, split, seed, folder) for _, composition in corpus.compositions(folder, split, seed)]
    path = shard_path(folder, split, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    np.save(scratch, np.stack(tracks))
    scratch.rename(path)


def track(composition: Composition, split: str, seed: int, folder: Path, kind: str | None = None) -> Stems:
    """One track of a composition, `DURATION_S` long, decided by its arguments alone.

    Args:
        composition: what is played.
        split: `train`, `validation` or `test`: whose soundfonts and voices are heard.
        seed: of the performance.
        folder: where the speakers of `singing` are kept.
        kind: one of `KINDS`, or by chance.
    Raises:
        FileNotFoundError: a program or soundfont is not installed.
    """
    performance = perform(composition, seed, DURATION_S, fonts=FONTS_OF[split])
    identity = (crc32(composition.name.encode()), seed)
    rng = np.random.default_rng([*identity, 1])
    kind = kind or str(rng.choice(list(KINDS), p=list(KINDS.values())))
    lead = next((part.notes for part in performance.parts if part.stem == "lead"), np.zeros((0, 4), np.float32))
    with_lead = kind != "sung" or rng.random() < DOUBLED_LEAD
    dry = _played(performance, split, np.random.default_rng([*identity, 2]), with_lead=with_lead)
    if kind == "sung":
        dry["vocals"] = _voices(lead, split, rng, folder)
    elif kind == "spoken":
        dry["vocals"] = speech(round(DURATION_S * RATE_HZ), RATE_HZ, rng, speakers(split))
    return _balanced({source: _produced(source, samples, rng) for source, samples in dry.items()}, rng)


def speakers(split: str) -> list[str]:
    """Who of `speech` talks in a split: those of its singers."""
    return [variant for variant in VARIANTS if variant in singing.SPEAKERS[VOICES_OF[split]]]


def _played(performance: Performance, split: str, rng: np.random.Generator, *, with_lead: bool) -> dict[str, Samples]:
    """The dry stems that are not sung: by the performance's soundfont, by the synthesiser, drums as recorded."""
    by_font: list[Part] = []
    dry: dict[str, Samples] = {}
    for part in performance.parts:
        if part.stem == "lead" and not with_lead:
            continue
        if rng.random() < SYNTHESISED_OF[split]:
            _add(dry, STEM_OF[part.stem], _synthesised(part, performance.duration_s, rng))
        elif part.stem == "drums" and rng.random() < RECORDED_OF[split]:
            _add(dry, "drums", _drummed(part, performance.duration_s, kits.kit, rng))
        else:
            by_font.append(part)
    for stem, samples in sound.stem_waveforms(replace(performance, parts=tuple(by_font)), RATE_HZ).items():
        _add(dry, STEM_OF[stem], samples)
    return {source: dry[source] for source in STEMS if source in dry}


def _synthesised(part: Part, duration_s: float, rng: np.random.Generator) -> Samples:
    if part.stem == "drums":
        return _drummed(part, duration_s, synthesiser.kit, rng)
    heard = synthesiser.played(part.notes, synthesiser.patch(rng), duration_s, RATE_HZ, rng)
    return heard * np.float32(rng.uniform(*SYNTHESISED_PEAK))


def _drummed(part: Part, duration_s: float, kit: Kit, rng: np.random.Generator) -> Samples:
    drums = kit(part.notes[:, 2].astype(int).tolist(), RATE_HZ, rng)
    return synthesiser.drummed(part.notes, drums, duration_s, RATE_HZ, rng)


def _add(stems: dict[str, Samples], name: str, samples: Samples) -> None:
    stems[name] = stems[name] + samples if name in stems else samples


def _voices(lead: NDArray[np.float32], split: str, rng: np.random.Generator, folder: Path) -> Samples:
    """One singer, and now and then a second voice: the same again, or somebody else an octave away."""
    number = int(rng.integers(SINGERS))
    sung = _sung(lead, split, number, rng, folder)
    if rng.random() < SECOND_VOICE:
        other = number if rng.random() < 0.5 else int(rng.integers(SINGERS))
        sung = sung + np.float32(rng.uniform(0.3, 0.9)) * _sung(lead, split, other, rng, folder)
    return sung


def _sung(lead: NDArray[np.float32], split: str, number: int, rng: np.random.Generator, folder: Path) -> Samples:
    singer = singing.singer(VOICES_OF[split], number)
    return singing.sing(lead, singer, singing.speaker(singer.speaker, folder), DURATION_S, rng)


def _produced(source: str, dry: Samples, rng: np.random.Generator) -> Samples:
    production = Production(
        eq_db=tuple(float(gain) for gain in rng.normal(0, 3.0, 4)),  # type: ignore[arg-type]
        reverb_s=float(rng.uniform(0.2, 2.2)),
        reverb_wet=float(rng.uniform(0.02, 0.35)) if rng.random() < (0.3 if source == "bass" else 0.7) else 0.0,
        drive=float(rng.uniform(0.1, 0.9)) if rng.random() < DRIVEN[source] else 0.0,
        compression=float(rng.uniform(1.5, 5)) if rng.random() < 0.4 else 1.0,
    )
    return produce(dry, production, RATE_HZ, int(rng.integers(2**31)))


def _balanced(stems: dict[str, Samples], rng: np.random.Generator) -> Stems:
    """The stems at levels of their own kind, as the four of `STEMS`; what is absent is zeros."""
    made = np.zeros((len(STEMS), round(DURATION_S * RATE_HZ)), np.float32)
    for row, source in enumerate(STEMS):
        wanted_db = rng.normal(LEVEL_DB[source], SPREAD_DB)
        samples = stems.get(source)
        if samples is None:
            continue
        level = rms(samples[np.abs(samples) > AUDIBLE * np.abs(samples).max(initial=0.0)])
        if level > 0:
            made[row] = samples[: made.shape[1]] * np.float32(10 ** (wanted_db / 20) / level)
    peak = max(float(np.abs(made.sum(axis=0)).max()), float(np.abs(made).max()), 1e-9)
    return np.asarray(np.rint(made * (PEAK * 32_767 / peak)), np.int16)
