"""`soundtrace search`: one file against another, one against a dataset, a dataset against a dataset."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.matches import filename, show
from streams.cli.output import AsJson, Depth, Encoder, Stems, document, printable, tell
from streams.errors import Invalid

if TYPE_CHECKING:
    from streams.cli.client import Client
    from streams.cli.place import Server
    from streams.pipeline import EncoderType

Body = dict[str, Any]
KNOWN_TO_SERVER = re.compile(r"^(dataset/|[a-z][a-z0-9+.-]*:)")  # a blob name, or the URI of what came by Kafka


def search(
    query: Annotated[str | None, typer.Argument(help="A file, which is uploaded first, or a blob name.")] = None,
    candidate: Annotated[str | None, typer.Argument(help="The same; for a search 1:1.")] = None,
    *,
    inside: Annotated[
        str | None, typer.Option("--in", metavar="NAME", help="In all tracks of this dataset: 1:n, m:n.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="For every track of this one: m:n.")
    ] = None,
    encoder: Encoder = "type2",
    depth: Depth = "track",
    stem: Stems = ["vocals"],  # noqa: B006  typer copies it
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Matches for each query.")] = 10,
    verbose: Annotated[bool, typer.Option("--verbose", help="Every evidence of a match, and all windows.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find what matches a file, or every track of a dataset."""
    from streams.cli.place import server

    search_type = _search_type(query, candidate, inside, source)
    body: Body = {"search_type": search_type, "limit": limit, "verbose_output": verbose}
    body |= {"depth": depth, "stem_types": stem}
    body |= {"candidate_dataset_name": inside} if inside else {}
    body |= {"query_dataset_name": source} if source else {}
    job = asyncio.run(answer(server(), encoder, body, query, candidate))
    entries = job["results"]["results"] if job["results"] else []
    if as_json:
        document(job)
    else:
        show(entries, every_evidence=verbose)
    failed = [entry for entry in entries if entry.get("error")]
    for entry in failed:
        tell(f"soundtrace: {printable(filename(entry['query_audio_id']))}: {printable(entry['error']['message'])}")
    if job["status"] != "completed":
        tell(f"soundtrace: the search ended as {job['status']}: {printable(job['error'] or 'no reason given')}")
    if failed or job["status"] != "completed":
        raise typer.Exit(1)


async def answer(
    at: Server, encoder: EncoderType, body: Body, query: str | None = None, candidate: str | None = None
) -> dict[str, Any]:
    """Ask, wait, and give the ended job's data; files that are named are uploaded first."""
    from streams.cli.client import Client

    async with Client(at) as client:
        for field, named in (("query_url", query), ("candidate_url", candidate)):
            if named:
                body[field] = await blob_of(client, named)
        return await client.ended(await client.start("search", encoder, body))


async def blob_of(client: Client, named: str) -> str:
    """The blob name of what was named. A file is uploaded first. Raises: `Invalid` when it is neither."""
    path = Path(named)
    if path.is_file():  # noqa: ASYNC240  a command line has nothing else to do meanwhile
        try:
            return str((await client.upload(path))["blob_name"])
        except Invalid as error:
            raise Invalid(f"{named}: {error.message}", error.remedy, code=error.code) from None
    if KNOWN_TO_SERVER.match(named):
        return named
    raise Invalid(f"'{named}' is neither a file here nor a blob name", "name an audio file, or dataset/<uuid>_<name>")


def _search_type(query: str | None, candidate: str | None, inside: str | None, source: str | None) -> str:
    match query, candidate, inside, source:
        case str(), str(), None, None:
            return "1:1"
        case str(), None, str(), None:
            return "1:n"
        case None, None, str(), str():
            return "m:n"
        case _:
            raise typer.BadParameter("give QUERY CANDIDATE, QUERY --in NAME, or --from NAME --in NAME")
