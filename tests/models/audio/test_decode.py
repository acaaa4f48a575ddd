import contextlib
import io
import tracemalloc

import av
import numpy as np
import pytest

from models.audio.decode import decode
from models.audio.probe import probe
from models.errors import AudioError, EmptyFile, NotFinite, TooLong, TooShort, Undecodable, UnsupportedFormat
from tests import signals


def test_a_wav_comes_back_as_it_went_in():
    heard = decode(signals.wav(signals.tone()), None)
    assert (heard.rate_hz, heard.samples.shape) == (signals.RATE_HZ, (2 * signals.RATE_HZ, 1))
    assert heard.samples.dtype == np.float32
    np.testing.assert_allclose(signals.tone(), heard.samples[:, 0], atol=1e-4)
    assert not heard.health.silent
    assert not heard.health.clipped
    assert not heard.health.truncated


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "DOUBLE"])
def test_every_depth_of_samples_is_heard(subtype):
    heard = decode(signals.wav(signals.tone(), subtype=subtype), None)
    np.testing.assert_allclose(signals.tone(), heard.samples[:, 0], atol=0.01)


def test_eight_channels_are_mixed_to_two_odd_ones_left():
    eight = np.stack([signals.tone() if channel % 2 == 0 else signals.silence() for channel in range(8)], axis=1)
    heard = decode(signals.wav(eight), None)
    assert (heard.samples.shape[1], heard.source.channels) == (2, 8)
    np.testing.assert_allclose(signals.tone(), heard.samples[:, 0], atol=1e-3)
    assert np.abs(heard.samples[:, 1]).max() == 0


def test_192_khz_is_resampled_to_48_khz_without_changing_its_length_or_pitch():
    heard = decode(signals.wav(signals.tone(rate_hz=192_000), 192_000), None)
    assert (heard.rate_hz, heard.source.rate_hz) == (48_000, 192_000)
    assert heard.duration_s == pytest.approx(2.0, abs=0.001)
    middle = heard.samples[24_000:72_000, 0]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 440


def test_aac_in_m4a_is_heard():
    heard = decode(signals.m4a(3.0), None)
    assert heard.source.container == "m4a"
    assert heard.duration_s == pytest.approx(3.0, abs=0.1)
    assert not heard.health.truncated


def test_an_mp3_that_does_not_tell_its_length_is_heard_to_its_end():
    half_silent = np.concatenate([signals.noise(5.0, 44_100), signals.silence(5.0, 44_100)])
    heard = decode(signals.encoded("mp3", "libmp3lame", half_silent, write_xing="0"), None)
    assert heard.duration_s == pytest.approx(10.0, abs=0.1)
    assert not heard.health.truncated


@pytest.mark.parametrize("container", ["WAV", "FLAC", "MP3"])
def test_a_truncated_file_is_kept_as_far_as_it_goes(container):
    subtype = "MPEG_LAYER_III" if container == "MP3" else "PCM_16"
    whole = signals.wav(signals.noise(10.0), subtype=subtype, container=container)
    heard = decode(whole[: len(whole) * 6 // 10], None)
    assert heard.health.truncated
    assert 4.0 < heard.duration_s < 6.5
    assert heard.health.missing_s == pytest.approx(10.0 - heard.duration_s, abs=0.2)


def test_a_truncated_file_with_less_than_a_second_is_too_short():
    with pytest.raises(TooShort):
        decode(signals.wav_truncated(10.0, 0.5), None)


def test_a_file_corrupt_from_its_first_frame_is_undecodable_and_each_decoder_says_why():
    whole = bytearray(signals.wav(signals.noise(5.0), container="FLAC"))
    whole[100:] = np.random.default_rng(0).bytes(len(whole) - 100)
    with pytest.raises(Undecodable, match="libsndfile"):
        decode(bytes(whole), None)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused_and_not_filled(value):
    with pytest.raises(NotFinite):
        decode(signals.wav_not_finite(value), None)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyFile),
        (signals.text_called_wav(), UnsupportedFormat),
        (bytes(50_000), UnsupportedFormat),
        (signals.wav_header_only(), TooShort),
        (signals.wav(signals.tone()[:1]), TooShort),
        (signals.wav_lying(100), TooShort),
        (signals.wav_of_rate(0), Undecodable),
        (signals.wav_of_rate(4_000_000_000), Undecodable),
        (signals.wav_of_channels(0), Undecodable),
        (signals.wav_of_channels(40), Undecodable),
    ],
    ids=["empty", "text", "zeros", "header", "1 sample", "lies short", "0 Hz", "4 GHz", "0 channels", "40 channels"],
)
def test_each_bad_file_has_its_own_error(data, error):
    with pytest.raises(error):
        decode(data, 300.0)


def test_a_header_that_claims_two_gigabytes_costs_no_memory():
    data = signals.wav_lying(2_000_000_000)
    tracemalloc.start()
    heard = decode(data, None)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (heard.duration_s, heard.health.truncated) == (2.0, True)
    assert peak_bytes < 20_000_000


def test_a_stream_of_unknown_length_is_not_called_truncated():
    heard = decode(signals.wav_lying(0xFFFF_FFFF), None)
    assert (heard.duration_s, heard.health.truncated) == (2.0, False)


def test_decoding_stops_as_soon_as_the_limit_is_passed():
    with pytest.raises(TooLong, match="limit is 3 s"):
        decode(signals.wav(signals.tone(60.0)), 3.0)


def test_silence_is_decoded_and_says_so():
    assert decode(signals.wav(signals.silence()), None).health.silent


def test_dither_is_silence_and_a_quiet_tone_is_not():
    assert decode(signals.wav(signals.noise(peak=5e-5), subtype="FLOAT"), None).health.silent
    assert not decode(signals.wav(signals.tone(peak=1e-3), subtype="FLOAT"), None).health.silent


def test_flat_tops_at_full_scale_are_clipping():
    assert decode(signals.wav(np.clip(4 * signals.tone(), -1, 1)), None).health.clipped
    assert not decode(signals.wav(signals.tone(peak=0.999)), None).health.clipped


def test_float_peaks_beyond_full_scale_are_turned_down_not_cut():
    heard = decode(signals.wav(4 * signals.tone(), subtype="FLOAT"), None)
    assert heard.health.attenuated_db == pytest.approx(6.02, abs=0.05)
    np.testing.assert_allclose(2 * signals.tone(), heard.samples[:, 0], atol=0.01)


def test_a_tag_that_is_not_unicode_does_not_stop_an_mp3():
    tag = b"TIT2\x00\x00\x00\x05\x00\x00\x03\xff\xfe\xfd\xfc"  # claims UTF-8
    id3 = b"ID3\x03\x00\x00" + bytes([0, 0, 0, len(tag)]) + tag
    mp3 = signals.wav(signals.tone(), subtype="MPEG_LAYER_III", container="MP3")
    assert decode(id3 + mp3, None).duration_s == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "MP3", "OGG", "M4A"])
def test_whatever_is_done_to_a_file_only_our_own_errors_come_out(container):
    subtype = {"MP3": "MPEG_LAYER_III", "OGG": "VORBIS"}.get(container, "PCM_16")
    whole = signals.m4a() if container == "M4A" else signals.wav(signals.tone(), subtype=subtype, container=container)
    draw = np.random.default_rng(0)
    for _ in range(25):
        spoilt = bytearray(whole)
        for place in draw.integers(0, min(len(spoilt), draw.choice([100, 1_000, 100_000])), 20):
            spoilt[place] = draw.integers(256)
        with contextlib.suppress(AudioError):
            probe(bytes(spoilt), 300.0)
        with contextlib.suppress(AudioError):
            assert np.isfinite(decode(bytes(spoilt), 300.0).samples).all()


def video(samples, rate_hz=44_100):
    """An MP4 of black pictures, ten a second, with sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("aac", rate=rate_hz)
        for _ in range(int(10 * len(samples) / rate_hz)):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return file.getvalue()


def test_the_sound_of_a_video_is_heard():
    heard = decode(video(signals.tone(3.0, rate_hz=44_100)), None)
    assert heard.duration_s == pytest.approx(3.0, abs=0.1)
    assert not heard.health.silent
