import numpy as np
import pytest

from models.motif import note_agreement
from tests.models.notes import events, melody

TIMES_S, PITCHES = melody(1)


def of(found, contour=None):
    """Every note is of the highest line, unless a contour tells."""
    return note_agreement.notes(found, np.full((200, 12), 255, np.uint8) if contour is None else contour)


def agree(query, reference, *, tempo_ratio=1.0, offset_s=0.0, semitones=0, middle_s=9.0):
    return note_agreement.agreement(
        of(query),
        of(reference),
        tempo_ratio=tempo_ratio,
        offset_s=offset_s,
        semitones=semitones,
        middle_s=middle_s,
    )


def test_a_rough_alignment_is_refined_to_a_hundredth_of_a_second():
    late_s = np.random.default_rng(0).normal(0, 0.01, len(TIMES_S))
    found = agree(events(TIMES_S, PITCHES), events(1.1 * TIMES_S + 3 + late_s, PITCHES), tempo_ratio=1.12, offset_s=2.9)
    assert found.tempo_ratio == pytest.approx(1.1, rel=0.002)
    assert found.tempo_ratio * 9 + found.offset_s == pytest.approx(1.1 * 9 + 3, abs=0.01)


def test_the_run_is_where_both_play_the_same():
    own = (TIMES_S > 5) & (TIMES_S < 12)
    other_s, other = melody(2)
    outside = (other_s < 4.8) | (other_s > 12.2)
    mixed = events(np.r_[TIMES_S[own], other_s[outside]], np.r_[PITCHES[own], other[outside]])
    found = agree(events(TIMES_S, PITCHES), mixed)
    assert (found.start_s, found.end_s) == (pytest.approx(5, abs=0.6), pytest.approx(12, abs=0.6))


def test_strangers_agree_far_less():
    same = agree(events(TIMES_S, PITCHES), events(TIMES_S, PITCHES - 3), semitones=3)
    stranger = agree(events(TIMES_S, PITCHES), events(*melody(2)))
    assert stranger.score < same.score / 5


def test_a_note_that_the_other_plays_all_the_time_proves_little():
    busy_s = np.arange(0, 18, 0.15)
    few = of(events(TIMES_S[::4], np.full(len(TIMES_S[::4]), 67)))
    busy = of(events(busy_s, np.full(len(busy_s), 67)))
    rare = of(events(TIMES_S[::4], np.full(len(TIMES_S[::4]), 67)))
    told = {"tempo_ratio": 1.0, "offset_s": 0.0, "semitones": 0, "middle_s": 9.0}
    assert note_agreement.agreement(few, busy, **told).score < 0.6 * note_agreement.agreement(few, rare, **told).score


def test_further_notes_on_one_side_are_forgiven():
    extra_s = TIMES_S[:-1] + np.diff(TIMES_S) / 2
    ornate = events(np.r_[TIMES_S, extra_s], np.r_[PITCHES, PITCHES[:-1] + 7])
    plain = events(TIMES_S, PITCHES)
    whole = agree(plain, plain).score
    assert agree(ornate, plain).score == pytest.approx(agree(plain, ornate).score, rel=0.05)
    assert agree(ornate, plain).score > 0.6 * whole


def test_nothing_agrees_with_nothing():
    for query, reference in ((events([], []), events(TIMES_S, PITCHES)), (events(TIMES_S, PITCHES), events([], []))):
        assert agree(query, reference).score == 0


def test_an_accompaniment_in_common_is_no_line_in_common():
    """Both play the same chords under melodies of their own, an octave above."""
    chords_s = np.repeat(np.arange(0, 18, 0.5), 3)
    chords = np.tile([48, 52, 55], len(chords_s) // 3)
    line = np.zeros((120, 12), np.uint8)
    sides = []
    for seed in (1, 2):
        times_s, pitches = melody(seed)
        frames = (times_s * 5).astype(int)
        contour = line.copy()
        contour[frames[frames < 120], pitches[frames < 120] % 12] = 255
        sides.append(of(events(np.r_[chords_s, times_s], np.r_[chords, pitches + 12]), contour))
    told = {"tempo_ratio": 1.0, "offset_s": 0.0, "semitones": 0, "middle_s": 9.0}
    found = note_agreement.agreement(*sides, **told)
    assert found.score > 50
    assert found.line_score < 0.3 * found.score
    assert note_agreement.agreement(sides[0], sides[0], **told).line_score > 3 * found.line_score


def test_a_handful_of_notes_close_together_does_not_bend_the_tempo():
    times_s = np.array([9.0, 9.01, 9.02, 9.03, 9.04])
    pitches = np.array([60, 62, 64, 65, 67])
    for late_s in ([0.05, 0.03, 0, -0.03, -0.05], [-0.05, -0.03, 0, 0.03, 0.05]):
        found = agree(events(times_s, pitches), events(times_s + late_s, pitches))
        assert found.tempo_ratio == pytest.approx(1, abs=0.06)
