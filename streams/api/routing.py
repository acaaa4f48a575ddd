"""What a row of `routes.ROUTES` means: from its handler's annotations come reading, answering and the OpenAPI document.

A handler is `async def (request, body: Model?, query: Model?, <path parts>: str…) -> Answer[Model]`. Nothing about a
route is written anywhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from aiohttp import web
from pydantic import BaseModel

from streams.api.problems import Refused
from streams.api.reading import Body, read_json, read_query, validate

T = TypeVar("T", bound=BaseModel)
ACCEPTED = ("*/*", "application/*", "application/json", "application/problem+json")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a handler answers, and the headers that belong to it."""

    content: T
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the contract. `errors` are the codes it may answer beyond those that every call may."""

    method: str
    path: str
    handler: Callable[..., Awaitable[Answer[Any]]]
    status: int = 200
    errors: tuple[str, ...] = ()
    form: type[BaseModel] | None = None  # a multipart body, which the handler reads itself

    @property
    def hints(self) -> dict[str, Any]:
        return get_type_hints(self.handler)

    @property
    def body(self) -> type[Body] | None:
        return self.hints.get("body")

    @property
    def query(self) -> type[BaseModel] | None:
        return self.hints.get("query")

    @property
    def answer(self) -> type[BaseModel]:
        model: type[BaseModel] = get_args(self.hints["return"])[0]
        return model


def endpoint(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The row as aiohttp wants it."""
    body, query = route.body, route.query

    async def serve(request: web.Request) -> web.StreamResponse:
        _check_accept(request)
        given: dict[str, Any] = dict(request.match_info)
        ignored: list[str] = []
        if query:
            given["query"] = read_query(request, query)
        if body:
            given["body"] = validate(body, await read_json(request))
            ignored = given["body"].ignored
        answer = await route.handler(request, **given)
        return _reply(request, route.status, answer, ignored)

    return serve


def _reply(request: web.Request, status: int, answer: Answer[Any], ignored: list[str]) -> web.Response:
    content = answer.content
    if ignored:
        told = getattr(content, "data", content)
        told.warnings = [*told.warnings, *ignored]
    body = content.model_dump_json().encode()
    headers = dict(answer.headers)
    if request.method in ("GET", "HEAD"):
        headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        known = request.headers.get("If-None-Match", "")
        if known.strip() == "*" or headers["ETag"] in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
            return web.Response(status=304, headers=headers)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _check_accept(request: web.Request) -> None:
    """Raises: `Refused` `not-acceptable` when the client takes nothing that we can give."""
    wanted = request.headers.get("Accept", "").lower()
    if wanted and not any(part.partition(";")[0].strip() in ACCEPTED for part in wanted.split(",")):
        raise Refused(f"'{wanted[:80]}' cannot be given", "accept application/json", code="not-acceptable")
