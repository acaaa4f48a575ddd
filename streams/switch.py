"""Move datasets to the encoders of today: `soundtrace reindex --switch`.

Everything that the new version needs is made beside what the old one has: artifacts under names of their own, vectors
in a collection of their own. Searches go on with the old version until the pin moves, in one transaction which finds
that no live track is missing; an ingest that comes to its end later sees the moved pin and is encoded again
(`agents.index`). So a switch can be interrupted anywhere and begun again, and no search sees half of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from models.card import Card
from models.errors import AudioError
from models.hear import decode_track, encode_track
from models.latents import Latents, latents
from models.separators import SeparatorCard
from models.stems import PITCHED
from streams import cards, pipeline
from streams.artifacts import Stored, artifact_name, pack_cqt, pack_windows, unpack, upload_name
from streams.errors import NotFound, Unavailable
from streams.mend import separator_of
from streams.stores.blobs import BlobMissing, Blobs
from streams.stores.catalogue import Catalogue, Pinned, TrackRow
from streams.stores.vectors import Collection, Vectors

log = structlog.get_logger()


@dataclass(slots=True)
class Switched:
    """What a switch came to. `lost` tracks can be encoded from nothing any more: they keep the dataset where it was.

    `made` counts the tracks whose windows of the mix were written, `tracks` all live ones.
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
    chosen = [
        pinned for pinned in await catalogue.pinned(pipeline.ENCODER_TYPES) if dataset_name in (None, pinned.name)
    ]
    if dataset_name is not None and not chosen:
        raise NotFound(f"no dataset '{dataset_name}' has tracks", "ingest into it first", code="dataset-not-found")
    if (mark := await vectors.unclean()) is not None:
        raise Unavailable(f"the index is being compared with the catalogue (unclean stop {mark})", "wait for it")
    return [await _switch(pinned, catalogue, vectors, blobs) for pinned in chosen]


async def _switch(dataset: Pinned, catalogue: Catalogue, vectors: Vectors, blobs: Blobs) -> Switched:
    card = cards.current(dataset.encoder_type)
    separator = await separator_of(dataset.dataset_id, catalogue)
    done = Switched(dataset, card.model_version)
    while True:  # again, for the tracks and the tasks that came in meanwhile
        done.tracks = len(await _tracks(dataset, pipeline.TASKS, catalogue))
        ready = set[tuple[str, str]]()
        for task, kinds in pipeline.TASKS.items():
            rows = await _tracks(dataset, (task,), catalogue)
            for kind in [kind for kind in kinds if kind in pipeline.INDEXED]:
                await _make_ready(done, kind, [_Maker(row, card, separator, blobs) for row in rows], vectors)
            ready |= {(row.track_id, task) for row in rows}
        if done.lost:
            return done
        if not await catalogue.switch_pin(dataset, card.model_version, ready):
            break
    for older in cards.shipped(dataset.encoder_type).values():
        for kind in pipeline.INDEXED:
            if _collection(dataset, kind, older) != _collection(dataset, kind, card):
                await vectors.drop(_collection(dataset, kind, older))
    return done


async def _tracks(dataset: Pinned, tasks: Iterable[str], catalogue: Catalogue) -> list[TrackRow]:
    """The live tracks that have one of these tasks."""
    return await catalogue.tracks(
        dataset.tenant, dataset.dataset_id, encoder_type=dataset.encoder_type, needs=[tuple(tasks)]
    )


async def _make_ready(done: Switched, kind: str, makers: list[_Maker], vectors: Vectors) -> None:
    """Write what the new version's collection of this kind lacks."""
    collection = _collection(done.dataset, kind, cards.current(done.dataset.encoder_type))
    held = await vectors.tracks(collection) if makers else {}
    for maker in makers:
        track_id = maker.row.track_id
        stored = await maker.windows(kind)
        if stored is None:
            if kind not in pipeline.AUXILIARY:
                done.lost = sorted({*done.lost, track_id})
        elif held.get(track_id, 0) != len(stored.array):
            await vectors.upsert(collection, track_id, stored.array, stored.starts_s)
            done.made += kind == "full_audio_latent"


def _collection(dataset: Pinned, kind: str, card: Card) -> Collection:
    return cards.collection_of(dataset.tenant, dataset.dataset_id, kind, card)


@dataclass(frozen=True, slots=True)
class _Maker:
    """What is stored of a track, and what can be made of that."""

    row: TrackRow
    card: Card
    separator: SeparatorCard
    blobs: Blobs

    async def windows(self, kind: str) -> Stored | None:
        """A layer's windows, as stored or made now; None where there is nothing left that they could be made from."""
        if (made := await self._stored(kind)) is not None:
            return unpack(made)
        if kind == "full_audio_latent":
            found = await self._of_the_mix()
        else:  # drums and voices are no encoder type's: they are stored, or lost
            layer = kind.removeprefix("stem_")
            packed = await self._stored("stem_cqt") if layer in PITCHED else None
            found = None if packed is None else await self._encoded(unpack(packed).array[PITCHED.index(layer)])
        if found is None:
            return None
        data = pack_windows(found, self.card.hearing)
        await self._keep(kind, data)
        return unpack(data)

    async def _of_the_mix(self) -> Latents | None:
        """From its transform, its waveform or its original bytes."""
        if (packed := await self._stored("cqt")) is not None:
            return await self._encoded(unpack(packed).array)
        waveform = await self._stored("waveform")
        if waveform is None:
            upload = await _get(self.blobs, upload_name(self.row.tenant, self.row.audio_id))
            if upload is None:
                return None
            try:
                waveform = (await asyncio.to_thread(decode_track, upload, None)).flac
            except AudioError as error:
                log.warning("a track cannot be heard any more", track=self.row.track_id, reason=str(error))
                return None
        heard = await asyncio.to_thread(encode_track, waveform, self.card)
        await self._keep("cqt", pack_cqt(heard.cqt, self.card.hearing))
        return heard.latents

    async def _encoded(self, cqt: NDArray[np.uint8]) -> Latents:
        return await asyncio.to_thread(latents, cqt, self.card)

    async def _stored(self, kind: str) -> bytes | None:
        return await _get(self.blobs, self._name(kind))

    async def _keep(self, kind: str, data: bytes) -> None:
        await self.blobs.put(self._name(kind), data)

    def _name(self, kind: str) -> str:
        return artifact_name(
            self.row.tenant, self.row.audio_id, kind, cards.version_of(kind, self.card, self.separator)
        )


async def _get(blobs: Blobs, name: str) -> bytes | None:
    try:
        return await blobs.get(name)
    except BlobMissing:
        return None
