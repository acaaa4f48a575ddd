"""Sound marks: short jingles that nobody has heard before, by themselves, under speech and under music.

A mark is three to seven notes of one of five timbres, and its last note rings on. It is laid over 20 s of speech or of
a recording, 0 to 6 dB louder than what it lies upon. Whoever changes what is drawn changes VERSION.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from models.training.speech import speech
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.renditions import Map, Rendition, folder_of, kept, seeded
from tests.quality.verdict_pairs import Pair, len_s, loudness

VERSION = "1"
SECONDS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
MARKS = 6  # of each length
HOST_S = 20.0
LOUDER_DB = (0.0, 6.0)
SHARE_OF_TAIL = 0.35  # of a mark, after its last note began
SCALE = (0, 2, 4, 7, 9, 12, 14, 16)
TIMBRES = {  # partials: ratio to the fundamental, share, seconds to decay by 60 dB
    "bell": ((0.5, 0.3, 2.5), (1.0, 1.0, 2.0), (1.19, 0.5, 1.6), (2.0, 0.6, 1.2), (2.74, 0.4, 0.8), (4.1, 0.3, 0.5)),
    "marimba": ((1.0, 1.0, 0.7), (3.93, 0.35, 0.25), (9.2, 0.15, 0.1)),
    "plucked": tuple((float(n), 1.0 / n, 2.2 / n) for n in range(1, 9)),
    "glass": ((1.0, 1.0, 3.0), (2.32, 0.45, 1.5), (4.25, 0.25, 0.9), (6.63, 0.15, 0.5)),
    "organ": tuple((float(n), 1.0 / n, 6.0) for n in (1, 2, 3, 4, 6, 8)),
}


def jingles(recorded: list[Rendition], seed: int) -> Iterator[Pair]:
    """Every mark in speech, in music, and against a host without it: every second time that is music."""
    for at in range(MARKS * len(SECONDS)):
        seconds = SECONDS[at % len(SECONDS)]
        clean = _kept(seed, at, "mark", lambda at=at, long=seconds: _alone(mark(long, seeded(seed, "mark", at))))
        hosts = {
            kind: lambda at=at, kind=kind: programme(recorded, seed, at, spoken=kind == "speech")
            for kind in ("speech", "music")
        }
        for background, host in hosts.items():
            over = _kept(seed, at, background, lambda at=at, long=seconds, host=host: _laid(long, host(), seed, at))
            yield Pair(f"jingle in {background}", f"{seconds:g} s", clean.flac, over.flac, over.beats, over.seconds)
        background = "music" if at // len(SECONDS) % 2 else "speech"
        without = _kept(seed, at, f"no-{background}", lambda host=hosts[background]: _alone(host()))
        yield Pair("no_relation", f"jingle, {background} without it", clean.flac, without.flac)


def mark(seconds: float, rng: np.random.Generator) -> Samples:
    """Float32 (samples,) of that length, its greatest sample 0.9."""
    many = int(rng.integers(3, 8))
    timbre = TIMBRES[str(rng.choice(list(TIMBRES)))]
    rhythm = np.cumsum(np.concatenate([[0.0], rng.choice((1.0, 1.0, 2.0, 3.0), many - 1)]))
    starts_s = rhythm / rhythm[-1] * seconds * (1 - SHARE_OF_TAIL)
    tonic = int(rng.integers(60, 76))
    sound, time_s = np.zeros(round(seconds * RATE_HZ)), np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    for start_s in starts_s:
        pitch = tonic + int(rng.choice(SCALE))
        after_s = np.maximum(time_s - start_s, 0.0)
        attack = np.minimum(after_s / 0.005, 1.0)
        for ratio, share, decay_s in timbre:
            if (hertz := ratio * 440 * 2 ** ((pitch - 69) / 12)) < 0.45 * RATE_HZ:
                sound += attack * share * 10 ** (-3 * after_s / decay_s) * np.sin(2 * np.pi * hertz * after_s)
    fade = np.minimum((seconds - time_s) / 0.05, 1.0)
    return np.asarray(0.9 * fade * sound / np.abs(sound).max(), np.float32)


def _kept(seed: int, at: int, name: str, make: Callable[[], tuple[Samples, Map]]) -> Rendition:
    return kept(folder_of("jingles", VERSION, seed), f"{at:02d}-{name}", 0, make)


def _alone(samples: Samples) -> tuple[Samples, Map]:
    ends_s = np.array([0.0, len(samples) / RATE_HZ])
    return samples, (ends_s, ends_s)


def programme(recorded: list[Rendition], seed: int, at: int, *, spoken: bool) -> Samples:
    """`HOST_S` of speech, or of a recording."""
    if spoken:
        return speech(round(HOST_S * RATE_HZ), RATE_HZ, seeded(seed, "speech", at))
    rng = seeded(seed, "music", at)
    track = recorded[int(rng.integers(len(recorded)))]
    start = int(rng.integers(0, max(1, round((len_s(track) - HOST_S) * RATE_HZ))))
    return track.samples()[start : start + round(HOST_S * RATE_HZ)]


def _laid(seconds: float, host: Samples, seed: int, at: int) -> tuple[Samples, Map]:
    """A mark over a host; the map is the mark's seconds over the host's."""
    rng, laid = seeded(seed, "laid", at), mark(seconds, seeded(seed, "mark", at))
    heard = host.copy()
    start = int(rng.integers(0, len(heard) - len(laid)))
    part = heard[start : start + len(laid)]
    # Speech pauses: what counts is how loud it is where somebody speaks.
    level = max(loudness(part), loudness(host[host != 0]))
    part += laid * np.float32(level / loudness(laid) * 10 ** (rng.uniform(*LOUDER_DB) / 20))
    ends_s = np.array([0.0, seconds])
    return heard, (ends_s, start / RATE_HZ + ends_s)
