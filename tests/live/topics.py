"""What a test asks a broker: how far a group is, who is in it, what a topic holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

T = TypeVar("T")


def committed(broker: str, group: str, topic: str, partition: int = 0) -> int:
    """The offset that the group goes on from; 0 where it has committed none."""

    async def ask(admin: AIOKafkaAdminClient) -> int:
        offsets = await admin.list_consumer_group_offsets(group)
        found = offsets.get(TopicPartition(topic, partition))
        return found.offset if found else 0

    return _asked(broker, ask)


def members(broker: str, group: str) -> int:
    """How many consumers the group has."""

    async def ask(admin: AIOKafkaAdminClient) -> int:
        (answer,) = await admin.describe_consumer_groups([group])
        ((_, _, _, _, _, found, *_),) = answer.groups
        return len(found)

    return _asked(broker, ask)


def held(broker: str, *topics: str) -> list[ConsumerRecord]:
    """Every record of these topics, in order within each partition."""

    async def read() -> list[ConsumerRecord]:
        async with AIOKafkaConsumer(
            *topics, bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False
        ) as consumer:
            partitions = consumer.assignment()
            ends = await consumer.end_offsets(partitions)
            records: list[ConsumerRecord] = []
            for partition in sorted(partitions):
                while await consumer.position(partition) < ends[partition]:
                    for batch in (await consumer.getmany(partition, timeout_ms=1_000)).values():
                        records += batch
            return records

    return asyncio.run(read())


def _asked(broker: str, question: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
    async def ask() -> T:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker)
        await admin.start()
        try:
            return await question(admin)
        finally:
            await admin.close()

    return asyncio.run(ask())
