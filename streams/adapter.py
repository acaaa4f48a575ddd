"""The one place that knows Faust. Everything else of a stage is `delivery.py` and its agent.

Why so little is left to Faust (research of 2026-11-21, kept alive by tests/live/test_faust_traps.py):
- its schema acknowledges a record that does not decode: ours hands over the raw message and never raises;
- its stream acknowledges in a `finally`, also when the agent raised: so `noack()`, and `ack()` when all is confirmed;
- with concurrency above 1 it commits past an event in flight: so 1, and more processes instead;
- its default supervisor resumes behind the failed event: so the process ends, and its replacement redoes it.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import faust
from faust.streams import Stream
from faust.types import StreamT
from faust.types.tuples import Message as FaustMessage
from mode.supervisors import CrashingSupervisor

from streams.delivery import Delivery
from streams.giving_up import Message
from streams.settings import Settings
from streams.topics import full_name


class RawSchema(faust.Schema):  # type: ignore[type-arg]
    """Hands the value over as it is; a record that means nothing is for `delivery` to judge, not for Faust."""

    def loads_key(self, app: Any, message: FaustMessage, **_: Any) -> Any:  # noqa: ARG002
        return message.key

    def loads_value(self, app: Any, message: FaustMessage, **_: Any) -> Any:  # noqa: ARG002
        return message.value


class StageApp:
    """A Faust app (a consumer group) for one stage on one lane."""

    def __init__(self, delivery: Delivery, settings: Settings) -> None:
        self._delivery = delivery
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self.app = _app(delivery, settings)
        topic = self.app.topic(
            full_name(delivery.consumer.topic, settings), schema=RawSchema(), allow_empty=True, internal=False
        )
        self.app.agent(topic, name=delivery.consumer.group, concurrency=1, supervisor_strategy=CrashingSupervisor)(
            self._read
        )

    async def start(self) -> None:
        await self.app.start()

    async def drain(self) -> None:
        """Begin nothing new, and wait for what is being worked on to be acknowledged."""
        self._draining = True
        await self._idle.wait()

    async def stop(self) -> None:
        await self.app.stop()

    @property
    def crashed(self) -> BaseException | None:
        """What made the app stop, once it did."""
        if self.app.crashed:
            return self.app.crash_reason or RuntimeError("the Faust app crashed")
        return None

    async def _read(self, stream: StreamT[Any]) -> None:
        async for event in cast(Stream[Any], stream).noack().events():
            if self._draining:
                await asyncio.Event().wait()  # unacknowledged: its next reader does it
            self._idle.clear()
            try:
                await self._delivery.handle(self._message(event.message))
                event.ack()
            finally:
                self._idle.set()

    def _message(self, message: FaustMessage) -> Message:
        pairs: Any = message.headers or ()
        return Message(
            self._delivery.consumer.topic,
            message.partition,
            message.offset,
            message.timestamp,
            message.key,
            message.value,
            [(name, value or b"") for name, value in pairs],
        )


def _app(delivery: Delivery, settings: Settings) -> faust.App:
    longest_s = 4 * delivery.row.time_limit_s
    folder = settings.home / "faust"  # it makes folders there, though nothing is ever in them
    folder.mkdir(parents=True, exist_ok=True)
    return faust.App(
        settings.topic_prefix + delivery.consumer.group,
        broker=f"kafka://{settings.kafka_bootstrap}",
        store="memory://",
        datadir=str(folder),
        processing_guarantee="at_least_once",
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=settings.broker_session_timeout_s,
        broker_heartbeat_interval=settings.broker_heartbeat_interval_s,
        broker_rebalance_timeout=settings.broker_rebalance_timeout_s,
        broker_request_timeout=settings.broker_request_timeout_s,
        broker_max_poll_interval=settings.broker_max_poll_interval_s,
        broker_commit_interval=settings.broker_commit_interval_s,
        broker_commit_every=settings.broker_commit_every,
        broker_commit_livelock_soft_timeout=longest_s,
        stream_buffer_maxsize=settings.stream_buffer_maxsize,
        stream_wait_empty=False,
        stream_processing_timeout=longest_s,
        producer_acks=-1,
        producer_linger=0.0,
        producer_request_timeout=120.0,
        worker_redirect_stdouts=False,
        logging_config=None,
    )
