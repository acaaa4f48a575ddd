"""The application, and the role `soundtrace api`, which serves it with the projector inside."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from aiohttp import web

from streams.api import state
from streams.api.auth import authenticate, is_guarded
from streams.api.limits import rate_limits, tell_limits
from streams.api.metrics import Metrics, observed
from streams.api.problems import problems
from streams.api.routes import OPEN, ROUTES
from streams.api.routing import endpoint
from streams.errors import SoundtraceError, Unavailable
from streams.outbox import Outbox
from streams.probe import Prober
from streams.projector import Projector
from streams.publish import Publisher
from streams.settings import Settings
from streams.stores.blobs import Blobs, open_blobs
from streams.stores.catalogue import Catalogue
from streams.stores.database import Database
from streams.stores.keys import Keys
from streams.stores.readmodel import ReadModel
from streams.topics import create_topics

DRAIN_S = 15.0  # what a request in progress may take after SIGTERM

log = structlog.get_logger(__name__)


def build_app(
    settings: Settings, *, database: Database, blobs: Blobs, outbox: Outbox, projector: Projector | None = None
) -> web.Application:
    """The application over its stores. Whoever opened these closes them; the prober and the pump are its own.

    Without a projector here, one runs as a process of its own (`soundtrace projector`).
    """
    metrics = Metrics()
    app = web.Application(
        middlewares=[observed(metrics, state.REQUEST_ID), problems, authenticate, rate_limits(settings)],
        client_max_size=settings.body_max_bytes,
    )
    app[state.SETTINGS] = settings
    app[state.METRICS] = metrics
    app[state.CATALOGUE] = Catalogue(database)
    app[state.READ_MODEL] = ReadModel(database)
    app[state.KEYS] = Keys(database)
    app[state.BLOBS] = blobs
    app[state.OUTBOX] = outbox
    app[state.PROBER] = Prober()
    app[state.PROJECTOR] = projector
    for route in ROUTES:
        app.router.add_route(route.method, route.path, endpoint(route))
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, endpoint(route))
    for path, handler in OPEN.items():
        app.router.add_get(path, handler)
    app.on_response_prepare.append(tell_limits)
    app.on_response_prepare.append(_keep_private)
    app.cleanup_ctx.append(_prober)
    app.cleanup_ctx.append(_background(outbox.run))
    return app


async def serve(settings: Settings) -> int:
    """The role `soundtrace api`: until SIGTERM (0), or until the projector dies (1)."""
    database = Database(settings.sql_url)
    await database.migrate()
    projector = Projector(database, settings)
    outbox = Outbox(database, settings, Publisher(settings))
    app = build_app(
        settings, database=database, blobs=open_blobs(settings.blob_url), outbox=outbox, projector=projector
    )
    app.cleanup_ctx.append(_background(lambda: _make_topics(settings)))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S)
    await runner.setup()
    stopped = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stopped.set)
    projecting, stopping = asyncio.create_task(projector.run()), asyncio.create_task(stopped.wait())
    try:
        await web.TCPSite(runner, settings.api_host, settings.api_port).start()
        log.info("api.serving", host=settings.api_host, port=settings.api_port)
        await asyncio.wait({projecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if projecting.done():
            log.error("projector.died", reason=repr(projecting.exception()))
        return int(projecting.done())
    finally:
        await runner.cleanup()
        await _stop(projecting, stopping)
        await outbox.close()
        await database.close()


def run(settings: Settings) -> int:
    """Serve, and answer with the exit code."""
    return asyncio.run(serve(settings))


async def _keep_private(request: web.Request, response: web.StreamResponse) -> None:
    """Signal: nothing of a tenant's may stay in a shared cache; a stored copy is asked for again by its ETag."""
    if is_guarded(request):
        response.headers.setdefault("Cache-Control", "private, no-cache")


async def _prober(app: web.Application) -> AsyncIterator[None]:
    async def warm() -> None:
        with suppress(Unavailable):  # it is tried again with the first upload
            await prober.start()

    prober = app[state.PROBER]
    warming = asyncio.create_task(warm())
    yield
    prober.close()
    await warming


def _background(work: Callable[[], Awaitable[None]]) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.ensure_future(work())
        yield
        await _stop(task)

    return context


async def _stop(*tasks: asyncio.Future[Any]) -> None:
    """Cancel until it is heard: a database call cut off in the middle may answer with an error of its own."""
    while waiting := {task for task in tasks if not task.done()}:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=1.0)


async def _make_topics(settings: Settings) -> None:
    """Create what topics are missing, as soon as the broker lets us: the API starts without it."""
    while True:
        try:
            return await create_topics(settings)
        except SoundtraceError as error:
            log.warning("topics.waiting", reason=error.message)
            await asyncio.sleep(settings.retry_cap_s)
