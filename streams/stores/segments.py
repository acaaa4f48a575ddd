"""Postings as sorted segments that are mapped into memory: files which never change once they have a name.

To put a track is to write a segment of one track. When there are `FANOUT` segments of a size they are merged into one
of the next (a log-structured merge tree: O'Neil et al. 1996), up to some eight million rows. Any number of processes of
a machine may read and write: a segment appears at once and whole, who merges holds a lock, and who finds that a segment
is gone since it listed them lists them again.
A row takes 9 bytes in a segment of one track, 10 in one of up to 256, 12 in a larger one, to which only tracks of less
than half a minute on average are merged: a payload is as wide as the numbers of the tracks need it.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import secrets
import shutil
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streams.errors import Unavailable
from streams.stores.postings import NUMBER_BITS, Integers, InvertedIndex, Postings

FANOUT = 16
MAGIC = b"posting2"
EARLIER_MAGIC = b"postings"  # until 2026-11-29, with payloads of 8 bytes: read, and written anew when it is merged
HEAD = struct.Struct("<8sqq")  # magic; rows; bytes of the JSON that follows: then `Columns.low`, keys, `Columns.high`
ROW_BYTES = 10  # in segments of 2 to 256 tracks, where most rows are
LOW_BITS = 32  # of a payload
MOST_MERGED = 8_000_000  # rows; merging takes 48 bytes of each
MOST_FOUND = 4_000_000  # rows of one question: 200 MB, and some 8 s to vote on (measured 2026-11-22)
ABANDONED_S = 3_600.0
TRIES = 20  # to see all segments at once, while others merge them
OWN_BITS = (1 << NUMBER_BITS) - 1


@dataclass(frozen=True, slots=True)
class Columns:
    """Payloads as a file has them: their low 32 bits, and what stands above in a narrower column (`_high_type`)."""

    low: NDArray[np.uint32]
    high: NDArray[np.unsignedinteger]

    def __getitem__(self, rows: NDArray[np.intp] | slice) -> Integers:
        return self.high[rows].astype(np.int64) << LOW_BITS | self.low[rows]


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of some tracks in the order of their keys; a payload's number is the track's place in `tracks`."""

    tracks: tuple[str, ...]
    counts: tuple[int, ...]
    keys: NDArray[np.int32]
    payloads: Integers | Columns


@dataclass(frozen=True, slots=True)
class SegmentPostings:
    """See `PostingStore`. Segments lie under `folder`, a folder for each index."""

    folder: Path

    def put(self, index: InvertedIndex, track_id: str, keys: Integers, payloads: Integers) -> None:
        with _as_unavailable(index):
            home = self._home(index)
            if not home.exists():
                home.mkdir(parents=True, exist_ok=True)
                _sync(self.folder)
            if track_id in self._counts(home):
                return
            order = np.lexsort((payloads, keys))
            write(home, Segment((track_id,), (len(keys),), keys[order].astype(np.int32), payloads[order]))
            _merge(home)

    def find(self, index: InvertedIndex, keys: Integers) -> Postings:
        wanted = np.sort(keys.astype(np.int32))
        wanted = wanted[np.diff(wanted, prepend=np.int32(-1)) != 0]
        with _as_unavailable(index):
            segments = _segments(self._home(index))
            counts = sum((_counted(segment, wanted) for segment in segments), np.zeros(len(wanted), np.int64))
            wanted = wanted[_affordable(counts)]
            tracks, held = dict[int, str](), set[str]()
            found_keys, found_payloads = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
            first = 0
            for segment in segments:
                own_keys, payloads = _rows_of(segment, wanted)
                # A merging that was killed leaves a track in both: there its rows count once.
                again = [place for place, track in enumerate(segment.tracks) if track in held]
                once = ~np.isin(payloads >> NUMBER_BITS, again) if again else slice(None)
                found_keys.append(own_keys[once])
                found_payloads.append(payloads[once] + (first << NUMBER_BITS))
                tracks |= {first + place: one for place, one in enumerate(segment.tracks) if one not in held}
                held.update(segment.tracks)
                first += len(segment.tracks)
        every_key, every_payload = np.concatenate(found_keys), np.concatenate(found_payloads)
        order = np.argsort(every_key, kind="stable")
        return Postings(every_key[order].astype(np.int64), every_payload[order], tracks)

    def tracks(self, index: InvertedIndex) -> dict[str, int]:
        with _as_unavailable(index):
            return self._counts(self._home(index))

    def replace(self, index: InvertedIndex, others: SegmentPostings) -> None:
        """Take another folder's rows of an index in place of the own, at once."""
        with _as_unavailable(index):
            home, new = self._home(index), others._home(index)
            new.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(f"{home.name}.*"):  # by one that was killed here
                shutil.rmtree(left, ignore_errors=True)
            aside = home.with_name(f"{home.name}.{secrets.token_hex(8)}")
            if home.exists():
                home.rename(aside)
            new.rename(home)
            _sync(self.folder)
            shutil.rmtree(aside, ignore_errors=True)

    def _home(self, index: InvertedIndex) -> Path:
        return self.folder / index.name

    def _counts(self, home: Path) -> dict[str, int]:
        return {
            track: count
            for segment in _segments(home)
            for track, count in zip(segment.tracks, segment.counts, strict=True)
        }


def _segments(home: Path) -> list[Segment]:
    """All segments, mapped: those of one moment."""
    for _ in range(TRIES):
        try:
            return [_open(path) for path in _listed(home)]
        except FileNotFoundError:  # merged meanwhile: what it became is there
            continue
    raise FileNotFoundError(home)


def _listed(home: Path) -> list[Path]:
    return sorted(home.glob("*.segment"))


def _rows_of(segment: Segment, wanted: NDArray[np.int32]) -> tuple[NDArray[np.int32], Integers]:
    """The rows of a segment with these keys, which rise. The fewer are looked up among the more."""
    if not len(wanted):
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    if len(segment.keys) < len(wanted):
        places = np.flatnonzero(wanted[np.searchsorted(wanted[:-1], segment.keys)] == segment.keys)
        return segment.keys[places], segment.payloads[places]
    first = np.searchsorted(segment.keys, wanted)
    counts = np.searchsorted(segment.keys, wanted, "right") - first
    ends = np.cumsum(counts)
    places = np.arange(ends[-1]) + np.repeat(first - (ends - counts), counts)
    return np.repeat(wanted, counts), segment.payloads[places]


def _counted(segment: Segment, wanted: NDArray[np.int32]) -> Integers:
    """How many rows of a segment have each of these keys, which rise: (wanted,)."""
    if not len(wanted):
        return np.zeros(0, np.int64)
    if len(segment.keys) < len(wanted):
        places = np.searchsorted(wanted[:-1], segment.keys)
        return np.bincount(places[wanted[places] == segment.keys], minlength=len(wanted))
    return np.asarray(np.searchsorted(segment.keys, wanted, "right") - np.searchsorted(segment.keys, wanted))


def _affordable(counts: Integers) -> NDArray[np.bool_]:
    """Which keys are read: all, or where that were too many rows, without the commonest, which tell the least."""
    if counts.sum() <= MOST_FOUND:
        return np.ones(len(counts), bool)
    order = np.argsort(counts, kind="stable")
    kept = np.zeros(len(counts), bool)
    kept[order[np.cumsum(counts[order]) <= MOST_FOUND]] = True
    return kept


def _open(path: Path) -> Segment:
    try:
        return _mapped(path)
    except (ValueError, struct.error) as error:  # of a file that is cut off, or was never one of ours
        raise OSError(f"{path.name} cannot be read: {error}") from error


def _mapped(path: Path) -> Segment:
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # held by the arrays that look into it
    magic, rows, length = HEAD.unpack_from(data)
    if magic not in (MAGIC, EARLIER_MAGIC):
        raise ValueError(f"it begins with {magic!r}")
    rows_at = HEAD.size + length
    told = json.loads(data[HEAD.size : rows_at])
    tracks, counts = tuple(told["tracks"]), tuple(told["counts"])
    if magic == EARLIER_MAGIC:
        keys = np.frombuffer(data, np.dtype(np.int32), rows, rows_at + 8 * rows)
        return Segment(tracks, counts, keys, np.frombuffer(data, np.dtype(np.int64), rows, rows_at))
    low = np.frombuffer(data, np.dtype(np.uint32), rows, rows_at)
    keys = np.frombuffer(data, np.dtype(np.int32), rows, rows_at + 4 * rows)
    high = np.frombuffer(data, _high_type(len(tracks)), rows, rows_at + 8 * rows)
    return Segment(tracks, counts, keys, Columns(low, high))


def write(home: Path, segment: Segment) -> None:
    """Under a name of its own, which begins with how many merges of its size lie behind it."""
    told = json.dumps({"tracks": segment.tracks, "counts": segment.counts}).encode()
    told += b" " * (-len(told) % 8)  # so that all numbers lie where a processor likes them
    name = f"{_tier(segment)}-{secrets.token_hex(8)}.segment"
    scratch = home / f"{name}.partial"
    payloads = segment.payloads[:]
    with scratch.open("xb") as file:
        file.write(HEAD.pack(MAGIC, len(segment.keys), len(told)) + told)
        file.write(payloads.astype(np.uint32).data)
        file.write(segment.keys.astype(np.int32).data)
        file.write((payloads >> LOW_BITS).astype(_high_type(len(segment.tracks))).data)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(home / name)
    _sync(home)


def _high_type(tracks: int) -> np.dtype[np.unsignedinteger]:
    """The narrowest that holds what the payloads of so many tracks have above their low bits."""
    return np.min_scalar_type((max(tracks, 1) << NUMBER_BITS - LOW_BITS) - 1)


def _tier(segment: Segment) -> int:
    tier = 0
    while len(segment.tracks) >= FANOUT ** (tier + 1):
        tier += 1
    return tier


def _merge(home: Path) -> None:
    """Merge what there is enough of, unless somebody else is at it."""
    with (home / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for left in home.glob("*.partial"):  # by a writer that was killed: nobody writes for so long
            with suppress(FileNotFoundError):  # it has just got its name
                if time.time() - left.stat().st_mtime > ABANDONED_S:
                    left.unlink()
        while full := next(_full_tiers(home), None):
            merged = _merged([_open(path) for path in full])
            if merged.tracks:
                write(home, merged)
            for path in full:
                path.unlink()


def _full_tiers(home: Path) -> Iterator[list[Path]]:
    tiers: dict[str, list[Path]] = {}
    for path in _listed(home):
        tiers.setdefault(path.name.partition("-")[0], []).append(path)
    return (
        paths
        for paths in tiers.values()
        if len(paths) >= FANOUT and sum(path.stat().st_size for path in paths) <= MOST_MERGED * ROW_BYTES
    )


def _merged(segments: Sequence[Segment]) -> Segment:
    """One segment of all their tracks; of a track that several hold, the rows of the first."""
    tracks: dict[str, int] = {}
    keys, payloads = [], []
    for segment in segments:
        fresh = [place for place, track in enumerate(segment.tracks) if track not in tracks]
        renumbered = np.full(len(segment.tracks), -1, np.int64)
        renumbered[fresh] = np.arange(len(tracks), len(tracks) + len(fresh))
        tracks |= {segment.tracks[place]: segment.counts[place] for place in fresh}
        own = segment.payloads[:]
        numbers = renumbered[own >> NUMBER_BITS]
        kept = numbers >= 0
        keys.append(segment.keys[kept])
        payloads.append(own[kept] & OWN_BITS | numbers[kept] << NUMBER_BITS)
    every_key, every_payload = np.concatenate(keys), np.concatenate(payloads)
    order = np.argsort(every_key, kind="stable")
    return Segment(tuple(tracks), tuple(tracks.values()), every_key[order], every_payload[order])


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _as_unavailable(index: InvertedIndex) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "see that their disk is well; when they are broken, `soundtrace reindex` writes them anew"
        raise Unavailable(f"the postings {index.name} do not answer: {error}", remedy) from error
