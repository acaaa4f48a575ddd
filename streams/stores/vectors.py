"""The index's port: windows of tracks as vectors, found again by cosine similarity.

The index is never the truth. It is rebuilt from the blobs, and a hit counts only when the catalogue has a live row
of the same tenant, dataset and track. Two forms stand behind it: `milvus.MilvusVectors` and `memory.ExactVectors`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streams.errors import Defect

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Collection:
    """All windows of one kind, made by one model version, of one dataset: what a search walks and a drop takes away."""

    tenant: str
    dataset_id: str
    kind: str
    model_version: str
    dim: int

    @property
    def name(self) -> str:
        """A valid Milvus name: readable for a person in its first parts, unique by its last.

        The dataset does not appear in clear: a name may hold letters, digits and `_` only, so two datasets could meet.
        """
        # NUL parts what cannot contain it, so ("a", "bc") and ("ab", "c") differ.
        identity = f"{self.tenant}\0{self.dataset_id}\0{self.kind}\0{self.model_version}"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
        return f"st_{_slug(self.kind)}_{_slug(self.model_version)}_{digest}"


@dataclass(frozen=True)
class Hit:
    """One window that resembles one query: `query_index` is the query's row, `score` the cosine, -1..1, 1 is the same.

    A window or query of only zeros (silence) has no direction and scores 0 with everything.
    """

    track_id: str
    start_s: float
    query_index: int
    score: float


class Vectors(Protocol):
    """Every method may raise `Unavailable`, and `Defect` for arrays of a wrong shape or with NaN in them; no other."""

    async def start(self) -> None:
        """Begin the work in the background (flushing when idle)."""

    async def close(self) -> None:
        """Flush what waits, if the index answers, and let go. The object is of no use afterwards."""

    async def ping(self) -> None:
        """Return if the index answers, else raise `Unavailable`."""

    async def upsert(
        self, collection: Collection, track_id: str, windows: Floats, start_s: NDArray[np.floating]
    ) -> None:
        """Write the windows of one track, making the collection if it is missing. Found by the next search.

        The key of a window is (track, row), so doing it again changes nothing. Rows that a longer, earlier version of
        the track left behind stay: delete the track first if it may have become shorter.

        Args:
            track_id: printable, at most 512 bytes of UTF-8.
            windows: shape (n, dim), float32, finite. n = 0 does nothing.
            start_s: shape (n,), where in the track each window begins.
        """

    async def search(self, collection: Collection, queries: Floats, limit: int) -> list[Hit]:
        """The `limit` best windows for each query, in one call: sorted by query, then best first.

        Args:
            queries: shape (q, dim), float32, finite; q and limit up to 16,384. q = 0 gives [].
        Returns:
            Hits; [] where the collection does not exist.
        """

    async def delete_track(self, collection: Collection, track_id: str) -> None:
        """Remove a track's windows; nothing there is success."""

    async def drop(self, collection: Collection) -> None:
        """Remove the whole collection; nothing there is success."""

    async def tracks(self, collection: Collection) -> dict[str, int]:
        """How many windows of each track are really there, all of them counted: what the catalogue is compared with."""

    async def unclean(self) -> str | None:
        """The id of an unclean start that nobody has mended: acknowledged rows may be missing. None: all is well."""

    async def mended(self, unclean_id: str) -> None:
        """Catalogue and index have been compared since that start. A later unclean start is not forgiven by this."""


def row_key(track_id: str, row: int) -> int:
    """The primary key of a window: 63 bits of a hash, as Milvus walks integers faster than text.

    With ten million windows in one collection two of them share a key with a probability of 5e-6.
    """
    digest = hashlib.sha256(f"{track_id}\0{row}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def checked(collection: Collection, windows: Floats) -> Floats:
    """`windows` as contiguous float32 of shape (n, dim).

    Raises:
        Defect: they are of another shape, or not finite; an index would take them and answer nonsense.
    """
    array = np.ascontiguousarray(windows, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != collection.dim:
        raise Defect(f"vectors of shape {array.shape} do not fit {collection.name}, which has dim {collection.dim}")
    if not np.isfinite(array).all():
        raise Defect(f"vectors for {collection.name} contain NaN or infinity")
    return array


def numbered(
    collection: Collection, windows: Floats, start_s: NDArray[np.floating]
) -> Iterator[tuple[int, float, Floats]]:
    """(row, its second, its vector of shape (dim,)) for each window, once all of them are `checked`."""
    array = checked(collection, windows)
    if len(start_s) != len(array):
        raise Defect(f"{len(array)} windows for {collection.name} come with {len(start_s)} times")
    return ((row, float(start_s[row]), window) for row, window in enumerate(array))


def _slug(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z]+", "_", text)[:64].strip("_")
