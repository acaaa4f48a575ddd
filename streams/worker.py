"""`soundtrace worker STAGE… --lane L`: one process, one Faust app per stage, one heavy child.

It opens what it needs, waiting for whatever does not answer yet, warms its child, and only then begins to read.
SIGTERM drains: what is being worked on is finished and acknowledged, for `drain_s` seconds at most. When an app
crashes the process ends with exit code 1; its replacement redoes what was not acknowledged.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeVar

import structlog
from prometheus_client import start_http_server

from streams import pipeline
from streams.adapter import StageApp
from streams.delivery import Delivery
from streams.errors import Defect, Unavailable
from streams.heavy import Heavy
from streams.mend import keep_mended
from streams.publish import Publisher
from streams.settings import Settings
from streams.stage import Resources
from streams.stores.blobs import open_blobs
from streams.stores.catalogue import Catalogue
from streams.stores.database import Database
from streams.stores.ledger import Ledger
from streams.stores.milvus import MilvusVectors
from streams.stores.segments import SegmentPostings
from streams.topics import create_topics

log = structlog.get_logger()
T = TypeVar("T")
STOP_S = 4.0  # after the drain; together they fit into what the supervisor waits before it kills


def consumers_of(stages: Iterable[str], lane: str) -> list[pipeline.Consumer]:
    """The consumers a worker runs. Raises: `Defect` for a stage that the table does not have on that lane."""
    wanted = tuple(stages)
    known = {consumer.stage.name: consumer for consumer in pipeline.consumers() if consumer.lane == lane}
    if unknown := [name for name in wanted if name not in known]:
        raise Defect(f"there is no stage {', '.join(unknown)} on lane '{lane}'", f"stages: {', '.join(known)}")
    return [known[name] for name in wanted]


async def run(stages: Iterable[str], lane: str, settings: Settings, child_nice: int = 0) -> int:
    """Run until SIGTERM (exit code 0) or until an app crashes (1)."""
    consumers = consumers_of(stages, lane)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    database = Database(settings.sql_url)
    vectors = MilvusVectors(settings.milvus_uri)
    heavy = Heavy(nice=child_nice, memory_bytes=settings.child_memory_bytes)
    publisher = Publisher(settings)
    try:
        ready = asyncio.ensure_future(_open(database, vectors, heavy, settings, any(c.stage.heavy for c in consumers)))
        await _first(ready, stopping)
        if stopping.is_set():
            ready.cancel()
            return 0
        await ready
        blobs = open_blobs(settings.blob_url)
        postings = SegmentPostings(settings.postings_folder)
        resources = Resources(settings, Catalogue(database), Ledger(database), blobs, vectors, postings, heavy)
        apps = [StageApp(Delivery(consumer, resources, publisher), settings) for consumer in consumers]
        mending = asyncio.create_task(keep_mended(resources)) if "index" in stages else None
        for app in apps:
            await app.start()
        if settings.metrics_port:  # open means: this worker takes records in
            start_http_server(settings.metrics_port, addr="127.0.0.1")
        log.info("worker is reading", stages=[consumer.group for consumer in consumers])
        crashed = await _until_stopped(apps, stopping, mending)
        await _stop(apps, heavy, settings.drain_s if not crashed else 0.0)
        return 1 if crashed else 0
    finally:
        heavy.close()
        await publisher.close()
        await vectors.close()
        await database.close()


async def _open(database: Database, vectors: MilvusVectors, heavy: Heavy, settings: Settings, is_heavy: bool) -> None:
    await _patiently("database", database.migrate)
    await _patiently("broker", lambda: create_topics(settings))
    await _patiently("milvus", vectors.ping)
    await vectors.start()
    if is_heavy:
        await heavy.start()


async def _patiently(on: str, act: Callable[[], Awaitable[T]]) -> T:
    pause_s = 0.2
    while True:
        try:
            return await act()
        except Unavailable as error:
            log.warning("waiting to start", on=on, reason=str(error))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)


async def _first(task: asyncio.Future[None], stopping: asyncio.Event) -> None:
    stop = asyncio.ensure_future(stopping.wait())
    await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
    stop.cancel()


async def _until_stopped(
    apps: list[StageApp], stopping: asyncio.Event, mending: asyncio.Task[None] | None
) -> BaseException | None:
    while not stopping.is_set():
        for app in apps:
            if app.crashed:
                log.error("an app crashed, this worker ends", app=app.app.conf.id, reason=repr(app.crashed))
                return app.crashed
        if mending is not None and mending.done():
            return mending.exception() or RuntimeError("the mending of the index ended")
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), 0.2)
    return None


async def _stop(apps: list[StageApp], heavy: Heavy, drain_s: float) -> None:
    if drain_s:
        log.info("draining", limit_s=drain_s)
        try:
            await asyncio.wait_for(asyncio.gather(*(app.drain() for app in apps)), drain_s)
        except TimeoutError:
            log.warning("the drain limit is over; what is unfinished will be done again")
    heavy.close()
    try:
        await asyncio.wait_for(asyncio.gather(*(app.stop() for app in apps)), STOP_S)
    except TimeoutError:
        log.warning("the apps did not stop in time")
