"""Posting: which lists of postings an artifact stands in, and what is written there. `post` runs in the heavy child."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.artifacts import unpack
from streams.stores.postings import NUMBER_BITS, Integers, InvertedIndex, Postings, PostingStore

LISTS: Mapping[str, tuple[str, ...]] = {  # of each of `pipeline.POSTED`
    "fingerprint": ("fingerprint",),
    "motif": ("motif_full_audio", "motif_vocals", "motif_accompaniment"),
}


@dataclass(frozen=True, slots=True)
class Where:
    """An artifact kind's lists of one dataset, as one version of it fills them."""

    store: PostingStore
    tenant: str
    dataset_id: str
    kind: str
    version: str

    def index(self, name: str) -> InvertedIndex:
        return InvertedIndex(self.tenant, self.dataset_id, name, self.version)

    def tracks(self) -> set[str]:
        """Those that stand in all lists."""
        return set.intersection(*(set(self.store.tracks(self.index(name))) for name in LISTS[self.kind]))

    def take_over(self, others: Where) -> None:
        """What these hold in place of the own."""
        for name in LISTS[self.kind]:
            self.store.replace(self.index(name), others.store)


def post(where: Where, track_id: str, packed: bytes) -> None:
    """Write the postings of a track's artifact."""
    array = unpack(packed).array
    for name in LISTS[where.kind]:
        where.store.put(where.index(name), track_id, *_rows(name, array))


def find_listed(where: Where, name: str, keys: Integers, listed: Collection[str]) -> Postings:
    """The rows of these keys which listed tracks have."""
    found = where.store.find(where.index(name), keys)
    numbers = [number for number, track_id in found.tracks.items() if track_id in listed]
    live = np.isin(found.payloads >> NUMBER_BITS, numbers)
    return Postings(found.keys[live], found.payloads[live], found.tracks)


def _rows(name: str, array: NDArray[np.uint32]) -> tuple[Integers, Integers]:
    from models.fingerprint import landmarks
    from models.motif import chains, melodies

    if name == "fingerprint":
        return landmarks.rows(array)
    return chains.rows(melodies.events_of(array, name.removeprefix("motif_")))
