import numpy as np
import pytest

from models.motif import chains
from tests.models.notes import events, melody

TIMES_S, PITCHES = melody(1)


@pytest.mark.parametrize("semitones", [-12, -5, 1, 6, 12])
def test_another_key_has_the_same_chains(semitones):
    original, _ = chains.rows(events(TIMES_S, PITCHES))
    moved, _ = chains.rows(events(TIMES_S, PITCHES + semitones))
    np.testing.assert_array_equal(original, moved)


@pytest.mark.parametrize("tempo", [0.8, 0.93, 1.1, 1.25])
def test_another_tempo_asks_for_the_chains_of_the_original(tempo):
    original, _ = chains.rows(events(TIMES_S, PITCHES))
    asked = chains.probes(events(TIMES_S / tempo, PITCHES)).keys
    assert np.isin(original, asked).mean() > 0.95


def test_loose_onsets_are_asked_for_on_both_sides_of_a_position():
    late_s = np.random.default_rng(0).normal(0, 0.012, len(TIMES_S))
    original = np.unique(chains.rows(events(TIMES_S, PITCHES))[0])
    asked = chains.probes(events(TIMES_S + 0.05 + late_s, PITCHES)).keys
    exact = np.unique(chains.rows(events(TIMES_S + 0.05 + late_s, PITCHES))[0])
    assert np.isin(original, asked).mean() > np.isin(original, exact).mean() + 0.1


def test_another_melody_shares_no_more_than_a_few_chains():
    original, _ = chains.rows(events(TIMES_S, PITCHES))
    assert np.isin(original, chains.probes(events(*melody(2))).keys).mean() < 0.05


def test_a_payload_tells_time_pitch_and_span():
    keys, payloads = chains.rows(events([1.0, 1.2, 1.4, 1.6, 1.8], [60, 62, 64, 65, 67]))
    straight = payloads[(payloads >> 12 & 255) == 60]
    assert 100 << 20 | 60 << 12 | 80 in straight.tolist()
    assert ((keys >= 0) & (keys < 2**31)).all()


def test_rows_are_sorted_and_none_is_there_twice():
    rng = np.random.default_rng(0)
    keys, payloads = chains.rows(
        events(rng.uniform(0, 60, 700), rng.integers(50, 90, 700), ranks=rng.integers(0, 12, 700))
    )
    pairs = list(zip(keys.tolist(), payloads.tolist(), strict=True))
    assert pairs == sorted(set(pairs))


def test_the_strongest_and_nearest_notes_follow():
    found = events([0.0, 0.3, 0.3, 0.3], [60, 62, 64, 66], strengths=[255, 200, 255, 240])
    np.testing.assert_array_equal(chains.followers(found, 8, 2)[0], [2, 3])


def test_a_repeated_note_a_leap_and_a_long_rest_are_no_steps():
    found = events([0.0, 0.3, 0.6, 3.0], [60, 60, 75, 62])
    assert (chains.followers(found, 8, 2)[0] == -1).all()


def test_every_probe_knows_its_key_its_time_and_its_first_note():
    asked = chains.probes(events(TIMES_S, PITCHES))
    assert (np.diff(asked.keys) > 0).all()
    assert asked.places.max() == len(asked.keys) - 1
    np.testing.assert_allclose(asked.times_s, TIMES_S[asked.anchors], atol=1e-3)
    np.testing.assert_array_equal(asked.pitches, PITCHES[asked.anchors])
    assert (np.diff(asked.times_s) >= 0).all()


def test_a_long_query_asks_for_fewer_keys_a_second():
    asked = [len(chains.probes(events(*melody(3, count))).keys) / count for count in (150, 400, 4_000)]
    assert asked[0] > 2 * asked[1] > 4 * asked[2] > 0


def test_no_events_and_four_events_have_no_chains():
    for count in (0, 4):
        found = events(TIMES_S[:count], PITCHES[:count])
        assert [len(column) for column in chains.rows(found)] == [0, 0]
        assert len(chains.probes(found).keys) == 0
