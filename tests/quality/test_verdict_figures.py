"""What a place that is told is worth, on pairs whose truth is written down here."""

from pathlib import Path

import numpy as np
import pytest

from tests.quality.verdict_figures import Row, counted, is_found, off_s
from tests.quality.verdict_pairs import Pair

# The query's seconds 2..6 lie under the candidate's 20..30: the candidate is slower.
PAIR = Pair("sample", "made", Path("query"), Path("candidate"), np.array([2.0, 6.0]), np.array([20.0, 30.0]))
STRANGERS = Pair("no_relation", "made", Path("query"), Path("candidate"))


def place(query_s: tuple[float, float], candidate_s: tuple[float, float]) -> dict[str, float]:
    names = ("query_start_s", "query_end_s", "candidate_start_s", "candidate_end_s")
    return dict(zip(names, (*query_s, *candidate_s), strict=True))


@pytest.mark.parametrize(
    ("candidate_s", "found"), [((21, 29), True), ((10, 16), False), ((27, 35), False), ((0, 60), True)]
)
def test_a_place_is_found_where_half_of_the_shorter_of_told_and_true_is_common(candidate_s, found):
    assert is_found(PAIR, [place((2, 6), candidate_s)]) is found


def test_nobody_can_say_whether_a_place_of_strangers_is_found():
    assert is_found(STRANGERS, [place((0, 1), (0, 1))]) is None


def test_a_place_is_off_by_the_seconds_between_the_middles():
    assert off_s(PAIR, place((3, 5), (24, 27))) == pytest.approx(0.5)


def test_a_place_that_reaches_over_the_true_one_is_read_along_the_same_tempo():
    assert off_s(PAIR, place((6, 8), (30, 35))) == pytest.approx(0.0)


def test_an_edit_is_read_on_the_side_of_its_joint_where_the_place_is_told():
    edit = Pair(
        "x", "made", Path("q"), Path("c"), np.array([0.0, 9.999, 10.0, 20.0]), np.array([5.0, 14.999, 40.0, 50.0])
    )
    assert off_s(edit, place((12, 18), (42, 48))) == pytest.approx(0.0)


def test_a_stranger_that_is_told_as_related_is_a_false_accept_and_one_of_a_style_is_none():
    told = {"found": None, "off_s": None, "p_chance": {}}
    rows = [Row(STRANGERS, verdict, "full_audio", **told) for verdict in ("style_only", "no_relation", "sample")]
    figures = counted(rows)
    assert figures["false_accepts"]["made"]["hits"] == 1
    assert figures["classes"]["no_relation"]["hits"] == 2
    assert figures["matrix"]["no_relation"] == {"style_only": 1, "no_relation": 1, "sample": 1}
