"""`soundtrace reindex`: the index again from the blobs. Needs the catalogue, the blobs and Milvus, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from streams.cli.output import AsJson, document, tell
from streams.errors import Invalid

if TYPE_CHECKING:
    from streams.mend import Mended, Stores
    from streams.switch import Switched

T = TypeVar("T")


def reindex(
    dataset: Annotated[str | None, typer.Argument(metavar="[DATASET]", help="Only this one.")] = None,
    *,
    missing: Annotated[bool, typer.Option("--missing", help="Keep what is whole: write only what is missing.")] = False,
    to_current: Annotated[
        bool, typer.Option("--switch", help="Encode by the models of today, and search by them from then on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the indexes anew, or by the models of today."""
    if to_current and missing:
        raise Invalid("--switch and --missing exclude each other", "a switch writes only what is missing by itself")
    lost = _switch(dataset, as_json) if to_current else _mend(dataset, missing, as_json)
    for track_id in lost:
        tell(f"soundtrace: track {track_id} has no artifact any more: ingest its file again")
    if lost:
        raise typer.Exit(1)


def _mend(name: str | None, missing: bool, as_json: bool) -> tuple[str, ...]:
    from streams.mend import mend

    def upkeep(stores: Stores) -> Awaitable[Mended]:
        return mend(stores, rebuild=not missing, dataset_name=name)

    mended = asyncio.run(_here(upkeep))
    if as_json:
        document({"tracks": mended.tracks, "written": mended.written, "lost": mended.lost})
    else:
        typer.echo(f"{mended.tracks} tracks in the catalogue, {mended.written} written, {len(mended.lost)} lost")
    return mended.lost


def _switch(name: str | None, as_json: bool) -> tuple[str, ...]:
    from streams.switch import switch

    def upkeep(stores: Stores) -> Awaitable[list[Switched]]:
        return switch(stores.catalogue, stores.vectors, stores.blobs, dataset_name=name)

    switched = asyncio.run(_here(upkeep))
    if as_json:
        document({"datasets": [_told(one) for one in switched]})
    for one in () if as_json else switched:
        way = f"{one.dataset.encoder_type} {one.dataset.model_version} → {one.model_version}"
        ended = f"not switched, {len(one.lost)} lost" if one.lost else f"{one.made} written"
        typer.echo(f"'{one.dataset.name}': {way}, {one.tracks} tracks, {ended}")
    return tuple(track_id for one in switched for track_id in one.lost)


def _told(one: Switched) -> dict[str, Any]:
    return {
        "dataset": one.dataset.name,
        "encoder_type": one.dataset.encoder_type,
        "from": one.dataset.model_version,
        "to": one.model_version,
        "switched": not one.lost,
        "tracks": one.tracks,
        "written": one.made,
        "lost": one.lost,
    }


async def _here(upkeep: Callable[[Stores], Awaitable[T]]) -> T:
    """Do it on the stores of this home."""
    from streams.cli.place import settings_here
    from streams.mend import Stores
    from streams.stores.blobs import open_blobs
    from streams.stores.catalogue import Catalogue
    from streams.stores.database import Database
    from streams.stores.milvus import MilvusVectors
    from streams.stores.segments import SegmentPostings

    settings = settings_here()
    database, vectors = Database(settings.sql_url), MilvusVectors(settings.milvus_uri)
    try:
        await database.migrate()
        await vectors.ping()
        await vectors.start()
        postings, blobs = SegmentPostings(settings.postings_folder), open_blobs(settings.blob_url)
        return await upkeep(Stores(Catalogue(database), vectors, postings, blobs))
    finally:
        await vectors.close()
        await database.close()
