"""Labelled pairs of recordings: one recording, changed or edited, sampled, another arrangement, or nothing in common.

They are made of Wesnoth's recordings, of OpenMSX's pieces and of performances that nothing is trained or calibrated on
(`wesnoth`, `openmsx`, `synthetic`), and of the demo clips. What is made here is kept as FLAC. Whoever changes what is
drawn changes VERSION.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.training.__main__ import cache_folder
from tests.quality import openmsx, synthetic, wesnoth
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.clips import FOLDER
from tests.quality.damages import CHANGED, Damage, faster, file, higher, noise, sped_up
from tests.quality.renditions import Map, Rendition, folder_of, kept, seeded

VERSION = "1"
SEEDS = 20_261_201, 20_261_122  # what verdicts go by was set on the first; the second judges
EXCERPT_S = (8.0, 20.0)
MODIFIED_S = 20.0
PIECE_S, GAP_S = 18.0, 5.0  # of an edit: two pieces, and at least so much left out between them
SAMPLED_S, MIX_S = 8.0, 40.0
PERFORMED = 36  # performances that are strangers to each other
TWICE = "frantic-old"  # a second master of another recording of the set
SPEED_SEMITONES = float(12 * np.log2(1.06))

MODIFIED = {
    "pitch +2": Damage((higher(2),), semitones=2),
    "tempo ×0.9": Damage((faster(0.9),), 0.9),
    "tempo ×1.1": Damage((faster(1.1),), 1.1),
    "speed ×1.06": Damage((sped_up(1.06),), 1.06, SPEED_SEMITONES),
    "speed ×1.06, noise 5 dB": Damage((sped_up(1.06), noise(5)), 1.06, SPEED_SEMITONES),
}
SAMPLES = {"as it is": Damage(()), "tempo ×1.1, pitch +2": CHANGED}


def _nowhere() -> NDArray[np.float64]:
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two files and what they have to do with each other.

    Attributes:
        truth: the kind of the pair, a row of the matrix.
        made: in which way, within its kind.
        query, candidate: audio files.
        query_s, candidate_s: float64, equally long: seconds of the query, and the candidate's seconds under them; empty
            where there are none, or where nobody knows them.
    """

    truth: str
    made: str
    query: Path
    candidate: Path
    query_s: NDArray[np.float64] = field(default_factory=_nowhere)
    candidate_s: NDArray[np.float64] = field(default_factory=_nowhere)


@dataclass(frozen=True, slots=True)
class Sources:
    """Originals of each source; `arranged` are OpenMSX's first arrangements, `played` the second performances.

    Attributes:
        seed: what is drawn of them. Each has strangers of its own among the performances, the `unheard` ones.
    """

    seed: int
    recorded: list[Rendition]
    pieces: list[Rendition]
    arranged: list[Rendition]
    performed: list[Rendition]
    played: list[Rendition]

    @property
    def unheard(self) -> list[Rendition]:
        return self.performed[:PERFORMED] if self.seed == SEEDS[1] else self.performed[PERFORMED:]


def sources(seed: int) -> Sources:
    recorded, pieces, performances = wesnoth.renditions(), openmsx.renditions(), synthetic.renditions(cache_folder())
    return Sources(
        seed=seed,
        recorded=[one for one in recorded if one.index == 0 and one.work != TWICE],
        pieces=[one for one in pieces if one.index == 0],
        arranged=[one for one in pieces if one.index == 1],
        performed=[one for one in performances if one.index == 0],
        played=[one for one in performances if one.index == 1],
    )


def same_recordings(of: Sources) -> Iterator[Pair]:
    """24 excerpts, of all sources, and 6 files as MP3 at 64 kbit/s."""
    rng = seeded(of.seed, "same recording", 0)
    for track in [*drawn(of.recorded, 12, rng), *drawn(of.pieces, 6, rng), *drawn(of.performed, 6, rng)]:
        seconds = float(rng.uniform(*EXCERPT_S))
        made = kept(
            _folder(of.seed), f"excerpt-{_name(track)}", 0, lambda track=track, long=seconds: cut(track, long, of.seed)
        )
        yield _pair("same_recording", "excerpt of 8 to 20 s", made, track)
    for track in [*drawn(of.recorded, 3, rng), *drawn(of.pieces, 3, rng)]:
        made = kept(_folder(of.seed), f"mp3-{_name(track)}", 0, lambda track=track: _whole_as_mp3(track, of.seed))
        yield _pair("same_recording", "whole, MP3 64 kbit/s", made, track)


def modified_recordings(of: Sources) -> Iterator[Pair]:
    """5 of each way of `MODIFIED`, and 6 edits: two pieces of a track joined."""
    truth, rng = "same_recording_modified", seeded(of.seed, "modified", 0)
    for at, (way, damage) in enumerate(MODIFIED.items()):
        for track in [*drawn(of.recorded, 3, rng), *drawn(of.pieces, 2, rng)]:
            made = kept(
                _folder(of.seed),
                f"modified-{at}-{_name(track)}",
                0,
                lambda track=track, by=damage: cut(track, MODIFIED_S, of.seed, by),
            )
            yield _pair(truth, way, made, track)
    long = [one for one in [*of.recorded, *of.pieces] if one.seconds[-1] > 2 * PIECE_S + GAP_S + 1]
    for track in drawn(long, 6, rng):
        made = kept(_folder(of.seed), f"edit-{_name(track)}", 0, lambda track=track: _edited(track, of.seed))
        yield _pair(truth, "two pieces joined", made, track)


def samples(of: Sources) -> Iterator[Pair]:
    """15 of each way of `SAMPLES`; every second time the track that was sampled is the query."""
    rng = seeded(of.seed, "sample", 0)
    for way_at, (way, damage) in enumerate(SAMPLES.items()):
        tracks = [*drawn(of.recorded, 8, rng), *drawn(of.pieces, 7, rng)]
        for at, track in enumerate(tracks):
            others = [one for one in [*of.recorded, *of.pieces] if one.work != track.work and len_s(one) > MIX_S + 1]
            other = others[int(rng.integers(len(others)))]
            made = kept(
                _folder(of.seed),
                f"sample-{way_at}-{_name(track)}",
                0,
                lambda track=track, by=damage, other=other: _mixed(track, by, other, of.seed),
            )
            pair = _pair("sample", way, made, track)
            yield pair if at % 2 else _turned(pair)


def same_compositions(of: Sources) -> Iterator[Pair]:
    """All pairs of the demo clips, 12 pieces re-arranged, 12 compositions performed anew."""
    truth, rng = "same_composition", seeded(of.seed, "composition", 0)
    for one, other in combinations(json.loads((FOLDER / "manifest.json").read_text()), 2):
        if one["composition"] == other["composition"]:
            yield Pair(truth, "demo clips", FOLDER / one["file"], FOLDER / other["file"])
    arranged, played = ({one.work: one for one in some} for some in (of.arranged, of.played))
    for track in drawn(of.pieces, 12, rng):
        other = arranged[track.work]
        common = other.beats[(other.beats >= track.beats[0]) & (other.beats <= track.beats[-1])]
        places = (np.interp(common, one.beats, one.seconds) for one in (other, track))
        yield Pair(truth, "OpenMSX re-arranged", other.flac, track.flac, *places)
    for track in drawn(of.performed, 12, rng):
        yield Pair(truth, "held-out performances", played[track.work].flac, track.flac)


def strangers(of: Sources) -> Iterator[Pair]:
    """30 pairs of Wesnoth's recordings, and 30 of performances of different held-out compositions."""
    rng = seeded(of.seed, "strangers", 0)
    for made, some in (("Wesnoth's recordings", of.recorded), ("held-out performances", of.unheard)):
        yield from unrelated(made, [one.flac for one in some], 30, rng)


def unrelated(made: str, files: Sequence[Path], count: int, rng: np.random.Generator) -> Iterator[Pair]:
    """So many different directed pairs of these files, of which no two have anything to do with each other."""
    for place in rng.permutation(len(files) * (len(files) - 1))[:count]:
        first, second = divmod(int(place), len(files) - 1)
        yield Pair("no_relation", made, files[first], files[second + (second >= first)])


def len_s(track: Rendition) -> float:
    return float(track.seconds[-1])


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) + 1e-6


def _name(track: Rendition) -> str:
    return track.work.replace("/", "-")


def _folder(seed: int) -> Path:
    return folder_of("verdicts", VERSION, seed)


def _pair(truth: str, way: str, made: Rendition, track: Rendition) -> Pair:
    """What was made of a track is the query; its map is kept as query seconds over track seconds."""
    return Pair(truth, way, made.flac, track.flac, made.seconds, made.beats)


def _turned(pair: Pair) -> Pair:
    return Pair(pair.truth, pair.made, pair.candidate, pair.query, pair.candidate_s, pair.query_s)


def drawn(some: Sequence[Rendition], many: int, rng: np.random.Generator) -> list[Rendition]:
    return [some[at] for at in rng.permutation(len(some))[:many]]


def cut(track: Rendition, seconds: float, seed: int, damage: Damage = SAMPLES["as it is"]) -> tuple[Samples, Map]:
    """A sounding stretch, damaged, that lasts `seconds` then, and the track's seconds under it."""
    rng = seeded(seed, track.work, round(1_000 * seconds))
    sound = track.samples()
    length = min(round((seconds + 0.1) * damage.tempo * RATE_HZ), len(sound) - 1)
    for _ in range(100):
        start = int(rng.integers(0, len(sound) - length))
        heard = sound[start : start + length]
        if loudness(heard) > loudness(sound) / 4:
            break
    made = damage(heard, rng)[: round(seconds * RATE_HZ)]
    ends_s = np.array([0.0, len(made) / RATE_HZ])
    return made, (start / RATE_HZ + damage.tempo * ends_s, ends_s)


def _whole_as_mp3(track: Rendition, seed: int) -> tuple[Samples, Map]:
    ends_s = np.array([0.0, len_s(track)])
    return file(track.samples(), seeded(seed, track.work, 0)), (ends_s, ends_s)


def _edited(track: Rendition, seed: int) -> tuple[Samples, Map]:
    """A piece of the first half and one of the second, in their order."""
    sound = track.samples()
    rng, length = seeded(seed, track.work, 1), round(PIECE_S * RATE_HZ)
    spare = len(sound) - 2 * length - round(GAP_S * RATE_HZ)
    first = int(rng.integers(0, spare // 2))
    second = len(sound) - length - int(rng.integers(0, spare // 2))
    edges_s = np.array([0.0, PIECE_S - 1e-3, PIECE_S, 2 * PIECE_S])
    under_s = np.concatenate([first / RATE_HZ + edges_s[:2], second / RATE_HZ + edges_s[:2]])
    return np.concatenate([sound[first : first + length], sound[second : second + length]]), (under_s, edges_s)


def _mixed(track: Rendition, damage: Damage, other: Rendition, seed: int) -> tuple[Samples, Map]:
    """`SAMPLED_S` of a track over 40 s of another, as loud as what it lies upon."""
    sample, (under_s, ends_s) = cut(track, SAMPLED_S, seed, damage)
    rng, sound, length = seeded(seed, track.work, 2), other.samples(), round(MIX_S * RATE_HZ)
    first = int(rng.integers(0, len(sound) - length))
    heard = sound[first : first + length].copy()
    at = int(rng.integers(0, length - len(sample)))
    part = heard[at : at + len(sample)]
    part += sample * np.float32(loudness(part) / loudness(sample))
    return heard, (under_s, at / RATE_HZ + ends_s)
