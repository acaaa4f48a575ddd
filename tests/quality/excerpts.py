"""Excerpts whose source is known, and of tracks that nobody has indexed: what recognition is asked.

Tracks are whole: Wesnoth's recordings, and OpenMSX's MIDI files rendered with one soundfont (Debian packages
`wesnoth-1.16-music`, `openttd-openmsx`). Every fifth is left out of the index: a stranger. Whoever changes what is
drawn here changes VERSION.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from models.audio.flac import mono
from tests.quality import openmsx, wesnoth
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.damages import CHANGED, DAMAGES, Damage, Step, noise, sped_up
from tests.quality.renditions import Map, Rendition, files_of, folder_of, kept, seeded

VERSION = "1"
SEED = 20_261_121
SECONDS = (3.0, 5.0, 10.0)
PER_CONDITION = 12
STRANGERS = 120  # excerpts, each cut to all of SECONDS
EVERY_STRANGER, FIRST_STRANGER = 5, 3
SAMPLED_S = (5.0, 10.0)
MIX_S = 15.0
LEVELS_DB = (0.0, -6.0)
LONG_S = (20.0, 40.0, 80.0)  # of strangers
SPLICED_S, SPLICED_SPEEDS, SPLICED_SNR_DB = 60.0, (1.0, 1.03, 0.95), (None, 10, 5)
SAME_MUSIC = {"frantic-old": "frantic"}  # two masters of one recording: neither is a wrong answer for the other


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A query.

    Attributes:
        condition: what was done to it.
        seconds: what it was cut to, of a mix how much of it is the sample.
        samples: mono float32 at 22,050 Hz.
        work: of the indexed track that it comes from; None: it comes from none.
        start_s, end_s: where in the query that sounds.
        source_s: the track's second under `start_s`.
        damage: that was done.
    """

    condition: str
    seconds: float
    samples: Samples
    work: str | None
    start_s: float
    end_s: float
    source_s: float
    damage: Damage

    def under_s(self, query_s: float) -> float:
        """The track's second under the query's."""
        return self.source_s + self.damage.tempo * (query_s - self.start_s)


def tracks() -> tuple[list[Rendition], list[Rendition]]:
    """Those to index, and the strangers, by name."""
    folder = folder_of("recordings", VERSION, SEED)
    paths = files_of(wesnoth.PACKAGE, wesnoth.FOLDER, ".ogg")
    recorded = [path for path in paths if soundfile.info(path).duration >= wesnoth.SHORTEST_S]
    written = files_of(openmsx.PACKAGE, openmsx.FOLDER, ".mid")
    every = [
        *(kept(folder, path.stem, 0, lambda path=path: _recorded(path)) for path in recorded),
        *(kept(folder, path.stem, 0, lambda path=path: _played(path)) for path in written),
    ]
    left_out = [one for at, one in enumerate(every) if at % EVERY_STRANGER == FIRST_STRANGER]
    return [one for one in every if one not in left_out], left_out


def work_of(name: str) -> str:
    return SAME_MUSIC.get(name, name)


def excerpts(
    indexed: list[Rendition],
    damages: Mapping[str, Damage] = DAMAGES,
    lengths_s: Sequence[float] = SECONDS,
    many: int = PER_CONDITION,
) -> Iterator[Excerpt]:
    """`many` of each condition and length; those of a condition are of different tracks, the same for all."""
    sounds = [one.samples() for one in indexed]
    for condition, damage in damages.items():
        rng = seeded(SEED, "excerpts", 0)
        for at in _drawn(rng, len(indexed), many):
            longest = _excerpt((condition, damage), sounds[at], indexed[at].work, max(lengths_s), rng)
            yield from (_cut(longest, seconds) for seconds in lengths_s)


def mixes(indexed: list[Rendition], strangers: list[Rendition]) -> Iterator[Excerpt]:
    """A sample of an indexed track under, or over, a stranger."""
    sounds = [one.samples() for one in indexed]
    others = [one.samples() for one in strangers]
    for name, damage in {"sample": Damage(()), "sample, tempo ×1.1, pitch +2": CHANGED}.items():
        for level_db in LEVELS_DB:
            rng = seeded(SEED, "mixes", 0)
            for at in _drawn(rng, len(indexed), PER_CONDITION):
                seconds = float(rng.uniform(*SAMPLED_S))
                sample = _excerpt((f"{name} {level_db:+.0f} dB", damage), sounds[at], indexed[at].work, seconds, rng)
                yield _mixed(sample, others[int(rng.integers(len(others)))], level_db, rng)


def songs(indexed: list[Rendition], strangers: list[Rendition], voice: Step, many: int) -> Iterator[Excerpt]:
    """A sample of an indexed track as loud as the stranger under which it is mixed, and a voice over both."""
    sounds = [one.samples() for one in indexed]
    others = [one.samples() for one in strangers]
    for name, damage in {"song, sample": Damage(()), "song, sample, tempo ×1.1, pitch +2": CHANGED}.items():
        rng = seeded(SEED, "songs", 0)
        for at in _drawn(rng, len(indexed), many):
            seconds = float(rng.uniform(*SAMPLED_S))
            sample = _excerpt((name, damage), sounds[at], indexed[at].work, seconds, rng)
            mixed = _mixed(sample, others[int(rng.integers(len(others)))], 0.0, rng)
            yield replace(mixed, samples=voice(mixed.samples, rng))


def unknown(strangers: list[Rendition], damages: Mapping[str, Damage] = DAMAGES) -> Iterator[Excerpt]:
    """Excerpts of strangers, every second one damaged, the others in the first way, which may be none."""
    rng = seeded(SEED, "strangers", 0)
    sounds = [one.samples() for one in strangers]
    ways = list(damages.items())
    for number in range(STRANGERS):
        at = number % len(sounds)
        way = ways[number // 2 % len(ways)] if number % 2 else ways[0]
        longest = _excerpt(way, sounds[at], None, max(SECONDS), rng)
        yield from (_cut(longest, seconds) for seconds in SECONDS)


def long_unknown(strangers: list[Rendition]) -> Iterator[Excerpt]:
    """Long excerpts of strangers as they are, two of each track and length."""
    rng = seeded(SEED, "long strangers", 0)
    for one in strangers:
        samples = one.samples()
        for seconds in LONG_S:
            if len(samples) / RATE_HZ > seconds + 1:
                yield from (_excerpt(("clean", Damage(())), samples, None, seconds, rng) for _ in range(2))


def spliced(indexed: list[Rendition], strangers: list[Rendition]) -> Iterator[Excerpt]:
    """Two minutes of a stranger whose second half minute and third are a minute of an indexed track, then noise."""
    rng = seeded(SEED, "spliced", 0)
    for speed in SPLICED_SPEEDS:
        for snr_db in SPLICED_SNR_DB:
            long = [one for one in indexed if one.seconds[-1] > 2 * SPLICED_S]
            source, other = (some[int(rng.integers(len(some)))] for some in (long, strangers))
            damage = Damage((sped_up(speed),), speed, float(12 * np.log2(speed)))
            part = _excerpt((f"spliced, noise {snr_db}", damage), source.samples(), source.work, SPLICED_S, rng)
            heard = np.resize(other.samples(), round(2 * SPLICED_S * RATE_HZ))
            at = round(SPLICED_S / 2 * RATE_HZ)
            heard[at : at + len(part.samples)] = part.samples
            if snr_db is not None:
                heard = noise(snr_db)(heard, rng)
            yield replace(part, samples=heard, start_s=SPLICED_S / 2, end_s=1.5 * SPLICED_S)


def _excerpt(
    way: tuple[str, Damage], samples: Samples, work: str | None, seconds: float, rng: np.random.Generator
) -> Excerpt:
    """A sounding stretch, damaged, so long that it lasts `seconds` then."""
    condition, damage = way
    needed_s = (seconds + 0.1) * damage.tempo
    length = round(needed_s * RATE_HZ)
    level = float(np.sqrt(np.mean(samples**2)))
    for _ in range(100):
        start = int(rng.integers(0, len(samples) - length))
        heard = samples[start : start + length]
        if np.sqrt(np.mean(heard**2)) > level / 4:
            break
    made = damage(heard, rng)[: round(seconds * RATE_HZ)]
    return Excerpt(
        condition, seconds, made, None if work is None else work_of(work), 0.0, seconds, start / RATE_HZ, damage
    )


def _cut(longest: Excerpt, seconds: float) -> Excerpt:
    return replace(longest, seconds=seconds, end_s=seconds, samples=longest.samples[: round(seconds * RATE_HZ)])


def _mixed(sample: Excerpt, other: Samples, level_db: float, rng: np.random.Generator) -> Excerpt:
    """The sample, `level_db` louder than what it is mixed with there."""
    length = round(MIX_S * RATE_HZ)
    first = int(rng.integers(0, len(other) - length))
    heard = other[first : first + length].copy()
    at = int(rng.integers(0, length - len(sample.samples)))
    under = heard[at : at + len(sample.samples)]
    loud, quiet = (float(np.sqrt(np.mean(part**2))) + 1e-6 for part in (under, sample.samples))
    under += sample.samples * np.float32(loud / quiet * 10 ** (level_db / 20))
    heard *= np.float32(0.9 / np.abs(heard).max())
    return replace(sample, samples=heard, start_s=at / RATE_HZ, end_s=(at + len(sample.samples)) / RATE_HZ)


def _drawn(rng: np.random.Generator, every: int, many: int) -> list[int]:
    return [int(at) for at in rng.permutation(every)[:many]]


def _recorded(path: Path) -> tuple[Samples, Map]:
    read, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return _whole(np.asarray(soxr.resample(mono(read), rate_hz, RATE_HZ), np.float32))


def _played(path: Path) -> tuple[Samples, Map]:
    return _whole(openmsx.rendered(openmsx.read(path), *openmsx.FONTS[0]))


def _whole(samples: Samples) -> tuple[Samples, Map]:
    """Nobody has marked beats here: its second is its own."""
    ends_s = np.array([0.0, len(samples) / RATE_HZ])
    return samples, (ends_s, ends_s)
