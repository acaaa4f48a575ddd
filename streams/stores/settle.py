"""What follows from a job's rows: its status (contract, B3), how many parts ended, the sentence about what failed."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from streams.stores.tables import cancels, job_sizes, jobs, parts

ENDED = ("completed", "failed", "cancelled")
PART_NAMES = {"ingest": "files", "search": "queries"}


def job_status(size: int | None, counts: Mapping[str, int], *, started: bool, cancelled: bool) -> str:
    """A job's status from how many of its `size` parts have which one. Never asked in what order things came."""
    if cancelled:
        return "cancelled"
    ended = sum(counts.get(status, 0) for status in ENDED)
    if size is None or ended < size:
        return "running" if started or ended else "pending"
    return next(status for status in ENDED if counts.get(status))  # usable at all: completed


async def settle(connection: AsyncConnection, tenant: str, job_id: str) -> None:
    """Write what follows from the rows into the job's row. A job that has none yet is left alone.

    Kind and an ingest's size are the catalogue's (`job_sizes`, from the first accepted record) where it knows them: a
    later record that disagrees is refused, and must not stretch the job. A search's size is its m, which only the
    read model knows. Parts beyond the size are strays and do not count. A `cancels` row ends the job for good.
    """
    mine = and_(jobs.c.tenant == tenant, jobs.c.job_id == job_id)
    said = (job_sizes.c.tenant == tenant) & (job_sizes.c.job_id == job_id)
    stopped = (cancels.c.tenant == tenant) & (cancels.c.job_id == job_id)
    found = await connection.execute(
        select(
            *(jobs.c[name] for name in ("kind", "size", "started_at_ms", "updated_at_ms")),
            job_sizes.c.kind.label("first_kind"),
            job_sizes.c.size.label("first_size"),
            cancels.c.cancelled_at_ms,
        )
        .select_from(jobs.outerjoin(job_sizes, said).outerjoin(cancels, stopped))
        .where(mine)
    )
    job = found.first()
    if job is None:
        return
    kind = job.first_kind or job.kind
    size = job.first_size if job.first_kind == "ingest" else job.size
    of_job = and_(parts.c.tenant == tenant, parts.c.job_id == job_id, parts.c.part_index < (size or 1))
    tally = await connection.execute(
        select(parts.c.status, func.count().label("parts"), func.max(parts.c.finished_at_ms).label("last_ms"))
        .where(of_job)
        .group_by(parts.c.status)
    )
    rows = tally.all()
    counts = {row.status: row.parts for row in rows}
    cancelled = job.cancelled_at_ms is not None
    status = job_status(size, counts, started=job.started_at_ms is not None, cancelled=cancelled)
    finished_at_ms, error = job.cancelled_at_ms, None
    if status in ENDED and not cancelled:
        finished_at_ms = max(row.last_ms for row in rows if row.last_ms is not None)
        if counts.get("failed"):
            first = await connection.execute(
                select(parts.c.error).where(of_job, parts.c.status == "failed").order_by(parts.c.part_index).limit(1)
            )
            reason = (first.scalar_one() or {}).get("message", "nothing of it could be used")
            error = reason if size == 1 else f"{counts['failed']} of {size} {PART_NAMES[kind]} failed: {reason}"
    await connection.execute(
        update(jobs)
        .where(mine)
        .values(
            kind=kind,
            size=size,
            status=status,
            parts_done=counts.get("completed", 0),
            parts_failed=counts.get("failed", 0),
            error=error,
            updated_at_ms=max(job.updated_at_ms, job.cancelled_at_ms or 0),
            finished_at_ms=finished_at_ms,
        )
    )
