import numpy as np
import pytest

from models.audio.decode import decode
from models.audio.flac import from_flac, mono, to_flac
from tests import signals


def test_a_waveform_survives_storage_to_sixteen_bits():
    stored = to_flac(decode(signals.wav(signals.tone(), subtype="FLOAT"), None))
    np.testing.assert_allclose(signals.tone(), from_flac(stored, signals.RATE_HZ, 1), atol=1 / 32_768)


def test_full_scale_does_not_wrap_around():
    stored = to_flac(decode(signals.wav(np.sign(signals.tone()), subtype="FLOAT"), None))
    np.testing.assert_allclose(np.sign(signals.tone())[1:200], from_flac(stored, signals.RATE_HZ, 1)[1:200], atol=1e-4)


@pytest.mark.parametrize(("channels", "shape"), [(1, (44_100,)), (2, (44_100, 2))])
def test_each_model_gets_the_rate_and_channels_it_asks_for(channels, shape):
    stored = to_flac(decode(signals.wav(signals.tone(1.0)), None))
    loaded = from_flac(stored, 44_100, channels)
    assert (shape, np.float32) == (loaded.shape, loaded.dtype)


def test_a_channel_wired_out_of_phase_does_not_silence_the_track():
    stereo = np.stack([signals.tone(), -signals.tone()], axis=1)
    np.testing.assert_array_equal(signals.tone(), mono(stereo))


def test_silence_stays_silence():
    assert not mono(np.zeros((100, 2), np.float32)).any()
