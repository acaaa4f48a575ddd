from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.signal import butter, fftconvolve, sosfilt

from models.fingerprint.landmarks import probes, rows
from models.fingerprint.peaks import RATE_HZ, peaks
from models.fingerprint.recognise import (
    Recording,
    again,
    by_mix_and_accompaniment,
    kind_of,
    of_accompaniment,
    recognise,
    recordings,
    together,
    verify,
)
from models.fingerprint.voting import Hypothesis, hypotheses
from tests import signals
from tests.pieces import cut, noisy, piece

PIECES = 6
NOTHING = np.zeros((0, 2), np.uint32)


@cache
def sound(number):
    return piece(number, 40.0)


@cache
def reference(number):
    return peaks(sound(number))


@cache
def library():
    made = [rows(reference(number)) for number in range(PIECES)]
    keys = np.concatenate([keys for keys, _ in made])
    return keys, np.concatenate([payloads | (number << 40) for number, (_, payloads) in enumerate(made)])


def recognised(samples):
    query = peaks(samples)
    found = hypotheses(probes(query), *library(), pairs=64, quads=64)
    return recognise(query, {number: reference(number) for number in range(PIECES)}, found)


def telephone(samples):
    """300 to 3,400 Hz, eight bits by mu-law, in a room."""
    rng = np.random.default_rng(0)
    tail = rng.normal(0, 0.05, RATE_HZ // 2) * 10 ** (-3 * np.linspace(0, 1, RATE_HZ // 2))
    narrow = sosfilt(
        butter(4, (300, 3_400), "bandpass", fs=RATE_HZ, output="sos"),
        samples + fftconvolve(samples, tail)[: len(samples)],
    )
    narrow = narrow / np.abs(narrow).max()
    law = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    coarse = np.round(law * 127) / 127
    return (np.sign(coarse) * np.expm1(np.abs(coarse) * np.log(256)) / 255).astype(np.float32)


@pytest.mark.parametrize("seconds", [3.0, 5.0, 10.0])
@pytest.mark.parametrize("number", [0, 3])
def test_an_excerpt_is_recognised_exactly_and_nothing_else_is(number, seconds):
    told = recognised(cut(sound(number), 21.3, 21.3 + seconds))
    assert list(told) == [number]
    best = told[number][0]
    assert best.whole
    assert best.exact
    assert best.candidate_start_s - best.query_start_s == pytest.approx(21.3, abs=0.01)
    assert best.query_end_s - best.query_start_s > seconds - 1.0
    assert kind_of(best, seconds, 40.0) == "same_recording"


@pytest.mark.parametrize(
    "wear", [lambda samples: noisy(samples, 0.0), telephone, lambda samples: np.clip(10 * samples, -1, 1)]
)
def test_noise_a_telephone_and_clipping_leave_it_recognised(wear):
    told = recognised(wear(cut(sound(2), 8.0, 13.0)))
    assert list(told) == [2]
    assert told[2][0].candidate_start_s - told[2][0].query_start_s == pytest.approx(8.0, abs=0.02)


@pytest.mark.parametrize(
    ("tempo", "semitones"), [(0.8, 0.0), (1.25, 0.0), (1.0, -4.0), (1.0, 0.5), (1.06, 12 * np.log2(1.06)), (1.1, 2.0)]
)
def test_tempo_and_pitch_are_told_within_three_of_their_errors(tempo, semitones):
    told = recognised(noisy(cut(piece(1, 40.0, tempo, semitones), 12.0, 20.0), 15.0))
    assert list(told) == [1]
    best = told[1][0]
    assert not best.exact
    assert best.tempo_ratio == pytest.approx(tempo, abs=max(0.002, 3 * best.tempo_error * tempo))
    assert best.transposition_semitones == pytest.approx(
        semitones, abs=max(0.05, 3 * best.transposition_error_semitones)
    )
    assert best.candidate_start_s == pytest.approx((12.0 + best.query_start_s) * tempo, abs=0.03)
    assert kind_of(best, 8.0, 40.0) == "same_recording_modified"


def test_a_sample_under_another_piece_is_told_with_its_range():
    other = piece(77, 20.0)
    query = other.copy()
    query[round(7 * RATE_HZ) : round(14 * RATE_HZ)] += cut(sound(4), 10.0, 17.0)
    told = recognised(query)
    assert list(told) == [4]
    best = told[4][0]
    assert best.query_start_s == pytest.approx(7.0, abs=0.7)
    assert best.query_end_s == pytest.approx(14.0, abs=0.7)
    assert not best.whole
    assert kind_of(best, 20.0, 40.0) == "sample"


def test_a_long_query_is_aligned_over_all_of_its_length():
    # 38 s: hypotheses are of ten seconds, and at first only twelve around them are looked at
    told = recognised(piece(5, 40.0, 1.03)[RATE_HZ:])
    best = told[5][0]
    assert best.query_end_s - best.query_start_s > 36.0
    assert best.tempo_ratio == pytest.approx(1.03, abs=2e-4)


def test_a_passage_that_the_track_repeats_is_found_at_both_places():
    looped = np.concatenate([sound(0), cut(sound(0), 10.0, 20.0), sound(1)])
    found = recordings(peaks(cut(sound(0), 11.0, 18.0)), peaks(looped))
    places_s = sorted(round(one.candidate_start_s - one.query_start_s) for one in found if one.exact)
    assert places_s == [11, 41]


@pytest.mark.parametrize("number", range(100, 106))
def test_a_stranger_is_not_recognised(number):
    assert recognised(piece(number, 12.0)) == {}


def test_strangers_one_to_one_are_not_recognised_even_at_a_second_look():
    assert recordings(peaks(piece(200, 8.0)), reference(0)) == ()


@pytest.mark.parametrize("timbre", ["reed", "string"])
def test_two_tunes_on_one_grid_are_not_samples_of_each_other(timbre):
    first, other = (
        peaks(signals.tune(notes, timbre=timbre, rate_hz=RATE_HZ)) for notes in (signals.FIRST_TUNE, signals.OTHER_TUNE)
    )
    assert recordings(first, other) == ()
    assert recordings(first, first)[0].whole


def test_a_second_look_finds_what_the_first_does_not():
    # Another piece as loud as itself, and both tempo and pitch changed: few quads are left, and no pair lies right.
    query = cut(piece(2, 40.0, 1.15, -3.0), 10.0, 18.0) + 1.2 * noisy(piece(55, 8.0), 10.0)[: 8 * RATE_HZ]
    assert recognised(query) == {}
    best = recordings(peaks(query), reference(2))[0]
    assert best.tempo_ratio == pytest.approx(1.15, abs=0.005)
    assert best.transposition_semitones == pytest.approx(-3.0, abs=0.1)


def test_a_second_look_at_a_few_tracks_finds_the_right_one_and_leaves_the_others_alone():
    query = cut(piece(2, 40.0, 1.15, -3.0), 10.0, 18.0) + 1.2 * noisy(piece(55, 8.0), 10.0)[: 8 * RATE_HZ]
    told = again(peaks(query), {number: reference(number) for number in range(PIECES)})
    assert list(told) == [2]
    assert told[2][0].tempo_ratio == pytest.approx(1.15, abs=0.005)
    assert again(peaks(query), {}) == again(NOTHING, {0: reference(0)}) == {}


def test_a_second_look_at_a_few_tracks_recognises_no_stranger():
    assert again(peaks(noisy(piece(201, 8.0), 5.0)), {number: reference(number) for number in range(PIECES)}) == {}


def test_what_mix_and_accompaniment_both_say_is_told_once_by_the_surer():
    one = told((5.0, 10.0), (50.0, 55.0))
    again = replace(one, stem="accompaniment")
    surer, elsewhere = replace(again, score=120.0), replace(again, candidate_start_s=90.0, candidate_end_s=95.0)
    assert together([one, surer, elsewhere]) == (surer, elsewhere)
    assert together([replace(one, score=120.0), again]) == (replace(one, score=120.0),)
    assert together([again, one]) == (one,), "the mix is the plainer answer"
    assert together([]) == ()


def test_of_an_accompaniment_it_is_told_how_much_of_the_mix_is_left():
    music = cut(piece(2, 40.0), 10.0, 20.0)
    louder = music + 2.0 * noisy(piece(55, 10.0), 10.0)[: len(music)]
    mix, accompaniment = peaks(louder), peaks(music)
    (by_itself, *_), (covered, *_) = (
        by_mix_and_accompaniment(heard, accompaniment, reference(2)) for heard in (accompaniment, mix)
    )
    assert by_itself.stem is None, "both are the same"
    assert covered.stem == "accompaniment"
    assert covered.mix_share < by_itself.share < covered.share + 0.05
    (told_by_mix, *_) = of_accompaniment([replace(by_itself)], accompaniment, reference(2))
    assert told_by_mix.mix_share == pytest.approx(by_itself.share, abs=0.02)


def test_a_hypothesis_that_is_wrong_is_refused_and_one_that_is_nearly_right_is_mended():
    query = peaks(cut(sound(3), 20.0, 26.0))
    assert verify(query, reference(3), Hypothesis(0, 1.0, 7.0, 0.0, 9.0, 3.0)) is None
    told = verify(query, reference(3), Hypothesis(0, 1.02, 20.05, 0.1, 9.0, 3.0))
    assert told is not None
    assert told.tempo_ratio == pytest.approx(1.0, abs=0.001)


def test_two_tracks_are_the_same_one_to_one_as_in_a_library():
    query = peaks(cut(sound(3), 20.0, 26.0))
    assert recordings(query, reference(3)) == recognised(cut(sound(3), 20.0, 26.0))[3]


def test_silence_is_nobodys_recording():
    assert recordings(NOTHING, reference(0)) == ()
    assert recordings(reference(0), NOTHING) == ()
    assert recordings(NOTHING, NOTHING) == ()
    assert recognise(NOTHING, {0: reference(0)}, [Hypothesis(0, 1.0, 0.0, 0.0, 9.0, 0.0)]) == {}


def test_the_same_peaks_give_the_same_answer():
    query = peaks(noisy(cut(sound(1), 3.0, 9.0), 5.0))
    assert recordings(query, reference(1)) == recordings(query.copy(), reference(1).copy())


def told(query_s, candidate_s, exact=True, ratio=1.0):
    return Recording(
        *query_s,
        *candidate_s,
        tempo_ratio=ratio,
        tempo_error=0.0,
        transposition_semitones=0.0,
        transposition_error_semitones=0.0,
        time_error_s=0.0,
        landmarks=99,
        share=1.0,
        score=99.0,
        whole=True,
        exact=exact,
    )


@pytest.mark.parametrize(
    ("query_s", "candidate_s", "durations_s", "kind"),
    [
        ((0.2, 9.8), (50.2, 59.8), (10.0, 200.0), "same_recording"),  # a clip asks for its source
        ((50.2, 59.8), (0.2, 9.8), (200.0, 10.0), "same_recording"),  # a source asks for its clip
        ((0.2, 199.0), (0.2, 199.0), (200.0, 200.0), "same_recording"),
        ((20.0, 29.9), (0.1, 10.0), (30.0, 30.0), "same_recording"),  # two clips that overlap
        ((5.0, 10.0), (50.0, 55.0), (15.0, 200.0), "sample"),  # others go on beside it on both sides
        ((60.0, 65.0), (0.2, 5.2), (200.0, 200.0), "sample"),  # of a beginning
        ((60.0, 190.0), (60.0, 190.0), (200.0, 250.0), "sample"),
    ],
)
def test_a_clip_is_its_recording_and_a_sample_has_other_material_on_both_sides(query_s, candidate_s, durations_s, kind):
    assert kind_of(told(query_s, candidate_s), *durations_s) == kind


def test_a_changed_clip_is_a_changed_recording_whatever_its_tempo():
    changed = told((0.2, 9.8), (50.2, 62.2), exact=False, ratio=1.25)
    assert kind_of(changed, 10.0, 200.0) == "same_recording_modified"
