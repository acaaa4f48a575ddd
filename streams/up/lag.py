"""How many records each stage still has before it: end of its topic less what its consumer group has committed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError


class Reader(NamedTuple):
    topic: str
    group: str


def lag(bootstrap: str, readers: Mapping[str, Reader]) -> dict[str, int] | None:
    """Events by name of the reader; None when the broker cannot be asked, which is not the same as nothing to do."""
    try:
        return asyncio.run(_lag(bootstrap, readers))
    except (KafkaError, OSError, TimeoutError):
        return None


async def _lag(bootstrap: str, readers: Mapping[str, Reader]) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await admin.start()
        await consumer.start()
        described = await admin.describe_topics(sorted({reader.topic for reader in readers.values()}))
        partitions = {
            topic["topic"]: [
                TopicPartition(topic["topic"], partition["partition"]) for partition in topic["partitions"]
            ]
            for topic in described
        }
        everywhere = [partition for each in partitions.values() for partition in each]
        first = await consumer.beginning_offsets(everywhere)
        end = await consumer.end_offsets(everywhere)
        waiting = dict.fromkeys(readers, 0)
        for name, reader in readers.items():
            committed = await admin.list_consumer_group_offsets(reader.group)
            for partition in partitions[reader.topic]:
                done = committed[partition].offset if partition in committed else 0
                waiting[name] += end[partition] - max(done, first[partition])  # what has been deleted waits no more
        return waiting
    finally:
        await consumer.stop()
        await admin.close()
