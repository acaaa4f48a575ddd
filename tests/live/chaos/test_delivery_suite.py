"""The delivery suite: the whole stack is harmed in the middle of work, and nothing is lost, doubled or changed.

`ops/test --chaos`; its figures are in tests/live/results/delivery.json.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.live.chaos import faults
from tests.live.chaos.batches import SLOW, Batch, batch
from tests.live.chaos.conftest import TRACKS
from tests.live.chaos.machines import Machine
from tests.live.chaos.outcomes import Summary, is_being_decoded
from tests.live.chaos.report import Report
from tests.live.chaos.verify import measure, verify
from tests.live.processes import eventually

pytestmark = pytest.mark.chaos

Expected = Mapping[str, Summary]
UNDECODABLE = {
    f"poison-{number}": ("letter", stage, "undecodable-record", 1)
    for number, stage in enumerate(["accept"] * 5 + ["decode", "encode", "index", "match"])
}


class Scenario:
    """Publishes a batch, does harm in the middle of it, and holds the machine to the invariant."""

    def __init__(self, machine: Machine, quiet: Expected, report: Report) -> None:
        self.machine, self._quiet, self._report = machine, quiet, report

    def run(self, given: Batch, fault: Callable[[Machine], None] | None = None, **ends: Summary) -> None:
        began = time.time()
        self.machine.publish(given.records)
        if fault is not None:
            broker = self.machine.settings().kafka_bootstrap
            eventually(lambda: is_being_decoded(broker, given.tenant, SLOW), "the slow track is being decoded", 120)
            began = time.time()
            fault(self.machine)
        self.hold(given, began, **ends)

    def hold(self, given: Batch, began: float, **ends: Summary) -> None:
        """Hold the machine to the invariant for what it was given; `ends` are those that no quiet run has."""
        figures, found = measure(self.machine, given, began)
        self._report.add(figures)
        assert figures.ended_before < len(given.names), "the fault came when all was done"
        verify(self.machine, given, {**self._quiet, **ends}, found)


@pytest.fixture
def scenario(machine: Machine, quiet: Expected, report: Report, request: pytest.FixtureRequest) -> Iterator[Scenario]:
    yield Scenario(machine, quiet, report)
    own = [item for item in request.session.items if item.path == request.path]
    report.is_whole = report.is_whole or (len(own) == OWN_TESTS and request.node is own[-1])


@pytest.mark.parametrize(
    "fault",
    [
        faults.kill_worker,
        faults.kill_child,
        faults.kill_broker,
        faults.kill_index,
        faults.kill_api,
        faults.kill_supervisor,
        faults.stop_worker,
    ],
    ids=lambda fault: fault.__name__.replace("_", "-"),
)
def test_nothing_is_lost_when_a_process_ends_in_the_middle_of_work(
    scenario: Scenario, fault: Callable[[Machine], None]
) -> None:
    tenant = fault.__name__.replace("_", "-")
    scenario.run(batch(tenant, scenario.machine.tracks, TRACKS), fault)


def test_nothing_is_lost_while_a_second_worker_comes_and_goes(scenario: Scenario) -> None:
    rounds = [batch(f"storm-{number}", scenario.machine.tracks, TRACKS) for number in range(4)]
    began = time.time()
    for given, ending in zip(rounds, (signal.SIGKILL, signal.SIGTERM) * 2, strict=True):
        faults.come_and_go(scenario.machine, given.records, ending)
    for given in rounds:
        scenario.hold(given, began)


def test_poison_ends_as_one_letter_each_and_harms_nothing_beside_it(scenario: Scenario) -> None:
    scenario.run(batch("poison", scenario.machine.tracks, TRACKS, poison=True), **UNDECODABLE)


def test_an_input_that_always_kills_the_child_is_given_up_after_three_attempts(scenario: Scenario) -> None:
    given = batch("killer", scenario.machine.tracks, (*TRACKS, "killer"))
    scenario.run(given, killer=("letter", "decode", "child-died", 3))


def test_an_input_that_never_ends_is_given_up_after_three_attempts(scenario: Scenario) -> None:
    given = batch("endless", scenario.machine.tracks, (*TRACKS, "endless"))
    scenario.run(given, endless=("letter", "decode", "time-limit-exceeded", 3))


def test_a_record_that_is_published_twice_ends_once(scenario: Scenario) -> None:
    given = batch("duplicates", scenario.machine.tracks, TRACKS)
    scenario.run(Batch(given.tenant, given.records + given.records, given.names))


def test_a_full_disk_makes_the_work_wait_and_not_fail(scenario: Scenario) -> None:
    mounted = ("mountpoint", "--quiet", str(scenario.machine.blobs))
    if subprocess.run(mounted, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    scenario.run(batch("disk-full", scenario.machine.tracks, TRACKS), faults.fill_disk)


OWN_TESTS = 13
