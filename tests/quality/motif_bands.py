"""What `motifs` measures on: tunes, played by soundfonts and sung, whose truth is known to the beat.

A tune is heard
    solo         alone, at its own tempo and in its own key
    band         by another instrument in another key and octave, at 0.8 to 1.25 of the tempo, over chords, bass and
                 mostly drums, after two chords of introduction
    sung         the same, sung by a synthetic voice
    borrowed     some 9 s of another tune of its kind, eight of its bars (four of a chorale) in that one's key, and that
                 one again, over one accompaniment
    returning    eight bars of it, of another, of it again, of a third
and what shares no melody with it:
    harmony      the band under another melody: the same chords, key, tempo and instruments, note by note
    progression  the same chords under another melody, in another key, tempo and arrangement
The recipe is that of an earlier study, rebuilt from this project's corpus; the melody is loudest and mostly highest.
Whoever changes it changes VERSION.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.training import singing
from models.training.arrange import BASSES
from models.training.composition import Composition
from models.training.performance import Part, Performance, Production
from models.training.production import rms
from models.training.sound import stem_waveforms
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.motif_tunes import (
    Range,
    Rng,
    Sounding,
    Tune,
    bars,
    invented,
    joined,
    key_shift,
    shuffled,
    stretched,
    tune,
)
from tests.quality.renditions import folder_of, seeded

VERSION = "1"
FONTS = ("FluidR3_GM", "TimGM6mb")
LEADS = (0, 6, 11, 21, 22, 24, 40, 56, 65, 68, 71, 73)
CHORDS = (0, 4, 19, 24, 46, 48)
STYLES = ("block", "arpeggio", "offbeat")
LEAST_S = 20.0
WANTED = {"reel": (14, 14), "jig": (12, 12), "hornpipe": (10, 10), "chorale": (12, 10)}  # asked for, and beside them
ONSET_SD_S = 0.008
SOLO_STARTS_S = 0.2
VOICE_DB = 2.0  # of a voice over what accompanies it
SINGERS = 100_000
SOLO, BAND, SUNG, BORROWED, RETURNING = "solo", "band", "sung", "borrowed", "returning"
HARMONY, PROGRESSION = "harmony", "progression"

Notes = NDArray[np.float64]  # (notes, 4): start_s, length_s, pitch, velocity


@dataclass(frozen=True, slots=True)
class Heard:
    """A rendition: its sound, and where in it the tune's own seconds are: at `ratio` * s + `offset_s`, s in start..end.

    Attributes:
        flac: two channels, melody and all else; their sum is the mix.
        semitones: by which it is higher than the tune.
    """

    name: str
    kind: str
    way: str
    flac: Path
    ratio: float
    offset_s: float
    semitones: int
    start_s: float
    end_s: float

    def layers(self) -> dict[str, Samples]:
        """`mix`, `melody` and `rest`, float32 at 22,050 Hz."""
        both = soundfile.read(self.flac, dtype="float32")[0]
        return {"mix": both.sum(axis=1), "melody": both[:, 0].copy(), "rest": both[:, 1].copy()}


@dataclass(frozen=True, slots=True)
class Corpus:
    """One seed's renditions, made where they are not kept yet.

    Attributes:
        tunes, others: that are asked for, and that are not.
        solos, bands: of `tunes` and then of `others`; `borrowings` of `tunes`; `harmonies` and
            `progressions` of every second of `tunes`.
    """

    tunes: tuple[Tune, ...]
    others: tuple[Tune, ...]
    solos: tuple[Heard, ...]
    bands: tuple[Heard, ...]
    borrowings: tuple[Heard, ...]
    harmonies: tuple[Heard, ...]
    progressions: tuple[Heard, ...]


def corpus(compositions: Sequence[Composition], seed: int) -> Corpus:
    """The renditions of seed 1, 2 …: no tune is in two of them."""
    of_kind: dict[str, list[Tune]] = {kind: [] for kind in (*WANTED, "tune")}
    for composition in shuffled(compositions, ("ryansMammoth", "bach")):
        of_kind[(made := tune(composition)).kind].append(made)
    tunes, others, hosts = [], [], []
    for kind, (asked, beside) in WANTED.items():
        fitting = [one for one in of_kind[kind] if one.duration_s >= LEAST_S][(seed - 1) * (2 * asked + beside) :]
        tunes += fitting[:asked]
        others += fitting[asked : asked + beside]
        hosts += fitting[asked + beside : 2 * asked + beside]
    return Corpus(
        tuple(tunes),
        tuple(others),
        tuple(solo(one, seed) for one in [*tunes, *others]),
        tuple(band(one, seed) for one in [*tunes, *others]),
        tuple(borrowed(one, host, seed) for one, host in zip(tunes, hosts, strict=True)),
        tuple(harmony(one, seed, HARMONY) for one in tunes[::2]),
        tuple(harmony(one, seed, PROGRESSION) for one in tunes[::2]),
    )


def fillers(compositions: Sequence[Composition], count: int) -> Iterator[Heard]:
    """Bands of tunes that are in no `corpus`, to make a catalogue large."""
    for composition in shuffled(compositions, ("oneills1850", "airdsAirs"))[:count]:
        yield band(tune(composition), 0)


def solo(of: Tune, seed: int) -> Heard:
    rng = seeded(seed, of.name, 1)
    lead = _lead(of.melody, 0, rng)
    lead[:, 0] += SOLO_STARTS_S
    parts = [("lead", int(rng.choice(LEADS)), lead)]
    return _kept(of, SOLO, seed, rng, place=(1.0, SOLO_STARTS_S, 0), parts=parts)


def band(of: Tune, seed: int, melody: NDArray[np.float64] | None = None, way: str = BAND) -> Heard:
    """A tune over its chords; another `melody` may take its place.

    A `progression` is another arrangement, all else is that of the tune's own band.
    """
    rng = seeded(seed, of.name, 6 if way == PROGRESSION else 2)
    ratio = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25))))
    key = int(rng.choice([step for step in range(-5, 7) if step]))
    octave = 12 * int(np.round((rng.uniform(68, 80) - key - np.median(of.melody[:, 2])) / 12))
    program = int(rng.choice(LEADS))
    slow = stretched(of, ratio)
    intro_s = sum(chord[1] for chord in slow.chords[:2])
    own = slow.melody if melody is None else melody * [ratio, ratio, 1]
    chords = [*slow.chords[:2], *((at + intro_s, long, tones) for at, long, tones in slow.chords)]
    rest = _accompaniment(chords, slow.pulse_s, key, rng)
    lead = _lead(own, key + octave, seeded(seed, of.name, 3))
    lead[:, 0] += intro_s
    place = ratio, intro_s, key + octave
    return _kept(of, way, seed, rng, place=place, parts=[("lead", program, lead), *rest])


def harmony(of: Tune, seed: int, way: str) -> Heard:
    """The chords of a tune under a melody made up for them, as `HARMONY` or as `PROGRESSION`."""
    return band(of, seed, invented(of, seeded(seed, of.name, 4)), way)


def sung(of: Tune, made: Heard, seed: int, speakers: Path) -> Heard:
    """A band whose melody a voice sings that no network learned from. `speakers`: the training's cache folder."""
    flac = made.flac.with_name(made.flac.name.replace(f"-{made.way}.", f"-{SUNG}."))
    if not flac.exists():
        rest = made.layers()["rest"]
        rng = seeded(seed, of.name, 8)
        lead = _lead(of.melody * [made.ratio, made.ratio, 1], made.semitones, rng)
        lead[:, 0] += made.offset_s
        singer = singing.singer("test", int(rng.integers(SINGERS)))
        spoken = singing.speaker(singer.speaker, speakers)
        voice = singing.sing(_sorted(lead), singer, spoken, len(rest) / RATE_HZ, rng)[: len(rest)]
        voice = voice * (rms(rest) / rms(voice) * 10 ** (VOICE_DB / 20))
        _write(flac, voice, rest)
    return replace(made, way=SUNG, flac=flac)


def borrowed(of: Tune, host: Tune, seed: int) -> Heard:
    """Host, bars of the tune, host again, in the host's key."""
    rng = seeded(seed, of.name, 5)
    ratio = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25))))
    start_s, end_s = bars(of, rng)
    host_s = max(1, round(9 / (host.bar_s * ratio))) * host.bar_s
    key = key_shift(of, host)
    pieces = [
        (host, 0.0, host_s, 0),
        (of, start_s, end_s, key),
        (host, host_s, min(2 * host_s, host.duration_s), 0),
    ]
    melody, chords = joined(pieces, ratio)
    lead = _lead(melody, 0, rng)
    rest = _accompaniment(chords, host.pulse_s * ratio, 0, rng)
    place = ratio, (host_s - start_s) * ratio, key
    parts = [("lead", int(rng.choice(LEADS)), lead), *rest]
    made = _kept(of, BORROWED, seed, rng, place=place, parts=parts)
    return replace(made, start_s=start_s, end_s=end_s)


def returning(tunes: Sequence[Tune], seed: int) -> tuple[Heard, NDArray[np.float64], tuple[Range, Range]]:
    """Bars of the first tune, of the second, of the first again in whatever key, and of the third, in a band.

    Returns the rendition, its melody as in `Tune`, and where the bars that return are.
    """
    rng = seeded(seed, tunes[0].name, 7)
    parts = [(one, *bars(one, rng), 0) for one in tunes[:3]]
    pieces = [parts[0], parts[1], (*parts[0][:3], int(rng.choice([0, 0, 2, -3]))), parts[2]]
    melody, chords = joined(pieces, 1.0)
    lead = _lead(melody, 12 * int(np.round((74 - np.median(melody[:, 2])) / 12)), rng)
    rest = _accompaniment(chords, tunes[0].pulse_s, 0, rng)
    played = [("lead", int(rng.choice(LEADS)), lead), *rest]
    made = _kept(tunes[0], RETURNING, seed, rng, place=(1.0, 0.0, 0), parts=played)
    lasts_s, again_s = parts[0][2] - parts[0][1], parts[0][2] - parts[0][1] + parts[1][2] - parts[1][1]
    return made, melody, ((0.0, lasts_s), (again_s, again_s + lasts_s))


def _lead(melody: NDArray[np.float64], shift: int, rng: Rng) -> Notes:
    late_s = rng.normal(0, ONSET_SD_S, len(melody))
    return np.stack(
        [melody[:, 0] + late_s, 0.95 * melody[:, 1], melody[:, 2] + shift, rng.uniform(88, 112, len(melody))], axis=1
    )


def _accompaniment(chords: list[Sounding], pulse_s: float, key: int, rng: Rng) -> list[tuple[str, int, Notes]]:
    """Chords in one of `STYLES`, a bass, and in 60 % of cases drums."""
    style, centre = str(rng.choice(STYLES)), float(rng.integers(52, 62))
    upper, lower = [], []
    for start_s, long_s, tones in chords:
        classes = [(tone + key) % 12 for tone in tones]
        voices = sorted(tone + 12 * np.round((centre - tone) / 12) for tone in classes)
        count = max(1, round(long_s / pulse_s))
        for pulse in range(count):
            at, wide = start_s + pulse * pulse_s, min(pulse_s, long_s - pulse * pulse_s)
            if style == "block" and pulse % 2 == 0:
                upper += [(at, 1.9 * wide, voice) for voice in voices]
            elif style == "arpeggio":
                upper += [(at + half * wide / 2, wide / 2, voices[(2 * pulse + half) % len(voices)]) for half in (0, 1)]
            elif style == "offbeat":
                upper += [(at + wide / 2, wide / 2, voice) for voice in voices]
            root = (classes[0] + 7 * (pulse % 2) - 36) % 12 + 36
            lower.append((at, 0.9 * wide, root))
    parts = [
        ("accompaniment", int(rng.choice(CHORDS)), _played(upper, rng)),
        ("bass", int(rng.choice(BASSES[:6])), _played(lower, rng)),
    ]
    if rng.random() < 0.6:
        end_s = chords[-1][0] + chords[-1][1]
        beats = [(at * pulse_s / 2, 0.1, (36, 42, 38, 42)[at % 4]) for at in range(int(2 * end_s / pulse_s))]
        parts.append(("drums", 0, _played(beats, rng)))
    return parts


def _played(rows: list[tuple[float, float, float]], rng: Rng) -> Notes:
    notes = np.array(sorted(rows), np.float64).reshape(-1, 3)
    notes[:, 0] += rng.normal(0, ONSET_SD_S, len(notes))
    return np.concatenate([notes, rng.uniform(62, 85, (len(notes), 1))], axis=1)


def _kept(
    of: Tune, way: str, seed: int, rng: Rng, *, place: tuple[float, float, int], parts: Sequence[tuple[str, int, Notes]]
) -> Heard:
    """The rendition; it is played if it is not kept yet."""
    ratio, offset_s, semitones = place
    folder = folder_of("motifs", VERSION, seed)
    flac = folder / f"{of.name.replace('/', '-')}-{way}.flac"
    font = str(rng.choice(FONTS))
    if not flac.exists():
        heard = tuple(Part(stem, program, _sorted(notes)) for stem, program, notes in parts if len(notes))
        ends_s = max(float((part.notes[:, 0] + part.notes[:, 1]).max()) for part in heard)
        performance = Performance(heard, font, Production(), np.zeros((0, 4)), ends_s + 0.8)
        stems = stem_waveforms(performance, RATE_HZ)
        melody = stems.pop("lead")
        _write(flac, melody, sum(stems.values(), np.zeros_like(melody)))
    return Heard(of.name, of.kind, way, flac, ratio, offset_s, semitones, 0.0, of.duration_s)


def _sorted(notes: Notes) -> NDArray[np.float32]:
    notes = notes.copy()
    notes[:, 0] = np.maximum(notes[:, 0], 0)
    return notes[np.argsort(notes[:, 0], kind="stable")].astype(np.float32)


def _write(flac: Path, melody: Samples, rest: Samples) -> None:
    both = np.stack([melody, rest], axis=1)
    half = flac.with_suffix(".part")
    flac.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(half, 0.9 * both / np.abs(both).max(), RATE_HZ, format="FLAC", subtype="PCM_16")
    half.rename(flac)
