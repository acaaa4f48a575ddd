import numpy as np
import pytest

from models import card
from models.chroma import chroma
from models.cqt import pooled_cqt
from tests import signals

HEARING = card.load("classical").hearing


def test_a_tone_is_loudest_in_its_own_bin_at_full_value():
    cqt = pooled_cqt(signals.tone(3.0, 440.0), HEARING)
    assert ((84, 26), np.uint8) == (cqt.shape, cqt.dtype)
    assert {45} == set(cqt.argmax(axis=0).tolist())  # A4 is 45 semitones above C1
    assert cqt.max() == 255


@pytest.mark.parametrize("gain_db", [-20, 20])
def test_gain_changes_nothing_but_rounding(gain_db):
    quiet = 0.05 * signals.tune(repeats=1)
    changed = pooled_cqt((quiet * 10 ** (gain_db / 20)).astype(np.float32), HEARING)
    assert np.abs(changed.astype(int) - pooled_cqt(quiet, HEARING)).max() <= 1


@pytest.mark.parametrize("samples", [0, 22_050, 23_040, 23_041])
def test_there_is_a_frame_for_every_pool_begun(samples):
    assert (84, -(-samples // 2_560)) == pooled_cqt(signals.tone(2.0)[:samples], HEARING).shape


def test_silence_is_zeros_and_has_its_length():
    cqt = pooled_cqt(signals.silence(), HEARING)
    assert cqt.shape == (84, 18)
    assert not cqt.any()
    assert not chroma(cqt, HEARING).any()


def test_dither_is_silence():
    assert not pooled_cqt(signals.noise(peak=5e-5), HEARING).any()


@pytest.mark.parametrize("semitones", range(12))
def test_chroma_names_the_pitch_class(semitones):
    cqt = pooled_cqt(signals.tone(1.0, 261.63 * 2 ** (semitones / 12)), HEARING)
    assert semitones == chroma(cqt, HEARING).mean(axis=1).argmax()
