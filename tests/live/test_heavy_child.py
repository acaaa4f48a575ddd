"""The heavy child as a real process: it never outlives its parent, and whatever happens in it, the next call works."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from streams.errors import Defect, Unavailable
from streams.heavy import ChildLost, Heavy
from tests.live.processes import Journal, eventually, processes

pytestmark = pytest.mark.live
beside_the_others = pytest.mark.asyncio(loop_scope="module")  # on the loop of the one child that they share
MEMORY_BYTES = 4 * 1024**3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def heavy() -> AsyncIterator[Heavy]:
    """One for all tests: each leaves it able to work."""
    heavy = Heavy(nice=0, memory_bytes=MEMORY_BYTES)
    await heavy.start()
    yield heavy
    heavy.close()


@beside_the_others
async def test_a_child_that_is_killed_in_a_call_is_told_as_lost_and_the_next_call_works(heavy: Heavy) -> None:
    first = await heavy.call(60, os.getpid)
    call = asyncio.create_task(heavy.call(60, time.sleep, 60))
    await asyncio.sleep(0.5)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(ChildLost, match="SIGKILL") as lost:
        await call
    assert lost.value.code == "child-died"
    assert await heavy.call(60, os.getpid) == heavy.pid != first


@beside_the_others
async def test_a_child_that_was_killed_between_calls_is_replaced_unnoticed(heavy: Heavy) -> None:
    first = await heavy.call(60, os.getpid)
    os.kill(first, signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, first, os.WEXITED | os.WNOWAIT)  # dead, and not yet looked after
    assert await heavy.call(60, os.getpid) == heavy.pid != first


async def test_a_child_that_cannot_be_forked_is_the_machines_fault_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr("streams.heavy.subprocess.Popen", fails)
    with pytest.raises(Unavailable, match="cannot be started: Cannot allocate memory"):
        await Heavy(nice=0, memory_bytes=MEMORY_BYTES).call(60, os.getpid)


@beside_the_others
async def test_a_function_that_ends_its_process_is_told_as_lost(heavy: Heavy) -> None:
    with pytest.raises(ChildLost, match="exit code 3"):
        await heavy.call(60, os._exit, 3)


@beside_the_others
async def test_a_call_that_never_ends_is_ended_at_its_time_limit(heavy: Heavy) -> None:
    first = await heavy.call(60, os.getpid)
    with pytest.raises(ChildLost) as lost:
        await heavy.call(1.0, time.sleep, 3_600)
    assert lost.value.code == "time-limit-exceeded"
    assert not is_alive(first)
    assert await heavy.call(60, os.getpid) == heavy.pid


@beside_the_others
async def test_a_call_that_wants_more_memory_than_it_may_have_fails_and_its_child_lives_on(heavy: Heavy) -> None:
    first = await heavy.call(60, os.getpid)
    with pytest.raises(Defect, match="MemoryError"):
        await heavy.call(60, bytes, 2 * MEMORY_BYTES)
    assert await heavy.call(60, os.getpid) == first


@beside_the_others
async def test_a_cancelled_call_leaves_no_answer_to_the_next(heavy: Heavy) -> None:
    call = asyncio.create_task(heavy.call(60, time.sleep, 60))
    await asyncio.sleep(0.3)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await heavy.call(60, abs, -7) == 7


def test_the_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    with processes(tmp_path) as start:
        parent = start("tests.live.test_heavy_child", {"journal": str(journal.path)})
        eventually(lambda: journal.lines, "the child is warm", 120)
        child = int(journal.lines[0])
        assert is_alive(child)
        parent.kill()
        eventually(lambda: not is_alive(child), "the child is gone", 10)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def _be_a_parent(journal: Journal) -> None:
    heavy = Heavy(nice=0, memory_bytes=MEMORY_BYTES)
    await heavy.start()
    journal.note(str(heavy.pid))
    await heavy.call(3_600, time.sleep, 3_600)


if __name__ == "__main__":
    import json

    asyncio.run(_be_a_parent(Journal(Path(json.loads(sys.argv[1])["journal"]))))
