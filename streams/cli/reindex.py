"""`soundtrace reindex`: the index again from the blobs. Needs the catalogue, the blobs and Milvus, nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.output import AsJson, document, tell

if TYPE_CHECKING:
    from streams.mend import Mended


def reindex(
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", metavar="NAME", help="Only this one.")] = None,
    missing: Annotated[bool, typer.Option("--missing", help="Keep what is whole: write only what is missing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the vector index anew from the stored artifacts."""
    mended = asyncio.run(_reindex(dataset, rebuild=not missing))
    if as_json:
        document({"tracks": mended.tracks, "written": mended.written, "lost": mended.lost})
    else:
        typer.echo(f"{mended.tracks} tracks in the catalogue, {mended.written} written, {len(mended.lost)} lost")
    for track_id in mended.lost:
        tell(f"soundtrace: track {track_id} has no artifact any more: ingest its file again")
    if mended.lost:
        raise typer.Exit(1)


async def _reindex(name: str | None, *, rebuild: bool) -> Mended:
    from streams.cli.place import settings_here
    from streams.mend import mend
    from streams.stores.blobs import open_blobs
    from streams.stores.catalogue import Catalogue
    from streams.stores.database import Database
    from streams.stores.milvus import MilvusVectors

    settings = settings_here()
    database, vectors = Database(settings.sql_url), MilvusVectors(settings.milvus_uri)
    try:
        await database.migrate()
        await vectors.ping()
        await vectors.start()
        blobs = open_blobs(settings.blob_url)
        return await mend(Catalogue(database), vectors, blobs, rebuild=rebuild, dataset_name=name)
    finally:
        await vectors.close()
        await database.close()
