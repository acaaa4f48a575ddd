"""Where the pipeline's time went, read from outside: the workers' metrics, and the processor time of every process.

`spent` is the sum over all records so far, in seconds, by (lane, stage, on). `on` is
    hop      from the record's timestamp, which its publisher's clock gave it, to its arrival at the stage:
             the way through Kafka and the wait for the record before it
    child    a call of the heavy child: the wait for its turn, pickling both ways, the function
    blob, sql, milvus, broker   waiting for a store, the database, the index, the broker's confirmation
    stage    from arrival to the last of these (the hop is not in it)
"""

from __future__ import annotations

import os
import urllib.request
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.bench.running import Running

Spent = Counter[tuple[str, str, str]]
PARTS = ("hop", "child", "blob", "sql", "milvus", "broker")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback: no proxy in between


def spent(running: Running) -> Spent:
    """Seconds so far; take one from another to know about the time between."""
    found: Spent = Counter()
    for port in running.metrics_ports().values():
        text = DIRECT.open(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                at = (sample.labels.get("lane", ""), sample.labels.get("stage", ""))
                if sample.name == "soundtrace_stage_spent_seconds_total":
                    found[*at, sample.labels["on"]] += sample.value
                elif sample.name == "soundtrace_stage_duration_seconds_sum":
                    found[*at, "stage"] += sample.value
    return found


def by_part(spent: Spent, lane: str, stage: str | None = None) -> dict[str, float]:
    """Seconds by part on a lane, at one stage or all; `rest` is what no part accounts for."""
    parts: Counter[str] = Counter()
    for (on_lane, at_stage, on), seconds in spent.items():
        if on_lane == lane and stage in (None, at_stage):
            parts[on] += seconds
    parts["rest"] = parts["stage"] - sum(parts[part] for part in PARTS if part != "hop")
    return {part: parts[part] for part in (*PARTS, "rest")}


def cpu(running: Running) -> Counter[str]:
    """Processor seconds so far by service; what a service started is `<service>: child`."""
    used: Counter[str] = Counter()
    names = {pid: name for name, pid in running.pids.items()}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):  # not a process, or no longer one
            pid, fields = int(folder.name), (folder / "stat").read_text().rpartition(")")[2].split()
            parent = int(fields[1])
            name = names.get(pid) or (f"{names[parent]}: child" if parent in names else None)
            if name:
                used[name] += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return used


def difference(later: Mapping[str, float], earlier: Mapping[str, float]) -> dict[str, float]:
    return {name: later[name] - earlier.get(name, 0.0) for name in later}
