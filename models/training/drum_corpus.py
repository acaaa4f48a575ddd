"""The drums' corpus: grooves performed, produced and heard as lag curves, shard by shard.

Single strokes are rendered once for every kit (the hit bank); a performance adds them up, with a kit or a mixture of
two, its tuning and its damping drawn anew, and goes through an equaliser, a room, noise and a codec of its own. Curves
only; they live in the user's cache and are rebuilt by command.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile
from numpy.typing import NDArray

from models import rhythm
from models.rhythm_card import RhythmHearing
from models.training.drumming import CRASHES, played
from models.training.drums import VOICES, Groove, grooves
from models.training.grooves import KITS, TOMS
from models.training.performance import Part, Production
from models.training.production import Samples, produce
from models.training.sound import fluidsynth, soundfont_path, write_midi

FONTS = ("FluidR3_GM", "MuseScore_General")  # both MIT
KEYS = tuple(sorted({*CRASHES, *TOMS, *itertools.chain.from_iterable(VOICES.values())}))
HIT_S = 1.0
VELOCITY = 100.0
GROOVES = 50  # of a shard
PERFORMANCES = 4  # of a groove
DURATION_S = (14.0, 20.0)
SHORT_S = (4.0, 9.0)  # of one more window of each performance: excerpts are asked for, too
VERSION = 1  # rises when a groove's performances change: shards of others are not used

Rng = np.random.Generator
Bank = dict[tuple[str, int, int], Samples]  # by soundfont, kit and key


@dataclass(frozen=True, slots=True)
class Heard:
    """Windows of performances.

    Attributes:
        curves: float16 (windows, pairs, lags); of each performance first those that are encoded, then a shorter one.
        groove, performance: int32 (windows,): which they are of.
        short: bool (windows,).
    """

    curves: NDArray[np.float16]
    groove: NDArray[np.int32]
    performance: NDArray[np.int32]
    short: NDArray[np.bool_]


def heard(folder: Path, split: str, count: int, hearing: RhythmHearing) -> Heard:
    """The first `count` grooves of a split, `PERFORMANCES` of each; renders the shards that are not there.

    Progress goes to stderr; safe to interrupt. Raises FileNotFoundError: FluidSynth or a soundfont is not installed.
    """
    shards = folder / f"drums-{VERSION}-{crc32(repr(hearing).encode()):08x}"
    numbered = list(enumerate(itertools.islice(grooves(split), count)))
    bank: Bank = {}
    parts = []
    for first in range(0, count, GROOVES):
        path = shards / f"{split}-{first:05d}-{len(numbered[first : first + GROOVES])}.npz"
        if not path.exists():
            bank = bank or hit_bank(hearing.rate_hz)
            _keep(_rendered(numbered[first : first + GROOVES], bank, hearing), path)
            sys.stderr.write(f"drums: {split} grooves {path.stem}\n")
        with np.load(path) as told:
            parts.append([told[name] for name in Heard.__slots__])
    return Heard(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def hit_bank(rate_hz: int) -> Bank:
    """Every key of every kit, struck once, mono float32 (`HIT_S` * rate_hz,)."""
    return {
        (font, kit, key): hit
        for font, kit in itertools.product(FONTS, KITS)
        for key, hit in zip(KEYS, _struck(font, kit, rate_hz), strict=True)
    }


def performed(groove: Groove, bank: Bank, rng: Rng, hearing: RhythmHearing) -> Samples:
    """One performance as it is heard, mono float32 at the hearing's rate."""
    duration_s = float(rng.uniform(*DURATION_S))
    hits = played(groove, duration_s, rng)
    kits = [(str(rng.choice(FONTS)), int(rng.choice(KITS))) for _ in range(2)]
    mixed = rng.random() < 0.4  # two kits in one, as no soundfont has it
    rate_hz = hearing.rate_hz
    samples = np.zeros(round((duration_s + 2 * HIT_S) * rate_hz), np.float32)
    sounds: dict[int, Samples] = {}
    for at_s, key, gain in hits:
        if key not in sounds:
            sounds[key] = _tuned(bank[*kits[int(mixed and rng.random() < 0.5)], key], rate_hz, rng)
        start, sound = round(at_s * rate_hz), sounds[key]
        samples[start : start + len(sound)] += np.float32(gain) * sound
    dry = samples[: round(duration_s * rate_hz)]
    peak = float(np.abs(dry).max(initial=0.0))
    return produce(dry / np.float32(max(2 * peak, 1e-6)), _production(rng), rate_hz, int(rng.integers(2**31)))


def _tuned(hit: Samples, rate_hz: int, rng: Rng) -> Samples:
    """A drum tuned higher or lower, and damped or not."""
    faster = float(np.exp(np.clip(rng.normal(0, 0.12), -0.3, 0.3)))
    places = np.arange(int(len(hit) / faster)) * faster
    found = np.interp(places, np.arange(len(hit)), hit)
    if rng.random() < 0.4:
        found *= np.exp(-np.arange(len(found)) / rate_hz / np.exp(rng.uniform(np.log(0.05), np.log(0.6))))
    return np.asarray(found, np.float32)


def _production(rng: Rng) -> Production:
    """A third is dry; the others come from another room, through another chain."""
    if rng.random() < 0.3:
        return Production()
    slope = rng.uniform(-3, 3) * 2  # dB from one of the four knots, two octaves apart, to the next
    tilt = [float(slope * (knot - 1.5) + rng.normal(0, 2)) for knot in range(4)]
    told = Production(eq_db=(tilt[0], tilt[1], tilt[2], tilt[3]), noise_db=float(rng.uniform(15, 45)))
    if rng.random() < 0.8:
        told = replace(told, reverb_s=float(rng.uniform(0.2, 1.3)), reverb_wet=float(rng.uniform(0.05, 0.4)))
    if rng.random() < 0.4:
        told = replace(told, compression=float(rng.uniform(1.5, 6)), drive=float(rng.choice([0.0, 0.1, 0.3])))
    if rng.random() < 0.25:
        codecs = (("mp3", 48_000), ("mp3", 96_000), ("aac", 64_000), ("opus", 32_000))
        told = replace(told, codec=codecs[rng.integers(len(codecs))])
    return told


def _rendered(numbered: list[tuple[int, Groove]], bank: Bank, hearing: RhythmHearing) -> Heard:
    curves, rows = [], []
    for number, groove in numbered:
        for at in range(PERFORMANCES):
            rng = np.random.default_rng([at, *groove.name.encode()])
            samples = performed(groove, bank, rng, hearing)
            whole = rhythm.curves(samples, hearing)
            length = round(rng.uniform(*SHORT_S) * hearing.rate_hz)
            first = int(rng.integers(len(samples) - length))
            part = rhythm.curves(samples[first : first + length], hearing)[:1]
            curves += [whole, part]
            rows += [(number, at, short) for short in (False,) * len(whole) + (True,) * len(part)]
    owner = np.array(rows, np.int32)
    return Heard(np.concatenate(curves).astype(np.float16), owner[:, 0], owner[:, 1], owner[:, 2].astype(np.bool_))


def _keep(shard: Heard, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{os.getpid()}-{path.name}")
    np.savez(scratch, **{name: getattr(shard, name) for name in Heard.__slots__})
    scratch.rename(path)


def _struck(font: str, kit: int, rate_hz: int) -> list[Samples]:
    apart_s = HIT_S + 0.2
    notes = np.array([(0.1 + apart_s * at, 0.2, key, VELOCITY) for at, key in enumerate(KEYS)], np.float32)
    with tempfile.TemporaryDirectory() as scratch:
        midi, wav = Path(scratch, "hits.mid"), Path(scratch, "hits.wav")
        write_midi([Part("drums", kit, notes)], midi)
        subprocess.run(fluidsynth(soundfont_path(font), midi, wav, rate_hz), check=True, stdout=subprocess.DEVNULL)
        samples = soundfile.read(wav, dtype="float32", always_2d=True)[0].mean(axis=1)
    samples = np.pad(samples, (0, round(apart_s * (len(KEYS) + 1) * rate_hz)))
    fade = np.minimum(1, np.linspace(8, 0, round(HIT_S * rate_hz))).astype(np.float32)
    starts = [round((0.1 + apart_s * at) * rate_hz) for at in range(len(KEYS))]
    return [samples[start : start + len(fade)] * fade for start in starts]
