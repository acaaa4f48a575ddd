"""A short part of the delivery suite that runs with all other tests: two kills, poison and a killer in one batch."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from tests.live.chaos.batches import SLOW, batch
from tests.live.chaos.conftest import TRACKS
from tests.live.chaos.faults import kill_child_then_worker
from tests.live.chaos.machines import Machine
from tests.live.chaos.outcomes import Summary, is_being_decoded
from tests.live.chaos.verify import measure, verify
from tests.live.processes import eventually

POISON = ("accept", "accept", "accept", "accept", "accept", "decode", "encode", "index", "match")


@pytest.mark.live
def test_every_input_ends_once_although_child_and_worker_are_killed_and_some_inputs_are_poison(
    machine: Machine, quiet: Mapping[str, Summary]
) -> None:
    given = batch("short", machine.tracks, (*TRACKS, "killer"), poison=True)
    machine.publish(given.records)
    broker = machine.settings().kafka_bootstrap
    eventually(lambda: is_being_decoded(broker, given.tenant, SLOW), "the slow track is being decoded", 120)
    killed_at = time.time()
    kill_child_then_worker(machine)
    figures, found = measure(machine, given, killed_at)
    assert figures.ended_before < len(given.names)
    letters = {f"poison-{number}": ("letter", stage, "undecodable-record", 1) for number, stage in enumerate(POISON)}
    killer = {"killer": ("letter", "decode", "child-died", 3)}
    verify(machine, given, {**quiet, **letters, **killer}, found)
