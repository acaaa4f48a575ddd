import io

import numpy as np
import pytest
import soundfile

from models.audition import CLIP_S, RATE_HZ, Passage, audition, moved, read
from tests import signals


def flac(samples, rate_hz=signals.RATE_HZ):
    return signals.wav(samples, rate_hz, container="FLAC")


def sound(mp3):
    samples, rate_hz = soundfile.read(io.BytesIO(mp3), always_2d=True)
    assert rate_hz == RATE_HZ
    return samples


def pitch_hz(samples):
    """Of the loudest partial, to 0.5 Hz, the ends left out."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return float(np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 2 * RATE_HZ)).argmax() / 2)


def loudness(samples):
    """Power every 10 ms."""
    blocks = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    return (blocks**2).mean(axis=1)


def late_s(mine, theirs):
    """By how much what rises in one rises later than in the other."""
    rises = [np.maximum(np.diff(np.sqrt(loudness(samples))), 0) for samples in (mine, theirs)]
    return (int(np.correlate(rises[1], rises[0], "full").argmax()) - len(rises[0]) + 1) / 100


@pytest.mark.parametrize("semitones", [-7, -0.5, 0, 3, 12])
@pytest.mark.parametrize("tempo_ratio", [0.7, 1.0, 1.25])
def test_a_moved_tone_has_the_pitch_and_the_length_that_are_asked_for(semitones, tempo_ratio):
    made = moved(signals.tone(5.0, 440.0, RATE_HZ), tempo_ratio, semitones)
    assert len(made) / RATE_HZ == pytest.approx(5.0 / tempo_ratio, abs=0.02)
    assert pitch_hz(made) == pytest.approx(440 * 2 ** (semitones / 12), abs=1.5)


@pytest.mark.parametrize("off_s", [-0.7, 0.0, 0.9])
def test_beats_fall_together_although_the_place_was_told_coarsely(off_s):
    query = signals.tune(tempo_bpm=120, transposition=3)
    candidate = np.concatenate([signals.silence(4.0), signals.tune(tempo_bpm=108, timbre="string")])
    ratio = 120 / 108
    told = Passage(2.0, 30.0, 4 + 2 * ratio + off_s, 4 + 30 * ratio + off_s, 1.02 * ratio, 3.0, exact=False)
    heard = audition(flac(query), flac(candidate), told)
    assert heard.candidate_range_s[0] == pytest.approx(4 + ratio * heard.query_range_s[0], abs=0.03)
    mine, theirs = sound(heard.query)[:, 0], sound(heard.candidate)[:, 0]
    assert abs(late_s(mine, theirs)) <= 0.03
    thirds = [(part[: 4 * RATE_HZ], part[-4 * RATE_HZ :]) for part in (mine, theirs)]
    assert all(abs(late_s(*ends)) <= 0.05 for ends in zip(*thirds, strict=True))


def test_of_beats_that_are_all_alike_the_nearest_is_taken():
    samples = flac(np.tile(signals.note(60, 0.5, signals.TIMBRES["reed"]) / 4, 60))
    heard = audition(samples, samples, Passage(6.0, 14.0, 6.1, 14.1, 1.0, 0.0, exact=False))
    assert heard.candidate_range_s[0] == pytest.approx(6.0, abs=0.02)


def test_what_landmarks_told_is_taken_as_it_is():
    samples = flac(signals.tune())
    told = Passage(4.0, 14.0, 4.3, 14.3, 1.0, 0.0, exact=True)
    assert audition(samples, samples, told).candidate_range_s == pytest.approx((4.3, 14.3))
    coarse = Passage(4.0, 14.0, 4.3, 14.3, 1.0, 0.0, exact=False)
    assert audition(samples, samples, coarse).candidate_range_s == pytest.approx((4.0, 14.0), abs=0.02)


def test_a_raised_query_raises_the_candidate_and_a_lower_one_lowers_it():
    query, candidate = signals.tone(8.0, 440 * 2 ** (-5 / 12)), signals.tone(8.0, 440.0)
    heard = audition(flac(query), flac(candidate), Passage(0.0, 8.0, 0.0, 8.0, 1.0, -5.0, exact=True))
    assert pitch_hz(sound(heard.candidate)[:, 0]) == pytest.approx(pitch_hz(sound(heard.query)[:, 0]), abs=1.5)


def test_the_query_is_in_the_left_ear_and_the_candidate_in_the_right():
    query, candidate = signals.tone(8.0, 440.0), signals.tone(8.0, 700.0)
    heard = audition(flac(query), flac(candidate), Passage(0.0, 8.0, 0.0, 8.0, 1.0, 0.0, exact=True))
    left, right = sound(heard.both).T
    assert (pitch_hz(left), pitch_hz(right)) == (440.0, 700.0)


@pytest.mark.parametrize(("lasts_s", "clip_s"), [(3.0, 3.0), (12.0, CLIP_S), (28.0, CLIP_S)])
def test_all_clips_last_as_long_as_the_passage_and_never_longer_than_a_clip(lasts_s, clip_s):
    samples = flac(signals.tune())
    heard = audition(samples, samples, Passage(1.0, 1.0 + lasts_s, 2.0, 2.0 + 1.1 * lasts_s, 1.1, 0.0, exact=False))
    lengths = [len(sound(mp3)) for mp3 in (heard.query, heard.candidate, heard.both)]
    assert lengths == [round(clip_s * RATE_HZ)] * 3
    assert heard.query_range_s[1] - heard.query_range_s[0] == pytest.approx(clip_s)


def test_a_quiet_candidate_is_as_loud_as_the_query():
    loud = signals.tune()
    heard = audition(flac(loud), flac(0.05 * loud), Passage(0.0, 10.0, 0.0, 10.0, 1.0, 0.0, exact=True))
    powers = [float((sound(mp3) ** 2).mean()) for mp3 in (heard.query, heard.candidate)]
    assert powers[1] == pytest.approx(powers[0], rel=0.1)


def test_a_passage_too_short_to_be_heard_has_no_clips():
    samples = flac(signals.tune())
    assert audition(samples, samples, Passage(1.0, 1.2, 1.0, 1.2, 1.0, 0.0, exact=True)) is None


def test_silence_can_be_listened_to():
    quiet = flac(signals.silence(8.0))
    heard = audition(quiet, quiet, Passage(0.0, 8.0, 0.0, 8.0, 1.0, 2.0, exact=False))
    assert not sound(heard.both).any()


@pytest.mark.parametrize("rate_hz", [8_000, 32_000, 44_100])
def test_seconds_outside_of_a_track_are_silent(rate_hz):
    samples = read(flac(signals.tone(2.0, 440.0, rate_hz), rate_hz), -1.0, 4.0)
    assert len(samples) == 5 * RATE_HZ
    seconds = np.abs(samples.reshape(5, RATE_HZ)[:, 400:-400]).max(axis=1)
    np.testing.assert_allclose(seconds, [0, 0.5, 0.5, 0, 0], atol=0.02)


def test_the_same_tracks_give_the_same_bytes():
    samples = flac(signals.tune())
    told = Passage(0.0, 20.0, 1.0, 20.0, 0.97, 1.0, exact=False)
    assert audition(samples, samples, told) == audition(samples, samples, told)
