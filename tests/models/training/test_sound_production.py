import shutil

import numpy as np
import pytest
from scipy.signal import correlate

from models.training.performance import Production
from models.training.production import noise, produce, rms
from tests import signals

RATE_HZ = signals.RATE_HZ
EVERYTHING = {
    "detune_cents": 20.0,
    "eq_db": (3.0, -3.0, 0.0, 6.0),
    "reverb_s": 1.0,
    "reverb_wet": 0.3,
    "drive": 0.5,
    "compression": 3.0,
    "low_cut_hz": 100.0,
    "high_cut_hz": 8_000.0,
    "noise_db": 20.0,
    "codec": ("aac", 48_000),
    "gain_db": -3.0,
}

speaking = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="apt-get install espeak-ng")


def made(samples, seed=0, **done):
    return produce(samples, Production(**done), RATE_HZ, seed)


def db(ratio):
    return 20 * np.log10(ratio)


def level(samples, low_hz, high_hz):
    """The magnitude of a band."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    return np.linalg.norm(np.fft.rfft(samples)[(low_hz <= frequencies) & (frequencies < high_hz)])


def test_what_is_not_asked_for_changes_nothing():
    assert np.array_equal(signals.chirp(), made(signals.chirp()))


def test_gain_is_a_gain():
    assert rms(made(signals.tone(), gain_db=-6.0)) == pytest.approx(rms(signals.tone()) * 10 ** (-6 / 20))


@pytest.mark.parametrize("cents", [-50.0, 50.0])
def test_detune_changes_pitch_and_length_by_the_same_ratio(cents):
    ratio = 2 ** (cents / 1200)
    heard = made(signals.tone(4.0, 440.0), detune_cents=cents)
    assert round(4 * RATE_HZ / ratio) == len(heard)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard)), 2**20))
    assert spectrum.argmax() * RATE_HZ / 2**20 == pytest.approx(440 * ratio, rel=1e-3)


@pytest.mark.parametrize(("frequency_hz", "gain_db"), [(50, 6), (100, 6), (400, -3), (800, 0), (1_600, 3), (6_400, -9)])
def test_the_equaliser_has_its_gains_at_its_knots(frequency_hz, gain_db):
    tone = signals.tone(2.0, frequency_hz)
    heard = made(tone, eq_db=(6.0, -3.0, 3.0, -9.0))
    assert db(rms(heard[4_000:-4_000]) / rms(tone[4_000:-4_000])) == pytest.approx(gain_db, abs=0.3)


@pytest.mark.parametrize("reverb_s", [0.6, 2.0])
def test_reverb_decays_by_60_db_in_its_time(reverb_s):
    click = signals.silence(3.0)
    click[0] = 0.5
    heard = made(click, reverb_s=reverb_s, reverb_wet=0.5)
    left = [rms(heard[round(share * reverb_s * RATE_HZ) :][:2_000]) for share in (0.2, 0.7)]
    assert db(left[1] / left[0]) == pytest.approx(-30, abs=2)


def test_reverb_does_not_move_the_sound():
    click = signals.silence(1.0)
    click[RATE_HZ // 2] = 0.5
    heard = made(click, reverb_s=1.0, reverb_wet=0.3)
    assert np.flatnonzero(np.abs(heard) > 1e-3)[0] == RATE_HZ // 2


def test_drive_adds_odd_harmonics_and_keeps_the_peak():
    tone = signals.tone(2.0, 441.0)
    heard = made(tone, drive=0.5)
    assert db(level(heard, 1_300, 1_350) / level(heard, 430, 450)) > -20
    assert np.abs(heard).max() == pytest.approx(np.abs(tone).max())


def test_compression_leaves_the_ratio_of_what_is_over_the_threshold():
    loud, soft = signals.tone(2.0, peak=0.5), signals.tone(2.0, peak=0.005)
    heard = made(np.concatenate([loud, soft]), compression=4.0)
    assert db(rms(heard[RATE_HZ : 2 * RATE_HZ]) / rms(loud)) == pytest.approx(-15, abs=0.5)
    assert db(rms(heard[-RATE_HZ:]) / rms(soft)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise_db", [0.0, 25.0])
def test_noise_has_its_level(noise_db, seed):
    music = signals.tune(repeats=1)
    added = made(music, noise_db=noise_db, seed=seed) - music
    assert db(rms(music) / rms(added)) == pytest.approx(noise_db, abs=0.1)


def test_noise_is_white_or_pink():
    slopes = []
    for seed in range(10):
        samples = noise(4 * RATE_HZ, np.random.default_rng(seed))
        slopes.append(round(db(level(samples, 4_000, 8_000) / level(samples, 500, 1_000)) / 3))  # dB per octave
    assert {0, 3} == set(slopes)


@speaking
def test_speech_has_its_level_where_it_speaks():
    music = signals.tone(8.0)
    added = made(music, speech_db=10.0, seed=1) - music
    spoken = added[np.abs(added) > 1e-6]
    assert len(spoken) > RATE_HZ
    assert db(rms(music) / rms(spoken)) == pytest.approx(10, abs=1)


def test_the_band_is_limited():
    white = signals.noise(4.0)
    heard = made(white, low_cut_hz=300.0, high_cut_hz=3_400.0)
    assert db(level(heard, 20, 100) / level(white, 20, 100)) < -35
    assert db(level(heard, 8_000, 11_000) / level(white, 8_000, 11_000)) < -30
    assert db(level(heard, 600, 2_400) / level(white, 600, 2_400)) == pytest.approx(0, abs=0.5)


def test_a_high_cut_beyond_what_the_rate_holds_does_nothing():
    assert np.array_equal(signals.chirp(), made(signals.chirp(), high_cut_hz=16_000.0))


@pytest.mark.parametrize(
    ("codec", "least_fit"),
    [(("mp3", 64_000), 0.99), (("aac", 64_000), 0.99), (("opus", 48_000), 0.9), (("amr", 12_200), 0.5)],
)
def test_a_codec_keeps_the_music_and_its_time(codec, least_fit):
    music = made(signals.tune(repeats=1), high_cut_hz=3_000.0)
    heard = made(music, codec=codec)
    fit = correlate(heard, music) / (np.linalg.norm(heard) * np.linalg.norm(music))
    assert len(music) == len(heard)
    assert abs(fit.argmax() - (len(music) - 1)) <= 0.01 * RATE_HZ
    assert fit.max() > least_fit
    assert not np.array_equal(heard, music)


def test_an_unknown_codec_says_which_are_known():
    with pytest.raises(ValueError, match="'realaudio' is not known: it can be mp3, aac, opus, amr"):
        made(signals.tone(), codec=("realaudio", 20_000))


@speaking
def test_everything_follows_from_the_seed():
    music = signals.tune(repeats=1)
    first, again, other = (made(music, seed, speech_db=10.0, **EVERYTHING) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("samples", [signals.silence(), signals.silence(0.0)])
def test_silence_stays_silent(samples):
    assert not np.abs(made(samples, **EVERYTHING)).max(initial=0.0) > 1e-4
