"""Labelled pairs of tunes: bars borrowed by another tune, the same chords under another melody, or nothing but a sound.

The tunes are of the test split, so that no encoder has learned from them and no curve is fitted on them, and none that
`motif_bands` plays in its two corpora and in its catalogue. What is made of them is kept as FLAC.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from models.training import corpus
from models.training.__main__ import cache_folder
from models.training.composition import Composition
from models.training.performance import Part, Performance, Production
from models.training.sound import stem_waveforms
from models.training.tunes import tunes
from tests.quality import motif_bands
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.motif_bands import HARMONY, LEAST_S, PROGRESSION, WANTED, Heard
from tests.quality.motif_tunes import Tune, key_shift, shuffled, tune
from tests.quality.renditions import Map, Rendition, folder_of, kept
from tests.quality.verdict_pairs import SEEDS, Pair

VERSION = "1"
OF_FIRST = slice(36, 80)  # of the held-out tunes: hardly one of them is also drawn by the second seed
CORPORA, CATALOGUE = 2, 882  # that `motif_bands` plays before, of which some calibrate
TWINS_PROGRAMS = ((73, 0), (40, 48), (22, 24), (56, 4), (71, 19))  # of melody and chords
BASS = 33


def held_out(seed: int) -> list[Tune]:
    """Tunes that nothing has seen, long enough, in an order of chance."""
    every = tunes(cache_folder())
    drawn = {one.name for one in shuffled(every, ("oneills1850", "airdsAirs"))[:CATALOGUE]}
    drawn |= _in_corpora(shuffled(every, ("ryansMammoth", "bach")))
    found = (tune(one) for one in corpus.split_tunes(cache_folder(), "test") if one.name not in drawn)
    long = [one for one in found if one.duration_s >= LEAST_S]
    return long[OF_FIRST] if seed == SEEDS[0] else long


def _in_corpora(shuffled: Sequence[Composition]) -> set[str]:
    of_kind = defaultdict[str, list[Tune]](list)
    for one in map(tune, shuffled):
        if one.duration_s >= LEAST_S:
            of_kind[one.kind].append(one)
    return {
        one.name for kind, (asked, beside) in WANTED.items() for one in of_kind[kind][: CORPORA * (2 * asked + beside)]
    }


def shared_motifs(some: Sequence[Tune], seed: int) -> Iterator[Pair]:
    """Eight bars (four of a chorale) of a tune within another: against the tune's own band 20 times, alone 10 times."""
    for at, (one, host) in enumerate(_neighbours(some)[:30]):
        solo = at % 3 == 2
        query = _mix(motif_bands.borrowed(one, host, seed), seed)
        candidate = _mix(motif_bands.solo(one, seed) if solo else motif_bands.band(one, seed), seed)
        under_s = np.interp(query.beats, candidate.beats, candidate.seconds)
        made = "8 bars, the tune alone" if solo else "8 bars, the tune's band"
        yield Pair("shared_motif", made, query.flac, candidate.flac, query.seconds, under_s)


def same_chords(some: Sequence[Tune], seed: int) -> Iterator[Pair]:
    """15 tunes and another melody over their own accompaniment, 15 and one over their chords in another arrangement.

    The own accompaniment is the same sound, sample by sample, as when two sing over one backing track.
    """
    for at, one in enumerate(some[:30]):
        way, made = ((HARMONY, "same backing"), (PROGRESSION, "same chords"))[at % 2]
        query = _mix(motif_bands.harmony(one, seed, way), seed)
        candidate = _mix(motif_bands.band(one, seed), seed)
        truth = "same backing" if way == HARMONY else "style_only"
        yield Pair(truth, f"{made}, another melody", query.flac, candidate.flac)


def twins(some: Sequence[Tune], seed: int) -> Iterator[Pair]:
    """30 pairs of unrelated tunes in one key and tempo, by the same instruments of one soundfont."""
    for at, (one, other) in enumerate(_neighbours(some[::-1])[:30]):
        pace, key = one.pulse_s / other.pulse_s, key_shift(other, one)
        font = motif_bands.FONTS[at % len(motif_bands.FONTS)]
        programs = TWINS_PROGRAMS[at % len(TWINS_PROGRAMS)]
        query, candidate = (
            _played(tune, change, programs, font, (seed, at))
            for tune, change in ((one, (1.0, 0)), (other, (pace, key)))
        )
        yield Pair("no_relation", "same font, tempo, key", query, candidate)


def bands(some: Sequence[Tune], seed: int) -> list[Path]:
    """Each of these tunes by a band of its own."""
    return [_mix(motif_bands.band(one, seed), seed).flac for one in some]


def _neighbours(some: Sequence[Tune]) -> list[tuple[Tune, Tune]]:
    """Every tune and the next of its kind: one for the other's host, or its twin."""
    of_kind = defaultdict[str, list[Tune]](list)
    for one in some:
        of_kind[one.kind].append(one)
    follower = {one.name: other for kin in of_kind.values() for one, other in pairwise(kin)}
    return [(one, follower[one.name]) for one in some if one.name in follower]


def _mix(of: Heard, seed: int) -> Rendition:
    """The sum of its two channels, which is what is heard, and where in it the tune's own seconds are."""

    def make() -> tuple[Samples, Map]:
        own_s = np.array([of.start_s, of.end_s])
        return of.layers()["mix"], (own_s, of.ratio * own_s + of.offset_s)

    return kept(folder_of("verdict-tunes", VERSION, seed), f"{of.name.replace('/', '-')}-{of.way}", 0, make)


def _played(of: Tune, changed: tuple[float, int], programs: tuple[int, int], font: str, drawn: tuple[int, int]) -> Path:
    """A tune over a chord and a bass note each pulse, `changed`: so many times as slow, so many semitones higher.

    `drawn`: the seed, and which of its twins it is.
    """
    pace, key = changed

    def make() -> tuple[Samples, Map]:
        rng = np.random.default_rng(drawn)
        melody = of.melody * [pace, pace, 1] + [0.2, 0.0, key]
        lead = [(start, 0.95 * long, pitch, 100.0) for start, long, pitch in melody]
        upper, lower = [], []
        for start_s, long_s, tones in of.chords:
            for pulse in range(max(1, round(long_s / of.pulse_s))):
                now_s, wide_s = 0.2 + pace * (start_s + pulse * of.pulse_s), 0.9 * pace * of.pulse_s
                upper += [(now_s, wide_s, 48.0 + (tone + key) % 12, 72.0) for tone in tones]
                lower.append((now_s, wide_s, 36.0 + (tones[0] + key) % 12, 80.0))
        stems = (("lead", programs[0], lead), ("accompaniment", programs[1], upper), ("bass", BASS, lower))
        parts = tuple(Part(stem, program, _notes(rows, rng)) for stem, program, rows in stems)
        total_s = 0.2 + pace * of.duration_s + 0.8
        performance = Performance(parts, font, Production(), np.zeros((0, 4)), total_s)
        sound = sum(stem_waveforms(performance, RATE_HZ).values(), np.zeros(round(total_s * RATE_HZ), np.float32))
        return sound, (np.array([0.0, 1.0]), np.array([0.0, 1.0]))

    name = f"{of.name.replace('/', '-')}-twin-{drawn[1]:02d}-{key:+d}"
    return kept(folder_of("verdict-tunes", VERSION, drawn[0]), name, 0, make).flac


def _notes(rows: list[tuple[float, float, float, float]], rng: np.random.Generator) -> np.ndarray:
    notes = np.array(sorted(rows), np.float32)
    notes[:, 0] += rng.normal(0, motif_bands.ONSET_SD_S, len(notes)).astype(np.float32).clip(-0.02, 0.02)
    return notes[np.argsort(notes[:, 0], kind="stable")]
