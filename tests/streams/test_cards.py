"""Cards and the names that follow from them."""

import pytest

from streams import cards, pipeline
from streams.errors import Defect

VERSIONS = [("type1", "pitchclass-large-1"), ("type2", "classical-0"), ("type2", "pitchclass-small-2")]
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
    named = {kind: {cards.version_of(cards.pinned(*version), kind) for version in VERSIONS} for kind in KINDS}
    assert {kind: len(versions) for kind, versions in named.items()} == {
        "waveform": 1,
        "envelope": 1,
        "cqt": 1,
        "full_audio_latent": 3,
    }


def test_the_latents_of_version_0_keep_the_name_that_they_always_had():
    card = cards.pinned("type2", "classical-0")
    assert cards.version_of(card, "full_audio_latent") == "type2-classical-0-45c8f255e64191ce"
