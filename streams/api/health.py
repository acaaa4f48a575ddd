"""Whether the process lives, whether what it needs answers, and what it counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import text

from streams.api.state import BLOBS, CATALOGUE, METRICS, OUTBOX, PROJECTOR, SETTINGS
from streams.errors import SoundtraceError

CHECK_S = 5.0


async def livez(_request: web.Request) -> web.Response:
    return _json(200, {"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 when all of it answers and the read model has caught up, else 503; `detail` never names a host."""
    names = {"kafka": _kafka, "store": _store, "read_model": _read_model, "milvus": _milvus}
    faults = dict(
        zip(names, await asyncio.gather(*(_checked(check, request.app) for check in names.values())), strict=True)
    )
    ready = not any(faults.values())
    checks = {name: {"ok": not fault, "detail": fault or "ok"} for name, fault in faults.items()}
    return _json(200 if ready else 503, {"status": "ready" if ready else "not ready", "checks": checks})


async def metrics(request: web.Request) -> web.Response:
    counted = request.app[METRICS]
    with suppress(SoundtraceError):  # a database that is away must not take the other figures with it
        counted.outbox_waiting.set(await request.app[OUTBOX].waiting())
    if projector := request.app[PROJECTOR]:
        counted.projector_lag.set(projector.lag())
    return web.Response(body=generate_latest(counted.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


Check = Callable[[web.Application], Awaitable[str]]  # the fault, "" when there is none


async def _checked(check: Check, app: web.Application) -> str:
    try:
        async with asyncio.timeout(CHECK_S):
            return await check(app)
    except TimeoutError:
        return f"no answer within {CHECK_S:g} s"
    except SoundtraceError as error:
        return f"does not answer: {error.code}"


async def _kafka(app: web.Application) -> str:
    return "" if await app[OUTBOX].reachable() else "the broker takes no connection"


async def _store(app: web.Application) -> str:
    await app[BLOBS].exists("readyz")
    async with app[CATALOGUE].database.read() as connection:
        await connection.execute(text("select 1"))
    return ""


async def _read_model(app: web.Application) -> str:
    projector = app[PROJECTOR]
    return "" if projector is None or projector.caught_up.is_set() else "still reading what happened before"


async def _milvus(app: web.Application) -> str:
    address = urlsplit(app[SETTINGS].milvus_uri)
    try:
        _, writer = await asyncio.open_connection(address.hostname, address.port or 19530)
    except OSError:
        return "it takes no connection"
    writer.close()
    return ""


def _json(status: int, document: object) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(
        status=status, body=json.dumps(document).encode(), content_type="application/json", headers=headers
    )
