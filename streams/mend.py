"""Keep the index equal to the catalogue: after an unclean stop of Milvus Lite, and on `soundtrace reindex`.

Milvus Lite can lose rows that it acknowledged when it is killed (measured 2026-11-21: 32,000 of 147,600). So after an
unclean start, searches that need the index wait until every live track's windows have been counted and what is
missing was written again from the blobs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from models.separators import SeparatorCard
from streams import cards, pipeline
from streams.artifacts import artifact_name, unpack
from streams.errors import Defect, NotFound, Unavailable
from streams.posting import Where, post
from streams.stage import Resources
from streams.stores.blobs import BlobMissing, Blobs
from streams.stores.catalogue import Catalogue, Pinned
from streams.stores.segments import SegmentPostings
from streams.stores.vectors import Vectors

log = structlog.get_logger()
LOOK_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Stores:
    """Whose agreement is looked after: the catalogue and the blobs, and what is derived from them."""

    catalogue: Catalogue
    vectors: Vectors
    postings: SegmentPostings
    blobs: Blobs


@dataclass(frozen=True, slots=True)
class Mended:
    """What a comparison found: `written` tracks were missing or incomplete, `lost` have no blob to write them from.

    What the index holds beyond the catalogue is left alone, as a hit counts only with a live row, until it is rebuilt.
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
                stores = Stores(resources.catalogue, resources.vectors, resources.postings, resources.blobs)
                mended = await mend(stores)
                await resources.vectors.mended(mark)
                log.info("the index equals the catalogue", tracks=mended.tracks, written=mended.written)
        except Unavailable as error:
            log.warning("mending waits", reason=str(error))
        await asyncio.sleep(LOOK_EVERY_S)


async def mend(stores: Stores, *, rebuild: bool = False, dataset_name: str | None = None) -> Mended:
    """Write what the index and the postings lack; with `rebuild` all of it anew, while it is searched.

    Args:
        dataset_name: only datasets of that name, whichever tenant's; None for all.
    Raises: `NotFound` `dataset-not-found` when a name was given and nothing was ever ingested under it.
    """
    pinned = await stores.catalogue.pinned(pipeline.ENCODER_TYPES)
    chosen = [one for one in pinned if dataset_name in (None, one.name)]
    if dataset_name is not None and not chosen:
        raise NotFound(f"no dataset '{dataset_name}' has tracks", "ingest into it first", code="dataset-not-found")
    done = _Done()
    for one in chosen:
        for kind in pipeline.INDEXED:
            await _mend_vectors(one, kind, stores, done, rebuild=rebuild)
    for one in {one.dataset_id: one for one in chosen}.values():  # what is posted belongs to all encoder types
        for kind in pipeline.POSTED:
            await _mend_postings(one, kind, stores, done, rebuild=rebuild)
    return Mended(len(done.seen), len(done.written), tuple(sorted(done.lost)))


@dataclass(slots=True)
class _Done:
    """Track ids."""

    seen: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)


async def _mend_vectors(dataset: Pinned, kind: str, stores: Stores, done: _Done, *, rebuild: bool) -> None:
    card = cards.pinned(dataset.encoder_type, dataset.model_version)
    version = cards.version_of(kind, card, await separator_of(dataset.dataset_id, stores.catalogue))
    collection = cards.collection_of(dataset.tenant, dataset.dataset_id, kind, card)
    listed = partial(
        stores.catalogue.tracks,
        dataset.tenant,
        dataset.dataset_id,
        encoder_type=dataset.encoder_type,
        needs=[pipeline.bringing(kind)],
    )
    held = await stores.vectors.tracks(collection)
    if rebuild:
        for track_id in held.keys() - {row.track_id for row in await listed()}:
            await stores.vectors.delete_track(collection, track_id)
    for row in await listed():  # asked again: one that came back meanwhile is written below
        done.seen.add(row.track_id)
        try:
            latents = unpack(await stores.blobs.get(artifact_name(row.tenant, row.audio_id, kind, version)))
        except (BlobMissing, Defect) as error:
            log.warning("a track cannot be written to the index", track=row.track_id, kind=kind, reason=str(error))
            done.lost |= set() if kind in pipeline.AUXILIARY else {row.track_id}
            continue
        there = held.get(row.track_id, 0)
        if rebuild or there != len(latents.array):
            if there > len(latents.array):
                await stores.vectors.delete_track(collection, row.track_id)
            await stores.vectors.upsert(collection, row.track_id, latents.array, latents.starts_s)
            done.written.add(row.track_id)


async def _mend_postings(dataset: Pinned, kind: str, stores: Stores, done: _Done, *, rebuild: bool) -> None:
    """Postings of a track are written as one, so that those which are there are whole.

    A list that is written anew is written beside the old one and takes its place at once: searches go on meanwhile.
    """
    card = cards.pinned(dataset.encoder_type, dataset.model_version)
    version = cards.version_of(kind, card, await separator_of(dataset.dataset_id, stores.catalogue))
    where = Where(stores.postings, dataset.tenant, dataset.dataset_id, kind, version)
    if rebuild:
        with TemporaryDirectory(prefix=".anew-", dir=_made(stores.postings.folder)) as folder:
            anew = replace(where, store=SegmentPostings(Path(folder)))
            await _post_missing(dataset, anew, stores, done)
            await asyncio.to_thread(where.take_over, anew)
    await _post_missing(dataset, where, stores, done)  # also what came in while the new lists were written


async def _post_missing(dataset: Pinned, where: Where, stores: Stores, done: _Done) -> None:
    held = await asyncio.to_thread(where.tracks)
    bringing = pipeline.bringing(where.kind)  # no task: every ingest makes it, since there is that stage
    for row in await stores.catalogue.tracks(dataset.tenant, dataset.dataset_id):
        if row.track_id in held or (bringing and not bringing & set(row.tasks)):
            continue
        done.seen.add(row.track_id)
        try:
            packed = await stores.blobs.get(artifact_name(row.tenant, row.audio_id, where.kind, where.version))
            await asyncio.to_thread(post, where, row.track_id, packed)
        except (BlobMissing, Defect):
            done.lost |= {row.track_id} if bringing else set()
            continue
        done.written.add(row.track_id)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def separator_of(dataset_id: str, catalogue: Catalogue) -> SeparatorCard:
    """The separator that a dataset keeps; of one without stems the shipped one, by which then nothing is named."""
    pinned = await catalogue.pinned_to(dataset_id, pipeline.SEPARATOR)
    return cards.current_separator("unet") if pinned is None else cards.separator(pinned)
