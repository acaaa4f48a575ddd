import numpy as np
import pytest

from models import card
from models.chroma import chroma
from models.cqt import pooled_cqt
from models.latents import latents, window_range_s
from tests import signals

HEARING = card.load("classical").hearing


def heard(samples):
    return chroma(pooled_cqt(samples, HEARING), HEARING)


TUNE = heard(signals.tune())


@pytest.mark.parametrize("semitones", range(12))
def test_latents_do_not_change_under_transposition(semitones):
    np.testing.assert_allclose(latents(TUNE, HEARING), latents(np.roll(TUNE, semitones, axis=0), HEARING), atol=1e-5)


def test_windows_are_twelve_seconds_every_two_seconds_and_of_unit_length():
    windows = latents(TUNE, HEARING)  # 32 s
    assert ((11, 126), np.float32) == (windows.shape, windows.dtype)
    np.testing.assert_allclose(np.linalg.norm(windows, axis=1), 1, atol=1e-5)
    assert window_range_s(10, 32.0, HEARING) == (20.0, 32.0)


def test_a_track_shorter_than_a_window_is_one_window_that_ends_with_it():
    assert latents(heard(signals.tune(repeats=1)[: 5 * signals.RATE_HZ]), HEARING).shape == (1, 126)
    assert window_range_s(0, 5.0, HEARING) == (0.0, 5.0)


def test_a_silent_track_has_no_windows():
    assert latents(heard(signals.silence(20.0)), HEARING).shape == (0, 126)
    assert latents(np.zeros((12, 0), np.float32), HEARING).shape == (0, 126)


def test_a_silent_window_is_zeros_and_similar_to_nothing():
    windows = latents(heard(np.concatenate([signals.tune(repeats=2), signals.silence(16.0)])), HEARING)
    assert not windows[-1].any()
    assert windows[0].any()


def test_the_same_tune_is_nearer_than_another_one():
    same = latents(heard(signals.tune(transposition=3, timbre="string")), HEARING)
    other = latents(heard(signals.tune(signals.OTHER_TUNE)), HEARING)
    mine = latents(TUNE, HEARING)
    assert (mine @ same.T).max(axis=1).mean() > 0.2 + (mine @ other.T).max(axis=1).mean()
