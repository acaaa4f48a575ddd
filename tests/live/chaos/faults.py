"""What is done to a machine in the middle of its work. Each returns when the harm is over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from streams.publish import Outgoing
from tests.live.chaos.machines import Machine
from tests.live.processes import eventually

BALLAST_BYTES = 1024 * 1024


def kill_worker(machine: Machine) -> None:
    machine.kill("worker-bulk")


def kill_child(machine: Machine) -> None:
    os.kill(machine.heavy_child("worker-bulk"), signal.SIGKILL)


def kill_child_then_worker(machine: Machine) -> None:
    kill_child(machine)
    time.sleep(0.5)
    kill_worker(machine)


def kill_broker(machine: Machine) -> None:
    machine.kill("kafka")


def kill_index(machine: Machine) -> None:
    machine.kill("milvus")


def kill_api(machine: Machine) -> None:
    machine.kill("api")


def kill_supervisor(machine: Machine) -> None:
    """And with it, by way of their parent's death, everything; then bring the home up again."""
    os.kill(machine.supervisor_pid(), signal.SIGKILL)
    machine.up()


def stop_worker(machine: Machine) -> None:
    """SIGTERM: it must end by itself with exit code 0."""
    pid = machine.pid("worker-bulk")
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the worker ended", 60)
    ended = "exited: worker-bulk (exit status 0; expected)"
    eventually(lambda: ended in machine.log("supervisord"), "the worker ended with exit code 0", 10)


def come_and_go(machine: Machine, work: Iterable[Outgoing], ending: signal.Signals) -> None:
    """A second worker joins while there is work, and is ended a moment later: two rebalances."""
    warm = '"heavy child is warm"'
    before = machine.log("second-worker").count(warm)
    worker = machine.second_worker()
    try:
        eventually(lambda: machine.log("second-worker").count(warm) > before, "the second worker is warm", 120)
        machine.publish(work)
        eventually(lambda: machine.workers() == 2, "the second worker has joined", 60)
        time.sleep(1.0)
    finally:
        worker.send_signal(ending)
        worker.wait(60)


def fill_disk(machine: Machine) -> None:
    """Leave no byte for blobs until the worker has been seen to wait; then make room again."""
    before = machine.log("worker-bulk").count('"waiting"')
    ballast = machine.blobs / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while file.write(b"\0" * BALLAST_BYTES):
                pass
    except OSError:  # full
        pass
    try:
        eventually(lambda: machine.log("worker-bulk").count('"waiting"') > before + 5, "the worker waits", 120)
    finally:
        ballast.unlink()
