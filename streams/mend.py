"""Keep the index equal to the catalogue: after an unclean stop of Milvus Lite, and on `soundtrace reindex`.

Milvus Lite can lose rows that it acknowledged when it is killed (measured 2026-11-21: 32,000 of 147,600). So after an
unclean start, searches that need the index wait until every live track's windows have been counted and what is
missing was written again from the blobs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from models.separators import SeparatorCard
from streams import cards, pipeline
from streams.artifacts import artifact_name, unpack
from streams.errors import NotFound, Unavailable
from streams.stage import Resources
from streams.stores.blobs import BlobMissing, Blobs
from streams.stores.catalogue import Catalogue
from streams.stores.vectors import Vectors

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
    seen, written, lost = set[str](), set[str](), set[str]()
    chosen = [
        pinned for pinned in await catalogue.pinned(pipeline.ENCODER_TYPES) if dataset_name in (None, pinned.name)
    ]
    if dataset_name is not None and not chosen:
        raise NotFound(f"no dataset '{dataset_name}' has tracks", "ingest into it first", code="dataset-not-found")
    for pinned in chosen:
        card = cards.pinned(pinned.encoder_type, pinned.model_version)
        separator = await separator_of(pinned.dataset_id, catalogue)
        for kind in pipeline.INDEXED:
            version = cards.version_of(kind, card, separator)
            collection = cards.collection_of(pinned.tenant, pinned.dataset_id, kind, card)
            if rebuild:
                await vectors.drop(collection)
            held = await vectors.tracks(collection)
            rows = await catalogue.tracks(
                pinned.tenant,
                pinned.dataset_id,
                encoder_type=pinned.encoder_type,
                needs=[pipeline.bringing(kind)],
            )
            for row in rows:
                seen.add(row.track_id)
                try:
                    latents = unpack(await blobs.get(artifact_name(row.tenant, row.audio_id, kind, version)))
                except BlobMissing:
                    lost.add(row.track_id)
                    continue
                if held.get(row.track_id, 0) != len(latents.array):
                    await vectors.upsert(collection, row.track_id, latents.array, latents.starts_s)
                    written.add(row.track_id)
    return Mended(len(seen), len(written), tuple(sorted(lost)))


async def separator_of(dataset_id: str, catalogue: Catalogue) -> SeparatorCard:
    """The separator that a dataset keeps; of one without stems the shipped one, by which then nothing is named."""
    pinned = await catalogue.pinned_to(dataset_id, pipeline.SEPARATOR)
    return cards.current_separator("unet") if pinned is None else cards.separator(pinned)
