import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from models.score import agreement, agreements, matched_windows, similarities, sounding, window_scores

MATRICES = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.floats(0, 1, width=32))


@given(MATRICES)
def test_max_is_never_below_the_mean_of_maxima_nor_that_below_the_assignment(s):
    scores = window_scores(s)
    assert 1 >= scores.max >= scores.max_then_mean >= scores.hungarian_mean >= 0


def test_the_three_figures_of_a_matrix_done_by_hand():
    s = np.array([[0.9, 0.8], [0.7, 0.1], [0.2, 0.3]], np.float32)
    scores = window_scores(s)
    assert scores.max == pytest.approx(0.9)
    assert scores.max_then_mean == pytest.approx((0.9 + 0.7 + 0.3) / 3)
    assert scores.hungarian_mean == pytest.approx((0.8 + 0.7) / 3)  # two candidates for three query windows


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_a_side_without_windows_scores_nothing(shape):
    scores = window_scores(np.zeros(shape, np.float32))
    assert (scores.max, scores.max_then_mean, scores.hungarian_mean) == (0, 0, 0)
    assert matched_windows(np.zeros(shape, np.float32), 10) == ()


def test_similarities_are_cosines_and_never_negative():
    rows = np.array([[1, 0], [-1, 0], [0, 0]], np.float32)
    assert similarities(rows, rows).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


@given(MATRICES, st.integers(1, 20))
def test_matched_windows_are_the_best_pairs_best_first(s, count):
    found = [match.similarity for match in matched_windows(s, count)]
    assert sorted(s.ravel().tolist(), reverse=True)[:count] == found


def test_a_matched_window_names_its_row_and_column():
    s = np.array([[0.1, 0.2], [0.9, 0.3]], np.float32)
    best = matched_windows(s, None)[0]
    assert (best.query_index, best.candidate_index) == (1, 0)


def latents(random, windows, silent=0):
    rows = random.standard_normal((windows, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[:silent] = 0
    return rows


@pytest.mark.parametrize("seed", range(20))
def test_many_are_ranked_by_what_each_pair_scores(seed):
    random = np.random.default_rng(seed)
    counts = random.integers(0, 9, 12)
    tracks = [latents(random, int(count), int(random.integers(0, 2))) for count in counts]
    ranked = agreements(tracks[:4], tracks)
    for row, query in enumerate(tracks[:4]):
        for column, candidate in enumerate(tracks):
            alone = agreement(similarities(query, candidate), sounding(query), sounding(candidate))
            assert ranked[row, column] == pytest.approx(alone, abs=1e-6)


def test_an_agreement_is_both_directions_the_shorter_sides_windows_weighing_more():
    random = np.random.default_rng(1)
    some = latents(random, 9)
    assert agreement(similarities(some, some), 9, 9) == pytest.approx(1.0, abs=1e-6)
    s = similarities(some[:1], some)
    alone, back = float(s.max()), float(s.max(axis=0).mean())
    assert agreement(s, 1, 9) == pytest.approx(0.9 * alone + 0.1 * back)
    assert agreement(s.T, 9, 1) == pytest.approx(agreement(s, 1, 9))


def test_ranking_nothing_gives_nothing():
    some = latents(np.random.default_rng(0), 3)
    assert agreements([], [some]).shape == (0, 1)
    assert agreements([some], []).shape == (1, 0)
    assert agreements([some], [some[:0]]).tolist() == [[0.0]]


def test_silent_windows_do_not_lower_what_a_track_reaches_with_itself():
    half_silent = latents(np.random.default_rng(0), 10, silent=5)
    assert sounding(half_silent) == 5
    scores = window_scores(similarities(half_silent, half_silent), 5)
    assert scores.max_then_mean == pytest.approx(1.0, abs=1e-6)
    assert scores.hungarian_mean == pytest.approx(1.0, abs=1e-6)
