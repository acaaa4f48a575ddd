"""Publishing with the broker's word for it: one idempotent producer per process, acks=all, no linger.

Faust's own producer cannot be idempotent, waits 20 minutes for a lost broker and only logs a failed send; so what a
stage says goes through this one, and is acknowledged before the input is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from streams import codec
from streams.errors import TooLarge, Unavailable
from streams.records import DeadLetter, Feature, Progress, Record, SearchRequest, SearchResult, Upload, Work
from streams.settings import Settings
from streams.topics import full_name

RECORD_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record on its way to a topic (named without the prefix)."""

    topic: str
    key: bytes | None
    value: bytes
    headers: codec.Headers


def outgoing(record: Record, topic: str, incoming: Iterable[tuple[str, bytes]] = ()) -> Outgoing:
    """A record with its contract's key (Part C) and headers, the trace context carried over from `incoming`."""
    return Outgoing(
        topic, key_of(record).encode(), codec.encode(record), codec.cloud_event(record, job_of(record), incoming)
    )


def key_of(record: Record) -> str:
    match record:
        case Upload():
            return f"{record.tenant}/{record.sha256 or record.blob_uri}"
        case Feature():
            return f"{record.tenant}/{record.dataset_name or ''}/{record.audio_id}"
        case Work() | Progress():
            return f"{record.tenant}/{record.job.id}/{record.job.index}"
        case _:
            return job_of(record)


def job_of(record: Record) -> str:
    match record:
        case SearchRequest():
            return record.job_id
        case Upload() | Work() | Progress() | Feature() | SearchResult():
            return record.job.id
        case DeadLetter():
            return record.job.id if record.job else ""
        case _:
            raise TypeError(f"{type(record).__name__} belongs to no job")


class Publisher:
    """One producer, made when first needed and made anew after a failure."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def publish(self, records: Iterable[Outgoing]) -> None:
        """Publish in order and wait until the broker has confirmed all.

        Raises: `Unavailable` when it has not; what was sent may arrive all the same, so readers drop repeats.
            `TooLarge` `body-too-large` when it never will, as one of them is larger than it takes.
        """
        try:
            producer = await self._ready()
            confirmed = [
                await producer.send(full_name(out.topic, self._settings), out.value, key=out.key, headers=out.headers)
                for out in records
            ]
            await asyncio.gather(*confirmed)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            fact = f"what came of this record is larger than the {RECORD_BYTES_MAX} bytes that the broker takes"
            raise TooLarge(fact, "shorten its names and its metadata", code="body-too-large") from error
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise Unavailable(
                f"the broker at {self._settings.kafka_bootstrap} did not confirm: {error!r}", "see that it runs"
            ) from error

    async def _ready(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._settings.kafka_bootstrap,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    max_request_size=RECORD_BYTES_MAX,
                    request_timeout_ms=15_000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError, OSError, TimeoutError):  # it is being thrown away: perhaps the broker is gone
                await asyncio.wait_for(producer.stop(), 5)
