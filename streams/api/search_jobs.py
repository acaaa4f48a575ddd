"""How a search job is shown: its results are the stored query entries, passed through as they are (contract, A6)."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from streams.api.job_times import PolledJob, common, kind_of
from streams.api.schemas import Envelope
from streams.stores.blobs import BlobMissing, Blobs
from streams.stores.readmodel import JobView, QueryView

READS = 16  # entries read at a time

Entry = Annotated[
    dict[str, Any],
    Field(description="One query: query_audio_id, query_index, status, error, health, matches (best first)"),
]


class SearchProgress(BaseModel):
    queries_total: int
    queries_done: int
    pairs_total: int | None
    pairs_done: int


class SearchResults(BaseModel):
    status: Literal["success"] = "success"
    timestamp: str = Field(description="YYYY-MM-DD HH:MM:SS, UTC")
    search_type: str | None
    results: list[Entry]


class SearchJob(PolledJob):
    usecase_id: str
    search_type: str | None
    depth: str | None
    n: int | None
    m: int
    candidates_skipped: int
    queries_skipped: int
    progress: SearchProgress
    partial_results: list[Entry] = Field([])
    results: SearchResults | None


class SearchJobAnswer(Envelope):
    data: SearchJob


def search_progress(job: JobView) -> SearchProgress:
    done = job.parts_done + job.parts_failed
    pairs_done = (job.pairs_total or 0) * done // job.size
    return SearchProgress(queries_total=job.size, queries_done=done, pairs_total=job.pairs_total, pairs_done=pairs_done)


async def show_search(job: JobView, queries: list[QueryView], blobs: Blobs) -> SearchJob:
    """The job with what it found so far: `partial_results` while it runs, `results` once it is completed."""
    entries = await _entries(queries, blobs) if job.status in ("running", "completed") else []
    results = None
    if job.status == "completed":
        finished = datetime.fromtimestamp((job.finished_at_ms or job.updated_at_ms) // 1000, UTC)
        timestamp = finished.strftime("%Y-%m-%d %H:%M:%S")
        results = SearchResults(timestamp=timestamp, search_type=job.asked["search_type"], results=entries)
    return SearchJob(
        **common(job),
        usecase_id=kind_of(job),
        search_type=job.asked["search_type"],
        depth=job.asked["depth"],
        n=1 if job.asked["search_type"] == "1:1" else job.candidates_total,
        m=job.size,
        candidates_skipped=job.candidates_skipped,
        queries_skipped=job.queries_skipped,
        progress=search_progress(job),
        partial_results=entries if job.status == "running" else [],
        results=results,
    )


async def _entries(queries: list[QueryView], blobs: Blobs) -> list[dict[str, Any]]:
    turns = asyncio.Semaphore(READS)

    async def entry(query: QueryView) -> dict[str, Any]:
        async with turns:
            try:
                stored: dict[str, Any] = json.loads(await blobs.get(query.details_uri or ""))
            except BlobMissing:
                return _without_details(query)
        return stored

    ended = [query for query in queries if query.details_uri]
    return list(await asyncio.gather(*(entry(query) for query in ended)))


def _without_details(query: QueryView) -> dict[str, Any]:
    """What is left to say when the stored entry was swept before its job."""
    return {
        "query_audio_id": query.query_audio_id,
        "query_index": query.index,
        "status": query.status,
        "error": query.error.model_dump() if query.error else None,
        "health": None,
        "matches": [],
    }
