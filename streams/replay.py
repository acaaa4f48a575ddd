"""`soundtrace replay`: send dead letters back, each under a new job id.

Whatever stage gave up, its record carries the request it came from; so what is sent back is always a request, on a
request topic, and takes the whole way again: with the code, the weights and the limits of today.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from streams import codec
from streams.errors import InputError, Unavailable
from streams.ids import derived_id
from streams.publish import Outgoing, Publisher, outgoing
from streams.records import DeadLetter, Job, SearchRequest, Upload, Work
from streams.settings import Settings
from streams.stage import request_of
from streams.topics import full_name


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a letter: the job id it runs under now, or why it cannot be sent back."""

    letter: DeadLetter
    job_id: str | None
    refusal: str | None


async def letters(settings: Settings) -> AsyncIterator[DeadLetter]:
    """Every dead letter that the topic still holds, oldest first, each once. Raises: `Unavailable`."""
    topic = full_name("dead-letters", settings)
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        partitions = sorted(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        seen: set[str] = set()
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                for record in (await consumer.getmany(partition, timeout_ms=1_000)).get(partition, []):
                    try:
                        letter = codec.decode(record.value, "dead_letter")
                    except InputError:
                        continue  # somebody else wrote to our topic; nothing of ours is in it
                    assert isinstance(letter, DeadLetter)
                    if letter.event_id not in seen:
                        seen.add(letter.event_id)
                        yield letter
    except (KafkaError, OSError) as error:
        raise Unavailable(f"the broker at {settings.kafka_bootstrap} does not answer: {error!r}") from error
    finally:
        await consumer.stop()


async def replay(letter: DeadLetter, publisher: Publisher) -> Replayed:
    """Publish the request behind a letter again. Doing it twice makes one job: ids follow from the letter."""
    try:
        record = codec.decode(letter.value, "upload", "search_request", "work")
    except InputError as error:
        return Replayed(letter, None, str(error))
    request = request_of(record) if isinstance(record, Work) else record
    again = derived_id("replay", letter.event_id)
    headers = [(header.name, header.value) for header in letter.headers]
    sent: Outgoing
    if isinstance(request, Upload):
        fields = {"event_id": again, "job": Job(id=f"replay_{again}", index=0, size=1)}
        sent = outgoing(request.model_copy(update=fields), "uploads", headers)
    else:
        assert isinstance(request, SearchRequest)
        fields = {"event_id": again, "job_id": f"replay_{again}"}
        sent = outgoing(request.model_copy(update=fields), "search-requests", headers)
    await publisher.publish([sent])
    return Replayed(letter, f"replay_{again}", None)
