"""Figures whose truth can be counted on one's fingers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.quality import measures

LABELS = ("a", "a", "b", "b")
PERFECT = np.array([[9, 5, 1, 1], [5, 9, 1, 1], [1, 1, 9, 5], [1, 1, 5, 9]], float)


def test_average_precision_counts_every_relevant_place():
    assert measures.average_precision([True, False, True]) == pytest.approx((1 + 2 / 3) / 2)
    assert measures.average_precision([False, False]) == 0.0


def test_a_perfect_ranking_is_one_and_the_query_itself_is_left_out():
    assert measures.ranking(PERFECT, LABELS) == {"map": 1.0, "top1": 1.0, "queries": 4}
    assert measures.ranking(PERFECT - 9 * np.eye(4), LABELS) == {"map": 1.0, "top1": 1.0, "queries": 4}


def test_who_scores_all_alike_finds_nothing_first():
    assert measures.ranking(np.zeros((4, 4)), LABELS) == {"map": pytest.approx(1 / 3), "top1": 0.0, "queries": 4}
    assert measures.right_first(np.zeros((1, 2)), ["a"], ["a", "b"]) == 0.0


def test_a_track_without_a_relative_is_no_query_but_still_a_stranger():
    assert measures.ranking(PERFECT[:3, :3], LABELS[:3]) == {"map": 1.0, "top1": 1.0, "queries": 2}


def test_the_best_of_several_right_candidates_is_enough():
    scores = np.array([[0.1, 0.9, 0.5], [0.1, 0.4, 0.5]])
    assert measures.right_first(scores, ["a", "a"], ["a", "a", "b"]) == 0.5


def test_pairs_are_directed_and_no_track_is_paired_with_itself():
    same, strangers = measures.pairs(PERFECT, LABELS)
    assert (list(same), list(strangers)) == ([5.0] * 4, [1.0] * 8)


def test_the_threshold_lets_one_stranger_in_a_hundred_pass():
    strangers = np.arange(100.0)
    assert measures.tpr_at_fpr(np.array([97.0, 98.0, 98.5, 99.5]), strangers) == 0.5
    assert measures.tpr_at_fpr(np.zeros(3), np.zeros(100)) == 0.0


def test_auc_counts_ties_half():
    assert measures.auc(np.array([1.0, 2.0]), np.array([0.0, 1.0])) == pytest.approx(3.5 / 4)


def test_brier_is_worst_for_the_certain_and_wrong_and_the_base_knows_only_the_share():
    assert measures.brier([1.0, 0.0], [0, 1]) == 1.0
    assert measures.brier([0.25] * 4, [0, 0, 0, 1]) == measures.base_brier([0, 0, 0, 1]) == 0.1875


def test_even_p_values_are_near_uniform_and_equal_ones_are_not():
    assert measures.ks_to_uniform((np.arange(100) + 0.5) / 100) == pytest.approx(0.005)
    assert measures.ks_to_uniform([0.9] * 10) == pytest.approx(0.9)


def test_places_are_compared_on_the_beats_of_the_work():
    whole = (np.array([0.0, 100.0]), np.array([0.0, 50.0]))  # two beats a second
    faster_from_20 = (np.array([20.0, 100.0]), np.array([0.0, 32.0]))  # two and a half
    assert measures.beats_apart(20.0, 8.0, whole, faster_from_20) == pytest.approx(0.0)
    assert measures.beats_apart(20.0, 12.0, whole, faster_from_20) == pytest.approx(10.0)


def test_no_claim_lies_within_no_limit():
    assert measures.within([0.0, 3.0, 9.0, None], (2, 4, 8)) == {"2": 0.25, "4": 0.5, "8": 0.5}
