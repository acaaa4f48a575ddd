import hashlib
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy.signal import lfilter

from models import network, voice, voice_card
from models.errors import WrongWeights
from models.voice_network import AT_ONCE, VoiceNetwork, encode, load_network
from tests import signals

CARD = voice_card.load()
HEARING = CARD.hearing
RATE_HZ, DIM = HEARING.rate_hz, CARD.architecture.latent_dim


@cache
def sung(duration_s=14.0, resonances_hz=(700, 1_200, 2_600), seed=0):
    """Pulses at changing pitches through three resonances: a vowel, sung."""
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(round(duration_s / 0.5)):
        pulses = np.zeros(RATE_HZ // 2)
        pulses[:: int(RATE_HZ / rng.choice([196, 220, 247, 262, 294, 330]))] = 1
        samples.append(pulses * np.minimum(1, np.linspace(0, 12, len(pulses)))[::-1])
    heard = np.concatenate(samples)
    for frequency_hz in resonances_hz:
        pole = 0.985 * np.exp(2j * np.pi * frequency_hz / RATE_HZ)
        heard = lfilter([1], [1, -2 * pole.real, abs(pole) ** 2], heard)
    return (0.5 * heard / np.abs(heard).max()).astype(np.float32)


def encoded(samples):
    return voice.voice(samples, CARD)


def windows(count, frames=200):
    return list(np.random.default_rng(1).uniform(-1, 0.3, (count, HEARING.bands, frames)).astype(np.float32))


def test_every_window_of_a_sung_stem_is_a_row_of_unit_length():
    made = encoded(sung(15.0))
    assert (made.shape, made.dtype) == ((3, DIM), np.float32)  # from 0 s, from 4 s, and what is left from 8 s on
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)


def test_a_stem_shorter_than_a_window_is_one_window():
    assert encoded(sung(3.0)).any(axis=1).tolist() == [True]


def test_a_silent_or_an_empty_stem_has_no_windows():
    assert encoded(signals.silence(20.0)).shape == (0, DIM)
    assert encoded(np.zeros(0, np.float32)).shape == (0, DIM)


def test_a_window_in_which_nobody_sings_is_zeros_even_where_a_separator_left_a_trace():
    trace = signals.noise(16.0, peak=5e-3)
    made = encoded(np.concatenate([sung(14.0), trace]))
    assert made[0].any()
    assert not made[-1].any()


def test_a_breath_is_not_yet_singing():
    made = encoded(np.concatenate([sung(8.0), signals.silence(12.0), sung(0.5), signals.silence(8.0)]))
    assert made.any(axis=1).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("gain", [1e-2, 0.3, 1.9])
def test_a_gain_changes_nothing(gain):
    np.testing.assert_allclose(encoded(sung() * np.float32(gain)), encoded(sung()), atol=1e-4)


def test_the_same_samples_give_the_same_bytes():
    assert encoded(sung()).tobytes() == encoded(sung().copy()).tobytes()


def test_what_is_far_below_the_mean_is_silence_to_the_network():
    power = np.full((HEARING.bands, 50), 1.0, np.float32)
    power[:, 25:] = 1e-9
    levels = voice.levels(power, HEARING)
    assert float(levels.min()) == pytest.approx(-1)
    assert float(levels.max()) == pytest.approx(10 * np.log10(2) / HEARING.range_db)
    assert np.isfinite(voice.levels(np.zeros_like(power), HEARING)).all()


def test_a_voice_is_like_itself_in_another_melody_and_less_like_another_in_the_same():
    own, elsewhere = encoded(sung(seed=0)), encoded(sung(seed=1))
    other = encoded(sung(resonances_hz=(300, 2_200, 3_000), seed=0))
    assert voice.similarity(own, own) == pytest.approx(1, abs=1e-5)
    assert voice.similarity(own, elsewhere) > voice.similarity(own, other) + 0.2


def test_a_similarity_needs_two_who_sing_and_is_never_negative():
    one = np.eye(1, DIM, dtype=np.float32)
    silent = np.zeros((2, DIM), np.float32)
    assert voice.similarity(one, silent) is None
    assert voice.similarity(silent[:0], one) is None
    assert voice.similarity(one, -one) == 0
    assert voice.similarity(np.concatenate([one, silent]), one) == 1  # windows without a voice do not lower it


def test_the_network_is_small():
    assert sum(value.numel() for value in load_network(CARD).parameters()) <= 500_000


def test_windows_together_give_what_each_gives_alone():
    some = windows(AT_ONCE + 3) + windows(2, frames=90)
    together = encode(some, CARD)
    assert (together.shape, together.dtype) == ((AT_ONCE + 5, DIM), np.float32)
    np.testing.assert_allclose(np.concatenate([encode([one], CARD) for one in some]), together, atol=1e-5)
    assert encode([], CARD).shape == (0, DIM)


def made_by_hand(monkeypatch, folder, data, sha256):
    (folder / "weights").mkdir()
    (folder / "weights" / "some.safetensors").write_bytes(data)
    monkeypatch.setattr(network, "files", lambda _: folder)
    return replace(CARD, weights="some.safetensors", sha256=sha256)


def test_weights_are_loaded_when_they_are_what_the_card_says(monkeypatch, tmp_path):
    made = VoiceNetwork(HEARING.bands, CARD.architecture)
    data = safetensors.torch.save({name: tensor.clone() for name, tensor in made.state_dict().items()})
    own = made_by_hand(monkeypatch, tmp_path, data, hashlib.sha256(data).hexdigest())
    assert torch.equal(load_network(own).project.weight, made.project.weight)
    assert load_network(own) is load_network(own)
    assert not load_network(own).training


def test_changed_weights_are_refused_before_anything_is_encoded(monkeypatch, tmp_path):
    own = made_by_hand(monkeypatch, tmp_path, b"not even weights", "1" * 64)
    with pytest.raises(WrongWeights) as refused:
        voice.voice(sung(), own)
    for told in ("some.safetensors", hashlib.sha256(b"not even weights").hexdigest(), "1" * 64):
        assert told in str(refused.value)


def test_the_card_says_what_was_not_to_be_had():
    assert any("real singers" in limit.lower() for limit in CARD.limits)
