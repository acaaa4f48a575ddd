"""Windows of a growing catalogue in Milvus: one batched call for all windows of a query, as a search makes it.

Vectors are synthetic: a track walks at random from a place of its own, so that its windows resemble each other as those
of a recording do; a query is ten windows of a track with as much noise as leaves a cosine of 0.9. The baseline is the
same question answered by one product of matrices and a partial sort over all rows in memory.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from models.card import load
from streams.shortlist import HITS_PER_WINDOW
from streams.stores.milvus import MilvusVectors
from streams.stores.vectors import Collection
from tests.bench import report

CARD = load("pitchclass_small")
QUERIES, WINDOWS = 20, 10
STEP, NOISE = 0.25, 0.48  # of a walk; of a query, beside a vector of length 1
STOP_S = 120.0

Floats = NDArray[np.float32]


async def measure(sizes: Sequence[int], track_s: float) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    each = round(track_s / CARD.hearing.window_hop_s)
    with threadpool_limits(1):
        for size in sizes:
            with _served() as uri:
                figures[str(size)] = await _at(uri, size, each)
            report.table(
                f"{size} tracks, {size * each} windows of {CARD.hearing.latent_dim} numbers; a call asks for {WINDOWS}",
                ["", *figures[str(size)]],
                [["windows", *figures[str(size)].values()]],
            )
    return figures


async def _at(uri: str, size: int, each: int) -> dict[str, float]:
    vectors = MilvusVectors(uri)
    rng = np.random.default_rng(size)
    collection = Collection("bench", "bench", "windows", "1", CARD.hearing.latent_dim)
    every = np.empty((size, each, CARD.hearing.latent_dim), np.float32)
    starts_s = np.arange(each) * CARD.hearing.window_hop_s
    began = time.perf_counter()
    for track in range(size):
        every[track] = _walk(rng, each)
        await vectors.upsert(collection, f"t{track}", every[track], starts_s)
    await vectors.close()  # flushes, and so builds the last index
    written_s = time.perf_counter() - began

    vectors = MilvusVectors(uri)
    flat = every.reshape(-1, every.shape[-1])
    took_ms, loop_ms, right = list[float](), list[float](), 0
    for number in range(QUERIES + 1):
        track = int(rng.integers(size))
        heard = _unit(every[track, :WINDOWS] + _noise(rng, WINDOWS, NOISE))
        began = time.perf_counter()
        hits = await vectors.search(collection, heard, HITS_PER_WINDOW)
        asked = time.perf_counter()
        best = np.argpartition(-(heard @ flat.T), min(HITS_PER_WINDOW, len(flat) - 1), axis=1)
        ended = time.perf_counter()
        if number:  # the first one loads
            took_ms.append(1_000 * (asked - began))
            loop_ms.append(1_000 * (ended - asked))
            right += hits[0].track_id == f"t{track}"
            assert best.shape == (WINDOWS, len(flat))
    await vectors.close()
    return {
        "written, tracks a second": size / written_s,
        "call ms, median": report.percentile(took_ms, 50),
        "call ms, p95": report.percentile(took_ms, 95),
        "numpy ms, median": report.percentile(loop_ms, 50),
        "found first": right / QUERIES,
    }


def _walk(rng: np.random.Generator, many: int) -> Floats:
    """Unit vectors, (many, dims), each a step from the one before."""
    steps = _noise(rng, many, STEP)
    steps[0] = _unit(_noise(rng, 1, 1.0))[0]
    return _unit(np.cumsum(steps, axis=0))


def _noise(rng: np.random.Generator, many: int, length: float) -> Floats:
    """Vectors of about this length in any direction."""
    dims = CARD.hearing.latent_dim
    return (length / np.sqrt(dims) * rng.standard_normal((many, dims))).astype(np.float32)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@contextmanager
def _served() -> Iterator[str]:
    """The address of a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "streams.milvus_server", folder, "--port", "0")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            try:
                assert server.stdout is not None
                yield f"http://127.0.0.1:{server.stdout.readline().rsplit(':', 1)[1].strip()}"
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(STOP_S)
