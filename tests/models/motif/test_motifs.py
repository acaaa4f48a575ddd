from functools import cache

import numpy as np
import pytest

from models.motif import motifs, salience
from models.motif.chance import p_chance
from tests import signals
from tests.models.notes import melody, played


@cache
def heard(seed, count=48, timbre="reed", tempo=1.0, transposition=0):
    times_s, pitches = melody(seed, count)
    return layer(played(times_s, pitches, timbre, tempo=tempo, transposition=transposition, chords=True))


def layer(samples):
    return motifs.Heard(*salience.events_and_contour(samples), len(samples) / salience.RATE_HZ)


@pytest.mark.parametrize(("tempo", "transposition"), [(1.0, 0), (1.2, 4), (0.85, -5)])
def test_a_melody_is_recognised_in_another_key_tempo_and_timbre(tempo, transposition):
    best = motifs.compare(heard(1), heard(1, timbre="string", tempo=tempo, transposition=transposition))[0]
    assert best.transposition_semitones == -transposition
    assert best.tempo_ratio == pytest.approx(1 / tempo, rel=0.01)
    assert p_chance(best.evidence, 15, 15, "mix") < 1e-3
    assert best.query_end_s - best.query_start_s > 8


def test_the_places_of_a_match_are_the_same_notes():
    best = motifs.compare(heard(1), heard(1, timbre="flute", tempo=1.2, transposition=3))[0]
    for query_s, candidate_s in (
        (best.query_start_s, best.candidate_start_s),
        (best.query_end_s, best.candidate_end_s),
    ):
        assert candidate_s == pytest.approx(query_s / 1.2, abs=0.3)


def test_another_melody_over_the_same_chords_is_no_shared_motif():
    found = [one for seed in range(2, 8) for one in motifs.compare(heard(1), heard(seed))]
    assert all(p_chance(one.evidence, 15, 15, "mix") > 0.01 for one in found)


def test_each_alignment_is_told_once_the_strongest_first():
    found = motifs.compare(heard(1), heard(1))
    assert [one.evidence for one in found] == sorted((one.evidence for one in found), reverse=True)
    assert (found[0].tempo_ratio, found[0].query_start_s) == (pytest.approx(1, abs=0.002), pytest.approx(0, abs=0.5))


def test_silence_shares_nothing():
    silent = layer(signals.silence(20.0))
    assert motifs.compare(silent, heard(1)) == ()
    assert motifs.compare(heard(1), silent) == ()
    assert motifs.motifs(silent.events, silent.contour) == ()


def repeating():
    """Twelve seconds of a melody, another one, and the first again two semitones higher."""
    (own_s, own), (other_s, other) = melody(1, 36), melody(2, 36)
    again_s, between_s = own_s[-1] + 0.5 + other_s[-1] + 0.5, own_s[-1] + 0.5
    times_s = np.r_[own_s, other_s + between_s, own_s + again_s]
    return own_s[-1], again_s, layer(played(times_s, np.r_[own, other, own + 2], chords=True))


def test_a_repeated_melody_is_a_motif_with_both_its_places():
    lasts_s, again_s, track = repeating()
    best = motifs.motifs(track.events, track.contour)[0]
    assert len(best.occurrences) == 2
    (first_s, first_end_s), (second_s, second_end_s) = best.occurrences
    assert first_s == pytest.approx(0, abs=1)
    assert first_end_s == pytest.approx(lasts_s, abs=1)
    assert second_s - first_s == pytest.approx(again_s, abs=0.3)
    assert second_end_s - first_end_s == pytest.approx(again_s, abs=0.3)
    assert best.confidence > 0.9


def test_a_melody_that_never_returns_has_no_motif():
    found = [motifs.motifs(heard(seed).events, heard(seed).contour) for seed in range(1, 8)]
    assert sum(len(one) for one in found) <= 1


def test_of_a_loop_one_turn_is_the_motif():
    times_s, pitches = melody(4, 12, step_s=0.3)
    turn_s = times_s[-1] + 0.6
    looped = np.concatenate([times_s + turn * turn_s for turn in range(6)])
    track = layer(played(looped, np.tile(pitches, 6)))
    best = motifs.motifs(track.events, track.contour)[0]
    assert best.end_s - best.start_s <= 2.1 * turn_s
    assert len(best.occurrences) >= 3
