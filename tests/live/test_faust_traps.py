"""Faust itself, with its defaults: how it loses events. Kept so that the pin in pyproject.toml moves knowingly.

Each test shows a loss that `streams/adapter.py` is built around (test_adapter.py shows the same situations through it).
One of these failing is good news: that Faust no longer does it, and the adapter may have become simpler.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.processes import Journal, Running, eventually, processes
from tests.live.topics import committed, members
from tests.streams.up.steps import create, send

pytestmark = pytest.mark.live


class Trap:
    """One topic with one partition, and Faust apps that read it as one consumer group."""

    def __init__(self, broker: str, topic: str, journal: Journal, start: Callable[..., Running]) -> None:
        self.broker, self.topic, self.journal, self._start = broker, topic, journal, start
        create(broker, topic)

    def send(self, *words: str) -> None:
        send(self.broker, self.topic, *(json.dumps(word).encode() for word in words))

    def app(self, **options: object) -> Running:
        options |= {"broker": self.broker, "topic": self.topic, "journal": str(self.journal.path)}
        return self._start("tests.live.faust_app", options)

    def wait_until_committed(self, offset: int) -> None:
        eventually(lambda: committed(self.broker, self.topic, self.topic) >= offset, f"offset {offset} committed")

    def is_done_by_a_replacement_of(self, process: Running, word: str, **options: object) -> bool:
        """Whether, after kill -9, the next app of the group does what was not done: all before a last, new event."""
        process.kill()
        before = len(self.journal.lines)
        self.send("last")
        self.app(**options)
        self.journal.wait_for("done last")
        return f"start {word}" in self.journal.lines[before:]


@pytest.fixture
def trap(broker: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Trap]:
    with processes(tmp_path) as start:
        yield Trap(broker, f"trap-{request.node.name[5:40]}", Journal(tmp_path / "journal"), start)


def test_t2_with_concurrency_faust_commits_past_an_event_in_flight_and_a_kill_loses_it(trap: Trap) -> None:
    trap.send("slow:300", "b", "c", "d", "e", "f")
    app = trap.app(concurrency=2)
    trap.journal.wait_for("done f")
    trap.wait_until_committed(6)
    assert "done slow:300" not in trap.journal.lines
    assert not trap.is_done_by_a_replacement_of(app, "slow:300", concurrency=2)


def test_t3_an_undecodable_record_acknowledges_the_good_ones_before_it_and_a_kill_loses_them(trap: Trap) -> None:
    trap.send("slow:300", "b", "c")
    send(trap.broker, trap.topic, b"{this is no JSON")
    app = trap.app()
    trap.journal.wait_for("start slow:300")
    trap.wait_until_committed(4)
    assert trap.journal.lines == ["start slow:300"]
    assert not trap.is_done_by_a_replacement_of(app, "b")


def test_t5_an_agent_that_raises_resumes_behind_its_event_and_commits_past_it(trap: Trap) -> None:
    trap.send("a", "raise", "c")
    app = trap.app(noack=True)
    trap.journal.wait_for("done c")
    trap.wait_until_committed(3)
    assert app.is_running
    assert not trap.is_done_by_a_replacement_of(app, "raise", noack=True)


def test_t8_with_a_small_buffer_an_event_longer_than_the_poll_interval_silences_the_worker_for_good(trap: Trap) -> None:
    trap.send("slow:6", *(f"e{number}" for number in range(20)))
    app = trap.app(app={"stream_buffer_maxsize": 1, "broker_max_poll_interval": 2.0})
    trap.journal.wait_for("start slow:6")
    assert members(trap.broker, trap.topic) == 1
    trap.journal.wait_for("done slow:6")
    eventually(lambda: not members(trap.broker, trap.topic), "the worker is out of its group")
    with pytest.raises(AssertionError):
        trap.journal.wait_for("done e19", limit_s=6)
    assert app.is_running
    assert not members(trap.broker, trap.topic)
