"""Which model card speaks for which encoder type, and which version a dataset was pinned to.

A new encoder is a new card under `models/weights/`: datasets made from then on are pinned to it, older ones keep
theirs until they are indexed anew.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from models.card import Card, load
from streams.artifacts import Version
from streams.errors import Defect

CURRENT = {"type2": "classical"}  # encoder type: the card that new datasets are pinned to


def current(encoder_type: str) -> Card:
    return load(CURRENT[encoder_type])


@cache
def pinned(encoder_type: str, model_version: str) -> Card:
    """The card of a pinned version. Raises: `Defect` when this installation does not ship it any more."""
    for path in files("models").joinpath("weights").iterdir():
        if path.name.endswith(".json"):
            card = load(path.name.removesuffix(".json"))
            if (card.encoder_type, card.model_version) == (encoder_type, model_version):
                return card
    fact = f"no card under models/weights is {encoder_type} '{model_version}'"
    raise Defect(fact, "install the version of soundtrace that ships it")


def version_of(card: Card) -> Version:
    return Version(card.encoder_type, card.model_version, card.params_hash)
