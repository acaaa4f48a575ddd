"""The ledger: what the pipeline must remember about requests and works, so that doing a thing twice is harmless.

Which events were handled, what the first record of a job said, which jobs were cancelled, how often a work was begun
and failed. Truth like the catalogue, and in the same database.
"""

from __future__ import annotations

from sqlalchemy import delete, select

from streams.errors import Invalid
from streams.stores import tables
from streams.stores.catalogue import epoch_ms
from streams.stores.database import Database, insert


class Ledger:
    """Short questions and changes. Raises `Unavailable` when the database does not answer.

    Attempts and accepted events survive kills but not a loss of power: then a work is only done again.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    async def was_accepted(self, tenant: str, event_id: str) -> bool:
        columns = tables.accepted.c
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(columns.event_id).where(columns.tenant == tenant, columns.event_id == event_id)
            )
            return rows.first() is not None

    async def mark_accepted(self, tenant: str, event_id: str) -> None:
        """Said after the work was published: a crash in between repeats it, with the same ids."""
        values = {"tenant": tenant, "event_id": event_id, "accepted_at_ms": epoch_ms()}
        async with self.database.write(durable=False) as connection:
            await connection.execute(insert(connection, tables.accepted).values(values).on_conflict_do_nothing())

    async def agree_on_job(self, tenant: str, job_id: str, kind: str, index: int, size: int) -> None:
        """Hold a record to what the first record of its job said.

        Raises: `Invalid` `job-inconsistent` when kind or size differ, or the index is not below the size.
        """
        values = {"tenant": tenant, "job_id": job_id, "kind": kind, "size": size}
        said = await self._said(tenant, job_id)
        if said is None and index < size:
            async with self.database.write() as connection:
                await connection.execute(insert(connection, tables.job_sizes).values(values).on_conflict_do_nothing())
            said = await self._said(tenant, job_id)
        if index >= size or said != (kind, size):
            first = f"the job's first record said {said[0]} of {said[1]}" if said else "no record came before it"
            fact = f"record {index} of job '{job_id}' says {kind} of {size}, but {first}"
            remedy = "give all records of a job the same size and an index below it, or use a new job id"
            raise Invalid(fact, remedy, code="job-inconsistent")

    async def _said(self, tenant: str, job_id: str) -> tuple[str, int] | None:
        columns = tables.job_sizes.c
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(columns.kind, columns.size).where(columns.tenant == tenant, columns.job_id == job_id)
            )
            row = rows.first()
        return None if row is None else (row.kind, row.size)

    async def is_cancelled(self, tenant: str, job_id: str) -> bool:
        columns = tables.cancels.c
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(columns.job_id).where(columns.tenant == tenant, columns.job_id == job_id)
            )
            return rows.first() is not None

    async def begin_attempt(self, group: str, event_id: str) -> tuple[int, int]:
        """Count a start, durably, before the work begins. Returns (starts, failures) so far, this start included."""
        return await self._count(group, event_id, starts=1, failures=0)

    async def fail_attempt(self, group: str, event_id: str) -> int:
        """Count a failure the worker saw. Returns the failures so far."""
        return (await self._count(group, event_id, starts=0, failures=1))[1]

    async def forget_attempts(self, group: str, event_id: str) -> None:
        columns = tables.attempts.c
        async with self.database.write(durable=False) as connection:
            await connection.execute(
                delete(tables.attempts).where(columns.consumer_group == group, columns.event_id == event_id)
            )

    async def _count(self, group: str, event_id: str, starts: int, failures: int) -> tuple[int, int]:
        columns = tables.attempts.c
        async with self.database.write(durable=False) as connection:
            statement = insert(connection, tables.attempts).values(
                consumer_group=group, event_id=event_id, starts=starts, failures=failures
            )
            rows = await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["consumer_group", "event_id"],
                    set_={"starts": columns.starts + starts, "failures": columns.failures + failures},
                ).returning(columns.starts, columns.failures)
            )
            starts_now, failures_now = rows.one()
        return int(starts_now), int(failures_now)
