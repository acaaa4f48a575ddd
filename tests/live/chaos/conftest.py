"""One machine for all scenarios of a file, and what its inputs come to when nobody disturbs it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.live.chaos.batches import batch, write_tracks
from tests.live.chaos.machines import Machine, processes_of
from tests.live.chaos.outcomes import Summary
from tests.live.chaos.report import Report
from tests.live.chaos.verify import measure, verify

BLOBS_MEGABYTES = 256
TRACKS = tuple(f"track-{number}" for number in range(12))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A home with sabotaged decoding, its blobs on a small disk of their own where we may mount one."""
    root = tmp_path_factory.mktemp("machine")
    write_tracks(root / "tracks", len(TRACKS))
    machine = Machine(root / "home", root / "tracks")
    machine.blobs.mkdir(parents=True)
    mounted = _mount(machine.blobs)
    try:
        machine.up()
        yield machine
    finally:
        told = machine.down()
        left = processes_of(machine.path)
        if mounted:
            subprocess.run(("umount", "--lazy", str(machine.blobs)), check=False)
    assert "was killed" not in told, told
    assert left == {}, "processes that outlived `down`"


def _mount(folder: Path) -> bool:
    command = ("mount", "-t", "tmpfs", "-o", f"size={BLOBS_MEGABYTES}m", "tmpfs", str(folder))
    return os.geteuid() == 0 and subprocess.run(command, check=False).returncode == 0


@pytest.fixture(scope="module")
def report(machine: Machine) -> Iterator[Report]:
    report = Report()
    yield report
    report.write()


@pytest.fixture(scope="module")
def quiet(machine: Machine, report: Report) -> Mapping[str, Summary]:
    """How every input ends when nobody disturbs it."""
    calm = batch("quiet", machine.tracks, TRACKS)
    began = time.time()
    machine.publish(calm.records)
    figures, found = measure(machine, calm, began)
    report.add(figures)
    expected = {name: ends[0].summary for name, ends in found.items()}
    verify(machine, calm, expected, found)
    assert all(expected[name][0] == "indexed" for name in TRACKS)
    assert figures.repeats == 0
    return expected
