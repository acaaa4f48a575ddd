"""The outbox: a job that was promised is written down before it is published, and published until it is confirmed.

A POST writes its job rows and its records in one transaction, publishes, and answers after the broker's confirmation.
Nothing is promised while the broker cannot be reached at all; what was written but not confirmed is re-sent by the
pump, at start and from then on. A record may go out twice: whoever accepts it drops repeats by its `event_id`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import structlog
from sqlalchemy import and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from streams import pipeline
from streams.codec import Headers
from streams.errors import SoundtraceError, TooLarge, Unavailable
from streams.publish import Outgoing, job_of, outgoing
from streams.records import Record
from streams.settings import Settings
from streams.stores import tables
from streams.stores.database import Database
from streams.stores.projection import merge

CONFIRMATION_S = 10.0  # a caller waits so long for the broker's word
REACH_S = 2.0
GIVE_UP_S = 60.0  # then a delivery counts as lost and the pump takes it over
PUMP_S = (0.5, 10.0)  # first and longest pause between two rounds of the pump
PUMP_ROWS = 100
BESIDE_BYTES = 16_384  # key, headers and frame of a record

log = structlog.get_logger(__name__)


class Broker(Protocol):
    """What the outbox needs of `publish.Publisher`."""

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Raises `Unavailable` when the broker has not confirmed."""

    async def close(self) -> None: ...


class Unconfirmed(Unavailable):
    """Written down, not confirmed in time: the job of the message will run all the same."""


class Outbox:
    def __init__(self, database: Database, settings: Settings, broker: Broker) -> None:
        self._database = database
        self._settings = settings
        self._broker = broker
        self._in_flight: set[int] = set()  # rows that somebody is sending: the pump leaves them alone
        self._deliveries: set[asyncio.Task[None]] = set()

    async def post(self, records: Sequence[tuple[str, Record]], incoming: Headers) -> None:
        """Take on a job: its (topic, record) pairs, with the trace context of `incoming`.

        Raises: `Unavailable` when nothing was written, `Unconfirmed` when the job was and will run later, `TooLarge`
            `body-too-large` for what no topic of requests takes.
        """
        if not await self.reachable():
            raise Unavailable("the broker cannot be reached", "nothing was started: send the request again")
        letters = [outgoing(record, topic, incoming) for topic, record in records]
        limit_bytes = pipeline.ASKED_BYTES_MAX - BESIDE_BYTES
        if any(len(letter.value) > limit_bytes for letter in letters):
            fact = f"what this asks for takes more than {limit_bytes} bytes as a record"
            raise TooLarge(fact, "name less in one request", code="body-too-large", limit_bytes=limit_bytes)
        async with self._database.write() as connection:
            retention_days = self._settings.retention_days
            await merge(connection, *(record for _, record in records), retention_days=retention_days)
            ids = [await _write_down(connection, letter) for letter in letters]
            self._in_flight.update(ids)  # before the commit, after which the pump may see them
        delivery = self._deliver(ids, letters)
        await asyncio.wait({delivery}, timeout=CONFIRMATION_S)
        if not delivery.done() or delivery.exception():
            job_id = job_of(records[0][1])
            raise Unconfirmed(
                f"the broker has not confirmed yet; the request is kept and runs later as job '{job_id}'",
                f"poll job '{job_id}' instead of sending the request again",
                job_id=job_id,
            )

    async def reachable(self) -> bool:
        """Whether one of the broker's addresses takes a connection."""
        for address in self._settings.kafka_bootstrap.split(","):
            host, _, port = address.strip().rpartition(":")
            with suppress(OSError, TimeoutError, ValueError):
                async with asyncio.timeout(REACH_S):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.close()
                return True
        return False

    async def waiting(self) -> int:
        """Records written down and not yet confirmed."""
        async with self._database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(tables.outbox))).scalar_one())

    async def run(self) -> None:
        """The pump: re-sends what nobody is sending, for ever, with a pause that grows while the broker is away."""
        pause_s = PUMP_S[0]
        while True:
            try:
                await self._pump()
                pause_s = PUMP_S[0]
            except SoundtraceError as error:
                log.warning("outbox.waiting", reason=error.message, again_in_s=pause_s)
                pause_s = min(2 * pause_s, PUMP_S[1])
            await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """Let what is being sent be confirmed, for a moment; the rest stays in the table."""
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=REACH_S)
        for delivery in self._deliveries:
            delivery.cancel()
        await self._broker.close()

    async def _pump(self) -> None:
        async with self._database.read() as connection:
            oldest = select(tables.outbox).order_by(tables.outbox.c.id).limit(PUMP_ROWS)
            found = (await connection.execute(oldest)).all()
        if rows := [row for row in found if row.id not in self._in_flight]:
            self._in_flight.update(row.id for row in rows)
            letters = [
                Outgoing(row.topic, row.key, row.value, [(name, value.encode()) for name, value in row.headers])
                for row in rows
            ]
            await self._deliver([row.id for row in rows], letters)

    def _deliver(self, ids: Sequence[int], letters: Sequence[Outgoing]) -> asyncio.Task[None]:
        """Send, and forget what was confirmed. Goes on when whoever asked no longer waits."""

        async def deliver() -> None:
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    await self._broker.publish(letters)
                async with self._database.write(durable=False) as connection:
                    for row_id, letter in zip(ids, letters, strict=True):  # an emptied table gives its ids again
                        sent = and_(tables.outbox.c.id == row_id, tables.outbox.c.value == letter.value)
                        await connection.execute(delete(tables.outbox).where(sent))
            except TimeoutError as error:
                raise Unavailable("the broker does not confirm", "see that it runs") from error
            finally:
                self._in_flight.difference_update(ids)

        task = asyncio.create_task(deliver())
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # looked at: no "never retrieved"
        return task


async def _write_down(connection: AsyncConnection, letter: Outgoing) -> int:
    """Put a record into the outbox, in the caller's transaction. Returns its row's id."""
    headers = [[name, content.decode()] for name, content in letter.headers]
    row = {"topic": letter.topic, "key": letter.key, "value": letter.value, "headers": headers}
    rows = await connection.execute(tables.outbox.insert().values(row).returning(tables.outbox.c.id))
    return int(rows.scalar_one())
