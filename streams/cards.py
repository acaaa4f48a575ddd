"""Which model card speaks for which encoder type, and which version a dataset was pinned to.

A new encoder is a new card under `models/weights/`: datasets made from then on are pinned to it, older ones keep
theirs until they are indexed anew.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from models.card import Card, load
from streams import pipeline
from streams.errors import Defect

DECODER = "decode-1"  # rises when `models.decode`, `models.flac` or `models.envelope` make something else of a file

CURRENT = {"type1": "pitchclass_large", "type2": "pitchclass_small"}  # the cards that new datasets are pinned to


def current(encoder_type: str) -> Card:
    return load(CURRENT[encoder_type])


@cache
def shipped(encoder_type: str) -> dict[str, Card]:
    """Every card of this installation for an encoder type, by its model version."""
    names = (path.name for path in files("models").joinpath("weights").iterdir())
    found = (load(name.removesuffix(".json")) for name in sorted(names) if name.endswith(".json"))
    return {card.model_version: card for card in found if card.encoder_type == encoder_type}


def pinned(encoder_type: str, model_version: str) -> Card:
    """The card of a pinned version. Raises: `Defect` when this installation does not ship it any more."""
    card = shipped(encoder_type).get(model_version)
    if card is None:
        fact = f"no card under models/weights is {encoder_type} '{model_version}'"
        raise Defect(fact, "install the version of soundtrace that ships it")
    return card


def version_of(card: Card, kind: str) -> str:
    """What the name of an artifact of that kind tells of how it was made, and nothing that it does not depend on."""
    versions = {
        "decoder": DECODER,
        "cqt": card.hearing.cqt_hash,
        "encoder": f"{card.encoder_type}-{card.model_version}-{card.params_hash}",
    }
    return versions[next(artifact.version for artifact in pipeline.ARTIFACTS if artifact.kind == kind)]
