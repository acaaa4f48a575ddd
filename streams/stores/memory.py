"""The twins in memory: `MemoryBlobs` for tests, `ExactVectors` as the oracle that an approximate index is judged by."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streams.stores.blobs import BlobMissing, check_name
from streams.stores.vectors import Collection, Floats, Hit, checked, numbered


class MemoryBlobs:
    """See `Blobs`."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    async def put(self, name: str, data: bytes) -> None:
        self._blobs.setdefault(check_name(name), bytes(data))

    async def put_file(self, name: str, path: Path) -> None:
        check_name(name)
        await self.put(name, await asyncio.to_thread(path.read_bytes))

    async def get(self, name: str) -> bytes:
        if check_name(name) not in self._blobs:
            raise BlobMissing(name)
        return self._blobs[name]

    async def size(self, name: str) -> int | None:
        data = self._blobs.get(check_name(name))
        return None if data is None else len(data)

    async def exists(self, name: str) -> bool:
        return check_name(name) in self._blobs

    async def existing(self, names: Iterable[str]) -> set[str]:
        return {name for name in names if check_name(name) in self._blobs}

    async def delete(self, name: str) -> None:
        self._blobs.pop(check_name(name), None)

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        check_name(f"{prefix}x")
        for name in [name for name in self._blobs if name.startswith(prefix)]:
            yield name


class ExactVectors:
    """See `Vectors`. Compares every query with every window: always right, and fast up to some 10,000 of them."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[tuple[str, int], tuple[float, Floats]]] = {}
        self.unclean_id: str | None = None  # a test sets it to say that the index came back from a kill

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def ping(self) -> None:
        pass

    async def upsert(
        self, collection: Collection, track_id: str, windows: Floats, start_s: NDArray[np.floating]
    ) -> None:
        rows = numbered(collection, windows, start_s)
        new = {(track_id, row): (start, window.copy()) for row, start, window in rows}
        if new:
            self._rows.setdefault(collection.name, {}).update(new)

    async def search(self, collection: Collection, queries: Floats, limit: int) -> list[Hit]:
        rows = self._rows.get(collection.name, {})
        batch = _unit(checked(collection, queries))
        if not rows:
            return []
        scores = batch @ _unit(np.stack([window for _, window in rows.values()])).T
        tracks = [track_id for track_id, _ in rows]
        starts = [start_s for start_s, _ in rows.values()]
        return [
            Hit(tracks[row], starts[row], query_index, float(scores[query_index, row]))
            for query_index in range(len(batch))
            for row in np.argsort(-scores[query_index], kind="stable")[:limit]
        ]

    async def delete_track(self, collection: Collection, track_id: str) -> None:
        rows = self._rows.get(collection.name, {})
        for key in [key for key in rows if key[0] == track_id]:
            del rows[key]

    async def drop(self, collection: Collection) -> None:
        self._rows.pop(collection.name, None)

    async def tracks(self, collection: Collection) -> dict[str, int]:
        return dict(Counter(track_id for track_id, _ in self._rows.get(collection.name, {})))

    async def unclean(self) -> str | None:
        return self.unclean_id

    async def mended(self, unclean_id: str) -> None:
        if unclean_id == self.unclean_id:
            self.unclean_id = None


def _unit(windows: Floats) -> Floats:
    """Rows of length 1, shape (n, dim); rows of zeros stay zeros."""
    norms: Floats = np.sqrt(np.square(windows).sum(axis=1, keepdims=True))
    return (windows / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
