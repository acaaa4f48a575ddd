import hashlib
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from models import network, rhythm, rhythm_card
from models.errors import WrongWeights
from models.rhythm_network import AT_ONCE, RhythmNetwork, encode, load_network

CARD = rhythm_card.load()
LAGS = len(rhythm.lags_frames(CARD.hearing))


def windows(count):
    return np.random.default_rng(1).random((count, CARD.hearing.pairs, LAGS), np.float32)


def fresh():
    return RhythmNetwork(CARD.hearing.pairs, CARD.architecture)


def test_windows_together_give_what_each_gives_alone():
    some = windows(AT_ONCE + 3)
    together = encode(some, CARD)
    assert (together.shape, together.dtype) == ((AT_ONCE + 3, CARD.architecture.latent_dim), np.float32)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([encode(one[None], CARD) for one in some]), together, atol=1e-5)


def test_no_windows_are_no_latents():
    assert encode(windows(0), CARD).shape == (0, CARD.architecture.latent_dim)


def test_the_same_windows_give_the_same_bytes():
    assert encode(windows(5), CARD).tobytes() == encode(windows(5), CARD).tobytes()


def test_what_a_tempo_moves_along_the_lags_changes_nothing_while_it_stays_on_the_axis():
    bump = np.zeros((1, CARD.hearing.pairs, LAGS), np.float32)
    bump[:, :, 100:110] = 1
    latents = encode(np.concatenate([bump, np.roll(bump, 30, axis=2)]), CARD)
    assert float(latents[0] @ latents[1]) > 0.999


def made_by_hand(monkeypatch, folder, data, sha256):
    (folder / "weights").mkdir()
    if data is not None:
        (folder / "weights" / "some.safetensors").write_bytes(data)
    monkeypatch.setattr(network, "files", lambda _: folder)
    return replace(CARD, weights="some.safetensors", sha256=sha256)


def test_weights_are_loaded_when_they_are_what_the_card_says(monkeypatch, tmp_path):
    made = fresh()
    data = safetensors.torch.save({name: tensor.clone() for name, tensor in made.state_dict().items()})
    own = made_by_hand(monkeypatch, tmp_path, data, hashlib.sha256(data).hexdigest())
    assert torch.equal(load_network(own).project.weight, made.project.weight)
    assert load_network(own) is load_network(own)
    assert not load_network(own).training


def test_changed_weights_are_refused_before_anything_is_encoded(monkeypatch, tmp_path):
    own = made_by_hand(monkeypatch, tmp_path, b"not even weights", "1" * 64)
    samples = np.random.default_rng(0).normal(0, 0.1, 3 * CARD.hearing.rate_hz).astype(np.float32)
    with pytest.raises(WrongWeights) as refused:
        rhythm.rhythm(samples, own)
    for told in ("some.safetensors", hashlib.sha256(b"not even weights").hexdigest(), "1" * 64):
        assert told in str(refused.value)


def test_missing_weights_are_named(monkeypatch, tmp_path):
    with pytest.raises(WrongWeights, match=r"some\.safetensors are missing"):
        load_network(made_by_hand(monkeypatch, tmp_path, None, "2" * 64))
