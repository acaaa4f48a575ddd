from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError

from streams.errors import Unavailable
from streams.up import broker as kafka
from streams.up.lag import Reader, lag
from tests.streams.up.steps import create, received, send


@pytest.mark.live
def test_a_record_comes_back_as_it_was_sent(broker: str) -> None:
    create(broker, "there-and-back")
    send(broker, "there-and-back", b"sound")

    assert received(broker, "there-and-back", 1) == [b"sound"]


@pytest.mark.live
def test_a_topic_that_nobody_created_is_an_error_and_not_a_new_topic(broker: str) -> None:
    for _ in range(2):  # where topics are made by asking for them, it is the second time that works
        with pytest.raises(UnknownTopicOrPartitionError):
            send(broker, "mistyped", b"sound")


@pytest.mark.live
def test_lag_is_what_a_group_has_not_committed_and_none_without_a_broker(broker: str) -> None:
    readers = {
        "half": Reader("three-records", "half"),
        "new": Reader("three-records", "never-ran"),
        "no-topic": Reader("no-such-topic", "half"),
    }
    create(broker, "three-records")
    send(broker, "three-records", b"1", b"2", b"3")
    received(broker, "three-records", 1, group="half")

    assert lag(broker, readers) == {"half": 2, "new": 3, "no-topic": 0}
    assert lag("127.0.0.1:1", readers) is None


def test_the_configuration_follows_the_ports_and_the_storage_is_formatted_once(tmp_path: Path) -> None:
    kafka.prepare(tmp_path, 20_001, 20_002)
    identity = (tmp_path / "data" / "meta.properties").read_text()
    kafka.prepare(tmp_path, 20_003, 20_004)

    written = (tmp_path / "server.properties").read_text()
    assert "listeners=PLAINTEXT://127.0.0.1:20003,CONTROLLER://127.0.0.1:20004\n" in written
    assert "voters=1@127.0.0.1:20004\n" in written
    assert (tmp_path / "data" / "meta.properties").read_text() == identity


def test_missing_jars_are_named_with_the_command_that_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "KAFKA", tmp_path)

    with pytest.raises(Unavailable, match="run ops/setup"):
        kafka.prepare(tmp_path, 20_001, 20_002)
