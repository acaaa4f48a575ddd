import numpy as np
import pytest

from models import card
from models.cqt import pooled_cqt
from models.latents import latents, window_range_s, windows
from tests import signals

CLASSICAL = card.load("classical")
SMALL, LARGE = card.load("pitchclass_small"), card.load("pitchclass_large")
HEARING = SMALL.hearing
every_card = pytest.mark.parametrize("encoder", [CLASSICAL, SMALL, LARGE], ids=lambda encoder: encoder.name)


def heard(samples):
    return pooled_cqt(samples, HEARING)


TUNE = heard(signals.tune())  # 32 s


@every_card
def test_windows_begin_every_two_seconds_and_are_of_unit_length(encoder):
    made = latents(TUNE, encoder)
    expected = {"classical": 11, "pitchclass_small": 12, "pitchclass_large": 12}[encoder.name]
    assert ((expected, encoder.hearing.latent_dim), np.float32) == (made.shape, made.dtype)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert window_range_s(5, 32.0, encoder.hearing) == (10.0, min(10.0 + encoder.hearing.window_s, 32.0))


@every_card
@pytest.mark.parametrize("duration_s", [1.0, 2.5, 5.0])
def test_a_track_shorter_than_a_window_is_one_window_that_ends_with_it(encoder, duration_s):
    short = heard(signals.tune(repeats=1)[: round(duration_s * signals.RATE_HZ)])
    made = latents(short, encoder)
    assert made.shape == (1, encoder.hearing.latent_dim)
    assert np.linalg.norm(made) == pytest.approx(1.0, abs=1e-5)
    assert window_range_s(0, duration_s, encoder.hearing) == (0.0, duration_s)


@every_card
def test_a_silent_track_has_no_windows(encoder):
    assert latents(heard(signals.silence(20.0)), encoder).shape == (0, encoder.hearing.latent_dim)
    assert latents(np.zeros((84, 0), np.uint8), encoder).shape == (0, encoder.hearing.latent_dim)


@every_card
def test_a_silent_window_is_zeros_and_similar_to_nothing(encoder):
    made = latents(heard(np.concatenate([signals.tune(repeats=2), signals.silence(24.0)])), encoder)
    assert not made[-1].any()
    assert made[0].any()


@every_card
def test_the_same_transform_gives_the_same_bytes(encoder):
    assert latents(TUNE, encoder).tobytes() == latents(TUNE, encoder).tobytes()


def test_the_same_tune_is_nearer_to_the_classical_encoder_than_another_one():
    same = latents(heard(signals.tune(transposition=3, timbre="string")), CLASSICAL)
    other = latents(heard(signals.tune(signals.OTHER_TUNE)), CLASSICAL)
    mine = latents(TUNE, CLASSICAL)
    assert (mine @ same.T).max(axis=1).mean() > 0.2 + (mine @ other.T).max(axis=1).mean()


@pytest.mark.parametrize("frames", range(60, 400, 7))
def test_no_more_than_half_a_hop_of_a_track_is_in_no_window(frames):
    places = windows(frames, HEARING)
    hop = HEARING.window_hop_s / HEARING.frame_s
    assert places[0][0] == 0
    assert frames - hop / 2 <= places[-1][1] <= frames
    assert [start for start, _ in places] == [round(index * hop) for index in range(len(places))]
    lengths = {end - start for start, end in places[:-1]}
    assert lengths <= {round(HEARING.window_s / HEARING.frame_s)}


def test_the_last_window_is_shorter_where_the_track_ends_and_its_range_says_so():
    eleven_s = round(11.5 / HEARING.frame_s)
    assert len(windows(eleven_s, HEARING)) == 2
    assert window_range_s(1, 11.5, HEARING) == (2.0, 11.5)
