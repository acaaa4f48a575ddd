"""Content types: one table of thresholds, and what of it may be overridden."""

from __future__ import annotations

from dataclasses import astuple, fields, replace

import pytest

from models.content import CONTENT_TYPES, RANGES, THRESHOLDS, Thresholds, thresholds
from models.finding import finding
from models.fingerprint.recognise import recognise, recordings


def test_every_content_type_has_a_row_and_every_field_a_range_that_holds_all_rows():
    assert tuple(THRESHOLDS) == CONTENT_TYPES
    assert tuple(RANGES) == tuple(field.name for field in fields(Thresholds))
    for row in THRESHOLDS.values():
        for value, (least, most) in zip(astuple(row), RANGES.values(), strict=True):
            assert least <= value <= most


def test_without_overrides_a_type_has_its_row():
    assert [thresholds(name) for name in CONTENT_TYPES] == list(THRESHOLDS.values())


def test_an_override_sets_one_field_and_no_other():
    assert thresholds("music", {"least_share": 0.5}) == replace(THRESHOLDS["music"], least_share=0.5)


def test_a_whole_number_stays_one_and_a_flag_a_flag():
    made = thresholds("music", {"least_landmarks": 12.0, "claims_melodies": 0})
    assert (made.least_landmarks, made.claims_melodies) == (12, False)
    assert (type(made.least_landmarks), type(made.claims_melodies)) == (int, bool)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"least_shares": 0.5}, "unknown threshold 'least_shares'"),
        ({"least_share": 1.5}, "'least_share' is 1.5, must be 0 to 1"),
        ({"least_share": float("nan")}, "'least_share' is nan"),
        ({"least_landmarks": 10.5}, "'least_landmarks' is 10.5, must be a whole number"),
        ({"claims_compositions": 2}, "'claims_compositions' is 2"),
    ],
)
def test_an_override_that_there_is_not_or_that_is_out_of_range_is_named(overrides, said):
    with pytest.raises(ValueError, match=said):
        thresholds("music", overrides)


def test_a_content_type_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="unknown content type 'podcast'"):
        thresholds("podcast")


def test_whoever_names_no_thresholds_gets_those_of_music():
    assert all(
        reader.__kwdefaults__["thresholds"] == THRESHOLDS["music"] for reader in (finding, recognise, recordings)
    )
