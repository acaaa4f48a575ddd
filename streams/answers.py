"""What a search is told: the query entry of the contract (A6) as JSON, and the same numbers as a `SearchResult`.

The JSON is stored before the record is published: `details_uri` never points to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from streams.artifacts import job_name
from streams.errors import SoundtraceError
from streams.ids import event_id
from streams.records import Job, Match, Problem, Record, SearchRequest, SearchResult, Work, now
from streams.stage import StageContext

MATCHES_IN_RECORD = 100


async def say_failed(context: StageContext, record: Record, request: SearchRequest, error: SoundtraceError) -> None:
    """Answer every query that this record stood for with a failed result."""
    first, size = (record.job.index, record.job.size) if isinstance(record, Work) else (0, 1)
    count = record.queries if isinstance(record, Work) else 1
    version = record.model_version if isinstance(record, Work) else ""
    for index in range(first, first + count):
        job = Job(id=request.job_id, index=index, size=size)
        await say(context, request, job, status="failed", error=Problem.of(error), model_version=version)


async def say(
    context: StageContext,
    request: SearchRequest,
    job: Job,
    *,
    status: str,
    model_version: str,
    error: Problem | None = None,
    query_audio_id: str | None = None,
    query_sha256: str | None = None,
    health: Mapping[str, bool] | None = None,
    matches: Iterable[tuple[Match, dict[str, Any]]] = (),
    candidates_compared: int = 0,
    candidates_skipped: int = 0,
    seconds_taken: float = 0.0,
) -> None:
    """Store one query's complete entry, then publish its result with the first 100 matches.

    `matches` are pairs of the same match as a record and as the contract's JSON, best first.
    """
    both = list(matches)
    entry = {
        "query_audio_id": query_audio_id or request.query_uri,
        "query_index": job.index,
        "status": status,
        "error": error.model_dump() if error else None,
        "health": dict(health) if health is not None else None,
        "matches": [document for _, document in both],
    }
    uri = job_name(request.tenant, request.job_id, f"details/{job.index}")
    await context.blobs.put(uri, json.dumps(entry, allow_nan=False).encode())
    context.say(
        SearchResult.model_validate(
            {
                "event_id": event_id(request.tenant, job.id, job.index, "result"),
                "tenant": request.tenant,
                "completed_at": now(),
                "job": job,
                "status": status,
                "error": error,
                "profile": request.profile,
                "search_type": request.search_type,
                "depth": request.depth,
                "encoder_type": request.encoder_type,
                "query_audio_id": query_audio_id or request.query_uri,
                "query_sha256": query_sha256,
                "candidates_compared": candidates_compared,
                "candidates_skipped": candidates_skipped,
                "matches": tuple(match for match, _ in both[:MATCHES_IN_RECORD]),
                "details_uri": uri,
                "model_version": model_version,
                "seconds_taken": seconds_taken,
            }
        ),
        "results",
    )
