"""When a record of a job was published, by the timestamp that its publisher gave it; and how the job ended."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer

from streams import codec
from streams.records import DeadLetter, Feature

JOB_S = 600.0


class Watcher:
    """Follows topics from now on. Use with `async with`."""

    def __init__(self, bootstrap: str, topics: Iterable[str]) -> None:
        self.published: defaultdict[str, dict[str, float]] = defaultdict(dict)  # job: topic: epoch seconds
        self._ended: defaultdict[str, asyncio.Future[float]] = defaultdict(asyncio.get_running_loop().create_future)
        self._consumer = AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, fetch_max_wait_ms=100)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        await self._consumer.seek_to_end()
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await self._consumer.stop()

    async def ended(self, job_id: str) -> float:
        """When we heard that a job of one part has ended, in epoch seconds. Raises: `RuntimeError` when it failed."""
        ending = asyncio.ensure_future(self._ended[job_id])
        await asyncio.wait({ending, self._following}, timeout=JOB_S, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            raise RuntimeError(f"job {job_id} has not ended within {JOB_S:g} s")
        return ending.result()

    async def _follow(self) -> None:
        async for record in self._consumer:
            job_id = dict(record.headers).get("ce_subject", b"").decode()
            self.published[job_id].setdefault(record.topic, record.timestamp / 1000)
            ending = self._ended[job_id]
            if ending.done():
                continue
            if record.topic == "dead-letters":
                letter = codec.decode(record.value, "dead_letter")
                assert isinstance(letter, DeadLetter)
                ending.set_exception(RuntimeError(f"job {job_id}: {letter.error_code}: {letter.message}"))
            elif record.topic == "results" or (record.topic == "features" and _is_last(record.value)):
                ending.set_result(time.time())


def _is_last(value: bytes) -> bool:
    feature = codec.decode(value, "feature")
    assert isinstance(feature, Feature)
    return feature.kind == "index"
