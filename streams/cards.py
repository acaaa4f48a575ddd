"""Which model card speaks for which encoder type, and which versions a dataset was pinned to.

A new encoder is a new card under `models/weights/`: datasets made from then on are pinned to it, older ones keep
theirs until they are indexed anew. So it is with the separator, which a dataset keeps from the first ingest on that
asks for stems.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from models import rhythm_card, separators, voice_card
from models.card import Card, load
from models.separators import SeparatorCard
from streams import pipeline
from streams.errors import Defect
from streams.settings import Settings
from streams.stores.vectors import Collection

DECODER = "decode-1"  # rises when anything of `models.audio` makes something else of a file

PEAKS = "peaks-1"  # rises when `models.fingerprint` hears something else, or makes other keys of it

MELODY = "melody-1"  # rises when `models.motif` hears something else, or makes other keys of it
FORM = "form-1"  # rises when `models.section` hears something else

STEMS = "2"  # rises when `models.separate`, `.stems` or `.presence` make something else of a mix

SEPARATORS = ("unet", "htdemucs")  # as `SOUNDTRACE_SEPARATOR` may name them
# Whose stems datasets may still keep, under the names that they have by this `STEMS`: no new ones are made.
RETIRED = {"unet-1": "1", "unet-2": "1", "unet-3": "1"}
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


def current_separator(name: str) -> SeparatorCard:
    """The separator of datasets that have no stems yet, as `SOUNDTRACE_SEPARATOR` names it."""
    return separators.load(name)


def weights_folder(separator: SeparatorCard, settings: Settings) -> Path:
    """Where a separator's weights lie: beside its card, or where `soundtrace separate --fetch` brings them."""
    return settings.models_folder if separator.address else separators.WEIGHTS


@cache
def separator(model_version: str) -> SeparatorCard:
    """The card of a pinned separator. Raises: `Defect` when this installation does not know it any more."""
    for name in (*SEPARATORS, *RETIRED):
        if (card := separators.load(name)).model_version == model_version:
            return card
    fact = f"no separator under models/weights/stems is '{model_version}'"
    raise Defect(fact, "install the version of soundtrace that ships it")


def collection_of(tenant: str, dataset_id: str, kind: str, card: Card) -> Collection:
    """Where a dataset's vectors of one kind stand. Drums and voices have encoders of their own, whatever its type."""
    rhythm, voice = rhythm_card.load(), voice_card.load()
    made_by = {
        "stem_drums": (rhythm.model_version, rhythm.architecture.latent_dim),
        "voice": (voice.model_version, voice.architecture.latent_dim),
    }
    version, dim = made_by.get(kind, (card.model_version, card.hearing.latent_dim))
    return Collection(tenant, dataset_id, kind, version, dim)


def version_of(kind: str, card: Card, separator: SeparatorCard) -> str:
    """What the name of an artifact of that kind tells of how it was made, and nothing that it does not depend on."""
    encoder = f"{card.encoder_type}-{card.model_version}-{card.params_hash}"
    stems = f"{separator.model_version}-{separator.sha256[:8]}-{RETIRED.get(separator.model_version, STEMS)}"
    rhythm, voice = rhythm_card.load(), voice_card.load()
    versions: dict[pipeline.Version, str] = {
        "decoder": DECODER,
        "peaks": PEAKS,
        "separator": stems,
        "stem peaks": f"{PEAKS}-{stems}",
        "stem cqt": f"{stems}-{card.hearing.cqt_hash}",
        "cqt": card.hearing.cqt_hash,
        "encoder": encoder,
        "stem encoder": f"{encoder}-{stems}",
        "stem rhythm": f"{rhythm.model_version}-{rhythm.sha256[:8]}-{stems}",
        "melody": f"{MELODY}-{stems}",
        "form": f"{FORM}-{card.hearing.cqt_hash}",
        "stem voice": f"{voice.model_version}-{voice.sha256[:8]}-{stems}",
    }
    return versions[next(artifact.version for artifact in pipeline.ARTIFACTS if artifact.kind == kind)]
