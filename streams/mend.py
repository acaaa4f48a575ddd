"""Keep the index equal to the catalogue: after an unclean stop of Milvus Lite, and on `soundtrace reindex`.

Milvus Lite can lose rows that it acknowledged when it is killed (measured 2026-11-21: 32,000 of 147,600). So after an
unclean start, searches that need the index wait until every live track's windows have been counted and what is
missing was written again from the blobs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from streams import cards, pipeline
from streams.artifacts import artifact_name, unpack
from streams.errors import NotFound, Unavailable
from streams.stage import Resources
from streams.stores.blobs import BlobMissing, Blobs
from streams.stores.catalogue import Catalogue
from streams.stores.vectors import Collection, Vectors

log = structlog.get_logger()
LOOK_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Mended:
    """What a comparison found: `written` tracks were missing or incomplete, `lost` have no blob to write them from.

    What the index holds beyond the catalogue is left alone: a hit counts only with a live row.
    """

    tracks: int
    written: int
    lost: tuple[str, ...]


async def keep_mended(resources: Resources) -> None:
    """Watch for unclean starts of the index for ever, and mend after each."""
    while True:
        try:
            if (mark := await resources.vectors.unclean()) is not None:
                log.warning("the index stopped uncleanly, comparing it with the catalogue", mark=mark)
                mended = await mend(resources.catalogue, resources.vectors, resources.blobs)
                await resources.vectors.mended(mark)
                log.info("the index equals the catalogue", tracks=mended.tracks, written=mended.written)
        except Unavailable as error:
            log.warning("mending waits", reason=str(error))
        await asyncio.sleep(LOOK_EVERY_S)


async def mend(
    catalogue: Catalogue, vectors: Vectors, blobs: Blobs, *, rebuild: bool = False, dataset_name: str | None = None
) -> Mended:
    """Write what the index lacks; with `rebuild`, drop it first and write all of it anew.

    Args:
        dataset_name: only datasets of that name, whichever tenant's; None for all.
    Raises: `NotFound` `dataset-not-found` when a name was given and nothing was ever ingested under it.
    """
    seen = written = 0
    lost: list[str] = []
    chosen = [pinned for pinned in await catalogue.pinned() if dataset_name in (None, pinned.name)]
    if dataset_name is not None and not chosen:
        raise NotFound(f"no dataset '{dataset_name}' has tracks", "ingest into it first", code="dataset-not-found")
    for pinned in chosen:
        card = cards.pinned(pinned.encoder_type, pinned.model_version)
        for kind in pipeline.INDEXED:
            version, dim = cards.version_of(card, kind), card.hearing.latent_dim
            collection = Collection(pinned.tenant, pinned.dataset_id, kind, pinned.model_version, dim)
            if rebuild:
                await vectors.drop(collection)
            held = await vectors.tracks(collection)
            rows = await catalogue.tracks(
                pinned.tenant, pinned.dataset_id, encoder_type=pinned.encoder_type, tasks=(kind,)
            )
            for row in rows:
                seen += 1
                try:
                    latents = unpack(await blobs.get(artifact_name(row.tenant, row.audio_id, kind, version)))
                except BlobMissing:
                    lost.append(row.track_id)
                    continue
                if held.get(row.track_id, 0) != len(latents.array):
                    await vectors.upsert(collection, row.track_id, latents.array, latents.starts_s)
                    written += 1
    return Mended(seen, written, tuple(lost))
