import numpy as np

from models.audio.envelope import envelope
from tests import signals


def test_a_second_has_ten_points_and_they_hold_the_extremes():
    outline = envelope(signals.tone(2.0, peak=0.5), signals.RATE_HZ)
    assert ((20, 2), np.int8) == (outline.shape, outline.dtype)
    np.testing.assert_allclose(outline, np.tile([-63.5, 63.5], (20, 1)), atol=1)


def test_a_click_is_in_its_own_tenth_of_a_second_and_in_no_other():
    samples = signals.silence(1.0)
    samples[round(0.55 * signals.RATE_HZ)] = 1.0
    assert envelope(samples, signals.RATE_HZ)[:, 1].tolist() == [0, 0, 0, 0, 0, 127, 0, 0, 0, 0]


def test_the_last_part_of_a_tenth_is_drawn_too():
    assert len(envelope(signals.tone(1.01), signals.RATE_HZ)) == 11


def test_nothing_gives_nothing():
    assert envelope(np.zeros((0, 2), np.float32), signals.RATE_HZ).shape == (0, 2)


def test_all_channels_are_looked_at():
    stereo = np.stack([signals.silence(), signals.tone()], axis=1)
    assert envelope(stereo, signals.RATE_HZ)[:, 1].min() > 60
