"""A job's rows, and how what a record says is joined into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from streams.stores.catalogue import epoch_ms
from streams.stores.joins import Join, furthest, greatest, least, outcome
from streams.stores.tables import artifacts, job_sizes, jobs, parts

JOBS = Join(
    jobs,
    kind=least,  # two kinds under one id: the catalogue's word overrules this (`settle`)
    size=least,  # the same for two sizes; the least, as a job that ended must not begin again
    pairs_total=greatest,
    candidates_total=greatest,
    candidates_skipped=greatest,
    queries_skipped=greatest,
    created_at_ms=least,
    updated_at_ms=greatest,
    started_at_ms=least,
    expires_at_ms=least,
)
PARTS = Join(
    parts,
    stage=furthest,
    blob_name=least,
    filename=least,
    status=outcome,
    error=outcome,
    outcome=outcome,
    finished_at_ms=outcome,
    finished_by=outcome,
)
ARTIFACTS = Join(
    artifacts,
    reused=least,  # made once and found by a repeat: it was made
    seconds_taken=greatest,
)


class JobRows:
    """The job a record belongs to, and the moment it speaks of."""

    def __init__(self, connection: AsyncConnection, tenant: str, job_id: str, at: datetime, kept_ms: int) -> None:
        self.connection = connection
        self.key = (tenant, job_id)
        self.at_ms = epoch_ms(at)
        self._names: dict[str, Any] = {"tenant": tenant, "job_id": job_id}
        self._times: dict[str, Any] = {
            "created_at_ms": self.at_ms,
            "updated_at_ms": self.at_ms,
            "expires_at_ms": self.at_ms + kept_ms if kept_ms else None,
        }

    async def says(self, **facts: Any) -> None:
        await JOBS(self.connection, **self._names, **self._times, **facts)

    async def part(self, index: int, **facts: Any) -> None:
        await PARTS(self.connection, **self._names, part_index=index, **facts)

    async def part_is(self, index: int, status: str, **facts: Any) -> None:
        """Not ended: nothing hangs on this status yet."""
        nothing = dict.fromkeys(("error", "outcome", "finished_at_ms", "finished_by"))
        await self.part(index, status=status, **{**nothing, **facts})

    async def part_ended(self, index: int, status: str, event_id: str, **facts: Any) -> None:
        await self.part_is(index, status, finished_at_ms=self.at_ms, finished_by=event_id, **facts)

    async def artifact(self, index: int, **facts: Any) -> None:
        await ARTIFACTS(self.connection, **self._names, file_index=index, **facts)

    async def adds(self, asked: Mapping[str, Any], warnings: Iterable[str] = ()) -> None:
        """Join what SQL cannot: JSON. `says` came before and holds the row's lock."""
        mine = (jobs.c.tenant == self.key[0]) & (jobs.c.job_id == self.key[1])
        held = (await self.connection.execute(select(jobs.c.asked, jobs.c.warnings).where(mine))).one()
        joined = {
            "asked": {**held.asked, **{name: _joined(held.asked.get(name), said) for name, said in asked.items()}},
            "warnings": sorted({*held.warnings, *warnings}),
        }
        await self.connection.execute(update(jobs).where(mine).values(joined))

    async def first_said(self) -> tuple[str, int] | None:
        """Kind and size as the first accepted record of the job gave them: the later ones must agree."""
        names = job_sizes.c
        mine = (names.tenant == self.key[0]) & (names.job_id == self.key[1])
        row = (await self.connection.execute(select(names.kind, names.size).where(mine))).first()
        return (row.kind, row.size) if row else None


def _joined(held: Any, said: Any) -> Any:
    """Lists unite; of two words the lesser stays (a job's records should not differ in them)."""
    if isinstance(said, list):
        return sorted({*(held or ()), *said})
    return said if held is None else min(held, said)
