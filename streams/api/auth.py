"""Who asks: a bearer key on every path under /trace/v1, looked at before the body and before the path's ids."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from streams.api.problems import Refused
from streams.api.state import KEY, KEYS

GUARDED = "/trace/v1"
READING = ("GET", "HEAD")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="soundtrace"'}


def is_guarded(request: web.Request) -> bool:
    return request.path.startswith(GUARDED) and request.method != "OPTIONS"


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Puts the key into the request. Raises: `Refused` `unauthorized`, `key-expired`, `forbidden`."""
    if not is_guarded(request):
        return await handler(request)
    scheme, _, sent = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not sent.strip():
        raise _unauthorized("the request carries no bearer key", "send the header 'Authorization: Bearer <key>'")
    key = await request.app[KEYS].find(sent.strip())
    if key is None:
        raise _unauthorized("the key is unknown or revoked", "see that it is whole, or make one: soundtrace keys")
    if key.expired:
        raise _unauthorized("the key has expired", "make a new one: soundtrace keys", "key-expired")
    needed = "read" if request.method in READING else "write"
    if needed not in key.scopes:
        fact = f"the key lacks the scope '{needed}'"
        raise Refused(fact, f"use a key with the scope '{needed}'", code="forbidden")
    request[KEY] = key
    return await handler(request)


def _unauthorized(message: str, remedy: str, code: str = "unauthorized") -> Refused:
    return Refused(message, remedy, code=code, headers=CHALLENGE)
