import numpy as np
import pytest

from models.cqt import pooled_cqt
from models.section import beats as heard_as
from models.section.beats import RATE_HZ, beat_harmony, beats
from models.section.sections import HEARING
from tests import section_signals, signals

BASS, UPPER = 0, 12  # where the halves of the harmony begin, C first


def interval_s(samples):
    return float(np.median(np.diff(beats(samples).starts_s)))


def test_beats_lie_where_the_drum_is():
    starts_s = beats(section_signals.song("AB", bpm=110.0)).starts_s[2:-2]
    off_beats = (starts_s * 110 / 60 + 0.5) % 1 - 0.5
    assert np.abs(off_beats).max() < 0.1


@pytest.mark.parametrize("per_s", [0.9, 1.8, 3.6])
def test_every_tempo_is_heard_in_one_octave(per_s):
    assert interval_s(signals.clicks(40.0, per_s=per_s)) == pytest.approx(1 / 1.8, rel=0.03)


def test_beats_reach_from_the_beginning_to_the_end():
    samples = np.concatenate([signals.silence(5.0), section_signals.song("A"), signals.silence(5.0)])
    found = beats(samples)
    assert found.starts_s[0] == 0.0
    assert (np.diff(found.starts_s) > 0).all()
    assert found.duration_s - 1.0 < found.starts_s[-1] < found.duration_s == len(samples) / RATE_HZ


@pytest.mark.parametrize(("midi", "half"), [(40, BASS), (76, UPPER)])
def test_harmony_has_the_pitch_class_in_its_half(midi, half):
    tone = pooled_cqt(signals.tone(4.0, 440 * 2 ** ((midi - 69) / 12)), HEARING)
    harmony = beat_harmony(tone, HEARING, np.arange(0, 4, 0.5, dtype=np.float32))
    assert (harmony >= 0).all()
    assert set(harmony.argmax(axis=1).tolist()) == {half + midi % 12}


def test_a_beat_between_two_frames_has_its_share_of_each():
    cqt = np.zeros((84, 10), np.uint8)
    cqt[:, 5] = 255
    harmony = beat_harmony(cqt, HEARING, np.array([0, 5.25, 5.75], np.float32) * np.float32(HEARING.frame_s))
    loudest = np.log1p(HEARING.compression)
    np.testing.assert_allclose(harmony[:, 0], loudest * np.array([0.25 / 5.25, 1.0, 0.25 / 4.25]), rtol=1e-3)


def test_what_ends_before_the_beats_is_silent_from_there_on():
    tone = pooled_cqt(signals.tone(10.0), HEARING)
    harmony = beat_harmony(tone, HEARING, np.arange(0, 20, 0.5, dtype=np.float32))
    assert harmony[:20].any(axis=1).all()
    assert not harmony[21:].any()


def test_blocks_leave_no_seams(monkeypatch):
    samples = section_signals.song("AB")[: 20 * RATE_HZ]
    whole = beats(samples)
    monkeypatch.setattr(heard_as, "BLOCK_FRAMES", 200)
    blockwise = beats(samples)
    np.testing.assert_array_equal(blockwise.starts_s, whole.starts_s)
    np.testing.assert_allclose(blockwise.timbre, whole.timbre, atol=1e-3)


def test_louder_beats_are_louder():
    samples = np.concatenate([0.1 * section_signals.song("A"), section_signals.song("A")])
    loudness_db = beats(samples).loudness_db
    half = len(loudness_db) // 2
    assert loudness_db[half:].mean() > loudness_db[:half].mean() + 6
    assert loudness_db.max() <= 0


@pytest.mark.parametrize("samples", [signals.silence(3.0), np.zeros(0, np.float32)])
def test_silence_has_no_beats(samples):
    found = beats(samples)
    assert [len(part) for part in (found.starts_s, found.timbre, found.loudness_db)] == [0] * 3
