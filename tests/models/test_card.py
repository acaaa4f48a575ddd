import json
from dataclasses import replace
from pathlib import Path

import pytest

from models import card
from models.network import load_network

WEIGHTS = Path(card.__file__).parent / "weights"


CARDS = ("classical", "pitchclass_small", "pitchclass_large")
NETWORKS = CARDS[1:]


def test_the_classical_card_says_what_it_is():
    classical = card.load("classical")
    assert (classical.encoder_type, classical.version, classical.model_version) == ("type2", 0, "classical-0")
    assert classical.summary.startswith("Classical, nothing is learned")
    assert classical.measured
    assert classical.limits


def test_the_hash_moves_with_what_is_stored_and_not_with_a_threshold():
    classical = card.load("classical")
    heard_otherwise = replace(classical, hearing=replace(classical.hearing, window_hop_s=1.0))
    judged_otherwise = replace(classical, matching=replace(classical.matching, style_ratio=9.0))
    assert heard_otherwise.params_hash != classical.params_hash
    assert judged_otherwise.params_hash == classical.params_hash
    assert len(classical.params_hash) == 16


def test_the_latent_mean_fits_the_latent_dim():
    classical = card.load("classical")
    assert classical.hearing.latent_dim == len(classical.encoder.latent_mean)


@pytest.mark.parametrize(
    ("name", "encoder_type", "window_s", "most_parameters"),
    [("pitchclass_small", "type2", 10, 1_000_000), ("pitchclass_large", "type1", 10, 4_000_000)],
)
def test_the_cards_of_networks_say_what_they_are(name, encoder_type, window_s, most_parameters):
    network = card.load(name)
    assert (network.encoder_type, network.hearing.window_s) == (encoder_type, window_s)
    assert f"{network.name.replace('_', '-')}-{network.version}" == network.model_version
    parameters = sum(values.numel() for values in load_network(network).parameters())
    assert most_parameters / 4 < parameters < most_parameters
    assert f"{parameters:,} parameters" in network.summary
    assert network.hearing.latent_dim == network.encoder.architecture.latent_dim == 128
    assert network.latent_matching.style_only_p < network.latent_matching.same_composition_p
    assert network.data


def test_other_weights_make_other_latents_and_another_hash():
    network = card.load("pitchclass_small")
    retrained = replace(network, encoder=replace(network.encoder, sha256="0" * 64))
    judged_otherwise = replace(network, calibration=replace(network.calibration, slope=1.0))
    assert retrained.params_hash != network.params_hash
    assert judged_otherwise.params_hash == network.params_hash


def test_every_encoder_reads_the_same_stored_cqt():
    assert len({card.load(name).hearing.cqt_hash for name in CARDS}) == 1


def test_the_hash_of_a_cqt_moves_with_its_numbers_and_not_with_the_windows():
    hearing = card.load("classical").hearing
    assert replace(hearing, hop_samples=256).cqt_hash != hearing.cqt_hash
    assert replace(hearing, window_s=30.0, latent_dim=7).cqt_hash == hearing.cqt_hash


def test_a_network_without_its_calibration_is_no_card(monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    told = json.loads((WEIGHTS / "pitchclass_small.json").read_text())
    del told["calibration"]
    (tmp_path / "weights" / "bad.json").write_text(json.dumps(told))
    monkeypatch.setattr(card, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="card 'bad'"):
        card.load("bad")


def test_an_unknown_card_is_not_found():
    with pytest.raises(FileNotFoundError):
        card.load("of-nobody")
