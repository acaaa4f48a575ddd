"""`Vectors` on Milvus: a server by URI, or Milvus Lite under `streams.milvus_server`.

One thread writes, so that writes of this process never meet; four read. Every fault of Milvus or of the way there
becomes `Unavailable`, also one that looks like ours: the index is rebuilt from the blobs, so to wait and raise an
alarm is always right. Writes are not repeated here: the caller repeats them, and they are idempotent.

Rows that wait to be flushed are searched one by one (Lite: 40 us per row and search), and flushing per track
makes a slow crowd of tiny segments. So: flush at 2,000 rows, or after 30 s without a write.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import grpc  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from streams.errors import Unavailable
from streams.milvus_server import UNCLEAN_PREFIX
from streams.stores.vectors import Collection, Floats, Hit, checked, numbered, row_key

# pymilvus reads any `.env` upwards from itself into this process's environment when it is imported, sets up its own
# log handlers, and writes 200 lines of traceback for each failed call: first this, then the import, then the levels.
os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

for _name in ("pymilvus", "pymilvus.milvus_client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

Answer = TypeVar("Answer")

MISSING, NOT_LOADED = 100, 101  # Milvus' codes for a collection that is not there, or there but not in memory
INDEX = {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 24, "efConstruction": 200}}
EF = 128  # with M 16 and ef 64 hard queries lose a fifth of their neighbours among 500,000 rows
ROWS_PER_CALL = 2_000  # of 1,024 dims: 8 MB, an eighth of what a server takes at once
WRITE_S, READ_S, PING_S = 120.0, 60.0, 10.0  # a write that makes Lite flush has been seen to take 17 s


class MilvusVectors:
    """See `Vectors`. Connects at the first call; a server that went away is found again by itself."""

    def __init__(self, uri: str, *, flush_rows: int = 2_000, idle_s: float = 30.0) -> None:
        self._uri = uri
        self._flush_rows = flush_rows
        self._idle_s = idle_s
        self._writer = ThreadPoolExecutor(1, "milvus-write")
        self._readers = ThreadPoolExecutor(4, "milvus-read")
        self._connecting = threading.Lock()
        self._connected: Any = None
        self._ready: set[str] = set()  # collections that this process has seen complete; the writer's own
        self._waiting: Counter[str] = Counter()  # rows not yet flushed, by collection; the writer's own
        self._last_write = time.monotonic()
        self._idle_flush: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._idle_flush = asyncio.create_task(self._flush_when_idle())

    async def close(self) -> None:
        if self._idle_flush:
            self._idle_flush.cancel()
            await asyncio.gather(self._idle_flush, return_exceptions=True)
        if self._waiting:
            with contextlib.suppress(Unavailable):
                await self._call(self._writer, self._flush)
        # The threads end with this object: shut down now, they would answer a late call with a RuntimeError.
        if self._connected:
            self._connected.close()

    async def ping(self) -> None:
        await self._call(self._readers, lambda client: client.list_collections(timeout=PING_S))

    async def upsert(
        self, collection: Collection, track_id: str, windows: Floats, start_s: NDArray[np.floating]
    ) -> None:
        rows = [
            {"id": row_key(track_id, row), "track_id": track_id, "start_s": start, "vector": window}
            for row, start, window in numbered(collection, windows, start_s)
        ]
        if rows:
            await self._call(self._writer, lambda client: self._write(client, collection, rows))

    async def search(self, collection: Collection, queries: Floats, limit: int) -> list[Hit]:
        batch = checked(collection, queries)
        if not len(batch) or limit < 1:
            return []

        def find(client: Any) -> Any:
            return client.search(
                collection.name,
                list(batch),
                limit=limit,
                output_fields=["track_id", "start_s"],
                search_params={"params": {"ef": max(EF, limit)}},
                consistency_level="Strong",  # the default of a server may miss what was written a moment ago
                timeout=READ_S,
            )

        found: Any = await self._call(self._readers, lambda client: _if_there(client, collection.name, find, []))
        return [
            Hit(hit["entity"]["track_id"], hit["entity"]["start_s"], query_index, float(hit["distance"]))
            for query_index, hits in enumerate(found)
            for hit in hits
        ]

    async def delete_track(self, collection: Collection, track_id: str) -> None:
        # A JSON string is a Milvus string, as long as it is not full of \u escapes.
        chosen = f"track_id == {json.dumps(track_id, ensure_ascii=False)}"

        def delete(client: Any) -> Any:
            return client.delete(collection.name, filter=chosen, timeout=WRITE_S)

        await self._call(self._writer, lambda client: _if_there(client, collection.name, delete, None))

    async def drop(self, collection: Collection) -> None:
        def drop(client: Any) -> None:
            client.drop_collection(collection.name, timeout=WRITE_S)
            self._ready.discard(collection.name)
            self._waiting.pop(collection.name, None)

        await self._call(self._writer, drop)

    async def tracks(self, collection: Collection) -> dict[str, int]:
        def count(client: Any) -> dict[str, int]:
            # An iterator, as a server answers no query with more than 16,384 rows.
            rows = client.query_iterator(
                collection.name,
                batch_size=16_384,
                output_fields=["track_id"],
                consistency_level="Strong",
                timeout=READ_S,
            )
            counted: Counter[str] = Counter()
            while page := rows.next():
                counted.update(row["track_id"] for row in page)
            rows.close()
            return dict(counted)

        return await self._call(self._readers, lambda client: _if_there(client, collection.name, count, {}))

    async def unclean(self) -> str | None:
        names = await self._call(self._readers, lambda client: client.list_collections(timeout=PING_S))
        marks = [name.removeprefix(UNCLEAN_PREFIX) for name in names if name.startswith(UNCLEAN_PREFIX)]
        return marks[0] if marks else None

    async def mended(self, unclean_id: str) -> None:
        await self._call(
            self._writer, lambda client: client.drop_collection(f"{UNCLEAN_PREFIX}{unclean_id}", timeout=WRITE_S)
        )

    def _write(self, client: Any, collection: Collection, rows: list[dict[str, Any]]) -> None:
        for first in range(0, len(rows), ROWS_PER_CALL):
            if collection.name not in self._ready:
                _make(client, collection)
                self._ready.add(collection.name)
            try:
                client.upsert(collection.name, rows[first : first + ROWS_PER_CALL], timeout=WRITE_S)
            except MilvusException as error:
                if error.code == MISSING:  # dropped by another process: made again when the caller tries again
                    self._ready.discard(collection.name)
                raise
        self._waiting[collection.name] += len(rows)
        self._last_write = time.monotonic()
        if self._waiting[collection.name] >= self._flush_rows:
            self._flush(client, collection.name)

    def _flush(self, client: Any, *names: str) -> None:
        """Flush these collections, or all that have waiting rows."""
        for name in names or tuple(self._waiting):
            _if_there(client, name, partial(MilvusClient.flush, collection_name=name, timeout=WRITE_S), None)
            del self._waiting[name]

    async def _flush_when_idle(self) -> None:
        while True:
            await asyncio.sleep(self._idle_s / 4)
            if self._waiting and time.monotonic() - self._last_write >= self._idle_s:
                with contextlib.suppress(Unavailable):  # they go on waiting
                    await self._call(self._writer, self._flush)

    async def _call(self, threads: Executor, work: Callable[[Any], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(threads, self._guarded, work)

    def _guarded(self, work: Callable[[Any], Answer]) -> Answer:
        try:
            return work(self._client())
        except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError, ValueError) as error:
            raise Unavailable(
                "the vector index does not answer, or refuses",
                "see that Milvus runs at SOUNDTRACE_MILVUS_URI",
                reason=str(error),
            ) from error

    def _client(self) -> Any:
        with self._connecting:
            if not self._connected:
                self._connected = MilvusClient(self._uri, timeout=PING_S, dedicated=True)
            return self._connected


def _if_there(client: Any, name: str, work: Callable[[Any], Answer], otherwise: Answer) -> Answer:
    """What `work` answers; `otherwise` where the collection is missing. One that is not in memory is loaded first."""
    try:
        return work(client)
    except MilvusException as error:
        if error.code == MISSING:
            return otherwise
        if error.code != NOT_LOADED:
            raise
    client.load_collection(name, timeout=WRITE_S)
    return work(client)


def _make(client: Any, collection: Collection) -> None:
    """Create, index, load: each only if missing, as a process may have died between any two of them."""
    if not client.has_collection(collection.name, timeout=READ_S):
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("track_id", DataType.VARCHAR, max_length=512)
        schema.add_field("start_s", DataType.DOUBLE)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=collection.dim)
        client.create_collection(collection.name, schema=schema, consistency_level="Strong", timeout=WRITE_S)
    if not client.list_indexes(collection.name, timeout=READ_S):
        index = client.prepare_index_params()
        index.add_index("vector", **INDEX)
        client.create_index(collection.name, index, timeout=WRITE_S)
    client.load_collection(collection.name, timeout=WRITE_S)
