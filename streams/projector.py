"""The projector: reads the topics that tell of jobs, and keeps the read model up to date.

A plain consumer without a group: the next offsets are stored in the transaction of the rows they led to, so neither is
ever ahead of the other, and an empty read model is filled again from the topics. Several may run at once, as merging
the same record twice changes nothing. Broker and database may go and come back; it waits for them, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from sqlalchemy import select

from streams import codec
from streams.errors import Invalid, Unavailable
from streams.records import Record
from streams.settings import Settings
from streams.stores.database import Database
from streams.stores.joins import Join, replaced
from streams.stores.projection import merge
from streams.stores.tables import offsets
from streams.topics import full_name

SOURCES = {
    "uploads": "upload",
    "search-requests": "search_request",
    "progress": "progress",
    "features": "feature",
    "results": "search_result",
    "dead-letters": "dead_letter",
}
BATCH_RECORDS = 100  # one transaction: other writers wait for it
POLL_MS = 500
RETRY_FIRST_S = 0.2
OFFSETS = Join(offsets, next_offset=replaced)

log = structlog.get_logger(__name__)


class Projector:
    """`run` it until cancelled. `caught_up` is set once all that was in the topics at its start is in the rows."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.caught_up = asyncio.Event()
        self._database = database
        self._settings = settings
        self._records = {full_name(topic, settings): record for topic, record in SOURCES.items()}
        self._ends: dict[TopicPartition, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._pause_s = RETRY_FIRST_S

    def lag(self) -> int:
        """Records in the topics, as far as the broker has told, that are not in the rows yet."""
        return sum(max(0, end - self._positions.get(partition, 0)) for partition, end in self._ends.items())

    async def run(self) -> None:
        """Follow the topics for ever. What is not a fault of broker or database is ours, and is raised."""
        while True:
            try:
                await self._follow()
            except (Unavailable, KafkaError, OSError) as error:
                log.error("projector.waiting", reason=str(error), kind=type(error).__name__, again_in_s=self._pause_s)
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, self._settings.retry_cap_s)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
            await self._begin(consumer)
            while True:
                batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
                await self._apply(batches)
                self._pause_s = RETRY_FIRST_S
                await self._measure(consumer)
        finally:
            await consumer.stop()

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        """Go to where the rows end; to the topic's beginning where nothing is stored or what is stored is gone."""
        partitions = await self._partitions()
        consumer.assign(partitions)
        begins = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        stored = await self._stored()
        for partition in partitions:
            begin, end = begins[partition], ends[partition]
            position = stored.get(partition, begin)
            if not begin <= position <= end:
                log.warning("projector.offset-gone", topic=partition.topic, partition=partition.partition, at=position)
                position = begin
            consumer.seek(partition, position)
            self._positions[partition] = position
        self._ends = dict(ends)

    async def _partitions(self) -> list[TopicPartition]:
        """Raises: `Unavailable` while a topic is missing (the broker is never made to create one)."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.kafka_bootstrap)
        try:
            await admin.start()
            found = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
        finally:
            await admin.close()
        missing = sorted(self._records.keys() - {topic for topic, partitions in found.items() if partitions})
        if missing:
            raise Unavailable(f"there is no topic {', '.join(missing)} yet", "any worker creates it at its start")
        return [TopicPartition(topic, row["partition"]) for topic in self._records for row in found[topic]]

    async def _stored(self) -> dict[TopicPartition, int]:
        async with self._database.read() as connection:
            rows = await connection.execute(select(offsets))
            return {TopicPartition(row.topic, row.partition): row.next_offset for row in rows}

    async def _apply(self, batches: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        if not batches:
            return
        records = [record for batch in batches.values() for message in batch if (record := self._decode(message))]
        async with self._database.write(durable=False) as connection:  # lost rows and offsets are lost together
            await merge(connection, *records, retention_days=self._settings.retention_days)
            for partition, batch in batches.items():
                place = {"topic": partition.topic, "partition": partition.partition}
                await OFFSETS(connection, **place, next_offset=batch[-1].offset + 1)

    def _decode(self, message: ConsumerRecord) -> Record | None:
        """The record; None where others have to answer for it (`accept` dead-letters a bad request)."""
        try:
            return codec.decode(message.value, self._records[message.topic])
        except Invalid as error:
            place = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
            log.warning("projector.skipped", reason=error.message, **place)
            return None

    async def _measure(self, consumer: AIOKafkaConsumer) -> None:
        for partition, end in list(self._ends.items()):
            self._positions[partition] = await consumer.position(partition)
            self._ends[partition] = max(end, consumer.highwater(partition) or 0)
        if not self.caught_up.is_set() and self.lag() == 0:
            log.info("projector.caught-up", records=sum(self._positions.values()))
            self.caught_up.set()
