from functools import cache

import numpy as np
import pytest

from models.fingerprint.landmarks import FIRST_QUAD, TRACK_BIT, places, probes, rows, rows_together
from models.fingerprint.peaks import peaks
from tests.pieces import cut, piece


@cache
def heard(number, tempo=1.0, semitones=0.0, duration_s=20.0):
    return peaks(piece(number, duration_s, tempo, semitones))


def asked_again(query, reference, quads):
    """Share of the reference's rows, of one kind, whose key the query asks for."""
    keys, _ = rows(reference)
    keys = keys[(keys >= FIRST_QUAD) == quads]
    return float(np.isin(keys, probes(query).keys).mean())


def test_rows_are_in_order_and_none_comes_twice():
    keys, payloads = rows(heard(1))
    assert (keys.dtype, payloads.dtype) == (np.int64, np.int64)
    both = list(zip(keys.tolist(), payloads.tolist(), strict=True))
    assert both == sorted(set(both))
    assert 0 <= keys.min() < FIRST_QUAD < keys.max() < 2**31
    assert 30 < len(keys) / 20.0 < 80
    assert payloads.max() < 2**40


def test_rows_of_several_tracks_rise_and_carry_their_numbers():
    tracks = {7: heard(0), 3: heard(1)}
    keys, payloads = rows_together(tracks)
    assert (np.diff(keys) >= 0).all()
    for number, found in tracks.items():
        own = payloads >> TRACK_BIT == number
        mine = set(zip(keys[own], payloads[own] - (number << TRACK_BIT), strict=True))
        assert mine == set(zip(*rows(found), strict=True))
    assert [len(part) for part in rows_together({})] == [0, 0]


def test_wanted_keys_are_found_wherever_they_stand():
    keys = np.array([1, 2, 2, 5, 5, 5, 9])
    assert places(keys, np.array([0, 2, 5, 7, 9])).tolist() == [1, 2, 3, 4, 5, 6]
    assert places(keys, np.array([3])).tolist() == places(keys[:0], np.array([3])).tolist() == []


def test_a_recording_asks_for_its_own_keys_again():
    assert asked_again(heard(1), heard(1), quads=False) == 1.0
    assert asked_again(heard(1), heard(1), quads=True) > 0.95  # its zone is wider: others may be stronger there


def test_an_excerpt_asks_for_most_keys_of_its_seconds():
    samples = piece(1, 20.0)
    keys, payloads = rows(peaks(samples))
    times_s = (payloads >> 20) / 100
    inside = (times_s > 8.5) & (times_s < 12.0)
    asked = probes(peaks(cut(samples, 7.777, 14.0)))
    assert np.isin(keys[inside], asked.keys).mean() > 0.9


@pytest.mark.parametrize("semitones", [-4.0, 1.0, 2.5])
def test_a_transposed_one_asks_for_the_quads_but_not_for_the_pairs(semitones):
    assert asked_again(heard(1, semitones=semitones), heard(1), quads=True) > 0.25
    assert asked_again(heard(1, semitones=semitones), heard(1), quads=False) < 0.1


@pytest.mark.parametrize("tempo", [0.8, 0.93, 1.1, 1.25])
def test_a_faster_or_slower_one_asks_for_quads_and_another_piece_for_few(tempo):
    again = asked_again(heard(1, tempo=tempo), heard(1), quads=True)
    assert again > 5 * asked_again(heard(2, tempo=tempo), heard(1), quads=True)
    assert again > 0.1


def test_a_payload_tells_time_band_and_span_of_its_tuple():
    keys, payloads = rows(heard(1))
    spans_s = (payloads & 0xFFF) / 100
    assert 0 <= ((payloads >> 12) & 0xFF).min() < ((payloads >> 12) & 0xFF).max() < 240
    assert (payloads >> 20).max() / 100 < 20.0
    assert 0.04 < spans_s[keys < FIRST_QUAD].min() < spans_s[keys < FIRST_QUAD].max() < 1.01
    assert 0.39 < spans_s[keys >= FIRST_QUAD].min() < spans_s[keys >= FIRST_QUAD].max() < 1.61


def test_probes_belong_to_the_keys_they_ask_for():
    asked = probes(heard(1))
    assert (np.diff(asked.keys) > 0).all()
    assert asked.starts[0] == 0
    assert asked.starts[-1] == len(asked.times_s) == len(asked.bands) == len(asked.spans_s) == len(asked.anchors)
    assert (np.diff(asked.starts) > 0).all()
    assert asked.times_s.max() < 20.0


def test_a_query_of_an_hour_asks_for_no_more_than_two_million_keys():
    seconds = heard(1)
    step = 20 * 8 * 11_025 // 256
    hour = np.concatenate([seconds + np.array([[turn * step << 10, 0]], np.uint32) for turn in range(180)])
    asked = probes(hour.astype(np.uint32))
    assert len(asked.times_s) < 2_000_000
    assert asked.times_s.max() > 3_590


def test_silence_has_no_rows_and_asks_for_nothing():
    nothing = np.zeros((0, 2), np.uint32)
    keys, payloads = rows(nothing)
    assert (len(keys), len(payloads), len(probes(nothing).keys)) == (0, 0, 0)
