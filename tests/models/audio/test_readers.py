import numpy as np
import pytest

from models.audio.readers import open_ffmpeg, open_sndfile, readers, sniff
from tests import signals


@pytest.mark.parametrize(
    ("start", "container"),
    [
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"RF64\0\0\0\0WAVEds64", "wav"),
        (b"fLaC\0\0\0\x22", "flac"),
        (b"ID3\x03\0\0\0\0\0\0", "mp3"),
        (b"\xff\xfb\x90\x00", "mp3"),
        (b"\xff\xf1\x50\x80", None),  # AAC in ADTS: the same sync bits, another layer
        (b"\0\0\0\x20ftypM4A ", "m4a"),
        (b"Dear listener", None),
        (b"", None),
    ],
)
def test_the_first_bytes_announce_the_container(start, container):
    assert container == sniff(start)


def test_mp3_goes_to_ffmpeg_first_and_all_else_to_libsndfile():
    assert [name for name, _ in readers(b"\xff\xfb\x90\x00")] == ["ffmpeg", "libsndfile"]
    assert [name for name, _ in readers(signals.wav(signals.tone()))] == ["libsndfile", "ffmpeg"]


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_both_decoders_hear_the_same_in_every_channel(channels, container):
    samples = np.stack([signals.tone(peak=0.1 * (channel + 1)) for channel in range(channels)], axis=1)
    data = signals.wav(samples, container=container)
    heard = []
    for reader in (open_sndfile, open_ffmpeg):
        with reader(data) as (header, blocks):
            heard.append(np.concatenate(list(blocks)))
            assert (signals.RATE_HZ, channels) == (header.rate_hz, header.channels)
    np.testing.assert_allclose(heard[0], heard[1], atol=1e-4)


def test_a_block_is_never_larger_than_what_a_header_may_cost():
    with open_sndfile(signals.wav(signals.tone(10.0))) as (_, blocks):
        assert max(map(len, blocks)) <= 65_536
