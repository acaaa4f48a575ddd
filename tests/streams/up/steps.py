"""Steps that the tests of this folder share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.up.home import Home
from streams.up.programs import Ports, Program, kafka


def only_kafka(home: Home, ports: Ports) -> tuple[Program, ...]:
    return (kafka(home, ports),)


def eventually(happened: Callable[[], bool], limit_s: float) -> float:
    """Seconds until it happened."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < limit_s, f"not within {limit_s} s"
        time.sleep(0.1)
    return time.monotonic() - began


def create(bootstrap: str, topic: str) -> None:
    async def created() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(topic, 1, 1)])
        await admin.close()

    asyncio.run(created())


def send(bootstrap: str, topic: str, *values: bytes) -> None:
    async def sent() -> None:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", request_timeout_ms=2_000) as producer:
            for value in values:
                await producer.send_and_wait(topic, value)

    asyncio.run(sent())


def received(bootstrap: str, topic: str, count: int, group: str | None = None) -> list[bytes]:
    """The next records, committed where a group is given."""

    async def got() -> list[bytes]:
        async with AIOKafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            group_id=group,
            enable_auto_commit=False,
        ) as consumer:
            values = [(await consumer.getone()).value for _ in range(count)]
            if group:
                await consumer.commit()
            return values

    return asyncio.run(got())
