"""The projector against the real broker: nothing is lost, nothing is counted twice, nothing stops it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from sqlalchemy import select
from structlog.testing import capture_logs

from streams import codec, pipeline
from streams.errors import Unavailable
from streams.projector import SOURCES, Projector
from streams.records import Feature, Job, Progress, Record, Upload
from streams.settings import Settings
from streams.stores import tables
from streams.stores.database import Database
from streams.stores.projection import forget
from streams.stores.readmodel import ReadModel, merge

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TOPICS = {record: topic for topic, record in SOURCES.items()}
pytestmark = pytest.mark.live


def story(job_id: str) -> tuple[Record, Record, Record]:
    """An ingest of one file, from its upload to its end."""
    job = Job(id=job_id, index=0, size=1)
    upload = Upload(
        event_id=f"{job_id}-upload", tenant="acme", dataset_name="demo", blob_uri="a.mp3", job=job, requested_at=NOW
    )
    progress = Progress(event_id=f"{job_id}-decode", tenant="acme", job=job, stage="decode", at=NOW)
    feature = Feature(
        event_id=f"{job_id}-index", tenant="acme", created_at=NOW, job=job, dataset_name="demo", audio_id="sha",
        blob_uri="a.mp3", kind="index", encoder_type="type2", model_version="1", params_hash="0", seconds_taken=1.0,
        tasks_done=("full_audio_latent",),
    )  # fmt: skip
    return upload, progress, feature


class Site:
    """Topics of its own on the shared broker, and a database file of its own."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        prefix = f"p{uuid.uuid4().hex[:8]}."
        self.settings = Settings(kafka_bootstrap=bootstrap, topic_prefix=prefix, home=folder, retention_days=0)
        self.database = Database(self.settings.sql_url)
        self.model = ReadModel(self.database)

    async def make_topics(self) -> None:
        async with self._admin() as admin:
            names = [(self.settings.topic_prefix + topic.name, topic.partitions) for topic in pipeline.topics()]
            await admin.create_topics([NewTopic(name, partitions, 1) for name, partitions in names])

    async def delete_records(self, topic: str, partition: int, before: int) -> None:
        place = TopicPartition(self.settings.topic_prefix + topic, partition)
        async with self._admin() as admin:
            await admin.delete_records({place: RecordsToDelete(before_offset=before)})

    async def publish(self, *records: Record) -> None:
        await self.publish_bytes(*((TOPICS[record.schema_name], codec.encode(record)) for record in records))

    async def publish_bytes(self, *values: tuple[str, bytes | None], partition: int | None = None) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap, acks="all")
        await producer.start()
        try:
            for topic, value in values:
                name = self.settings.topic_prefix + topic
                await producer.send_and_wait(name, value, key=uuid.uuid4().bytes, partition=partition)
        finally:
            await producer.stop()

    async def rows(self) -> dict[str, Sequence[Any]]:
        async with self.database.read() as connection:
            return {
                table.name: (await connection.execute(select(table).order_by(*table.primary_key))).all()
                for table in (tables.jobs, tables.parts, tables.artifacts, tables.offsets)
            }

    async def status(self, job_id: str) -> str:
        return (await self.model.job("acme", job_id)).status

    @asynccontextmanager
    async def projecting(self) -> AsyncIterator[Projector]:
        projector = Projector(self.database, self.settings)
        running = asyncio.create_task(projector.run())
        try:
            yield projector
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def project(self) -> None:
        """Run a projector until it has caught up."""
        async with self.projecting() as projector:
            await asyncio.wait_for(projector.caught_up.wait(), 20)
            assert projector.lag() == 0

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


async def soon(question: Callable[[], Any], expected: object) -> None:
    """Wait until the question's answer is the expected one."""
    answer: object = None
    with suppress(TimeoutError):
        async with asyncio.timeout(15):
            while (answer := await question()) != expected:  # noqa: ASYNC110 - rows give no sign
                await asyncio.sleep(0.05)
    assert answer == expected


@pytest.fixture
async def empty_site(broker: str, tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(broker, tmp_path)
    await site.database.migrate()
    yield site
    await site.database.close()


@pytest.fixture
async def site(empty_site: Site) -> Site:
    await empty_site.make_topics()
    return empty_site


async def test_what_is_in_the_topics_at_the_start_is_in_the_rows_when_it_has_caught_up(site: Site) -> None:
    await site.publish(*story("before"))
    await site.project()
    assert await site.status("before") == "completed"


async def test_empty_topics_are_caught_up_with_at_once(site: Site) -> None:
    await site.project()


async def test_it_goes_on_following(site: Site) -> None:
    async with site.projecting() as projector:
        await asyncio.wait_for(projector.caught_up.wait(), 20)
        await site.publish(*story("later"))
        await soon(lambda: _completed(site), ["later"])


async def _completed(site: Site) -> list[str]:
    return [job.job_id for job in await site.model.jobs("acme", status="completed")]


async def test_a_new_one_goes_on_where_the_last_one_stopped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, progress, feature = story("job")
    await site.publish(upload, progress)
    await site.project()
    read: list[int] = []
    apply = Projector._apply

    async def counting(self: Projector, batches: Any) -> None:
        read.append(sum(len(batch) for batch in batches.values()))
        await apply(self, batches)

    monkeypatch.setattr(Projector, "_apply", counting)
    await site.publish(feature)
    await site.project()
    assert (sum(read), await site.status("job")) == (1, "completed")


async def test_an_emptied_read_model_is_rebuilt_the_same(site: Site) -> None:
    await site.publish(*story("one"), *story("two"), *story("one"))
    await site.project()
    before = await site.rows()
    async with site.database.write() as connection:
        await forget(connection)
    assert not any((await site.rows()).values())
    await site.project()
    assert await site.rows() == before


async def test_junk_is_skipped_with_a_word_and_its_neighbours_are_read(site: Site) -> None:
    upload, _, feature = story("job")
    junk = (("uploads", b"junk"), ("uploads", None), ("features", codec.encode(upload)), ("results", b"\xc3\x01" * 9))
    with capture_logs() as logs:
        await site.publish_bytes(*junk)
        await site.publish(upload, feature)
        await site.project()
    assert await site.status("job") == "completed"
    assert len([line for line in logs if line["event"] == "projector.skipped"]) == len(junk)


async def test_rows_and_offsets_are_stored_together_or_not_at_all(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.publish(*story("job"))
    falls = iter([True, True, False])

    async def failing(*args: Any, **options: Any) -> None:
        if next(falls, False):
            raise Unavailable("the disk is full", "empty it")
        await merge(*args, **options)

    monkeypatch.setattr("streams.projector.merge", failing)
    with capture_logs() as logs:
        async with site.projecting() as projector:
            await soon(lambda: _events(logs), True)
            assert not projector.caught_up.is_set()
            await asyncio.wait_for(projector.caught_up.wait(), 20)
    assert await site.status("job") == "completed"


async def _events(logs: list[Any]) -> bool:
    return any(line["event"] == "projector.waiting" for line in logs)


async def test_it_waits_for_topics_that_do_not_exist_yet_and_makes_none(empty_site: Site) -> None:
    with capture_logs() as logs:
        async with empty_site.projecting() as projector:
            await soon(lambda: _events(logs), True)
            assert not projector.caught_up.is_set()
            await empty_site.make_topics()
            await empty_site.publish(*story("job"))
            await asyncio.wait_for(projector.caught_up.wait(), 20)
            await soon(lambda: empty_site.status("job"), "completed")


async def test_an_offset_beyond_the_end_starts_from_the_beginning(site: Site) -> None:
    await site.publish(*story("job"))
    await site.project()
    async with site.database.write() as connection:
        await forget(connection)
        rows = [
            {"topic": f"{site.settings.topic_prefix}{topic.name}", "partition": partition, "next_offset": 999}
            for topic in pipeline.topics()
            if topic.name in SOURCES
            for partition in range(topic.partitions)
        ]
        await connection.execute(tables.offsets.insert().values(rows))
    await site.project()
    assert await site.status("job") == "completed"


async def test_an_offset_that_retention_has_passed_starts_from_what_is_left(site: Site) -> None:
    upload, _, feature = story("job")
    await site.publish_bytes(("uploads", b"old"), ("uploads", codec.encode(upload)), partition=0)
    await site.delete_records("uploads", 0, before=1)
    await site.publish(feature)
    name = f"{site.settings.topic_prefix}uploads"
    async with site.database.write() as connection:
        await connection.execute(tables.offsets.insert().values(topic=name, partition=0, next_offset=0))
    await site.project()
    assert await site.status("job") == "completed"


async def test_it_waits_for_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    site = Site("127.0.0.1:1", tmp_path)
    await site.database.migrate()
    with capture_logs() as logs:
        async with site.projecting() as projector:
            await soon(lambda: _events(logs), True)
            assert not projector.caught_up.is_set()
    await site.database.close()
