"""What a search is told: the query entry of the contract (A6) as JSON, and the same numbers as a `SearchResult`.

The JSON is stored before the record is published: `details_uri` never points to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from streams.artifacts import job_name
from streams.errors import SoundtraceError
from streams.ids import event_id
from streams.records import Job, Match, Problem, Record, SearchRequest, SearchResult, Work, now
from streams.stage import StageContext

MATCHES_IN_RECORD = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one query. Each of `matches`, best first, is there as a record and as the contract's JSON."""

    status: Literal["completed", "failed", "cancelled"]
    model_version: str
    error: Problem | None = None
    query_audio_id: str | None = None
    query_sha256: str | None = None
    health: Mapping[str, bool] | None = None
    matches: tuple[tuple[Match, dict[str, Any]], ...] = ()
    candidates_compared: int = 0
    candidates_skipped: int = 0
    seconds_taken: float = 0.0


async def say_failed(context: StageContext, record: Record, request: SearchRequest, error: SoundtraceError) -> None:
    """Answer every query that this record stood for with a failed result."""
    version = record.model_version if isinstance(record, Work) else ""
    await _say_to_all(context, record, request, Answer("failed", version, Problem.of(error)))


async def say_cancelled(context: StageContext, work: Work, request: SearchRequest) -> None:
    """Answer every query of a work whose job was cancelled, so that nobody waits for it on `results`."""
    await _say_to_all(context, work, request, Answer("cancelled", work.model_version))


async def _say_to_all(context: StageContext, record: Record, request: SearchRequest, answer: Answer) -> None:
    first, size, count = (record.job.index, record.job.size, record.queries) if isinstance(record, Work) else (0, 1, 1)
    for index in range(first, first + count):
        await say(context, request, Job(id=request.job_id, index=index, size=size), answer)


async def say(context: StageContext, request: SearchRequest, job: Job, answer: Answer) -> None:
    """Store one query's complete entry, then publish its result with the first 100 matches."""
    query = answer.query_audio_id or request.query_uri
    entry = {
        "query_audio_id": query,
        "query_index": job.index,
        "status": answer.status,
        "error": answer.error.model_dump() if answer.error else None,
        "health": None if answer.health is None else dict(answer.health),
        "matches": [document for _, document in answer.matches],
    }
    uri = job_name(request.tenant, request.job_id, f"details/{job.index}")
    await context.blobs.put(uri, json.dumps(entry, allow_nan=False).encode())
    context.say(
        SearchResult(
            event_id=event_id(request.tenant, job.id, job.index, "result"),
            tenant=request.tenant,
            completed_at=now(),
            job=job,
            status=answer.status,
            error=answer.error,
            profile=request.profile,
            search_type=request.search_type,
            depth=request.depth,
            encoder_type=request.encoder_type,
            query_audio_id=query,
            query_sha256=answer.query_sha256,
            candidates_compared=answer.candidates_compared,
            candidates_skipped=answer.candidates_skipped,
            matches=tuple(match for match, _ in answer.matches[:MATCHES_IN_RECORD]),
            details_uri=uri,
            model_version=answer.model_version,
            seconds_taken=answer.seconds_taken,
        ),
        "results",
    )
