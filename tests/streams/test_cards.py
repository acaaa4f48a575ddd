"""Cards and the names that follow from them."""

from dataclasses import replace

import pytest

from models import separators
from models.errors import MissingWeights
from streams import cards, pipeline
from streams.errors import Defect

VERSIONS = [("type1", "pitchclass-large-1"), ("type2", "classical-0"), ("type2", "pitchclass-small-2")]
UNET = cards.current_separator("unet")
KINDS = [row.kind for row in pipeline.ARTIFACTS if row.kind not in pipeline.OUTCOMES]


@pytest.mark.parametrize("encoder_type", pipeline.ENCODER_TYPES)
def test_every_encoder_type_has_a_current_card_of_its_own(encoder_type):
    card = cards.current(encoder_type)
    assert card.encoder_type == encoder_type
    assert cards.pinned(encoder_type, card.model_version) is card


@pytest.mark.parametrize(("encoder_type", "model_version"), VERSIONS)
def test_every_version_that_a_dataset_may_be_pinned_to_is_shipped(encoder_type, model_version):
    assert cards.pinned(encoder_type, model_version).model_version == model_version


def test_a_version_that_is_not_shipped_is_named():
    with pytest.raises(Defect, match="type1 'classical-0'"):
        cards.pinned("type1", "classical-0")


def test_only_what_an_encoder_makes_is_named_after_it():
    named = {kind: {cards.version_of(kind, cards.pinned(*version), UNET) for version in VERSIONS} for kind in KINDS}
    once = {"waveform", "envelope", "fingerprint", "cqt", "stems", "stem_cqt", "stem_drums", "voice"}
    once |= {"motif", "contour", "section", "stem_fingerprint"}
    assert {kind: len(versions) for kind, versions in named.items()} == {
        kind: 1 if kind in once else 3 for kind in KINDS
    }


def test_only_what_is_made_of_stems_is_named_after_their_separator():
    card = cards.current("type2")
    other = replace(UNET, model_version="another")
    changed = {kind for kind in KINDS if cards.version_of(kind, card, UNET) != cards.version_of(kind, card, other)}
    assert changed == {kind for kind in KINDS if kind.startswith("stem")} | {"voice", "motif", "contour"}


@pytest.mark.parametrize("name", cards.SEPARATORS)
def test_every_separator_that_may_be_set_is_found_by_the_version_that_datasets_keep(name):
    card = cards.current_separator(name)
    assert cards.separator(card.model_version) is not None
    assert cards.separator(card.model_version) == card


@pytest.mark.parametrize("name", cards.RETIRED)
def test_stems_of_a_retired_separator_are_still_named_but_no_new_ones_are_made(name):
    card = cards.separator(name)
    encoder = cards.current("type2")
    assert cards.version_of("stems", encoder, card) != cards.version_of("stems", encoder, UNET)
    with pytest.raises(MissingWeights, match="cannot be made") as raised:
        separators.verified(card)
    assert cards.current_separator("unet").model_version in raised.value.remedy


def test_the_stems_of_a_retired_separator_keep_the_name_that_they_always_had():
    encoder = cards.current("type2")
    assert cards.version_of("stems", encoder, cards.separator("unet-1")) == "unet-1-1affe469-1"
    assert cards.version_of("stems", encoder, cards.separator("unet-3")) == "unet-3-8ad34f78-1"


def test_a_separator_that_is_not_known_is_named():
    with pytest.raises(Defect, match="'unet-0'"):
        cards.separator("unet-0")


def test_the_latents_of_version_0_keep_the_name_that_they_always_had():
    card = cards.pinned("type2", "classical-0")
    assert cards.version_of("full_audio_latent", card, UNET) == "type2-classical-0-45c8f255e64191ce"
