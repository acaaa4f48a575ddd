from functools import cache

import numpy as np
import pytest

from models.fingerprint.landmarks import probes, rows
from models.fingerprint.peaks import peaks
from models.fingerprint.voting import hypotheses
from tests.pieces import cut, noisy, piece

PIECES = 6
NOTHING = np.zeros((0, 2), np.uint32)


@cache
def sound(number, duration_s=40.0):
    return piece(number, duration_s)


@cache
def library():
    """Rows of six pieces in one table, as a store gives them."""
    made = [rows(peaks(sound(number))) for number in range(PIECES)]
    keys = np.concatenate([keys for keys, _ in made])
    payloads = np.concatenate([payloads | (number << 40) for number, (_, payloads) in enumerate(made)])
    return keys, payloads


def guessed(query, pairs=6, quads=16):
    asked = probes(peaks(query))
    keys, payloads = library()
    matched = np.isin(keys, asked.keys)
    return hypotheses(asked, keys[matched], payloads[matched], pairs=pairs, quads=quads)


@pytest.mark.parametrize("number", range(PIECES))
def test_an_excerpt_is_guessed_first_where_it_was_cut(number):
    best = guessed(noisy(cut(sound(number), 21.3, 26.3), 10.0))[0]
    assert best.track == number
    assert best.at(2.5) == pytest.approx(23.8, abs=0.1)
    assert best.tempo_ratio == pytest.approx(1.0, abs=0.02)
    assert best.semitones == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(("tempo", "semitones"), [(1.2, 0.0), (1.0, -3.0), (0.85, 2.0)])
def test_another_tempo_and_another_pitch_are_told(tempo, semitones):
    query = cut(piece(3, 40.0, tempo, semitones), 15.0, 21.0)
    best = guessed(query)[0]
    assert best.track == 3
    assert best.at(3.0) == pytest.approx(18.0 * tempo, abs=0.15)
    assert best.tempo_ratio == pytest.approx(tempo, rel=0.03)
    assert best.semitones == pytest.approx(semitones, abs=0.15)


def test_a_long_query_of_two_pieces_is_guessed_to_hold_both():
    query = np.concatenate([cut(sound(1), 5.0, 35.0), cut(sound(4), 2.0, 32.0)])
    found = guessed(query)
    first, second = (max((one for one in found if one.track == track), key=lambda one: one.score) for track in (1, 4))
    assert first.at(first.around_s) == pytest.approx(first.around_s + 5.0, abs=0.1)
    assert second.at(second.around_s) == pytest.approx(second.around_s - 28.0, abs=0.1)
    assert first.around_s < 30.0 < second.around_s


def test_no_guess_comes_twice_and_none_is_kept_that_was_not_asked_for():
    query = cut(sound(2), 10.0, 18.0)
    found = guessed(query)
    for place, one in enumerate(found):
        for other in found[:place]:
            assert (
                one.track != other.track
                or abs(one.at(4.0) - other.at(4.0)) > 0.3
                or abs(one.semitones - other.semitones) > 0.39
                or abs(np.log(one.tempo_ratio / other.tempo_ratio)) > 0.049
            )
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert guessed(query, pairs=0, quads=0) == []
    assert len(guessed(query, pairs=3, quads=0)) <= 3


def test_rows_in_any_order_and_rows_nobody_asked_for_change_nothing():
    asked = probes(peaks(cut(sound(5), 12.0, 17.0)))
    keys, payloads = library()
    order = np.random.default_rng(0).permutation(len(keys))
    matched = np.isin(keys, asked.keys)
    few = hypotheses(asked, keys[matched], payloads[matched], pairs=6, quads=16)
    every = hypotheses(asked, keys[order], payloads[order], pairs=6, quads=16)
    assert (few[0].track, round(few[0].score, 3)) == (every[0].track, round(every[0].score, 3))
    assert few[0].at(2.5) == pytest.approx(every[0].at(2.5), abs=1e-6)


def test_the_number_of_a_track_may_be_large():
    asked = probes(peaks(cut(sound(0), 12.0, 17.0)))
    keys, payloads = rows(peaks(sound(0)))
    best = hypotheses(asked, keys, payloads | (5_000_000 << 40), pairs=6, quads=16)[0]
    assert best.track == 5_000_000


def test_silence_and_an_empty_index_give_nothing():
    keys, payloads = library()
    none = np.zeros(0, np.int64)
    assert hypotheses(probes(NOTHING), keys, payloads, pairs=6, quads=16) == []
    assert hypotheses(probes(peaks(sound(0))), none, none, pairs=6, quads=16) == []
