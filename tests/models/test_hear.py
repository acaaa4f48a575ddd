import subprocess
import sys

import numpy as np
import pytest
import soxr

from models import card
from models.errors import TooLong
from models.fingerprint.peaks import RATE_HZ, peaks
from models.hear import decode_track, encode_track, fingerprint_accompaniment, warm
from models.latents import latents
from models.stems import STEMS, stems_to_flac
from tests import signals

CARD = card.load("classical")


def test_a_file_becomes_what_is_stored_of_it():
    stereo = np.stack([signals.tune(repeats=1, rate_hz=96_000)] * 2, axis=1)
    track = decode_track(signals.wav(stereo, 96_000), 300.0)
    assert (track.rate_hz, track.channels) == (96_000, 2)
    assert track.duration_s == pytest.approx(8.0, abs=0.001)
    assert track.envelope.shape == (80, 2)
    encoded = encode_track(track.flac, CARD)
    assert (encoded.cqt.shape, encoded.latents.shape) == ((84, 69), (1, 126))


def test_encoding_again_gives_the_same_bytes():
    flac = decode_track(signals.wav(signals.tune()), None).flac
    first, second = encode_track(flac, CARD), encode_track(flac, CARD)
    assert first.cqt.tobytes() == second.cqt.tobytes()
    assert first.latents.tobytes() == second.latents.tobytes()


def test_the_peaks_of_an_accompaniment_are_those_of_the_music_without_its_voice():
    music, voice = signals.tune(timbre="string"), signals.tune(signals.OTHER_TUNE, transposition=12)
    sounds = {"other": music, "vocals": voice[: len(music)]}
    stored = stems_to_flac({name: sounds.get(name, np.zeros_like(music)) for name in STEMS})
    alone = peaks(soxr.resample(music, signals.RATE_HZ, RATE_HZ))
    found = fingerprint_accompaniment(stored, sung=True)
    shared = len({*map(tuple, found >> 10)} & {*map(tuple, alone >> 10)})
    assert shared > 0.9 * len(alone) > 100
    assert fingerprint_accompaniment(stored, sung=False).shape == (0, 2), "without a voice it is the mix again"


def test_the_limit_on_length_is_passed_on():
    with pytest.raises(TooLong):
        decode_track(signals.wav(signals.tone(5.0)), 2.0)


def test_encoders_hear_the_same_transform_and_make_their_own_windows_of_it():
    learned = card.load("pitchclass_small")
    flac = decode_track(signals.wav(signals.tune(repeats=2)), None).flac
    classical, encoded = encode_track(flac, CARD), encode_track(flac, learned)
    assert encoded.cqt.tobytes() == classical.cqt.tobytes()
    assert encoded.latents.shape[1] == 128
    assert encoded.latents.tobytes() == latents(classical.cqt, learned).tobytes()


@pytest.mark.parametrize("name", ["classical", "pitchclass_small", "pitchclass_large"])
def test_warming_up_needs_nothing_and_leaves_nothing(name):
    assert warm(card.load(name)) is None


def test_probing_loads_no_heavy_library():
    loaded = "import sys, models.audio.probe; print([m for m in ('librosa', 'scipy', 'numba') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
