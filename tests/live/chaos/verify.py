"""The invariant of a scenario: every input ended exactly once, with the numbers of a quiet run, and all is at rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiokafka.errors import KafkaError
from sqlalchemy import select

from streams import cards, pipeline
from streams.artifacts import artifact_name, unpack
from streams.settings import Settings
from streams.stores import tables
from streams.stores.blobs import open_blobs
from streams.stores.catalogue import Catalogue
from streams.stores.database import Database
from streams.stores.milvus import MilvusVectors
from tests.live.chaos.batches import Batch, search_of_all
from tests.live.chaos.machines import Machine
from tests.live.chaos.outcomes import Outcome, Summary, outcomes
from tests.live.processes import eventually

END_S = 300.0
REST_S = 120.0
Windows = dict[tuple[str, str], int]  # how many of them, by collection and track


@dataclass(frozen=True, slots=True)
class Figures:
    """What a scenario came to: how many inputs had ended when the fault came, and how many did in the end.

    `repeats` are outcomes told again under the same event id, which readers drop.
    """

    scenario: str
    inputs: int
    ended_before: int
    ended: int
    repeats: int
    seconds_to_rest: float
    lost: int
    orphans: int


def measure(machine: Machine, batch: Batch, fault_at: float) -> tuple[Figures, dict[str, list[Outcome]]]:
    """Wait until every input ended and no stage has anything before it; then search all of it, and count.

    `fault_at` is in seconds since the epoch, as the broker's time stamps are.
    """
    broker = machine.settings().kafka_bootstrap

    def missing(names: frozenset[str]) -> frozenset[str]:
        try:
            return names.difference(outcomes(broker, batch.tenant))
        except KafkaError:  # the broker was the one to be harmed
            return names

    with suppress(AssertionError):  # what is missing is told by the figures
        eventually(lambda: not missing(batch.names), "every input ended", END_S, every_s=0.5)
        eventually(lambda: is_at_rest(machine), "lag 0", REST_S, every_s=0.5)
    seconds = time.time() - fault_at
    machine.publish([search_of_all(batch.tenant, machine.tracks)])
    names = batch.names | {"all"}
    with suppress(AssertionError):
        eventually(lambda: not missing(names), "the search of all ended", REST_S, every_s=0.5)
    found = outcomes(broker, batch.tenant)
    repeats = sum(len(ends) - len({end.event_id for end in ends}) for ends in found.values())
    figures = Figures(
        scenario=batch.tenant,
        inputs=len(names),
        ended_before=sum(min(end.at_s for end in ends) < fault_at for ends in found.values()),
        ended=len(names & found.keys()),
        repeats=repeats,
        seconds_to_rest=round(seconds, 1),
        lost=len(names - found.keys()),
        orphans=len(machine.orphans()),
    )
    return figures, found


def verify(machine: Machine, batch: Batch, expected: Mapping[str, Summary], found: Mapping[str, list[Outcome]]) -> None:
    """Raises AssertionError, naming what differs."""
    names = batch.names | {"all"}
    assert sorted(names - found.keys()) == [], "inputs that never ended"
    twice = {name: ends for name, ends in found.items() if len({end.event_id for end in ends}) > 1}
    assert not twice, "inputs that ended more than once"
    assert {name: ends[0].summary for name, ends in found.items()} == {name: expected[name] for name in names}
    differing = {name: ends for name, ends in found.items() if len({end.summary for end in ends}) > 1}
    assert not differing, "repeats that tell something else"
    eventually(lambda: machine.status()["ready"], "everything is ready again", REST_S, every_s=0.5)
    eventually(lambda: is_at_rest(machine), "lag 0", REST_S, every_s=0.5)
    settings = machine.settings()
    eventually(lambda: asyncio.run(_is_mended(settings)), "the index is mended", REST_S, every_s=0.5)
    asyncio.run(_index_equals_catalogue(settings, batch.tenant, expected, names))
    eventually(
        lambda: all(asyncio.run(_told_by_the_api(settings, batch.tenant, names)).values()),
        "the read model has every job's end",
        REST_S,
        every_s=0.5,
    )
    assert machine.orphans() == {}


def is_at_rest(machine: Machine) -> bool:
    waiting = machine.status()["lag"]
    return waiting is not None and not any(waiting.values())


async def _is_mended(settings: Settings) -> bool:
    vectors = MilvusVectors(settings.milvus_uri)
    try:
        return await vectors.unclean() is None
    finally:
        await vectors.close()


async def _index_equals_catalogue(
    settings: Settings, tenant: str, expected: Mapping[str, Summary], names: frozenset[str]
) -> None:
    database, vectors = Database(settings.sql_url), MilvusVectors(settings.milvus_uri)
    try:
        catalogue = Catalogue(database)
        indexed = [name for name in names if expected[name][0] == "indexed"]
        rows: Windows = {}
        windows: Windows = {}
        for pinned in await catalogue.pinned(pipeline.ENCODER_TYPES):
            if pinned.tenant != tenant:
                continue
            card = cards.pinned(pinned.encoder_type, pinned.model_version)
            for kind in pipeline.INDEXED:
                held = await vectors.tracks(cards.collection_of(tenant, pinned.dataset_id, kind, card))
                windows |= {(kind, track_id): count for track_id, count in held.items()}
                live = await catalogue.tracks(
                    tenant,
                    pinned.dataset_id,
                    encoder_type=pinned.encoder_type,
                    needs=[pipeline.bringing(kind)],
                )
                for row in live:
                    version = cards.version_of(kind, card, cards.current_separator("unet"))
                    name = artifact_name(tenant, row.audio_id, kind, version)
                    stored = unpack(await open_blobs(settings.blob_url).get(name))
                    rows[kind, row.track_id] = len(stored.array)
        assert windows == rows, "the index differs from the catalogue"
        assert len(rows) == len(indexed), "the catalogue differs from what was told"
    finally:
        await vectors.close()
        await database.close()


async def _told_by_the_api(settings: Settings, tenant: str, names: frozenset[str]) -> dict[str, bool]:
    """By name, whether the read model behind the API has its end; poison is no job of anybody's."""
    database = Database(settings.sql_url)
    try:
        async with database.read() as connection:
            columns = tables.jobs.c
            rows = await connection.execute(select(columns.job_id, columns.status).where(columns.tenant == tenant))
            told = {row.job_id: row.status in ("completed", "failed") for row in rows}
    finally:
        await database.close()
    return {name: told.get(name, False) for name in names if not name.startswith("poison-")}
