import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from models import card, network
from models.cqt import pooled_cqt
from models.errors import WrongWeights
from models.network import PitchClassNetwork, encode, load_network
from tests import signals

CARDS = [card.load("pitchclass_small"), card.load("pitchclass_large")]
every_card = pytest.mark.parametrize("learned", CARDS, ids=lambda learned: learned.name)
WEIGHTS = Path(card.__file__).parent / "weights"
TUNE = pooled_cqt(signals.tune(), CARDS[0].hearing)


def cosines(left, right):
    return np.sum(left * right, axis=1)


def window(learned, start=0):
    frames = round(learned.hearing.window_s / learned.hearing.frame_s)
    return TUNE[:, start : start + frames]


@every_card
@pytest.mark.parametrize("semitones", range(-5, 7))
def test_a_latent_does_not_change_under_transposition(learned, semitones):
    middle = window(learned).copy()
    middle[:18] = middle[66:] = 0  # what a roll, and the reach of the first layer, would push over the edges
    alike = cosines(encode([middle], learned), encode([np.roll(middle, semitones, axis=0)], learned))
    assert alike.min() > 0.9999


@every_card
def test_windows_together_give_what_each_gives_alone(learned):
    windows = [window(learned, start) for start in range(20)]
    together = encode(windows, learned)
    alone = np.concatenate([encode([one], learned) for one in windows])
    assert together.shape == (20, 128)
    assert cosines(together, alone).min() > 0.99999


@every_card
def test_windows_of_different_lengths_keep_their_order(learned):
    windows = [window(learned), TUNE[:, :40], TUNE[:, 5:45], window(learned, 9)]
    expected = np.concatenate([encode([one], learned) for one in windows])
    assert cosines(encode(windows, learned), expected).min() > 0.99999


@every_card
@pytest.mark.parametrize("frames", [1, 9, 23, 24, 25])
def test_a_window_of_any_length_is_encoded_as_it_is(learned, frames):
    made = encode([TUNE[:, :frames]], learned)
    assert (made.shape, made.dtype) == ((1, 128), np.float32)
    assert np.linalg.norm(made) == pytest.approx(1.0, abs=1e-5)


@every_card
def test_one_too_short_for_the_network_is_filled_with_silence(learned):
    least = learned.encoder.architecture.least_frames
    padded = np.pad(TUNE[:, :5], ((0, 0), (0, least - 5)))
    assert cosines(encode([TUNE[:, :5]], learned), encode([padded], learned)).min() > 0.99999


def test_no_windows_are_no_latents():
    assert encode([], CARDS[0]).shape == (0, 128)


@every_card
def test_the_weights_on_disk_are_halves_and_nothing_is_lost_by_it(learned):
    stored = safetensors.torch.load_file(WEIGHTS / learned.encoder.weights)
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16, torch.int64}
    loaded = load_network(learned)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    halves = {name: t.half() if t.is_floating_point() else t for name, t in loaded.state_dict().items()}
    assert all(torch.equal(halves[name].cpu(), stored[name]) for name in stored)


def test_a_network_is_loaded_once_and_ready():
    assert load_network(CARDS[0]) is load_network(CARDS[0])
    assert not load_network(CARDS[0]).training


def made_by_hand(monkeypatch, folder, data, sha256):
    (folder / "weights").mkdir()
    if data is not None:
        (folder / "weights" / "some.safetensors").write_bytes(data)
    monkeypatch.setattr(network, "files", lambda _: folder)
    return replace(CARDS[0], encoder=replace(CARDS[0].encoder, weights="some.safetensors", sha256=sha256))


def test_weights_are_loaded_when_they_are_what_the_card_says(monkeypatch, tmp_path):
    fresh = PitchClassNetwork(CARDS[0].encoder.architecture)
    data = safetensors.torch.save({name: tensor.clone() for name, tensor in fresh.state_dict().items()})
    own = made_by_hand(monkeypatch, tmp_path, data, hashlib.sha256(data).hexdigest())
    assert torch.equal(load_network(own).project.weight.cpu(), fresh.project.weight)


def test_a_changed_file_is_refused_before_anything_of_it_is_read(monkeypatch, tmp_path):
    own = made_by_hand(monkeypatch, tmp_path, b"not even weights", "1" * 64)
    with pytest.raises(WrongWeights) as refused:
        load_network(own)
    found = hashlib.sha256(b"not even weights").hexdigest()
    for told in ("some.safetensors", found, "1" * 64, "install soundtrace again"):
        assert told in str(refused.value)


def test_missing_weights_are_named(monkeypatch, tmp_path):
    with pytest.raises(WrongWeights, match=r"some\.safetensors are missing"):
        load_network(made_by_hand(monkeypatch, tmp_path, None, "2" * 64))


def test_a_card_without_a_network_has_none_to_load():
    with pytest.raises(TypeError, match="classical"):
        load_network(card.load("classical"))


def test_loading_needs_torch_and_safetensors_and_nothing_that_hears():
    code = "import sys, models.network; print(sorted({'librosa', 'numba'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
@every_card
def test_cuda_and_the_processor_agree(learned):
    windows = [window(learned, start) for start in range(0, 90, 9)]
    on_cuda = encode(windows, learned)
    load_network(learned).to("cpu")
    try:
        assert cosines(on_cuda, encode(windows, learned)).min() > 0.999
    finally:
        load_network(learned).to("cuda")
