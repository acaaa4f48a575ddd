"""The child that looks at files: replaced when it dies, hangs or is never there."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streams.errors import Invalid, Unavailable
from streams.probe import COMMAND, Prober
from tests import signals

READY = "import os, sys, time; print('{}', flush=True); line = sys.stdin.readline(); "
DIES_OF = (sys.executable, "-c", READY + "os.abort()")
HANGS = (sys.executable, "-c", READY + "time.sleep(60)")
BABBLES = (sys.executable, "-c", READY + "print('not json', flush=True)")


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    made = Prober()
    yield made
    made.close()


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "a\n.wav"
    path.write_bytes(signals.wav(signals.tone(2.0)))
    return path


@pytest.mark.parametrize("bad", [DIES_OF, HANGS, BABBLES], ids=["dies", "hangs", "babbles"])
async def test_a_file_that_kills_its_child_is_refused_and_the_next_one_is_heard(
    prober: Prober, wav: Path, bad: tuple[str, ...]
) -> None:
    prober._command, prober._time_limit_s = bad, 0.5
    with pytest.raises(Invalid) as refusal:
        await prober.probe(wav, None)
    assert refusal.value.code == "audio-undecodable"
    prober._command, prober._time_limit_s = COMMAND, 15.0
    assert (await prober.probe(wav, None)).duration_s == 2.0


async def test_a_child_that_does_not_start_is_our_fault(wav: Path) -> None:
    with pytest.raises(Unavailable):
        await Prober((sys.executable, "-c", "raise SystemExit(1)")).probe(wav, None)


async def test_it_is_quick_once_it_runs(prober: Prober, wav: Path) -> None:
    await prober.start()
    began_s = time.perf_counter()
    for _ in range(20):
        await prober.probe(wav, 300.0)
    assert (time.perf_counter() - began_s) / 20 < 0.1


async def test_a_closed_one_leaves_no_process(prober: Prober) -> None:
    await prober.start()
    child = prober._child
    prober.close()
    assert child is not None
    assert child.poll() is not None
