import numpy as np
import pytest

from models.section.diagonals import contrasts, diagonals

RNG = np.random.default_rng(0)
EDGES = np.array([0, 32, 64])


def music(beats, seed=0):
    return np.random.default_rng(seed).random((beats, 24)) ** 3


def moved(harmony, semitones):
    return np.roll(harmony.reshape(-1, 2, 12), semitones, axis=2).reshape(-1, 24)


def compared(query, candidate, query_edges=EDGES, candidate_edges=EDGES):
    return diagonals(contrasts(query), query_edges, contrasts(candidate), candidate_edges)


def test_a_section_is_itself_where_it_is_and_no_higher():
    found = compared(music(64), music(64))
    np.testing.assert_allclose(found.similarities[0].diagonal(), 1, atol=1e-5)
    assert not found.offsets[0].diagonal().any()


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_the_first_axis_says_by_how_much_the_query_is_higher(semitones):
    found = compared(moved(music(64), semitones), music(64))
    np.testing.assert_allclose(found.similarities[semitones].diagonal(), 1, atol=1e-5)


def test_offsets_say_which_beat_of_the_candidate_the_first_one_lies_on():
    track = music(64)
    late = compared(track, track, np.array([4, 32]), np.array([0, 32]))
    early = compared(track, track, np.array([0, 32]), np.array([4, 32]))
    assert (late.offsets[0, 0, 0], early.offsets[0, 0, 0]) == (4, -4)
    assert late.similarities[0, 0, 0] > 0.99


def test_strangers_are_near_zero_whatever_their_length():
    for beats in (8, 16, 32, 64):
        edges = np.arange(0, 20 * beats + 1, beats)
        alike = compared(music(20 * beats), music(20 * beats, 1), edges, edges).similarities
        assert alike.max(axis=0).mean() < 0.1


def test_beats_without_pitch_say_nothing():
    track = music(64)
    flat = np.ones_like(track)
    assert not compared(track, flat).similarities.any()
    track[:32] = 0
    found = compared(track, track).similarities
    assert not found[:, 0].any()
    assert found[0, 1, 1] == pytest.approx(1, abs=1e-5)


def test_what_a_track_has_throughout_makes_its_sections_no_more_alike():
    drone = np.zeros(24)
    drone[[0, 12]] = 2.0
    plain, droning = (compared(x, x).similarities[0, 0, 1] for x in (music(64), music(64) + drone))
    assert droning == pytest.approx(plain, abs=0.02)
