"""The postings' port: which tracks hold a key, and where; what landmarks and melodies are looked up in.

Like the vectors it is never the truth: rows are a function of stored artifacts, and a hit counts only when the
catalogue has a live row for its track. Calls block: they are made in the heavy child, where the rows are also voted on
and need not be sent anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

NUMBER_BITS = 40  # below the track's number in a payload; the bits under it are the model's own


@dataclass(frozen=True, slots=True)
class InvertedIndex:
    """The posting lists of one kind of artifact, as one version makes it, of one dataset."""

    tenant: str
    dataset_id: str
    kind: str
    version: str

    @property
    def name(self) -> str:
        """A file's name: the kind for a person, the rest as a digest, since a tenant may be called anything."""
        identity = f"{self.tenant}\0{self.dataset_id}\0{self.kind}\0{self.version}"
        return f"{self.kind}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Postings:
    """Rows in the order of their keys.

    Attributes:
        keys: int64 (rows,).
        payloads: int64 (rows,): the track's number from bit `NUMBER_BITS` on, below it what the model put there.
        tracks: which track each number means.
    """

    keys: Integers
    payloads: Integers
    tracks: Mapping[int, str]


class PostingStore(Protocol):
    """Every method may raise `Unavailable`, and no other. Objects pickle: they are sent to the heavy child."""

    def put(self, index: InvertedIndex, track_id: str, keys: Integers, payloads: Integers) -> None:
        """Write the rows of one track, all or none. Found by the next `find`.

        Rows are a function of the track and the index's version: putting a track again changes nothing. `payloads` are
        below 2**40, keys below 2**31; no row may appear twice.
        """

    def find(self, index: InvertedIndex, keys: Integers) -> Postings:
        """The rows of these keys: all, or where they were too many, without those of the commonest keys.

        An index that nothing was put into has none.
        """

    def tracks(self, index: InvertedIndex) -> dict[str, int]:
        """How many rows each track has."""

    def replace(self, index: InvertedIndex, others: Self) -> None:
        """Take what another store of this form holds of an index in place of the own, so that nobody sees it between.

        What was put into the own one meanwhile is lost, and has to be put again.
        """
