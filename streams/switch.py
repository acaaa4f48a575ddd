"""Move datasets to the encoders of today: `soundtrace reindex --switch`.

Everything that the new version needs is made beside what the old one has: artifacts under names of their own, vectors
in a collection of their own. Searches go on with the old version until the pin moves, in one transaction which finds
that no live track is missing; an ingest that comes to its end later sees the moved pin and is encoded again
(`agents.index`). So a switch can be interrupted anywhere and begun again, and no search sees half of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from models.card import Card
from models.errors import AudioError
from models.hear import decode_track, encode_track
from models.latents import latents
from streams import cards, pipeline
from streams.artifacts import Stored, artifact_name, pack_cqt, pack_latents, unpack, upload_name
from streams.errors import NotFound, Unavailable
from streams.stores.blobs import BlobMissing, Blobs
from streams.stores.catalogue import Catalogue, Pinned, TrackRow
from streams.stores.vectors import Collection, Vectors

log = structlog.get_logger()
TASK = "full_audio_latent"  # the one kind of vectors that there is; each more needs its own way to be made again
assert pipeline.INDEXED == (TASK,)


@dataclass(slots=True)
class Switched:
    """What a switch came to. `lost` tracks can be encoded from nothing any more: they keep the dataset where it was.

    `made` counts the tracks whose windows were written, `tracks` all live ones.
    """

    dataset: Pinned
    model_version: str
    tracks: int = 0
    made: int = 0
    lost: list[str] = field(default_factory=list)


async def switch(
    catalogue: Catalogue, vectors: Vectors, blobs: Blobs, *, dataset_name: str | None = None
) -> list[Switched]:
    """Move every dataset, or those of one name, to the current version of each encoder type that it has.

    What older versions left in the index is dropped once the pin has moved; their artifacts stay.

    Raises: `NotFound` `dataset-not-found` when a name was given and nothing was ever ingested under it,
        `Unavailable` while the index is being compared with the catalogue.
    """
    chosen = [pinned for pinned in await catalogue.pinned() if dataset_name in (None, pinned.name)]
    if dataset_name is not None and not chosen:
        raise NotFound(f"no dataset '{dataset_name}' has tracks", "ingest into it first", code="dataset-not-found")
    if (mark := await vectors.unclean()) is not None:
        raise Unavailable(f"the index is being compared with the catalogue (unclean stop {mark})", "wait for it")
    return [await _switch(pinned, catalogue, vectors, blobs) for pinned in chosen]


async def _switch(dataset: Pinned, catalogue: Catalogue, vectors: Vectors, blobs: Blobs) -> Switched:
    card = cards.current(dataset.encoder_type)
    done = Switched(dataset, card.model_version)
    while True:  # again, for the tracks that came in meanwhile
        rows = await catalogue.tracks(
            dataset.tenant, dataset.dataset_id, encoder_type=dataset.encoder_type, tasks=pipeline.INDEXED
        )
        done.tracks = len(rows)
        ready = await _made_ready(done, rows, vectors, blobs)
        if done.lost:
            return done
        if not await catalogue.switch_pin(dataset, card.model_version, pipeline.INDEXED, ready):
            break
    for version, older in cards.shipped(dataset.encoder_type).items():
        if version != card.model_version:
            await vectors.drop(_collection(dataset, older))
    return done


async def _made_ready(done: Switched, rows: list[TrackRow], vectors: Vectors, blobs: Blobs) -> set[str]:
    """Write what the new version's collection lacks. Returns the tracks whose windows it really holds."""
    card = cards.current(done.dataset.encoder_type)
    collection = _collection(done.dataset, card)
    held = await vectors.tracks(collection)
    ready = set[str]()
    for row in rows:
        stored = await _encoded(row, card, blobs)
        if stored is None:
            done.lost.append(row.track_id)
            continue
        if held.get(row.track_id, 0) != len(stored.array):
            await vectors.upsert(collection, row.track_id, stored.array, stored.starts_s)
            done.made += 1
        ready.add(row.track_id)
    return ready


async def _encoded(row: TrackRow, card: Card, blobs: Blobs) -> Stored | None:
    """A track's windows: as stored, or made from its CQT, its waveform or its original bytes; None without any."""

    async def stored(kind: str) -> bytes | None:
        return await _get(blobs, artifact_name(row.tenant, row.audio_id, kind, cards.version_of(card, kind)))

    async def keep(kind: str, data: bytes) -> None:
        await blobs.put(artifact_name(row.tenant, row.audio_id, kind, cards.version_of(card, kind)), data)

    if (made := await stored(TASK)) is not None:
        return unpack(made)
    if (packed := await stored("cqt")) is not None:
        windows = await asyncio.to_thread(latents, unpack(packed).array, card)
    else:
        waveform = await stored("waveform")
        if waveform is None:
            upload = await _get(blobs, upload_name(row.tenant, row.audio_id))
            if upload is None:
                return None
            try:
                waveform = (await asyncio.to_thread(decode_track, upload, None)).flac
            except AudioError as error:
                log.warning("a track cannot be heard any more", track=row.track_id, reason=str(error))
                return None
        heard = await asyncio.to_thread(encode_track, waveform, card)
        await keep("cqt", pack_cqt(heard.cqt, card.hearing))
        windows = heard.latents
    data = pack_latents(windows, card.hearing)
    await keep(TASK, data)
    return unpack(data)


def _collection(dataset: Pinned, card: Card) -> Collection:
    return Collection(dataset.tenant, dataset.dataset_id, TASK, card.model_version, card.hearing.latent_dim)


async def _get(blobs: Blobs, name: str) -> bytes | None:
    try:
        return await blobs.get(name)
    except BlobMissing:
        return None
