from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import LOOKS, fit, fit_null, p_chance, p_least, p_match, standardised
from models.card import Null

NULL = Null(0.4, -0.05, 0.04, 0.08, -0.2, -0.05, n_pairs=4_000)
RANDOM = np.random.default_rng(5)


def drawn(slope, intercept, count=20_000):
    scores = RANDOM.uniform(0, 1, count)
    return scores, RANDOM.uniform(0, 1, count) < 1 / (1 + np.exp(-(slope * scores + intercept)))


def test_the_fit_finds_the_curve_that_the_pairs_were_drawn_from():
    found = fit(*drawn(12.0, -7.0))
    assert (found.slope, found.intercept) == (pytest.approx(12.0, rel=0.05), pytest.approx(-7.0, rel=0.05))


def test_a_fit_knows_its_pairs_and_beats_saying_always_the_same():
    scores, labels = drawn(12.0, -7.0)
    found = fit(scores, labels, date="2026-11-22", material="drawn")
    assert (found.n_pairs, found.positives) == (20_000, labels.sum())
    assert found.base_brier == pytest.approx(labels.mean() * (1 - labels.mean()))
    assert found.brier < 0.6 * found.base_brier
    assert (found.date, found.material) == ("2026-11-22", "drawn")
    told = np.array([p_match(score, found) for score in scores])
    assert found.brier == pytest.approx(((told - labels) ** 2).mean())


def test_pairs_that_a_score_parts_without_a_fault_give_a_finite_slope():
    found = fit([0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [False, False, False, True, True, True])
    assert 0 < found.slope < 1_000
    assert p_match(0.1, found) < 0.5 < p_match(0.9, found)


@pytest.mark.parametrize("labels", [[True, True], [False, False], []])
def test_pairs_of_one_kind_tell_nothing(labels):
    with pytest.raises(ValueError, match="both kinds are needed"):
        fit([0.5] * len(labels), labels)


def test_scores_that_are_all_equal_give_the_share_of_the_positives():
    found = fit([0.5] * 100, [True] * 20 + [False] * 80)
    assert p_match(0.5, found) == pytest.approx(0.2, abs=0.03)


@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(0.1, 500), st.floats(-500, 500))
def test_p_match_is_a_probability_and_rises_with_the_score(one, other, slope, intercept):
    calibration = replace(fit([0.1, 0.9], [False, True]), slope=slope, intercept=intercept)
    low, high = sorted((one, other))
    assert 0 <= p_match(low, calibration) <= p_match(high, calibration) <= 1


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 500), st.integers(1, 500))
def test_p_chance_falls_with_the_score_and_is_never_nought(one, other, query_units, candidate_units):
    low, high = (standardised(score, query_units, candidate_units, NULL) for score in sorted((one, other)))
    assert 1e-6 <= p_chance(high) <= p_chance(low) <= 1


def test_without_windows_nothing_is_proved():
    for units in ((0, 5), (5, 0)):
        z = standardised(0.0, *units, NULL)
        assert p_chance(z) == 1
        assert p_match(z, fit([0.1, 0.9], [False, True])) == 0


def strangers(count=40_000):
    query_units, candidate_units = RANDOM.integers(1, 120, count), RANDOM.integers(1, 120, count)
    q, c = np.log(query_units), np.log(candidate_units)
    mean = NULL.mean + NULL.mean_query * q + NULL.mean_candidate * c
    sd = NULL.sd * np.exp(NULL.sd_query * q + NULL.sd_candidate * c)
    return RANDOM.normal(mean, sd), query_units, candidate_units


def test_the_null_is_found_again_from_what_was_drawn_from_it():
    found = fit_null(*strangers())
    for name in ("mean", "mean_query", "mean_candidate", "sd", "sd_query", "sd_candidate"):
        assert getattr(found, name) == pytest.approx(getattr(NULL, name), abs=0.012), name


def test_strangers_of_all_lengths_are_uniform_under_their_null():
    null = fit_null(*strangers())
    told = np.sort([p_chance(standardised(*pair, null)) for pair in zip(*strangers(4_000), strict=True)])
    assert np.abs(told - (np.arange(4_000) + 0.5) / 4_000).max() < 0.03


@given(one=st.floats(1e-9, 1), other=st.floats(1e-9, 1))
def test_the_least_of_two_chances_is_likelier_than_itself_and_rises_with_it(one, other):
    least = min(one, other)
    assert least <= p_least([one, other]) <= min(1.0, LOOKS * least) + 1e-12
    assert p_least([one, other]) == p_least([other, one]) <= p_least([min(1.0, 2 * one), min(1.0, 2 * other)])


def test_one_chance_alone_is_told_as_it_is():
    assert p_least([0.3]) == 0.3
    assert p_least([1.0, 1.0]) == 1.0
