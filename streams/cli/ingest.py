"""`soundtrace ingest`: files into a dataset, over HTTP, a few jobs of at most ten files at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.content import ContentTypeName, SetThresholds, thresholds_set
from streams.cli.output import AsJson, Encoder, document, printable, progress, tell

if TYPE_CHECKING:
    from streams.cli.client import Client
    from streams.cli.place import Server
    from streams.pipeline import EncoderType

JOBS_AT_ONCE = 4  # so that the next files are uploaded while the last are heard


@dataclass(slots=True)
class Ingested:
    """What became of one file. `error`, and that of each failed task of a usable file, is `{code, message, remedy}`."""

    path: str
    blob_name: str | None = None
    track_id: str | None = None
    audio_s: float = 0.0
    reused: bool = False
    health: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    failed_tasks: dict[str, dict[str, str]] = field(default_factory=dict)


def ingest(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Files, folders, or - for a list on stdin.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", metavar="NAME", help="Made when there is none yet.")],
    encoder: Encoder = "type2",
    task: Annotated[
        list[str], typer.Option("--task", metavar="NAME", help="What to hear, one or more; light_stem brings stems.")
    ] = ["full_audio_latent"],  # noqa: B006  typer copies it
    *,
    content_type: ContentTypeName = "",
    threshold: SetThresholds = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Take audio files into a dataset."""
    from streams.cli.files import audio_files
    from streams.cli.place import configured, server
    from streams.errors import Invalid

    settings, at = configured(), server()
    content: dict[str, Any] = {"content_type": content_type} if content_type else {}
    if threshold:
        content["thresholds"] = thresholds_set(threshold)
    files = audio_files(paths, settings.upload_formats)
    if not files:
        formats = " ".join(settings.upload_formats)
        raise Invalid(f"there is no audio file in {', '.join(paths)}", f"name files, or folders with {formats} in them")
    began_s, files_per_job = time.monotonic(), settings.blobs_per_ingest
    with progress("ingesting", len(files)) as one_done:
        done = asyncio.run(
            ingest_all(
                at, files, dataset, encoder, tasks=task, content=content, files_per_job=files_per_job, one_done=one_done
            )
        )
    wall_s = time.monotonic() - began_s
    failed = [file for file in done if file.error]
    if as_json:
        report = {"dataset": dataset, **figures(done, wall_s), "files": [asdict(file) for file in done]}
        document(report)
    else:
        typer.echo(summary(dataset, done, wall_s))
    for file in failed:
        tell(f"soundtrace: {printable(file.path)}: {_words(file.error or {})}")
    lacking = [(file, name, error) for file in done for name, error in file.failed_tasks.items()]
    for file, name, error in lacking:
        tell(f"soundtrace: {printable(file.path)}: {name}: {_words(error)}")
    if failed or lacking:
        raise typer.Exit(1)


async def ingest_all(
    at: Server,
    files: list[Path],
    dataset: str,
    encoder: EncoderType,
    *,
    tasks: Sequence[str] = ("full_audio_latent",),
    content: Mapping[str, Any] | None = None,
    files_per_job: int,
    one_done: Callable[[], None] = lambda: None,
) -> list[Ingested]:
    """Upload and ingest all files and wait for their end; in the order given.

    Args:
        content: the content type and the thresholds of a dataset that is made now.
    """
    from streams.cli.client import Client

    todo = [Ingested(str(path)) for path in files]
    groups = [todo[start : start + files_per_job] for start in range(0, len(todo), files_per_job)]
    turn = asyncio.Semaphore(JOBS_AT_ONCE)

    async def in_turn(group: list[Ingested]) -> None:
        async with turn:
            await _ingest_group(client, group, dataset, encoder, tasks)
        for _ in group:
            one_done()

    async with Client(at) as client:
        await client.ensure_dataset(dataset, content)
        async with asyncio.TaskGroup() as running:
            for group in groups:
                running.create_task(in_turn(group))
    return todo


async def _ingest_group(
    client: Client, group: list[Ingested], dataset: str, encoder: EncoderType, tasks: Sequence[str]
) -> None:
    from streams.errors import InputError

    uploaded: dict[str, Ingested] = {}
    for file in group:
        try:
            blob = await client.upload(Path(file.path))
        except InputError as error:
            if error.code in ("unauthorized", "key-expired", "forbidden"):
                raise
            file.error = {"code": error.code, "message": error.message, "remedy": error.remedy}
        else:
            file.blob_name, file.audio_s = blob["blob_name"], blob.get("duration_s") or 0.0
            uploaded[blob["blob_name"]] = file
    if not uploaded:
        return
    body = {"dataset_name": dataset, "audio_blobs": list(uploaded), "tasks": list(tasks)}
    job = await client.ended(await client.start("ingest", encoder, body))
    for told in job["files"]:
        file = uploaded[told["blob_name"]]
        file.track_id, file.reused, file.health = told["track_id"], told["reused"], told["health"]
        made = [artifact for artifact in job["artifacts"] if artifact["blob_name"] == told["blob_name"]]
        if told["status"] == "completed":
            file.failed_tasks = {one["artifact_type"]: one["error"] for one in made if one["status"] == "failed"}
        file.error = told["error"] or (_ended_as(job, told["status"]) if told["status"] != "completed" else None)


def figures(done: Iterable[Ingested], wall_s: float) -> dict[str, float]:
    """The line of numbers that an ingest ends with."""
    files = list(done)
    audio_s = sum(file.audio_s for file in files if not file.error)
    return {
        "tracks": sum(not file.error for file in files),
        "failed": sum(bool(file.error) for file in files),
        "reused": sum(file.reused for file in files),
        "audio_s": round(audio_s, 1),
        "wall_s": round(wall_s, 1),
        "times_real_time": round(audio_s / wall_s, 1),
    }


def summary(dataset: str, done: Iterable[Ingested], wall_s: float) -> str:
    told = figures(done, wall_s)
    extra = [
        f"{told[name]} {words}" for name, words in (("reused", "heard before"), ("failed", "failed")) if told[name]
    ]
    tracks = f"{told['tracks']} tracks in '{dataset}'" + (f" ({', '.join(extra)})" if extra else "")
    return f"{tracks}: {told['audio_s']} s of audio in {told['wall_s']} s, {told['times_real_time']} × real time"


def _ended_as(job: dict[str, Any], status: str) -> dict[str, str]:
    return {"code": status, "message": job["error"] or f"the file ended as {status}", "remedy": ""}


def _words(error: dict[str, str]) -> str:
    return printable(": ".join(part for part in (error.get("message"), error.get("remedy")) if part))
