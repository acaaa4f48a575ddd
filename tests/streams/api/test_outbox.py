"""The outbox: written first, published until confirmed."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from streams import codec, outbox
from streams.errors import TooLarge, Unavailable
from streams.outbox import Outbox, Unconfirmed
from streams.publish import RECORD_BYTES_MAX, Outgoing, Publisher, outgoing
from streams.records import Job, Upload, now
from streams.settings import Settings
from streams.stores.database import Database
from streams.topics import create_topics, full_name
from tests.streams.api.conftest import Api, ReachableOutbox


def upload() -> Upload:
    job = Job(id=f"ingest_job_{uuid.uuid4()}", index=0, size=1)
    return Upload(
        event_id=f"{job.id}/0", tenant="acme", dataset_name="d", blob_uri="dataset/x", job=job, requested_at=now()
    )


async def emptied(box: Outbox) -> None:
    async with asyncio.timeout(20):
        while await box.waiting():  # noqa: ASYNC110  what is waited for is a row, and rows ring no bell
            await asyncio.sleep(0.02)


async def test_the_pump_sends_what_was_left_and_forgets_it(api: Api) -> None:
    api.broker.refusing = True
    with pytest.raises(Unconfirmed) as answer:
        await api.outbox.post([("uploads", record := upload())], [])
    assert record.job.id in str(answer.value)
    assert await api.outbox.waiting() == 1
    api.broker.refusing = False
    await emptied(api.outbox)  # by the pump of the application
    assert api.broker.records("upload") == [record]


async def test_a_confirmation_that_comes_late_still_counts(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "CONFIRMATION_S", 0.02)
    confirmed = asyncio.Event()

    async def slow(*_: object) -> None:
        await confirmed.wait()

    monkeypatch.setattr(api.broker, "publish", slow)
    with pytest.raises(Unconfirmed):
        await api.outbox.post([("uploads", upload())], [])
    assert await api.outbox.waiting() == 1
    confirmed.set()
    await emptied(api.outbox)


async def test_a_row_that_took_the_number_of_a_sent_one_is_kept(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process re-sent the first; meanwhile it was confirmed here, and its number given to the second."""
    first, second = ("uploads", upload()), ("uploads", upload())
    elsewhere = ReachableOutbox(api.database, api.outbox._settings, api.broker)
    await elsewhere.post([first], [])
    api.broker.refusing = True
    with pytest.raises(Unconfirmed):
        await elsewhere.post([second], [])
    api.broker.refusing = False
    await elsewhere._deliver([1], [outgoing(first[1], "uploads")])
    assert await elsewhere.waiting() == 1


async def test_on_the_real_broker_what_is_larger_than_it_takes_is_told_as_such(broker: str) -> None:
    settings = Settings(kafka_bootstrap=broker, topic_prefix=f"{uuid.uuid4().hex}.")
    await create_topics(settings)
    publisher = Publisher(settings)
    letter = Outgoing("uploads", b"key", bytes(2 << 20), [])
    for out in (letter, replace(letter, topic="dead-letters", value=bytes(RECORD_BYTES_MAX + 1))):
        with pytest.raises(TooLarge):
            await publisher.publish([out])
    await publisher.publish([replace(letter, topic="dead-letters")])
    await publisher.close()


async def test_what_no_topic_takes_is_refused_and_not_written(api: Api) -> None:
    large = upload().model_copy(update={"metadata": {"title": "x" * (1 << 20)}})
    with pytest.raises(TooLarge):
        await api.outbox.post([("uploads", large)], [])
    assert await api.outbox.waiting() == 0


async def test_nothing_is_written_when_no_address_answers(migrated: Path) -> None:
    settings = Settings(kafka_bootstrap="127.0.0.1:1,[::1]:1,junk")
    database = Database(f"sqlite+aiosqlite:///{migrated}")
    with pytest.raises(Unavailable):
        await Outbox(database, settings, Publisher(settings)).post([("uploads", upload())], [])
    assert await Outbox(database, settings, Publisher(settings)).waiting() == 0
    await database.close()


@pytest.mark.live
async def test_on_the_real_broker_a_post_is_there_before_it_returns(broker: str, api: Api) -> None:
    settings = Settings(kafka_bootstrap=broker, topic_prefix=f"{uuid.uuid4().hex}.")
    await create_topics(settings)
    real = Outbox(api.database, settings, Publisher(settings))
    record = upload()
    await real.post([("uploads", record)], [("traceparent", f"00-{'a' * 32}-{'b' * 16}-01".encode())])
    assert await real.waiting() == 0
    consumer = AIOKafkaConsumer(full_name("uploads", settings), bootstrap_servers=broker, auto_offset_reset="earliest")
    await consumer.start()
    message = await asyncio.wait_for(consumer.getone(), 20)
    await consumer.stop()
    await real.close()
    assert codec.decode(message.value, "upload") == record
    assert dict(message.headers)["traceparent"].startswith(b"00-aaaa")
    assert dict(message.headers)["ce_id"] == record.event_id.encode()
