"""Real supervisord, real broker: what `up` and `down` promise when something is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from streams.errors import Unavailable
from streams.up import Status, down, status, up
from streams.up.home import Home
from streams.up.processes import alive, supervisor_pid
from streams.up.programs import Ports, Program
from tests.streams.up.steps import create, eventually, only_kafka, received, send

pytestmark = pytest.mark.live

FOREGROUND = """
import sys
from pathlib import Path
from streams.up import up
from tests.streams.up.steps import only_kafka
up(Path(sys.argv[1]), detach=False, programs=only_kafka, announce=lambda status: print(status["ready"], flush=True))
"""


def start(home: Home) -> Status:
    up(home.path, detach=True, programs=only_kafka)
    return status(home.path, programs=only_kafka)


def ready(home: Home) -> bool:
    return status(home.path, programs=only_kafka)["ready"]


def test_a_killed_broker_comes_back_with_its_records_and_the_restart_is_counted(home: Home) -> None:
    before = start(home)
    bootstrap = before["kafka_bootstrap"]
    assert before["ready"]
    assert bootstrap
    create(bootstrap, "kept")
    send(bootstrap, "kept", b"sound")

    (service,) = before["services"]
    assert service["pid"]
    os.kill(service["pid"], signal.SIGKILL)
    eventually(lambda: not ready(home), 5.0)
    eventually(lambda: ready(home), 30.0)

    assert received(bootstrap, "kept", 1) == [b"sound"]
    assert [s["restarts"] for s in status(home.path, programs=only_kafka)["services"]] == [1]


def test_down_leaves_no_process_and_up_again_finds_everything_even_on_another_port(home: Home) -> None:
    before = start(home)["kafka_bootstrap"]
    assert before
    create(before, "kept")
    send(before, "kept", b"sound")

    assert down(home.path) == {}
    assert (supervisor_pid(home), alive(home)) == (None, {})
    assert not ready(home)

    with socket.create_server(("127.0.0.1", home.ports()["kafka"])):
        after = start(home)["kafka_bootstrap"]
    assert after
    assert after != before
    assert received(after, "kept", 1) == [b"sound"]


def test_an_up_of_a_home_that_is_up_changes_nothing(home: Home) -> None:
    first = start(home)

    assert start(home)["services"] == first["services"]


def test_a_killed_supervisor_leaves_no_child_and_up_works_again(home: Home) -> None:
    start(home)
    supervisord = supervisor_pid(home)
    assert supervisord
    assert alive(home)

    os.kill(supervisord, signal.SIGKILL)
    eventually(lambda: not alive(home), 10.0)

    assert start(home)["ready"]


def test_in_the_foreground_it_stays_until_it_is_told_to_end_and_then_nothing_is_left(home: Home) -> None:
    with subprocess.Popen((sys.executable, "-c", FOREGROUND, home.path), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "True\n"
        process.terminate()
        assert process.wait(30.0) == 0

    assert (supervisor_pid(home), alive(home)) == (None, {})


def test_what_keeps_failing_is_named_with_the_end_of_its_log_and_nothing_stays_behind(home: Home) -> None:
    def broken(home: Home, ports: Ports) -> tuple[Program, ...]:
        command = ("sh", "-c", "echo no such disk; exit 3")
        return (Program("broken", command, lambda: False, priority=10, stop_wait_s=5, start_s=10),)

    with pytest.raises(Unavailable, match=r"(?s)broken failed 4 times.*no such disk"):
        up(home.path, detach=True, programs=broken)
    assert supervisor_pid(home) is None


def test_what_is_not_ready_in_time_is_named_and_stopped(home: Home) -> None:
    def slow(home: Home, ports: Ports) -> tuple[Program, ...]:
        return (Program("slow", ("sleep", "60"), lambda: False, priority=10, stop_wait_s=5, start_s=10),)

    began = time.monotonic()
    with pytest.raises(Unavailable, match="not ready after 3 s: slow"):
        up(home.path, detach=True, wait_s=3.0, programs=slow)
    assert time.monotonic() - began < 15.0
    assert (supervisor_pid(home), alive(home)) == (None, {})


def test_a_home_that_never_was_up_has_a_status_too(home: Home) -> None:
    assert status(home.path) == {
        "ready": False,
        "api_url": None,
        "api_key": None,
        "kafka_bootstrap": None,
        "milvus_uri": None,
        "home": str(home.path),
        "services": [],
        "lag": None,
    }
