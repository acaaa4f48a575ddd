"""Pairs: how many comparisons a second an m:n search makes, and how many files a second the API takes in.

The m:n search is the shipped clips against themselves (each query meets all but itself), over HTTP, from the call to
the first poll that shows its end; the baseline is the pure comparison of the same pairs in a loop in one process.
Uploads are files of some 260 kB with ever new bytes; the baseline hashes each and puts it into a blob store of the
same kind, on the same disk, in a loop in one process: what the API adds is HTTP, sniffing and the catalogue.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import time
from pathlib import Path
from typing import Any

from streams.cli.client import Client
from streams.stores.blobs import open_blobs
from tests.bench import audio, report
from tests.bench.polling import until_completed
from tests.bench.pure import Pure
from tests.bench.running import Running, running
from tests.bench.spent import PARTS, by_part, cpu, difference, spent

DATASET = "clips"
POLL_S = 0.05
SETTLE_S = 1.0
HEADER = ("what", "baseline", "pipeline", "ratio")
AT_ONCE = (1, 4)


async def measure(asked: argparse.Namespace) -> dict[str, Any]:
    with running() as home, Pure() as pure:
        async with Client(home.server) as client:
            ingest = home.start("ingest", str(audio.CLIPS[0].parent), "--dataset", DATASET)
            if await asyncio.to_thread(ingest.wait):
                raise RuntimeError("soundtrace ingest failed")
            pairs = await _pairs(home, pure, client)
            uploads = await _uploads(home, client, asked.uploads)
    return {"pairs": pairs, "uploads": uploads}


async def _pairs(home: Running, pure: Pure, client: Client) -> dict[str, Any]:
    count = len(audio.CLIPS) * (len(audio.CLIPS) - 1)
    for clip in audio.CLIPS:
        await asyncio.to_thread(pure.hear, clip)
    baseline_s = 0.0
    for query in audio.CLIPS:
        others = [clip for clip in audio.CLIPS if clip != query]
        baseline_s += (await asyncio.to_thread(pure.compare, query, others))["compare"]
    before, cpu_before, began = spent(home), cpu(home), time.perf_counter()
    body = {"search_type": "m:n", "query_dataset_name": DATASET, "candidate_dataset_name": DATASET}
    job_id = await client.start("search", "type2", body)
    await until_completed(client, job_id, POLL_S)
    pipeline_s = time.perf_counter() - began
    await asyncio.sleep(SETTLE_S)
    went, used = spent(home), difference(cpu(home), cpu_before)
    went.subtract(before)
    split = by_part(went, "bulk")
    accounted_s = {part: split[part] for part in (*PARTS, "rest")}
    rows = [("pairs per second", count / baseline_s, count / pipeline_s, f"{baseline_s / pipeline_s:.2f}")]
    rows += [("ms per pair", *_ms(count, baseline_s, pipeline_s), report.ratio(pipeline_s, baseline_s))]
    for part, seconds in accounted_s.items():
        pure_s = baseline_s if part == "child" else None
        ratio = report.ratio(seconds, pure_s)
        rows.append((f"  {part}", pure_s and _ms(count, pure_s)[0], _ms(count, seconds)[0], ratio))
    report.table(f"One m:n search, {count} pairs", HEADER, rows)
    return {
        "pairs": count,
        "baseline_s": baseline_s,
        "pipeline_s": pipeline_s,
        "split_s": accounted_s,
        "cpu_s_by_process": {name: value for name, value in used.items() if value},
    }


async def _uploads(home: Running, client: Client, files: int) -> dict[str, Any]:
    rows, figures = [], dict[str, Any]()
    stored_s = await _store_all_s(audio.copies(home.inputs, files), home.path / "bench-blobs")
    for at_once in AT_ONCE:
        todo = iter(audio.copies(home.inputs, files))

        async def send(todo: Any = todo) -> None:
            for path in todo:
                await client.upload(path)

        before, began = cpu(home), time.perf_counter()
        await asyncio.gather(*(send() for _ in range(at_once)))
        sent_s = time.perf_counter() - began
        used = difference(cpu(home), before)
        api_ms = 1000 * (used["api"] + used.get("api: child", 0.0)) / files
        rate, baseline = files / sent_s, files / stored_s
        rows.append((f"files per second, {at_once} at once", baseline, rate, report.ratio(rate, baseline)))
        rows.append(("  API's processor time, ms per file", None, api_ms, None))
        figures[f"{at_once}_at_once"] = {"files_per_s": rate, "api_cpu_ms_per_file": api_ms}
    report.table(f"{files} uploads", HEADER, rows)
    return {"files": files, "baseline_files_per_s": files / stored_s, **figures}


async def _store_all_s(paths: list[Path], folder: Path) -> float:
    """Seconds to hash all files and put them into a blob store."""
    blobs = open_blobs(folder.as_uri())
    began = time.perf_counter()
    for path in paths:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        await blobs.put_file(f"uploads/bench/{digest}", path)
    return time.perf_counter() - began


def _ms(count: int, *seconds: float) -> list[float]:
    return [1000 * value / count for value in seconds]
