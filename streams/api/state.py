"""What a request may reach: the typed keys of the application and of a request."""

from __future__ import annotations

from aiohttp import web

from streams.api.metrics import Metrics
from streams.outbox import Outbox
from streams.probe import Prober
from streams.projector import Projector
from streams.settings import Settings
from streams.stores.blobs import Blobs
from streams.stores.catalogue import Catalogue
from streams.stores.keys import Key, Keys
from streams.stores.readmodel import ReadModel

SETTINGS = web.AppKey("SETTINGS", Settings)
CATALOGUE = web.AppKey("CATALOGUE", Catalogue)
READ_MODEL = web.AppKey("READ_MODEL", ReadModel)
KEYS = web.AppKey("KEYS", Keys)
BLOBS: web.AppKey[Blobs] = web.AppKey("BLOBS")
OUTBOX = web.AppKey("OUTBOX", Outbox)
PROBER = web.AppKey("PROBER", Prober)
PROJECTOR: web.AppKey[Projector | None] = web.AppKey("PROJECTOR")
METRICS = web.AppKey("METRICS", Metrics)

KEY = web.RequestKey("KEY", Key)
REQUEST_ID = web.RequestKey("REQUEST_ID", str)


def tenant_of(request: web.Request) -> str:
    """Whose request it is: the key says it, nothing else does."""
    return request[KEY].tenant
