"""Jobs: polled, listed, cancelled (contract, A4, A6, B3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import web

from streams.api.datasets import make_cursor, read_cursor
from streams.api.ingest_jobs import FilesProgress, IngestJob, IngestJobAnswer, files_progress, show_ingest
from streams.api.job_times import kind_of
from streams.api.posting import POLL_S
from streams.api.routing import Answer
from streams.api.schemas import (
    CancelAnswer,
    Cancelled,
    Envelope,
    JobsQuery,
    JobStatus,
    Out,
    Time,
    rfc3339,
)
from streams.api.search_jobs import SearchJob, SearchJobAnswer, SearchProgress, search_progress, show_search
from streams.api.state import BLOBS, READ_MODEL, tenant_of
from streams.errors import Invalid, NotFound
from streams.stores.readmodel import JobView

JOB_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
POSITION = re.compile(r"(\d{1,18})/(.{1,128})")


class JobAnswer(Envelope):
    data: IngestJob | SearchJob


class ListedJob(Out):
    job_id: str
    kind: str
    status: JobStatus
    created_at: Time
    updated_at: Time
    progress: FilesProgress | SearchProgress
    error: str | None


class JobPage(Out):
    jobs: list[ListedJob]
    next_cursor: str | None


class JobPageAnswer(Envelope):
    data: JobPage


async def show(request: web.Request, job_id: str) -> Answer[JobAnswer]:
    """Any job: an ingest as GET /trace/v1/ingest/{job_id} shows it, a search with its results."""
    job = await _find(request, job_id)
    data = await (_ingest if job.kind == "ingest" else _searched)(request, job)
    return Answer(JobAnswer(data=data), _headers(job))


async def show_ingested(request: web.Request, job_id: str) -> Answer[IngestJobAnswer]:
    """An ingest job."""
    job = await _find(request, job_id, "ingest")
    return Answer(IngestJobAnswer(data=await _ingest(request, job)), _headers(job))


async def show_comprehensive(request: web.Request, job_id: str) -> Answer[SearchJobAnswer]:
    """A comprehensive search job."""
    job = await _find(request, job_id, "comprehensive1")
    return Answer(SearchJobAnswer(data=await _searched(request, job)), _headers(job))


async def show_all(request: web.Request, query: JobsQuery) -> Answer[JobPageAnswer]:
    """The jobs, newest first, page by page."""
    before = None
    if query.cursor is not None:
        position = POSITION.fullmatch(read_cursor(query.cursor))
        if not position:
            raise Invalid("the cursor is not one of ours", "take next_cursor unchanged", code="invalid-cursor")
        before = (int(position[1]), position[2])
    found = await request.app[READ_MODEL].jobs(tenant_of(request), query.kind, query.status, query.limit + 1, before)
    page = found[: query.limit]
    following = make_cursor(f"{page[-1].created_at_ms}/{page[-1].job_id}") if len(found) > len(page) else None
    return Answer(JobPageAnswer(data=JobPage(jobs=[_listed(job) for job in page], next_cursor=following)))


async def cancel(request: web.Request, job_id: str) -> Answer[CancelAnswer]:
    """Stop a job: what was finished stays."""
    _check_id(job_id)
    cancelled = await request.app[READ_MODEL].cancel(tenant_of(request), job_id)
    return Answer(CancelAnswer(data=Cancelled(job_id=cancelled.job_id)))


async def _find(request: web.Request, job_id: str, kind: str | None = None) -> JobView:
    _check_id(job_id)
    job = await request.app[READ_MODEL].job(tenant_of(request), job_id)
    if kind and kind_of(job) != kind:
        raise _unknown()
    return job


async def _ingest(request: web.Request, job: JobView) -> IngestJob:
    return show_ingest(job, await request.app[READ_MODEL].files(tenant_of(request), job.job_id))


async def _searched(request: web.Request, job: JobView) -> SearchJob:
    queries = await request.app[READ_MODEL].queries(tenant_of(request), job.job_id)
    return await show_search(job, queries, request.app[BLOBS])


def _listed(job: JobView) -> ListedJob:
    return ListedJob.model_validate(
        {
            "job_id": job.job_id,
            "kind": kind_of(job),
            "status": job.status,
            "created_at": rfc3339(job.created_at_ms),
            "updated_at": rfc3339(job.updated_at_ms),
            "progress": files_progress(job) if job.kind == "ingest" else search_progress(job),
            "error": job.error,
        }
    )


def _headers(job: JobView) -> Mapping[str, str]:
    return {"Retry-After": str(POLL_S)} if job.status in ("pending", "running") else {}


def _check_id(job_id: str) -> None:
    if not JOB_ID.fullmatch(job_id):
        raise _unknown()


def _unknown() -> NotFound:
    return NotFound("there is no such job", "check the id, or list your jobs", code="job-not-found")
