"""Latency: from asking for a 1:n search to its answer, idle and while many tracks are being ingested.

Three ways of asking, each in turn, one search at a time:
    heard   over HTTP, with a query whose sound is in the dataset, so that nothing has to be computed of it
    new     over HTTP, with ten seconds that were uploaded but never heard
    kafka   the first once more, by a `SearchRequest` on its topic; the clock stops when its `SearchResult` is read
Over HTTP the job is polled every 20 ms. The load is `soundtrace ingest` on a folder of files, as a user would run it;
a search counts as under load when it ended before the load did.

The legs of a search add up to its total. They are read from the timestamps that the publishers gave the records:
    ask      from the call to the request's record: HTTP, checks, outbox
    accept, decode, encode, match   from the stage's input record to its output record, both ways included
    answer   from the result's record to the caller: over HTTP the read model and the poll
The split of the time between the legs `ask` and `answer` is the workers' own account (tests/bench/spent.py).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import fmean
from subprocess import Popen
from typing import Any

from tests.bench import audio, report
from tests.bench.asking import DATASET, LANE, LEGS, Asker, asker
from tests.bench.pure import Pure
from tests.bench.running import Running, running
from tests.bench.spent import PARTS, Spent, by_part, spent

WARM_UPS = 3
UNDER_WAY_S = 5.0  # from the first file of the load that is searchable to the first search
WAYS = ("heard", "new", "kafka")


@dataclass(frozen=True, slots=True)
class Batch:
    """Searches of one kind: the seconds of each leg, and where the workers' time went in all of them."""

    legs: list[dict[str, float]]
    went: Spent

    def totals(self) -> list[float]:
        return [sum(legs.values()) for legs in self.legs]


async def measure(asked: argparse.Namespace) -> dict[str, Any]:
    with running() as home, Pure() as pure:
        async with asker(home) as asking:
            await _ingest(home, audio.CLIPS[0].parent)
            new = [
                (await asking.client.upload(cut))["blob_name"]
                for cut in await asyncio.to_thread(audio.cuts, home.inputs, 2 * asked.searches + WARM_UPS)
            ]
            heard = [(await asking.client.upload(clip))["blob_name"] for clip in audio.CLIPS]
            unheard = iter(new)
            for query in heard[:WARM_UPS]:
                await asking.over_http(query)
                await asking.over_http(next(unheard))
            baseline = await asyncio.to_thread(_baseline, pure, sorted(home.inputs.glob("cut-*.wav")))
            idle = await _batches(asking, heard, unheard, asked.searches, lambda: True)
            load = await _start_load(home, asked.load)
            try:
                loaded = await _batches(asking, heard, unheard, asked.searches, lambda: load.poll() is None)
            finally:
                load.terminate()
                load.wait()
    for way in WAYS:
        _tell(way, baseline[way], idle[way], loaded[way])
    return {
        "candidates": len(audio.CLIPS),
        "load_tracks": asked.load,
        **{way: _figures(baseline[way], idle[way], loaded[way]) for way in WAYS},
    }


async def _batches(
    asking: Asker, heard: list[str], unheard: Iterable[str], searches: int, going_on: Callable[[], bool]
) -> dict[str, Batch]:
    ways: tuple[tuple[str, Callable[[str], Awaitable[dict[str, float]]], Iterable[str]], ...] = (
        ("heard", asking.over_http, cycle(heard)),
        ("new", asking.over_http, unheard),
        ("kafka", asking.over_kafka, cycle(heard)),
    )
    made = {}
    for way, ask, queries in ways:
        before, legs = spent(asking.home), list[dict[str, float]]()
        for _, query in zip(range(searches), queries, strict=False):
            took = await ask(query)
            if not going_on():
                break
            legs.append(took)
        went = spent(asking.home)
        went.subtract(before)
        made[way] = Batch(legs, went)
    return made


async def _ingest(home: Running, folder: Path) -> None:
    if await asyncio.to_thread(home.start("ingest", str(folder), "--dataset", DATASET).wait):
        raise RuntimeError(f"soundtrace ingest {folder.name} failed")


async def _start_load(home: Running, tracks: int) -> Popen[bytes]:
    folder = home.inputs / "load"
    folder.mkdir()
    await asyncio.to_thread(audio.copies, folder, tracks)
    before = spent(home)
    load = home.start("ingest", str(folder), "--dataset", "load")
    while spent(home)["bulk", "index", "stage"] == before["bulk", "index", "stage"]:
        if load.poll() is not None:
            raise RuntimeError("the load ended before it began: look at the home's logs")
        await asyncio.sleep(0.5)
    await asyncio.sleep(UNDER_WAY_S)
    return load


def _baseline(pure: Pure, cuts: list[Path]) -> dict[str, dict[str, float]]:
    """Seconds of the pure functions for one search, by leg."""
    for clip in audio.CLIPS:
        pure.hear(clip)
    match = fmean(pure.compare(clip, audio.CLIPS)["compare"] for clip in audio.CLIPS)
    hearings = [pure.hear(cut) for cut in cuts]
    short = fmean(pure.compare(cut, audio.CLIPS)["compare"] for cut in cuts)
    hearing = {name: fmean(heard[name] for heard in hearings) for name in ("decode", "encode")}
    return {"heard": {"match": match}, "kafka": {"match": match}, "new": {**hearing, "match": short}}


def _tell(way: str, baseline: Mapping[str, float], idle: Batch, loaded: Batch) -> None:
    rows = []
    for name in ("total", *(leg for leg in LEGS if leg in idle.legs[0])):
        columns = [
            batch.totals() if name == "total" else [legs[name] for legs in batch.legs] for batch in (idle, loaded)
        ]
        pure_ms = 1000 * (sum(baseline.values()) if name == "total" else baseline.get(name, 0.0)) or None
        quiet, busy = (_spread(values) for values in columns)
        behind = busy["p95"] - quiet["p95"] if busy else None
        rows.append((name, pure_ms, *quiet.values(), *(busy.values() or [None] * 3), behind))
    spread = [f"{when} {figure}" for when in ("idle", "load") for figure in ("p50", "p95", "max")]
    counts = f"{len(idle.legs)} searches idle, {len(loaded.legs)} under load"
    report.table(f"'{way}': {counts}", ("leg (ms)", "baseline", *spread, "p95 later by"), rows)
    parts = (*PARTS, "rest")
    both = [_split(batch) for batch in (idle, loaded)]
    compute_ms = 1000 * sum(baseline.values())
    report.table(
        f"'{way}': the stages' time, mean",
        ("on (ms per search)", "baseline", "idle", "load", "load / idle"),
        [
            (part, compute_ms if part == "child" else None, both[0][part], both[1].get(part), _over(both, part))
            for part in parts
        ],
    )


def _figures(baseline: Mapping[str, float], idle: Batch, loaded: Batch) -> dict[str, Any]:
    def told(batch: Batch) -> dict[str, Any]:
        legs = {leg: _spread([legs[leg] for legs in batch.legs]) for leg in (batch.legs[0] if batch.legs else ())}
        return {
            "searches": len(batch.legs),
            "total_ms": _spread(batch.totals()),
            "legs_ms": legs,
            "split_ms": _split(batch),
        }

    return {"baseline_ms": {leg: 1000 * s for leg, s in baseline.items()}, "idle": told(idle), "load": told(loaded)}


def _spread(seconds: list[float]) -> dict[str, float]:
    """In milliseconds; nothing where there is nothing."""
    if not seconds:
        return {}
    ms = [1000 * value for value in seconds]
    return {"p50": report.percentile(ms, 50), "p95": report.percentile(ms, 95), "max": max(ms)}


def _split(batch: Batch) -> dict[str, float]:
    seconds = by_part(batch.went, LANE)
    return {part: 1000 * value / len(batch.legs) for part, value in seconds.items()} if batch.legs else {}


def _over(both: list[dict[str, float]], part: str) -> str | None:
    return report.ratio(both[1][part], both[0][part]) if both[1] and both[0][part] >= 0.05 else None
