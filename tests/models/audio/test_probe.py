import numpy as np
import pytest

from models.audio.probe import probe
from models.errors import EmptyFile, TooLong, TooShort, Undecodable, UnsupportedFormat
from tests import signals


@pytest.mark.parametrize(
    ("data", "container"),
    [
        (signals.wav(signals.tone()), "wav"),
        (signals.wav(signals.tone(), container="FLAC"), "flac"),
        (signals.wav(signals.tone(), subtype="MPEG_LAYER_III", container="MP3"), "mp3"),
        (signals.m4a(), "m4a"),
        (signals.wav(signals.tone(), subtype="VORBIS", container="OGG"), "other"),
        (signals.wav(signals.tone(), container="AIFF"), "other"),
    ],
    ids=["wav", "flac", "mp3", "m4a", "ogg", "aiff"],
)
def test_the_container_and_length_are_read_from_the_content(data, container):
    header = probe(data)
    assert container == header.container
    assert header.channels == 1
    assert header.duration_s == pytest.approx(2.0, abs=0.1)


def test_a_cut_wav_is_as_long_as_what_is_left_of_it():
    assert probe(signals.wav_truncated(10.0, 4.0)).duration_s == pytest.approx(4.0, abs=0.01)


def test_an_mp3_that_does_not_tell_its_length_is_counted():
    half_silent = np.concatenate([signals.noise(5.0, 44_100), signals.silence(5.0, 44_100)])
    data = signals.encoded("mp3", "libmp3lame", half_silent, write_xing="0")
    assert probe(data).duration_s == pytest.approx(10.0, abs=0.1)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyFile),
        (signals.text_called_wav(), UnsupportedFormat),
        (b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.wav\n#EXT-X-ENDLIST\n", UnsupportedFormat),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", UnsupportedFormat),
        (signals.wav_header_only(), TooShort),
        (signals.wav(signals.tone()[:1]), TooShort),
        (signals.wav_of_rate(0), Undecodable),
        (signals.wav_of_rate(1_000), Undecodable),
        (signals.wav_of_rate(400_000), Undecodable),
        (signals.wav_of_rate(4_000_000_000), Undecodable),
        (signals.wav_of_channels(0), Undecodable),
        (signals.wav_of_channels(9), Undecodable),
        (signals.wav_of_channels(40), Undecodable),
        (signals.m4a()[:600], Undecodable),
    ],
    ids=[
        "empty", "text", "playlist", "concat", "header only", "1 sample", "0 Hz", "1 kHz", "400 kHz", "4 GHz",
        "0 channels", "9 channels", "40 channels", "cut m4a",
    ],
)  # fmt: skip
def test_what_could_never_be_heard_is_refused_at_the_door(data, error):
    with pytest.raises(error):
        probe(data)


def test_a_file_over_the_limit_is_refused_with_limit_and_length():
    with pytest.raises(TooLong, match=r"5\.0 s.*limit is 3 s"):
        probe(signals.wav(signals.tone(5.0)), max_track_s=3.0)


def test_a_file_cut_at_the_limit_may_carry_its_encoders_padding():
    assert probe(signals.wav(signals.tone(3.05)), max_track_s=3.0)


def test_no_error_shows_an_address_in_memory_or_a_path():
    with pytest.raises(UnsupportedFormat) as caught:
        probe(signals.text_called_wav())
    assert "0x" not in str(caught.value)
    assert "/" not in str(caught.value)
