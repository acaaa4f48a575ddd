"""The strangers of a dataset, by which its searches are judged (`models.library`): chosen once, kept as a blob.

They are chosen anew whenever the dataset has grown by a fifth. Which tracks they are follows from the tracks' SHA-256
alone, so it has nothing to do with the music, nor with who came first.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from models import library
from models.card import Card
from models.library import Cohort, Norm
from streams import cards, pipeline
from streams.artifacts import cohort_name, pack, unpack
from streams.matches import Candidate, Heard
from streams.sides import hear
from streams.stage import StageContext
from streams.stores.blobs import BlobMissing

EXAMINED = 300  # tracks among which a cohort is looked for: room for relatives
GROWTH = 1.2


async def cohort_of(stage: StageContext, candidates: list[Candidate], layer: str) -> Cohort | None:
    """The cohort of a layer of the dataset that the candidates are of.

    None where the dataset is too small, or too much related, or where drums are meant: no card says what two of them
    have in common by chance.
    """
    work, kind = stage.work, pipeline.LAYERS[layer]
    judged = stage.card.library is not None and layer != "drums"
    if not judged or work.dataset_id is None or len(candidates) < library.LEAST_TRACKS:
        return None
    grown = int(math.log(len(candidates) / library.LEAST_TRACKS, GROWTH))
    version = cards.version_of(kind, stage.card, stage.separator)
    name = cohort_name(work.tenant, work.dataset_id, kind, version, grown)
    try:
        packed = await stage.blobs.get(name)
    except BlobMissing:
        drawn = sorted(candidates, key=lambda candidate: candidate.audio_id)[:EXAMINED]
        heard = [
            found
            for candidate in drawn
            if (found := await hear(stage, candidate, (layer,))) is not None and layer in found.latents
        ]
        await stage.blobs.put(name, await stage.heavy(choose, heard, layer, stage.card))
        packed = await stage.blobs.get(name)  # of two writers the first one wins
    return unpack_cohort(packed)


def choose(heard: list[Heard], layer: str, card: Card) -> bytes:
    """A cohort of these tracks' layers, packed. Runs in the heavy child."""
    tracks = [(one.audio_id, unpack(one.latents[layer]).array) for one in heard]
    if len(tracks) < library.LEAST_TRACKS:
        return pack_cohort(None, card.hearing.latent_dim)
    return pack_cohort(library.cohort(tracks, card), card.hearing.latent_dim)


def pack_cohort(found: Cohort | None, latent_dim: int) -> bytes:
    """None is kept as well: the tracks are not compared with each other again at every search."""
    if found is None:
        return pack(np.zeros((0, latent_dim), np.float32), {"names": []})
    meta = {
        "names": found.names,
        "windows": [len(latents) for latents in found.latents],
        "norms": [(norm.median, norm.spread) for norm in found.norms],
    }
    return pack(np.concatenate(found.latents), meta)


def unpack_cohort(packed: bytes) -> Cohort | None:
    stored = unpack(packed)
    if not stored.meta["names"]:
        return None
    ends = np.cumsum([0, *stored.meta["windows"]])
    latents = tuple(stored.array[first:end] for first, end in pairwise(ends))
    return Cohort(tuple(stored.meta["names"]), latents, tuple(Norm(*norm) for norm in stored.meta["norms"]))
