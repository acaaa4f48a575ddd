"""Records to rows of the read model: what each record says is joined into its job, its part and its artifact.

A job has parts: the files of an ingest, the queries of a search. Records of one job come over six topics in any order
and more than once; the rows depend only on which records came, not on when, so the clock is never asked. A record may
come before the request that made its job: it makes a partial row, which is not shown until a record tells the kind.
What follows from the rows, above all a job's status, is derived by `settle`.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from streams import codec, pipeline
from streams.errors import Invalid
from streams.records import (
    DeadLetter,
    Feature,
    Job,
    Problem,
    Progress,
    Record,
    SearchRequest,
    SearchResult,
    Upload,
    Work,
)
from streams.stores.jobrows import JobRows
from streams.stores.settle import settle
from streams.stores.tables import artifacts, jobs, offsets, parts

DAY_MS = 86_400_000


async def merge(connection: AsyncConnection, *records: Record, retention_days: int = 0) -> None:
    """Join records into the read model, in the caller's transaction.

    Args:
        retention_days: of a job, from its earliest record on; 0 leaves its end open.
    """
    keys = [await _merge_one(connection, record, retention_days * DAY_MS) for record in records]
    for tenant, job_id in sorted({key for key in keys if key is not None}):
        await settle(connection, tenant, job_id)


async def forget(connection: AsyncConnection) -> None:
    """Empty the read model. The projector then reads the topics again from where they begin."""
    for table in (jobs, parts, artifacts, offsets):
        await connection.execute(delete(table))


async def _merge_one(connection: AsyncConnection, record: Record, kept_ms: int) -> tuple[str, str] | None:
    """The key of the record's job, touched or not; None where it names none."""

    def rows(tenant: str, job_id: str, at: datetime) -> JobRows:
        return JobRows(connection, tenant, job_id, at, kept_ms)

    match record:
        case Upload():
            await _upload(job := rows(record.tenant, record.job.id, record.requested_at), record)
        case SearchRequest():
            await _search_request(job := rows(record.tenant, record.job_id, record.requested_at), record)
        case Progress():
            await _progress(job := rows(record.tenant, record.job.id, record.at), record)
        case Feature():
            await _feature(job := rows(record.tenant, record.job.id, record.created_at), record)
        case SearchResult():
            await _search_result(job := rows(record.tenant, record.job.id, record.completed_at), record)
        case DeadLetter(tenant=str() as tenant, job=Job() as part):
            await _dead_letter(job := rows(tenant, part.id, record.failed_at), record, part)
        case _:
            return None
    return job.key


async def _upload(job: JobRows, upload: Upload) -> None:
    said = await job.first_said()
    if upload.job.index >= upload.job.size or said not in (None, ("ingest", upload.job.size)):
        return  # `accept` refuses it as `job-inconsistent`
    await job.says(kind="ingest", size=upload.job.size)
    asked = {"dataset_name": upload.dataset_name, "encoder_type": upload.encoder_type, "tasks": list(upload.tasks)}
    await job.adds(asked)
    await job.part(upload.job.index, blob_name=upload.blob_uri, filename=upload.filename)


async def _search_request(job: JobRows, request: SearchRequest) -> None:
    said = await job.first_said()
    if said is not None and said[0] != "search":
        return
    await job.says(kind="search")
    await job.adds(_asked_of_search(request))


async def _progress(job: JobRows, progress: Progress) -> None:
    accepted = progress.stage == "accept" and progress.queries_total is not None  # only a search is accepted so
    await job.says(
        kind="search" if accepted else None,
        size=progress.queries_total,
        started_at_ms=job.at_ms if progress.status == "running" else None,
        pairs_total=progress.pairs_total,
        candidates_total=progress.candidates_total,
        candidates_skipped=progress.candidates_skipped,
        queries_skipped=progress.queries_skipped,
    )
    if progress.warnings:
        await job.adds({}, progress.warnings)
    if progress.status == "cancelled":
        await job.part_ended(progress.job.index, "cancelled", progress.event_id, stage=progress.stage)
    else:
        await job.part_is(progress.job.index, "running", stage=progress.stage)


async def _feature(job: JobRows, feature: Feature) -> None:
    if feature.dataset_name is None:  # a search's own audio: no file, and its kind is told elsewhere
        await job.says()
        return
    await job.says(kind="ingest", size=feature.job.size)
    if feature.kind == "index":
        await _indexed(job, feature)
    else:
        made = {"reused": feature.reused, "seconds_taken": feature.seconds_taken}
        await job.artifact(feature.job.index, kind=feature.kind, **made)


async def _indexed(job: JobRows, feature: Feature) -> None:
    problems = {task: problem.model_dump() for task, problem in sorted(feature.tasks_failed.items())}
    usable = bool(feature.tasks_done)
    await job.part_ended(
        feature.job.index,
        "completed" if usable else "failed",
        feature.event_id,
        blob_name=feature.blob_uri,
        error=None if usable else next(iter(problems.values()), None),
        outcome={
            "sha256": feature.audio_id,
            "track_id": feature.track_id,
            "health": feature.track.health.model_dump() if feature.track else None,
            "tasks_done": list(feature.tasks_done),
            "tasks_failed": problems,
        },
    )


async def _search_result(job: JobRows, result: SearchResult) -> None:
    await job.says(kind="search", size=result.job.size, candidates_skipped=result.candidates_skipped)
    await job.adds(_asked_of_search(result))
    await job.part_ended(
        result.job.index,
        result.status,
        result.event_id,
        error=result.error.model_dump() if result.error else None,
        outcome={
            "query_audio_id": result.query_audio_id,
            "candidates_compared": result.candidates_compared,
            "details_uri": result.details_uri,
        },
    )


async def _dead_letter(job: JobRows, letter: DeadLetter, part: Job) -> None:
    names = _names_of_upload(letter)
    if names is None or letter.error_code == "job-inconsistent":  # the latter speaks of a stray, not of the job
        return
    await job.says(kind="ingest", size=part.size)
    problem = Problem(code=letter.error_code, message=letter.message, remedy=letter.remedy)
    await job.part_ended(part.index, "failed", letter.event_id, error=problem.model_dump(), **names)


def _names_of_upload(letter: DeadLetter) -> dict[str, str | None] | None:
    """What the upload behind a letter calls its audio; None when no upload is behind it (a search answers itself)."""
    try:
        record = codec.decode(letter.value, "upload", "work")
        request = codec.decode(record.request, "upload", "search_request") if isinstance(record, Work) else record
    except Invalid as error:
        if letter.topic != pipeline.REQUEST_TOPICS["bulk"]:
            return None
        fields = error.facts.get("fields", {})
        return {"blob_name": fields.get("blob_uri"), "filename": fields.get("filename")}
    return {"blob_name": request.blob_uri, "filename": request.filename} if isinstance(request, Upload) else None


def _asked_of_search(record: SearchRequest | SearchResult) -> dict[str, str]:
    return {
        "profile": record.profile,
        "search_type": record.search_type.lower(),
        "depth": record.depth,
        "encoder_type": record.encoder_type,
    }
