import numpy as np
import pytest

from models.section.align import aligned
from models.section.sections import Structure, structure
from tests.section_signals import song, written


def pairs(matches):
    return [(match.query_index, match.candidate_index) for match in matches]


def test_a_track_is_itself_section_by_section():
    track = written("ABACB")
    matches = aligned(track, track)[1]
    assert pairs(matches) == [(place, place) for place in range(5)]
    assert all(match.similarity > 0.99 for match in matches)
    assert all((match.transposition_semitones, match.tempo_ratio) == (0, 1.0) for match in matches)


@pytest.mark.parametrize("semitones", [-5, -1, 2, 6])
def test_transposition_is_what_the_query_is_higher_by(semitones):
    matches = aligned(written("ABAC", transposition=semitones), written("ABAC"))[1]
    assert {match.transposition_semitones for match in matches} == {semitones}
    assert len(matches) == 4


def test_tempo_ratio_is_above_one_where_the_query_is_faster():
    for match in aligned(written("ABAC", beat_s=0.5), written("ABAC", beat_s=0.6))[1]:
        assert match.tempo_ratio == pytest.approx(1.2)


def test_two_beats_of_one_track_may_be_one_of_the_other():
    slow = written("ABCA", beat_s=0.8)
    starts_s = np.arange(2 * len(slow.beats_s), dtype=np.float32) * np.float32(0.4)
    twice = Structure(slow.sections, starts_s, np.repeat(slow.harmony, 2, axis=0))
    for query, candidate in ((slow, twice), (twice, slow)):
        matches = aligned(query, candidate)[1]
        assert pairs(matches) == [(place, place) for place in range(4)]
        assert all(match.tempo_ratio == pytest.approx(1, abs=0.05) for match in matches)


def test_a_section_left_out_leaves_the_others_matched_in_order():
    assert pairs(aligned(written("ABCD"), written("ABD"))[1]) == [(0, 0), (1, 1), (3, 2)]


def test_sections_cut_elsewhere_still_find_each_other():
    track = written("ABCD")
    starts_s = [0.0, *(section.start_s + 2.0 for section in track.sections[1:])]
    ends_s = [*starts_s[1:], track.sections[-1].end_s]
    late = tuple(
        type(section)(start_s, end_s, section.label, 1.0, None, 0.0)
        for section, start_s, end_s in zip(track.sections, starts_s, ends_s, strict=True)
    )
    matches = aligned(track, Structure(late, track.beats_s, track.harmony))[1]
    assert pairs(matches) == [(place, place) for place in range(4)]


@pytest.mark.parametrize("seed", range(1, 9))
def test_unrelated_tracks_have_no_sections_in_common(seed):
    assert aligned(written("ABAC"), written("ABAC", seed=seed))[1] == ()


def test_similarities_are_of_all_sections_with_all():
    query, candidate = written("ABAC", transposition=3), written("BA")
    alike, matches = aligned(query, candidate)
    assert (alike.shape, alike.dtype) == ((4, 2), np.float32)
    assert alike.min() >= 0
    assert alike.max() <= 1
    np.testing.assert_array_equal(alike.argmax(axis=1)[:3], [1, 0, 1])
    assert {match.transposition_semitones for match in matches} == {3}


def test_a_part_without_harmony_is_like_nothing():
    track = written("ABAC")
    silent = Structure(track.sections, track.beats_s, np.zeros_like(track.harmony))
    assert not aligned(track, silent)[0].any()
    assert aligned(silent, silent)[1] == ()


def test_a_stem_that_pauses_is_compared_by_what_sounds():
    track = written("ABAC")
    resting = track.harmony.copy()
    resting[::4] = 0
    stem = Structure(track.sections, track.beats_s, resting)
    assert aligned(stem, stem)[0].diagonal() == pytest.approx(1, abs=1e-3)


def test_a_track_without_sections_matches_nothing():
    none = Structure((), np.zeros(0, np.float32), np.zeros((0, 24), np.float16))
    track = written("ABAC")
    for query, candidate in ((none, track), (track, none), (none, none)):
        assert aligned(query, candidate)[1] == ()
        assert aligned(query, candidate)[0].shape == (len(query.sections), len(candidate.sections))


def test_another_key_and_tempo_are_heard_through_sound():
    matches = aligned(structure(song("ABACB", 120, 3)), structure(song("ABACB", 100)))[1]
    assert pairs(matches) == [(place, place) for place in range(5)]
    assert {match.transposition_semitones for match in matches} == {3}
    for match in matches:
        assert match.tempo_ratio == pytest.approx(1.2, abs=0.03)
