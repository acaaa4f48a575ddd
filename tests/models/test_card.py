from dataclasses import replace

import pytest

from models import card


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
    hearing = card.load("classical").hearing
    assert hearing.latent_dim == len(hearing.latent_mean)


def test_an_unknown_card_is_not_found():
    with pytest.raises(FileNotFoundError):
        card.load("of-nobody")
