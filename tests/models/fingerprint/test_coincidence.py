import numpy as np
import pytest

from models.fingerprint.coincidence import Alignment, beat_chance, log_likelihood_ratio, stretch, tried
from models.fingerprint.peaks import Points

RNG = np.random.default_rng(0)


def points(times_s, bands):
    order = np.argsort(times_s, kind="stable")
    nothing = np.zeros(len(order))
    return Points(np.asarray(times_s, float)[order], np.asarray(bands, float)[order], nothing, nothing.astype(np.int64))


def scattered(many, duration_s, seed=0):
    rng = np.random.default_rng(seed)
    return points(rng.uniform(0, duration_s, many), rng.uniform(0, 240, many))


def moved(found, ratio=1.0, offset_s=0.0, raised=0.0):
    return points(found.times_s * ratio + offset_s, found.bands + raised)


def joined(*lists):
    return points(np.concatenate([one.times_s for one in lists]), np.concatenate([one.bands for one in lists]))


@pytest.mark.parametrize(
    ("ratio", "offset_s", "raised"), [(1.0, 0.0, 0.0), (1.015, 0.1, 0.5), (0.98, -0.15, -0.6), (1.02, 0.05, 0.9)]
)
def test_a_guess_that_is_a_little_off_is_mended(ratio, offset_s, raised):
    query = scattered(400, 10.0)
    truth = Alignment(1.1, 20.0, -8.0)
    reference = moved(query, *truth)
    turned_s = truth.offset_s + truth.ratio * 5.0 * (1 - ratio)  # about the query's middle
    found = stretch(
        query, reference, tried(query, reference, Alignment(1.1 * ratio, turned_s + offset_s, raised - 8.0))
    )
    assert found.alignment == pytest.approx(truth, abs=1e-3)
    assert found.matched == 400


def test_the_stretch_is_where_the_peaks_coincide():
    shared, own, other = scattered(200, 5.0), scattered(600, 15.0, 1), scattered(1_200, 30.0, 2)
    query = joined(own, moved(shared, offset_s=6.0))
    found = stretch(query, joined(other, moved(shared, offset_s=21.0)), Alignment(1.0, 15.0, 0.0))
    assert query.times_s[found.first] == pytest.approx(6.0, abs=0.3)
    assert query.times_s[found.last] == pytest.approx(11.0, abs=0.3)
    assert found.matched >= 198


def test_standard_errors_are_those_of_the_scatter():
    query = scattered(500, 20.0)
    late_s, higher = RNG.normal(0, 0.01, 500), RNG.normal(0, 0.2, 500)
    reference = points(query.times_s * 0.95 + 3 + late_s, query.bands + higher)
    found = stretch(query, reference, Alignment(0.95, 3.0, 0.0))
    assert found.offset_error_s == pytest.approx(0.01 / np.sqrt(500), rel=0.15)
    assert found.ratio_error == pytest.approx(0.01 / np.sqrt(500) / (20 / np.sqrt(12)), rel=0.2)
    assert found.raised_error == pytest.approx(0.2 / np.sqrt(500), rel=0.2)
    assert abs(found.alignment.ratio - 0.95) < 4 * found.ratio_error


def test_a_tonal_place_raises_its_own_chance_and_not_that_of_the_whole_query():
    drone = points(np.arange(0, 4, 0.02), np.full(200, 100.0))
    query = joined(moved(drone, offset_s=20.0), scattered(600, 50.0))
    found = stretch(query, joined(drone, scattered(200, 10.0, 1)), Alignment(1.0, -20.0, 0.0))
    assert found.local_chance > 2 * found.global_chance


def test_nothing_coincides_of_lists_that_never_sound_together():
    query = scattered(100, 5.0)
    assert stretch(query, moved(query, offset_s=500.0), Alignment(1.0, 0.0, 0.0)) is None


def test_music_of_one_beat_coincides_again_a_beat_later_and_other_music_does_not():
    beats_s = np.repeat(np.arange(40) * 0.41, 5)
    on_a_grid = points(beats_s, np.tile([20.0, 60.0, 100.0, 140.0, 180.0], 40))
    found = stretch(on_a_grid, on_a_grid, Alignment(1.0, 0.0, 0.0))
    assert found.global_chance < 0.1  # its shifts fall between the beats
    assert beat_chance(on_a_grid, on_a_grid, found) > 0.5
    elsewhere = scattered(200, 20.0)
    assert beat_chance(elsewhere, elsewhere, stretch(elsewhere, elsewhere, Alignment(1.0, 0.0, 0.0))) < 0.1


@pytest.mark.parametrize("beat_s", [0.3, 0.47, 0.75, 1.2])
def test_a_beat_of_any_usual_length_is_heard(beat_s):
    on_a_grid = points(
        np.repeat(np.arange(0, 30, beat_s), 4), np.tile([30.0, 70.0, 110.0, 150.0], len(np.arange(0, 30, beat_s)))
    )
    found = stretch(on_a_grid, on_a_grid, Alignment(1.0, 0.0, 0.0))
    assert beat_chance(on_a_grid, on_a_grid, found) > 0.5


def test_evidence_is_what_chance_does_not_explain():
    assert log_likelihood_ratio(50, 100, 0.5) == 0.0
    assert log_likelihood_ratio(20, 100, 0.5) == 0.0
    assert log_likelihood_ratio(100, 100, 0.5) == pytest.approx(100 * np.log(2))
    assert log_likelihood_ratio(60, 100, 0.1) > log_likelihood_ratio(60, 100, 0.2) > log_likelihood_ratio(50, 100, 0.2)
    assert log_likelihood_ratio(60, 100, 0.1) == pytest.approx(2 * log_likelihood_ratio(30, 50, 0.1))
