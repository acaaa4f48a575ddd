"""Compositions and their performances: what is the same in all of them, and what chance decides."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.arrange import perform
from models.training.composition import QUALITIES, Chord, Composition, Section
from models.training.harmony import harmonise
from models.training.performance import STEMS
from models.training.songs import METRES, song
from models.training.tunes import different, interval_ngrams

SONGS = [song(seed) for seed in range(40)]


def tune(pitches: list[int], name: str = "test/tune") -> Composition:
    melody = np.array([(at, 1.0, pitch) for at, pitch in enumerate(pitches)], np.float32)
    section = Section(melody, (Chord(0.0, float(len(pitches)), 0, "major"),), float(len(pitches)))
    return Composition(name, "test", 4.0, 1.0, (section,), (0,))


def test_a_song_follows_from_its_seed() -> None:
    again = song(7)
    assert again.name == SONGS[7].name
    for one, other in zip(again.sections, SONGS[7].sections, strict=True):
        np.testing.assert_array_equal(one.melody, other.melody)
        assert one.chords == other.chords


def test_songs_differ() -> None:
    assert len(different(SONGS)) >= 38


def test_sections_are_whole_bars_filled_with_chords() -> None:
    for composition in SONGS:
        assert composition.beats_per_bar in {bar for bar, *_ in METRES}
        for section in composition.sections:
            bars = section.beats / composition.beats_per_bar
            assert bars == pytest.approx(round(bars))
            assert sum(chord.beats for chord in section.chords) == pytest.approx(section.beats)
            assert section.melody[:, 0].min() >= 0
            assert (section.melody[:, 0] + section.melody[:, 1]).max() <= section.beats + 1e-3
            assert section.melody[:, 2].min() > 24
            assert section.melody[:, 2].max() < 105


def test_a_transposed_tune_is_the_same_tune() -> None:
    pitches = [60, 62, 64, 65, 67, 65, 64, 62, 60, 64, 67, 72, 71, 69, 67, 65, 64, 60, 55, 60]
    others = [60, 67, 65, 60, 62, 71, 60, 59, 70, 64, 61, 72, 60, 69, 62, 65, 63, 60, 58, 61]
    kept = different([tune(pitches, "a"), tune([pitch + 5 for pitch in pitches], "b"), tune(others, "c")])
    assert [composition.name for composition in kept] == ["a", "c"]


def test_repeated_notes_count_once_in_ngrams() -> None:
    pitches = np.arange(60, 75, dtype=np.float32)
    assert interval_ngrams(np.repeat(pitches, 2)) == interval_ngrams(pitches)


def test_a_plain_cadence_is_harmonised_as_everybody_would() -> None:
    notes = np.array([(0, 1, 60), (1, 1, 64), (2, 1, 67), (3, 1, 64), (4, 2, 62), (6, 2, 71), (8, 4, 60)], np.float32)
    chords = harmonise(notes, 12.0, 4.0, np.random.default_rng(0))
    assert [(chord.root, QUALITIES[chord.quality][:3]) for chord in chords] == [
        (0, (0, 4, 7)),
        (7, (0, 4, 7)),
        (0, (0, 4, 7)),
    ]


def test_a_performance_follows_from_composition_and_seed() -> None:
    one, again, other = perform(SONGS[0], 1), perform(SONGS[0], 1), perform(SONGS[0], 2)
    assert one.production == again.production
    assert one.production != other.production
    for part, same in zip(one.parts, again.parts, strict=True):
        np.testing.assert_array_equal(part.notes, same.notes)


@pytest.mark.parametrize("seed", range(12))
def test_all_notes_lie_within_the_performance(seed: int) -> None:
    performance = perform(SONGS[seed], seed, duration_s=30.0)
    for part in performance.parts:
        assert part.stem in STEMS
        starts_s, lengths_s, pitches, velocities = part.notes.T
        assert (np.diff(starts_s) >= 0).all()
        assert starts_s.min() >= 0
        assert (starts_s + lengths_s).max() <= 30.0 + 1e-3
        assert 0 <= pitches.min() <= pitches.max() < 128
        assert 1 <= velocities.min() <= velocities.max() <= 127


@pytest.mark.parametrize("seed", range(12))
def test_the_score_map_says_where_the_melody_is(seed: int) -> None:
    """Lead notes stand where the composition has a note: but for ornaments, early notes and swing."""
    composition = SONGS[seed]
    performance = perform(composition, seed, duration_s=30.0, solo=True)
    firsts = zip(composition.first_beats, composition.sections, strict=True)
    onsets = np.concatenate([first + section.melody[:, 0] for first, section in firsts])
    assert (np.diff(performance.score_map[:, 0]) > 0).all()
    distances = []
    for begin_s, end_s, first, last in performance.score_map:
        starts_s = performance.parts[0].notes[:, 0]
        inside = starts_s[(starts_s >= begin_s - 0.02) & (starts_s < end_s - 0.02)]
        beats = first + (inside - begin_s) / (end_s - begin_s) * (last - first)
        distances += [float(np.abs(onsets - beat).min()) for beat in beats]
    assert len(distances) >= 5
    assert np.median(distances) < 0.08


def test_a_solo_is_nothing_but_the_lead() -> None:
    assert {part.stem for seed in range(10) for part in perform(SONGS[seed], seed, solo=True).parts} == {"lead"}
