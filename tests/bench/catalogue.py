"""Catalogue: what a search costs as a catalogue grows: postings, and windows in Milvus. One thread.

The rows of the shipped clips stand for any number of tracks: a track has the keys of seven of them, so that keys are as
uneven as music makes them, at times that are drawn anew, as it would else hold every query. A query is five seconds of
a clip under white noise, 5 dB below it, or the whole clip. The baseline is the same keys looked up in the same rows as
one sorted array in memory. For windows see `catalogue_windows`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from models.fingerprint import landmarks, peaks, recognise, voting
from models.fingerprint.peaks import Peaks
from models.motif import chains, salience
from models.motif import voting as motif_voting
from streams.artifacts import pack
from streams.posting import Where, find_listed
from streams.stores.postings import NUMBER_BITS
from streams.stores.segments import FANOUT, ROW_BYTES, Segment, SegmentPostings, write
from tests.bench import catalogue_windows, report
from tests.quality.clips import Clip, clips

TRACK_S = 240.0
LUMP = FANOUT**2  # tracks that are written at once: of this length no more are merged
TIME_SHIFT, TIMES = 20, round(100 * TRACK_S)  # in a payload: steps of 10 ms
QUERIES = 6
QUERY_S = 5.0
NOISE_DB = -5.0

Rows = tuple[NDArray[np.int64], NDArray[np.int64]]


async def measure(asked: argparse.Namespace) -> dict[str, Any]:
    with threadpool_limits(1):
        chosen = clips()[: 2 * QUERIES]
        layers = {
            "fingerprint": _Layer([_peaks(clip.samples()) for clip in chosen], landmarks.rows),
            "motif": _Layer([_events(clip) for clip in chosen], chains.rows),
        }
        sizes = {name: _sizes(layer, chosen) for name, layer in layers.items()}
        report.table(
            "bytes for an hour of music, one layer",
            ["layer", "artifact MB/h", "postings MB/h", "rows a second"],
            [[name, *row.values()] for name, row in sizes.items()],
        )
        figures = {
            name: {str(size): _at(name, layer, size, chosen) for size in asked.sizes} for name, layer in layers.items()
        }
    header = list(figures["fingerprint"][str(asked.sizes[0])])
    rows = [[f"{name}, {size} tracks", *row.values()] for name, found in figures.items() for size, row in found.items()]
    report.table(f"tracks of {TRACK_S:g} s; CPU ms a query", ["", *header], rows)
    windows = await catalogue_windows.measure(asked.sizes, TRACK_S)
    return {"track_s": TRACK_S, "per_hour": sizes, "tracks": {**figures, "windows": windows}}


class _Layer:
    """Artifacts of the clips, and how rows are made of one."""

    def __init__(self, artifacts: list[NDArray[np.uint32]], rows: Callable[[NDArray[np.uint32]], Rows]) -> None:
        self.artifacts, self.rows = artifacts, rows


def _sizes(layer: _Layer, chosen: tuple[Clip, ...]) -> dict[str, float]:
    hours = sum(clip.features.duration_s for clip in chosen) / 3_600
    rows = sum(len(layer.rows(one)[0]) for one in layer.artifacts)
    artifact, postings = sum(len(pack(one, {})) for one in layer.artifacts), ROW_BYTES * rows
    return {"artifact": artifact / hours / 1e6, "postings": postings / hours / 1e6, "rows_per_s": rows / hours / 3_600}


def _at(name: str, layer: _Layer, size: int, chosen: tuple[Clip, ...]) -> dict[str, float]:
    """Milliseconds of CPU for a short and for a whole query in a catalogue of so many tracks."""
    folder = Path(tempfile.mkdtemp())
    try:
        store = SegmentPostings(folder)
        where = Where(store, "bench", "bench", name, "1")
        home = folder / where.index(name).name
        home.mkdir()
        every = _fill(home, layer, size, chosen)
        listed = frozenset(store.tracks(where.index(name)))
        short = [_query(name, clip, QUERY_S) for clip in chosen[:QUERIES]]
        whole = [_query(name, clip, None) for clip in chosen[:QUERIES]]
        told = {}
        for said, queries in ((f"{QUERY_S:g} s", short), ("whole clip", whole)):
            timed = [_timed(name, where, listed, query, size) for query in [queries[0], *queries]][1:]
            told[f"{said}: keys"] = float(np.mean([one[0] for one in timed]))
            told[f"{said}: probes"] = float(np.mean([one[1] for one in timed]))
            told[f"{said}: look up"] = float(np.mean([one[2] for one in timed]))
            told[f"{said}: in memory"] = float(np.mean([_in_memory(every, query, name) for query in queries]))
            told[f"{said}: vote"] = float(np.mean([one[3] for one in timed]))
            told[f"{said}: hypotheses"] = float(np.mean([one[4] for one in timed]))
        return told
    finally:
        shutil.rmtree(folder)


def _fill(home: Path, layer: _Layer, size: int, chosen: tuple[Clip, ...]) -> NDArray[np.int32]:
    """Write so many tracks of `TRACK_S`; returns all keys, sorted."""
    rng, every = np.random.default_rng(0), []
    stored = [layer.rows(one) for one in layer.artifacts]
    for first in range(0, size, LUMP):
        keys, payloads, counts = [], [], []
        names = tuple(f"t{number}" for number in range(first, min(first + LUMP, size)))
        for place in range(len(names)):
            copies = rng.choice(len(stored), round(TRACK_S / 35), replace=False)
            mine = np.concatenate([stored[copy][0] for copy in copies])
            what = np.concatenate([stored[copy][1] for copy in copies]) & ((1 << TIME_SHIFT) - 1)
            keys.append(mine)
            payloads.append(what | rng.integers(0, TIMES, len(mine)) << TIME_SHIFT | place << NUMBER_BITS)
            counts.append(len(mine))
        all_keys, all_payloads = np.concatenate(keys), np.concatenate(payloads)
        order = np.argsort(all_keys, kind="stable")
        write(home, Segment(names, tuple(counts), all_keys[order].astype(np.int32), all_payloads[order]))
        every.append(all_keys[order].astype(np.int32))
    return np.sort(np.concatenate(every))


def _query(name: str, clip: Clip, seconds: float | None) -> Any:
    samples = clip.samples()
    if seconds is not None:
        first = len(samples) // 3
        samples = samples[first : first + round(seconds * 22_050)]
    noise = np.random.default_rng(1).normal(0, samples.std() * 10 ** (NOISE_DB / 20), len(samples))
    heard = (samples + noise).astype(np.float32)
    return _peaks(heard) if name == "fingerprint" else salience.events_and_contour(heard)[0]


def _timed(
    name: str, where: Where, listed: frozenset[str], query: Any, size: int
) -> tuple[int, float, float, float, int]:
    """How many keys; ms for the probes, to find their rows, and to vote; how many hypotheses."""
    began = time.process_time()
    asked = landmarks.probes(query) if name == "fingerprint" else chains.probes(query)
    probed = time.process_time()
    rows = find_listed(where, name, asked.keys, listed)
    found = time.process_time()
    if name == "fingerprint":
        many = recognise.HYPOTHESES
        guesses: Any = voting.hypotheses(asked, rows.keys, rows.payloads, pairs=many, quads=many)  # type: ignore[arg-type]
    else:
        guesses = motif_voting.hypotheses(asked, rows.keys, rows.payloads, size, candidates=20)  # type: ignore[arg-type]
    voted = time.process_time()
    spent = [1_000 * (after - before) for before, after in ((began, probed), (probed, found), (found, voted))]
    return len(asked.keys), *spent, len(guesses)  # type: ignore[return-value]


def _in_memory(every: NDArray[np.int32], query: Any, name: str) -> float:
    """ms to look the query's keys up in one sorted array."""
    asked = landmarks.probes(query) if name == "fingerprint" else chains.probes(query)
    keys = asked.keys.astype(np.int32)
    began = time.process_time()
    first, end = (np.searchsorted(every, keys, side) for side in ("left", "right"))
    int((end - first).sum())
    return 1_000 * (time.process_time() - began)


def _peaks(samples: NDArray[np.float32]) -> Peaks:
    return peaks.peaks(np.asarray(soxr.resample(samples, 22_050, peaks.RATE_HZ), np.float32))


def _events(clip: Clip) -> NDArray[np.uint32]:
    return salience.events_and_contour(clip.samples())[0]
