"""What every kind of job tells in a poll (contract, A4 and A6)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from streams.api.schemas import JobStatus, Out, Time, maybe_rfc3339, rfc3339
from streams.stores.readmodel import JobView


class JobError(BaseModel):
    """Why a file, a task or a query failed."""

    code: str
    message: str
    remedy: str


class PolledJob(Out):
    job_id: str
    kind: str
    status: JobStatus
    error: str | None
    encoder_type: str | None
    created_at: Time
    updated_at: Time
    started_at: Time | None
    finished_at: Time | None
    expires_at: Time | None
    cost_usd: float = 0.0


def common(job: JobView) -> dict[str, Any]:
    """The fields of `PolledJob`."""
    return {
        "job_id": job.job_id,
        "kind": kind_of(job),
        "status": job.status,
        "error": job.error,
        "encoder_type": job.asked["encoder_type"],
        "created_at": rfc3339(job.created_at_ms),
        "updated_at": rfc3339(job.updated_at_ms),
        "started_at": maybe_rfc3339(job.started_at_ms),
        "finished_at": maybe_rfc3339(job.finished_at_ms),
        "expires_at": maybe_rfc3339(job.expires_at_ms),
        "warnings": list(job.warnings),
    }


def kind_of(job: JobView) -> str:
    """`ingest`, or the profile that a search was asked with."""
    return job.kind if job.kind == "ingest" else str(job.asked["profile"])
