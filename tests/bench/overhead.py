"""Overhead: what the pipeline adds to the pure functions, per track.

One by one: an `Upload` goes out on its topic, and the clock stops when its `Feature(index)` is read; then the pure
functions run on the same file, so that both meet the same machine. `total` is that clock; its split is the workers'
own account (tests/bench/spent.py), where `rest` is work of the stages beside those parts: to read and write records,
to pack and unpack arrays. `overlap` is what makes the parts add up to the total: below zero, as a stage still speaks
with the database when its record is on the way to the next one, less the ways of the first and the last record.

All at once: as many uploads at the same moment, against the pure functions in a loop just before. Here the pipeline
has all cores; processor time by process tells what a track really costs.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid
from pathlib import Path
from statistics import fmean
from typing import Any

from streams import pipeline
from streams.publish import Publisher, outgoing
from streams.records import Job, Upload, now
from streams.settings import Settings
from tests.bench import audio, report
from tests.bench.pure import Pure
from tests.bench.running import Running, running
from tests.bench.spent import PARTS, by_part, cpu, difference, spent
from tests.bench.watcher import Watcher

LANE = "bulk"
WARM_UP_TRACKS = 3
SETTLE_S = 2.0  # until what a stage does after its last record is counted too
HEADER = ("what (ms per track)", "baseline", "pipeline", "ratio")
HEARING = ("decode", "encode", "pack")


async def measure(asked: argparse.Namespace) -> dict[str, Any]:
    with running() as home, Pure() as pure:
        settings = Settings(kafka_bootstrap=home.kafka_bootstrap)
        publisher = Publisher(settings)
        try:
            async with Watcher(home.kafka_bootstrap, ("uploads", "features", "dead-letters")) as watcher:
                for path in audio.copies(home.inputs, WARM_UP_TRACKS):
                    await _ingest(path, publisher, watcher)
                    pure.hear(path)
                alone = await _one_by_one(home, pure, publisher, watcher, asked.tracks)
                together = await _all_at_once(home, pure, publisher, watcher, asked.tracks)
        finally:
            await publisher.close()
    return {"tracks": asked.tracks, "one_by_one": alone, "all_at_once": together}


async def _one_by_one(home: Running, pure: Pure, publisher: Publisher, watcher: Watcher, tracks: int) -> dict[str, Any]:
    before, totals, hearings = spent(home), [], []
    for path in audio.copies(home.inputs, tracks):
        totals.append(await _ingest(path, publisher, watcher))
        hearings.append(await asyncio.to_thread(pure.hear, path))
    await asyncio.sleep(SETTLE_S)
    went = spent(home)
    went.subtract(before)
    baseline = {name: 1000 * fmean(heard[name] for heard in hearings) for name in HEARING}
    stages = [row.name for row in pipeline.STAGES if any(at[:2] == (LANE, row.name) for at in went)]
    by_stage = {stage: _ms(by_part(went, LANE, stage), tracks) for stage in stages}
    total_ms = 1000 * fmean(totals)
    split = {part: sum(parts[part] for parts in by_stage.values()) for part in (*PARTS, "rest") if part != "child"}
    children = {f"child: {name}": by_stage[name]["child"] for name in ("decode", "encode")}
    overlap_ms = total_ms - sum(split.values()) - sum(children.values())
    pure_ms = {**{f"child: {name}": baseline[name] for name in ("decode", "encode")}, "rest": baseline["pack"]}
    rows = {**children, **split, "overlap": overlap_ms, "total": total_ms}
    pure_ms["total"] = sum(baseline.values())
    report.table(
        f"One by one, mean of {tracks} (overhead {total_ms - pure_ms['total']:.0f} ms per track)",
        HEADER,
        [
            (name, pure_ms.get(name), value, None if name == "rest" else report.ratio(value, pure_ms.get(name)))
            for name, value in rows.items()
        ],
    )
    columns = (*PARTS, "rest")
    report.table(
        "The same by stage",
        ("stage (ms per track)", *columns),
        [(stage, *(parts[part] for part in columns)) for stage, parts in by_stage.items()],
    )
    return {
        "baseline_ms": pure_ms,
        "pipeline_ms": rows,
        "pipeline_p50_ms": 1000 * report.percentile(totals, 50),
        "pipeline_p95_ms": 1000 * report.percentile(totals, 95),
        "by_stage_ms": by_stage,
    }


async def _all_at_once(
    home: Running, pure: Pure, publisher: Publisher, watcher: Watcher, tracks: int
) -> dict[str, Any]:
    paths = audio.copies(home.inputs, tracks)
    began = time.perf_counter()
    baseline_cpu_s = 0.0
    for path in paths:
        baseline_cpu_s += (await asyncio.to_thread(pure.hear, path))["cpu"]
    baseline_ms = 1000 * (time.perf_counter() - began) / tracks
    cpu_before, began = cpu(home), time.perf_counter()
    await asyncio.gather(*(_ingest(path, publisher, watcher) for path in paths))
    pipeline_ms = 1000 * (time.perf_counter() - began) / tracks
    used = _ms(difference(cpu(home), cpu_before), tracks)
    wall = ("wall clock", baseline_ms, pipeline_ms, report.ratio(pipeline_ms, baseline_ms))
    baseline_cpu_ms, cpu_ms = 1000 * baseline_cpu_s / tracks, sum(used.values())
    rows = [wall, ("processor", baseline_cpu_ms, cpu_ms, report.ratio(cpu_ms, baseline_cpu_ms))]
    rows += [
        (f"  {name}", baseline_cpu_ms if name == f"worker-{LANE}: child" else None, value, None)
        for name, value in sorted(used.items(), key=lambda pair: -pair[1])
        if value >= 0.05
    ]
    report.table(f"All {tracks} at once", HEADER, rows)
    return {
        "baseline_ms": {"wall": baseline_ms, "cpu": baseline_cpu_ms},
        "pipeline_ms": {"wall": pipeline_ms, "cpu": cpu_ms},
        "cpu_ms_by_process": used,
    }


async def _ingest(path: Path, publisher: Publisher, watcher: Watcher) -> float:
    """Seconds from publishing the upload to reading that the track is searchable."""
    job_id = f"bench-{uuid.uuid4()}"
    upload = Upload(
        event_id=job_id,
        tenant="local",
        dataset_name="bench",
        blob_uri=path.as_uri(),
        job=Job(id=job_id, index=0, size=1),
        requested_at=now(),
    )
    began_s = time.time()
    await publisher.publish([outgoing(upload, "uploads")])
    return await watcher.ended(job_id) - began_s


def _ms(seconds: dict[str, float], tracks: int) -> dict[str, float]:
    return {name: 1000 * value / tracks for name, value in seconds.items()}
