"""What a scenario gives to the pipeline: short synthetic tracks and two searches, the same for every scenario.

Each scenario is a tenant of its own, so nothing that an earlier one made is used again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streams import codec
from streams.publish import Outgoing, outgoing
from streams.records import Job, SearchRequest, Upload, now
from tests import signals

DATASET = "suite"
SLOW = "slow"  # the track whose decoding takes three seconds: a fault meets it in flight
MARKS = {SLOW: b"TAKES-3-SECONDS", "killer": b"KILLS-ITS-CHILD", "endless": b"NEVER-ENDS"}
UPLOADS = "uploads"
BULK_WORKS = ("work.bulk.decode", "work.bulk.encode", "work.bulk.index", "work.bulk.match")


def write_tracks(folder: Path, count: int) -> None:
    """`count` melodies of 3 to 6 seconds with names "track-N", and one track for each of MARKS."""
    folder.mkdir(parents=True)
    names = [*(f"track-{number}" for number in range(count)), *MARKS]
    for seed, name in enumerate(names):
        dice = np.random.default_rng(seed)
        notes = tuple(int(pitch) for pitch in dice.integers(-7, 13, 16))
        sound = signals.tune(notes, tempo_bpm=float(dice.uniform(170, 300)), repeats=1)
        (folder / f"{name}.wav").write_bytes(signals.wav(sound) + MARKS.get(name, b""))


@dataclass(frozen=True, slots=True)
class Batch:
    """Records to publish, and the name of everything that must come to an end."""

    tenant: str
    records: tuple[Outgoing, ...]
    names: frozenset[str]


def batch(tenant: str, folder: Path, tracks: Iterable[str], *, poison: bool = False) -> Batch:
    """The slow track, the given ones, and two 1:1 searches over files; with `poison`, some before every track."""
    tracks = (SLOW, *tracks)
    records: list[Outgoing] = []
    names = {*tracks, "same", "other"}
    for number, name in enumerate(tracks):
        if poison and number < len(_poison(folder)):
            topic, value = _poison(folder)[number]
            key = f"{tenant}/poison-{number}".encode()
            records.append(Outgoing(topic, key, value, []))  # type: ignore[arg-type]  # a null value is one of them
            names.add(f"poison-{number}")
        records.append(outgoing(_upload(tenant, folder, name), UPLOADS))
    for name, candidate in (("same", "track-0"), ("other", "track-1")):
        uris = {"query_uri": _uri(folder, "track-0"), "candidate_uri": _uri(folder, candidate)}
        records.append(outgoing(_search(tenant, name, search_type="1:1", **uris), "search-requests"))
    return Batch(tenant, tuple(records), frozenset(names))


def search_of_all(tenant: str, folder: Path) -> Outgoing:
    """A 1:n search, named "all", over what the scenario ingested."""
    fields = {"search_type": "1:n", "query_uri": _uri(folder, "track-0"), "candidate_dataset_name": DATASET}
    return outgoing(_search(tenant, "all", limit=50, **fields), "search-requests")


def _poison(folder: Path) -> list[tuple[str, bytes | None]]:
    good = codec.encode(_upload("poison", folder, "track-0"))
    huge_length = good[:10] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"
    on_uploads = [b"junk", good[:-7], codec.MARKER + b"\1" * 8 + good[10:], None, huge_length]
    return [*((UPLOADS, value) for value in on_uploads), *((topic, b"junk") for topic in BULK_WORKS)]


def _upload(tenant: str, folder: Path, name: str) -> Upload:
    return Upload(
        event_id=f"{tenant}-{name}",
        tenant=tenant,
        dataset_name=DATASET,
        blob_uri=_uri(folder, name),
        job=Job(id=name, index=0, size=1),
        requested_at=now(),
    )


def _search(tenant: str, name: str, **fields: object) -> SearchRequest:
    common = {"event_id": f"{tenant}-{name}", "tenant": tenant, "job_id": name, "requested_at": now()}
    return SearchRequest.model_validate(common | fields)


def _uri(folder: Path, name: str) -> str:
    return (folder / f"{name}.wav").as_uri()
