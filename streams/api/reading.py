"""Bodies and queries as the client sent them, strictly: every fault is found, named by its field, and a 4xx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from streams.api.problems import FIELDS, Refused
from streams.api.state import SETTINGS
from streams.check import Fault
from streams.errors import Invalid, TooLarge

M = TypeVar("M", bound=BaseModel)
WARNINGS_MAX, SHOWN_MAX = 20, 64


class Body(BaseModel):
    """A JSON request body: null means absent, unknown fields are ignored and named in `warnings`."""

    model_config = ConfigDict(strict=True, extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _null_means_absent(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def rules_broken(cls, _sound: Mapping[str, Any]) -> list[Fault]:
        """What the fields of the right type break beyond it: told beside the faults of the others."""
        return []

    @property
    def ignored(self) -> list[str]:
        """A warning for each field that we do not know."""
        return [f"unknown field '{name[:SHOWN_MAX]}' was ignored" for name in (self.model_extra or {})][:WARNINGS_MAX]


async def read_json(request: web.Request) -> dict[str, Any]:
    """The object in the body.

    Raises: `Refused` `unsupported-media-type`, `TooLarge` `body-too-large`, `Invalid` `malformed-json`.
    """
    if request.content_type != "application/json" and not request.content_type.endswith("+json"):
        fact = f"the body is '{request.content_type}'"
        raise Refused(fact, "send JSON as application/json", code="unsupported-media-type")
    settings = request.app[SETTINGS]
    try:
        fields = json.loads((await _read(request, settings.body_max_bytes)).decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError too
        raise _malformed(f"the body is not JSON ({error})") from None
    if not isinstance(fields, dict):
        raise _malformed("the body is not a JSON object")
    if _is_deeper(fields, settings.body_max_depth):
        raise _malformed(f"the body is nested more than {settings.body_max_depth} levels deep")
    try:
        json.dumps(fields, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:  # "\ud800" alone is no character: no database, header or file name can hold it
        raise _malformed("the body holds half a surrogate pair") from None
    return fields


def read_query(request: web.Request, model: type[M]) -> M:
    """The query string; what comes twice counts once. Raises: `Invalid` `validation-failed`."""
    return validate(model, dict(request.query))


def validate(model: type[M], fields: Mapping[str, Any]) -> M:
    """The typed request. Raises: `Invalid` `validation-failed`, every fault listed."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        faults: list[dict[str, Any]] = [{"field": fault["loc"], "detail": _saying(fault)} for fault in error.errors()]
    wrong = {fault["field"][0] for fault in faults if fault["field"]}
    if issubclass(model, Body):
        sound = {name: value for name, value in fields.items() if name not in wrong and value is not None}
        faults += [
            fault for fault in model.rules_broken(sound) if FIELDS.get(fault["field"], fault["field"]) not in wrong
        ]
    raise invalid(faults)


def invalid(faults: list[dict[str, Any]] | list[Fault]) -> Invalid:
    """One error for all faults of a request, named by their fields."""
    told = "; ".join(f"{_name(fault['field'])}: {fault['detail']}" for fault in faults)
    return Invalid(f"the request cannot be taken: {told[:2_000]}", "mend the named fields", errors=faults)


async def _read(request: web.Request, limit_bytes: int) -> bytes:
    body = bytearray()
    if (request.content_length or 0) <= limit_bytes:
        try:
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit_bytes:
                    break
            else:
                return bytes(body)
        except (HttpProcessingError, web.RequestPayloadError):  # a Content-Encoding that does not hold what it says
            raise _malformed("the body does not unpack", headers={"Connection": "close"}) from None
    fact = f"the body is over {limit_bytes} bytes"
    raise TooLarge(fact, "send less in one request", code="body-too-large")


def _is_deeper(value: Any, levels: int) -> bool:
    ahead = [value]
    for _ in range(levels):
        ahead = [inner for outer in ahead for inner in _inside(outer)]
    return any(isinstance(value, dict | list) for value in ahead)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _no_number(literal: str) -> float:
    raise ValueError(f"{literal} is no number")


def _saying(fault: Any) -> str:
    return "required" if fault["type"] == "missing" else str(fault["msg"]).removeprefix("Value error, ")


def _name(field: Any) -> str:
    return ".".join(map(str, field)) if isinstance(field, tuple) else str(field)


def _malformed(fact: str, **facts: Any) -> Invalid:
    return Invalid(fact, "send one JSON object in UTF-8", code="malformed-json", **facts)
