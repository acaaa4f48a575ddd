"""Figures whose truth can be counted on one's fingers."""

from __future__ import annotations

import pytest

from tests.quality import section_measures as measures


def test_the_ends_of_a_track_are_no_hits():
    assert measures.hits([0, 10, 20, 30], [0, 30], 3.0) == (0, 0, 0)


def test_a_boundary_is_used_once():
    assert measures.hits([0, 10, 20, 30], [0, 9, 11, 30], 3.0) == (0.5, 0.5, 0.5)


def test_a_boundary_is_given_to_whom_it_helps():
    assert measures.hits([0, 10, 12, 30], [0, 8, 10.5, 30], 2.0)[2] == 1.0


@pytest.mark.parametrize(("within_s", "f"), [(0.5, 0.5), (3.0, 1.0)])
def test_nearness_is_what_is_asked_for(within_s, f):
    assert measures.hits([0, 10, 20, 30], [0, 10.4, 18, 30], within_s)[2] == f


def test_other_names_for_the_same_labels_are_right():
    truth = [(0, 10, "A"), (10, 20, "B"), (20, 30, "A")]
    renamed = [(0, 10, "B"), (10, 20, "C"), (20, 30, "B")]
    assert measures.pairwise(truth, renamed) == 1.0
    assert measures.mislabelled(truth, renamed) == pytest.approx(0)
    assert measures.matched_labels(truth, renamed) == {"B": "A", "C": "B"}


def test_one_label_for_all_finds_every_pair_and_many_wrong_ones():
    truth = [(0, 10, "A"), (10, 20, "B")]
    assert measures.pairwise(truth, [(0, 20, "A")]) == pytest.approx(2 / 3, abs=0.01)
    assert measures.mislabelled(truth, [(0, 20, "A")]) == pytest.approx(0.5)
