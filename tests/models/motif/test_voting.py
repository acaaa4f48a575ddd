import numpy as np
import pytest

from models.motif import chains, voting
from models.motif.cells import TRACK_BIT
from tests.models.notes import events, melody

TRACKS = 30


def catalogue(own):
    """The rows of strangers, and of `own` tracks by their numbers."""
    keys, payloads = [], []
    for track in range(TRACKS):
        found = own[track] if track in own else events(*melody(100 + track, 120))
        of_track, told = chains.rows(found)
        keys.append(of_track)
        payloads.append(told | track << TRACK_BIT)
    keys, payloads = np.concatenate(keys), np.concatenate(payloads)
    order = np.lexsort((payloads, keys))
    return keys[order], payloads[order]


def answered(asked, rows, candidates=5):
    return voting.hypotheses(asked, *looked_up(asked, rows), TRACKS, candidates=candidates)


def looked_up(asked, rows):
    kept = np.isin(rows[0], asked.keys)
    return rows[0][kept], rows[1][kept]


def within(stranger, first, count, at_s, *, tempo=1.0, semitones=0, seed=1):
    """Some notes of melody `seed` in the middle of another, from `at_s` on."""
    times_s, pitches = melody(stranger, 120)
    own_s, own = melody(seed)
    own_s, own = (own_s[first : first + count] - own_s[first]) / tempo, own[first : first + count]
    around = (times_s < at_s - 0.2) | (times_s > at_s + own_s[-1] + 0.2)
    return events(np.r_[times_s[around], own_s + at_s], np.r_[pitches[around], own + semitones])


@pytest.mark.parametrize(("tempo", "semitones"), [(1.0, 0), (0.8, 5), (1.25, -7), (1.1, 12)])
def test_borrowed_bars_are_found_in_another_key_and_at_another_tempo(tempo, semitones):
    rows = catalogue({7: within(50, 10, 30, 12.0, tempo=tempo, semitones=semitones)})
    times_s, pitches = melody(1)
    best = answered(chains.probes(events(times_s, pitches)), rows)[0]
    assert (best.track, best.semitones) == (7, -semitones)
    assert best.tempo_ratio == pytest.approx(1 / tempo, rel=0.03)
    middle_s = times_s[25]
    expected_s = 12.0 + (middle_s - times_s[10]) / tempo
    assert best.tempo_ratio * middle_s + best.offset_s == pytest.approx(expected_s, abs=0.3)


def test_strangers_have_far_fewer_votes():
    rows = catalogue({7: events(*melody(1))})
    best, *others = answered(chains.probes(events(*melody(1))), rows)
    assert all(one.score < best.score / 4 for one in others if one.track != 7)


def test_bars_late_in_a_long_query_are_found():
    asked = chains.probes(within(60, 10, 40, 25.0, seed=9))
    best = answered(asked, catalogue({3: events(*melody(9))}))[0]
    times_s, _ = melody(9)
    assert best.track == 3
    assert best.tempo_ratio * 25.0 + best.offset_s == pytest.approx(times_s[10], abs=0.3)


def test_no_more_candidates_come_than_were_asked_for_and_few_hypotheses_of_each():
    found = answered(chains.probes(events(*melody(1))), catalogue({}), candidates=4)
    tracks = [one.track for one in found]
    assert len(set(tracks)) <= 4
    assert max(tracks.count(track) for track in tracks) <= voting.CELLS_OF_TRACK
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_rows_in_any_order_give_the_same():
    asked = chains.probes(events(*melody(1)))
    keys, payloads = looked_up(asked, catalogue({7: events(*melody(1))}))
    mixed = np.random.default_rng(0).permutation(len(keys))
    every = [(keys, payloads), (keys[mixed], payloads[mixed])]
    first, second = (voting.hypotheses(asked, *rows, TRACKS, candidates=3) for rows in every)
    assert first == second


def test_a_window_with_too_many_rows_leaves_out_the_commonest_keys(monkeypatch):
    asked = chains.probes(events(*melody(1)))
    rows = catalogue({7: events(*melody(1))})
    monkeypatch.setattr(voting, "MOST_VOTES", len(looked_up(asked, rows)[0]) // 2)
    assert answered(asked, rows)[0].track == 7


def test_no_rows_and_no_probes_tell_nothing():
    nothing = np.zeros(0, np.int64)
    asked = chains.probes(events(*melody(1)))
    assert voting.hypotheses(asked, nothing, nothing, TRACKS, candidates=3) == []
    assert voting.held(asked, nothing, nothing, 0, 10) == {}
    assert answered(chains.probes(events([], [])), catalogue({})) == []


@pytest.mark.parametrize("holders", [1, 6, 15])
def test_commonness_is_the_share_of_tracks_that_hold_the_passage(holders):
    own = {track: within(70 + track, 10, 30, 8.0, semitones=track % 5, seed=1) for track in range(holders)}
    asked = chains.probes(events(*melody(1)))
    times_s, _ = melody(1)
    held = voting.held(asked, *looked_up(asked, catalogue(own)), times_s[10], times_s[39])
    assert voting.commonness(held, 0, TRACKS) == pytest.approx(holders / TRACKS)
    assert voting.commonness(held, 999, TRACKS) == 0


def test_proposals_that_say_the_same_are_one():
    proposed = [
        voting.Hypothesis(3, 1.00, 5.0, 2, 9.0, 15.0),
        voting.Hypothesis(3, 1.02, 4.6, 2, 8.0, 15.0),
        voting.Hypothesis(3, 1.00, 5.0, 14, 7.0, 15.0),
        voting.Hypothesis(3, 1.00, 45.0, 2, 6.0, 15.0),
    ]
    assert voting.distinct(proposed) == [proposed[0], *proposed[2:]]
