"""What callers may ask about their jobs: one question, one snapshot. `merge` (projection.py) makes the rows.

A job is shown once a record has told its kind. Another tenant's, an expired and an unknown job answer alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import RowMapping, and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from streams.errors import Conflict, NotFound
from streams.records import Health, Problem
from streams.stores.catalogue import epoch_ms
from streams.stores.database import Database, insert
from streams.stores.projection import merge
from streams.stores.settle import ENDED, settle
from streams.stores.tables import artifacts, cancels, jobs, parts

__all__ = ["ArtifactView", "FileView", "JobView", "QueryView", "ReadModel", "merge"]

UNSAID: Mapping[str, Mapping[str, Any]] = {  # of a job whose request has not been read, or could not be
    "ingest": {"dataset_name": None, "encoder_type": None, "tasks": []},
    "search": {"profile": "search", "search_type": None, "depth": None, "encoder_type": None},
}


@dataclass(frozen=True, slots=True)
class JobView:
    """A job. `size` files or queries, of which `parts_done` completed and `parts_failed` failed; times in epoch ms.

    `asked` of an ingest: dataset_name, encoder_type, tasks; of a search: profile, search_type, depth, encoder_type.
    """

    job_id: str
    kind: str
    status: str
    size: int
    parts_done: int
    parts_failed: int
    asked: Mapping[str, Any]
    pairs_total: int | None
    candidates_total: int | None
    candidates_skipped: int
    queries_skipped: int
    warnings: tuple[str, ...]
    error: str | None
    created_at_ms: int
    updated_at_ms: int
    started_at_ms: int | None
    finished_at_ms: int | None
    expires_at_ms: int | None


@dataclass(frozen=True, slots=True)
class ArtifactView:
    kind: str
    reused: bool
    seconds_taken: float


@dataclass(frozen=True, slots=True)
class FileView:
    """A file of an ingest. `stage` is the furthest one it reached."""

    index: int
    status: str
    stage: str | None
    blob_name: str
    filename: str
    error: Problem | None
    sha256: str | None
    track_id: str | None
    health: Health | None
    tasks_done: tuple[str, ...]
    tasks_failed: Mapping[str, Problem]
    artifacts: tuple[ArtifactView, ...]
    finished_at_ms: int | None


@dataclass(frozen=True, slots=True)
class QueryView:
    """A query of a search. `details_uri` names its stored answer, once there is one."""

    index: int
    status: str
    error: Problem | None
    query_audio_id: str | None
    candidates_compared: int
    details_uri: str | None
    finished_at_ms: int | None


class ReadModel:
    """Questions, and the one change a caller may make. Raises `Unavailable` when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def job(self, tenant: str, job_id: str) -> JobView:
        """Raises: `NotFound` `job-not-found`."""
        async with self.database.read() as connection:
            return await _job(connection, tenant, job_id)

    async def files(self, tenant: str, job_id: str) -> list[FileView]:
        """The files of an ingest heard of so far, by index. Raises: `NotFound` `job-not-found`."""
        async with self.database.read() as connection:
            job = await _job(connection, tenant, job_id)
            rows = await _parts(connection, tenant, job)
            of_job = and_(artifacts.c.tenant == tenant, artifacts.c.job_id == job_id)
            found = await connection.execute(select(artifacts).where(of_job).order_by(artifacts.c.kind))
            made: dict[int, list[ArtifactView]] = {}
            for row in found:
                made.setdefault(row.file_index, []).append(ArtifactView(row.kind, row.reused, row.seconds_taken))
        return [_file(row, job, made.get(row["part_index"], [])) for row in rows]

    async def queries(self, tenant: str, job_id: str) -> list[QueryView]:
        """The queries of a search heard of so far, by index. Raises: `NotFound` `job-not-found`."""
        async with self.database.read() as connection:
            job = await _job(connection, tenant, job_id)
            return [_query(row, job) for row in await _parts(connection, tenant, job)]

    async def jobs(
        self,
        tenant: str,
        kind: str | None = None,
        status: str | None = None,
        limit: int = 50,
        before: tuple[int, str] | None = None,
    ) -> list[JobView]:
        """A tenant's jobs, newest first.

        Args:
            before: (created_at_ms, job_id) of the last job of the page before; jobs made meanwhile change nothing.
        """
        age = (jobs.c.created_at_ms, jobs.c.job_id)
        conditions = [jobs.c.tenant == tenant, _shown()]
        conditions += [jobs.c.kind == kind] if kind else []
        conditions += [jobs.c.status == status] if status else []
        conditions += [tuple_(*age) < before] if before else []
        newest = [column.desc() for column in age]
        async with self.database.read() as connection:
            rows = await connection.execute(select(jobs).where(*conditions).order_by(*newest).limit(limit))
            return [_view(row) for row in rows.mappings()]

    async def cancel(self, tenant: str, job_id: str) -> JobView:
        """Stop a job: what was finished stays, the rest is dropped at its next stage.

        Raises: `NotFound` `job-not-found`; `Conflict` `job-finished` when it came to an end before.
        """
        async with self.database.write() as connection:
            job = await _job(connection, tenant, job_id, lock=True)
            if job.status in ENDED:
                raise Conflict(
                    f"job '{job_id}' is {job.status}", "there is nothing left to cancel", code="job-finished"
                )
            values = {"tenant": tenant, "job_id": job_id, "cancelled_at_ms": epoch_ms()}
            await connection.execute(insert(connection, cancels).values(values).on_conflict_do_nothing())
            await settle(connection, tenant, job_id)
            return await _job(connection, tenant, job_id)


def _shown() -> Any:
    alive = or_(jobs.c.expires_at_ms.is_(None), jobs.c.expires_at_ms > epoch_ms())
    return and_(jobs.c.kind.is_not(None), alive)


async def _job(connection: AsyncConnection, tenant: str, job_id: str, *, lock: bool = False) -> JobView:
    question = select(jobs).where(jobs.c.tenant == tenant, jobs.c.job_id == job_id, _shown())
    row = (await connection.execute(question.with_for_update() if lock else question)).mappings().first()
    if row is None:
        raise NotFound(f"there is no job '{job_id}'", "check the id, or list your jobs", code="job-not-found")
    return _view(row)


async def _parts(connection: AsyncConnection, tenant: str, job: JobView) -> Sequence[RowMapping]:
    of_job = and_(parts.c.tenant == tenant, parts.c.job_id == job.job_id, parts.c.part_index < job.size)
    return (await connection.execute(select(parts).where(of_job).order_by(parts.c.part_index))).mappings().all()


def _view(row: RowMapping) -> JobView:
    values = {column.name: row[column.name] for column in fields(JobView)}
    values["size"] = row["size"] or 1
    values["asked"] = {**UNSAID[row["kind"]], **row["asked"]}
    values["warnings"] = tuple(row["warnings"])
    return JobView(**values)


def _status(row: RowMapping, job: JobView) -> str:
    """A part's own end stays what it is when its job was cancelled; the others are cancelled with it."""
    return "cancelled" if job.status == "cancelled" and row["status"] not in ENDED else str(row["status"])


def _file(row: RowMapping, job: JobView, made: list[ArtifactView]) -> FileView:
    outcome: Mapping[str, Any] = row["outcome"] or {}
    blob_name = row["blob_name"] or ""
    return FileView(
        index=row["part_index"],
        status=_status(row, job),
        stage=row["stage"],
        blob_name=blob_name,
        filename=row["filename"] or blob_name.rpartition("/")[2],
        error=_problem(row["error"]),
        sha256=outcome.get("sha256"),
        track_id=outcome.get("track_id"),
        health=Health.model_validate(outcome["health"]) if outcome.get("health") else None,
        tasks_done=tuple(outcome.get("tasks_done", ())),
        tasks_failed={
            task: Problem.model_validate(problem) for task, problem in outcome.get("tasks_failed", {}).items()
        },
        artifacts=tuple(made),
        finished_at_ms=row["finished_at_ms"],
    )


def _query(row: RowMapping, job: JobView) -> QueryView:
    outcome: Mapping[str, Any] = row["outcome"] or {}
    return QueryView(
        index=row["part_index"],
        status=_status(row, job),
        error=_problem(row["error"]),
        query_audio_id=outcome.get("query_audio_id"),
        candidates_compared=outcome.get("candidates_compared", 0),
        details_uri=outcome.get("details_uri"),
        finished_at_ms=row["finished_at_ms"],
    )


def _problem(fields: Mapping[str, str] | None) -> Problem | None:
    return Problem.model_validate(fields) if fields else None
