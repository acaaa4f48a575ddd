"""Our adapter in the situations in which Faust's defaults lose events (test_faust_traps.py): nothing is lost.

A real broker, real workers as processes (toy_worker.py), a catalogue in a file.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams import codec, pipeline
from streams.publish import Publisher, outgoing
from streams.records import Audio, DeadLetter, Feature, Job, Record, Upload, Work, now
from streams.settings import Settings
from streams.topics import create_topics
from streams.up.lag import Reader, lag
from tests.live.processes import Journal, Running, eventually, processes
from tests.live.topics import held, members
from tests.streams.up.steps import send

pytestmark = pytest.mark.live
POISON = (b"junk", b"\xc3\x01" + b"\0" * 8, b"\xc3\x01", b"")


class Stage:
    """The decode stage of an installation of its own: topics, group, catalogue, workers."""

    def __init__(self, broker: str, prefix: str, folder: Path, start: Callable[..., Running]) -> None:
        self.journal = Journal(folder / "journal")
        self._start = start
        self._fields: dict[str, Any] = {
            "home": str(folder),
            "kafka_bootstrap": broker,
            "topic_prefix": f"{prefix}.",
            "broker_session_timeout_s": 6.0,
            "retry_cap_s": 1.0,
        }
        self.settings = Settings(**self._fields)
        self.group = f"{prefix}.soundtrace.bulk.decode"
        self.topic = f"{prefix}.work.bulk.decode"
        asyncio.run(create_topics(self.settings))

    def worker(self, **settings: object) -> Running:
        fields = {"journal": str(self.journal.path), "settings": self._fields | settings}
        return self._start("tests.live.toy_worker", fields)

    def give(self, *names: str, key: bytes = b"one partition") -> None:
        """A work per name, in this order where they share a key."""

        async def publish() -> None:
            publisher = Publisher(self.settings)
            works = (outgoing(_work(name), "work.bulk.decode") for name in names)
            await publisher.publish(replace(work, key=key) for work in works)
            await publisher.close()

        asyncio.run(publish())

    def told(self, topic: str, *names: str) -> list[Record]:
        found = held(self.settings.kafka_bootstrap, f"{self.settings.topic_prefix}{topic}")
        return [codec.decode(record.value, *names) for record in found]

    def heard(self) -> list[str]:
        """The names of what was done, each as often as it was told."""
        features = [record for record in self.told("features", "feature") if isinstance(record, Feature)]
        return sorted(record.job.id for record in features)

    def letters(self) -> list[DeadLetter]:
        return [letter for letter in self.told("dead-letters", "dead_letter") if isinstance(letter, DeadLetter)]

    def wait_until_idle(self, limit_s: float = 120.0) -> None:
        """Until the group has committed every record."""
        eventually(lambda: not self._waiting(), "the group has read all", limit_s)

    def go_back_to_the_beginning(self) -> None:
        async def commit() -> None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self.settings.kafka_bootstrap, group_id=self.group, enable_auto_commit=False
            )
            first = {TopicPartition(self.topic, number): 0 for number in range(4)}
            consumer.assign(list(first))
            await consumer.start()
            await consumer.commit(first)
            await consumer.stop()

        eventually(lambda: not members(self.settings.kafka_bootstrap, self.group), "the group is empty")
        asyncio.run(commit())

    def _waiting(self) -> int:
        found = lag(self.settings.kafka_bootstrap, {"decode": Reader(self.topic, self.group)})
        return found["decode"] if found else 1


def _work(name: str) -> Work:
    job = Job(id=name, index=0, size=1)
    upload = Upload(
        event_id=f"upload-{name}", tenant="acme", dataset_name="demo", blob_uri=f"file:///{name}", job=job,
        requested_at=now(),
    )  # fmt: skip
    audio_id = hashlib.sha256(name.encode()).hexdigest()
    audio = Audio(role="track", audio_id=audio_id, blob_uri=upload.blob_uri, filename=name)
    return Work(
        event_id=f"work-{name}", tenant="acme", job=job, lane="bulk", request=codec.encode(upload),
        model_version="classical-0", audios=(audio,), wanted=tuple(sorted(pipeline.wanted_by_ingest(upload.tasks))),
        accepted_at=now(),
    )  # fmt: skip


@pytest.fixture
def stage(broker: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    prefix = hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    with processes(tmp_path) as start:
        yield Stage(broker, prefix, tmp_path, start)


def test_an_event_in_flight_when_the_worker_is_killed_is_done_by_its_replacement(stage: Stage) -> None:
    stage.give("a", "stuck", "c")
    first = stage.worker()
    stage.journal.wait_for("start stuck")
    first.kill()
    stage.worker()
    stage.wait_until_idle()
    assert sorted(set(stage.heard())) == ["a", "c", "stuck"]
    assert stage.journal.lines.count("start stuck") == 2
    assert not stage.letters()


def test_poison_between_good_records_makes_one_letter_each_and_harms_no_neighbour(stage: Stage) -> None:
    stage.give("stuck", "b")
    # Without a key, so anywhere; and behind an event in flight when it lands in the same partition.
    send(stage.settings.kafka_bootstrap, stage.topic, *POISON)
    stage.give("c")
    first = stage.worker()
    stage.journal.wait_for("start stuck")
    first.kill()
    stage.worker()
    stage.wait_until_idle()
    assert sorted(set(stage.heard())) == ["b", "c", "stuck"]
    letters = {letter.event_id: letter.value for letter in stage.letters()}
    assert sorted(letters.values()) == sorted(POISON)


def test_an_agent_that_raises_is_tried_three_times_and_its_neighbours_are_done(stage: Stage) -> None:
    stage.give("a", "raise", "bad", "d")
    worker = stage.worker()
    stage.wait_until_idle()
    assert worker.is_running
    assert stage.heard() == ["a", "d"]
    assert {letter.job.id: (letter.error_code, letter.attempts) for letter in stage.letters() if letter.job} == {
        "raise": ("internal", 3),
        "bad": ("audio-undecodable", 1),
    }
    assert Counter(stage.journal.lines) == Counter(
        {"start a": 1, "done a": 1, "start raise": 3, "start bad": 1, "start d": 1, "done d": 1}
    )


def test_what_is_away_is_waited_for_and_makes_no_letter(stage: Stage) -> None:
    stage.give("away-4", "b")
    stage.worker()
    stage.wait_until_idle()
    assert stage.heard() == ["away-4", "b"]
    assert not stage.letters()


def test_a_worker_told_to_stop_finishes_its_event_and_begins_no_other(stage: Stage) -> None:
    stage.give("slow-4", "b")
    worker = stage.worker()
    stage.journal.wait_for("start slow-4")
    worker.terminate()
    assert worker.exit_code() == 0
    assert stage.journal.lines == ["start slow-4", "done slow-4"]
    stage.worker()
    stage.wait_until_idle()
    assert stage.heard() == ["b", "slow-4"]  # each once: the finished one had been acknowledged and committed


def test_a_worker_whose_event_outlasts_the_drain_ends_all_the_same_and_loses_nothing(stage: Stage) -> None:
    stage.give("stuck")
    worker = stage.worker(drain_s=1.0)
    stage.journal.wait_for("start stuck")
    worker.terminate()
    assert worker.exit_code() == 0
    assert not stage.heard()
    stage.worker()
    stage.wait_until_idle()
    assert stage.heard() == ["stuck"]


def test_a_second_worker_gets_its_share_while_the_first_is_at_an_event_that_does_not_end(stage: Stage) -> None:
    stage.give("stuck")
    first = stage.worker()
    stage.journal.wait_for("start stuck")
    others = [f"e{number}" for number in range(24)]
    for name in others:
        stage.give(name, key=name.encode())
    stage.worker()
    # Not all: those in partitions that stay with the first worker wait behind its event.
    eventually(lambda: sum(line.startswith("done e") for line in stage.journal.lines) >= 6, "a share is done")
    first.kill()
    stage.wait_until_idle()
    assert sorted(set(stage.heard())) == sorted(["stuck", *others])
    assert not stage.letters()


def test_the_whole_topic_read_again_tells_the_same_under_the_same_ids(stage: Stage) -> None:
    stage.give("a", "bad", "c")
    worker = stage.worker()
    stage.wait_until_idle()
    worker.terminate()
    assert worker.exit_code() == 0
    before = Counter(_ids(stage))
    stage.go_back_to_the_beginning()
    stage.worker()
    stage.wait_until_idle()
    assert Counter(_ids(stage)) == before + before


def _ids(stage: Stage) -> list[str]:
    return [record.event_id for record in (*stage.told("features", "feature"), *stage.letters())]  # type: ignore[attr-defined]
