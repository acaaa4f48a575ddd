"""Every error as a problem document (RFC 9457), with Soundverse's `success` and `message` beside it.

The codes are the contract's; a code decides the status. What we did not foresee is logged and answered `internal`,
without a word of it in the answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from streams.api.state import REQUEST_ID, SETTINGS
from streams.errors import InputError, NotFound, SoundtraceError, TooLarge, Unavailable
from streams.outbox import Unconfirmed
from streams.settings import MEGABYTE

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_S = 5
STATUS: Mapping[str, int] = {
    **dict.fromkeys(
        (
            "malformed-json", "validation-failed", "too-many-blobs", "unsupported-audio-format", "empty-file",
            "audio-too-short", "audio-too-long", "audio-undecodable", "invalid-blob-name", "field-not-allowed",
            "encoder-not-ingested", "depth-not-ingested", "dataset-empty", "too-many-pairs", "model-versions-differ",
            "webhook-url-not-allowed", "invalid-cursor",
        ),
        400,
    ),
    **dict.fromkeys(("unauthorized", "key-expired"), 401),
    "forbidden": 403,
    **dict.fromkeys(("dataset-not-found", "blob-not-found", "job-not-found", "route-not-found"), 404),
    "method-not-allowed": 405,
    "not-acceptable": 406,
    **dict.fromkeys(("dataset-exists", "job-finished"), 409),
    **dict.fromkeys(("upload-too-large", "body-too-large"), 413),
    "unsupported-media-type": 415,
    "rate-limited": 429,
    "internal": 500,
    "unavailable": 503,
}  # fmt: skip
FIELDS = {"query_uri": "query_url", "candidate_uri": "candidate_url", "encoder_type": "", "profile": ""}  # "": the path


class Refused(InputError):
    """What HTTP alone refuses: keys, media types, rates. Its code says what; `facts["headers"]` go out with it."""


def not_found(code: str, message: str, remedy: str) -> NotFound:
    return NotFound(message, remedy, code=code)


def problem(request: web.Request, error: SoundtraceError) -> web.Response:
    """The answer that an error stands for."""
    status = STATUS.get(error.code, error.status)
    message, detail = _wording(request, error, status)
    document: dict[str, Any] = {
        "type": f"urn:soundtrace:problem:{error.code}",
        "title": error.code.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "instance": request.rel_url.raw_path,
        "code": error.code,
        "success": False,
        "message": message,
        "request_id": request.get(REQUEST_ID, ""),
    }
    if faults := error.facts.get("errors"):
        document["errors"] = [_fault(fault) for fault in faults]
    if "existing_dataset_id" in error.facts:
        document["existing_dataset_id"] = error.facts["existing_dataset_id"]
    headers = dict(error.facts.get("headers", {}))
    if status == 503:
        headers["Retry-After"] = str(RETRY_S)
    return web.Response(status=status, body=json.dumps(document).encode(), content_type=MEDIA_TYPE, headers=headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns whatever a handler raises into a problem; answers OPTIONS, which every path has."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as refusal:
        allow = ", ".join(sorted({*refusal.allowed_methods, "OPTIONS"}))
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={"Allow": allow})
        fact = f"{request.method[:40]} is not possible on {request.rel_url.raw_path}"
        return problem(request, Refused(fact, f"use {allow}", code="method-not-allowed", headers={"Allow": allow}))
    except web.HTTPNotFound:
        fact = f"there is nothing at {request.rel_url.raw_path}"
        return problem(request, not_found("route-not-found", fact, "see /docs for what there is"))
    except web.HTTPRequestEntityTooLarge as refusal:
        fact = f"the body is too large ({refusal.text})"
        return problem(request, TooLarge(fact, "send less", code="body-too-large"))
    except SoundtraceError as error:
        if error.retryable or error.status == 500:
            log.error("http.failed", route=request.rel_url.raw_path, code=error.code, reason=error.message)
        return problem(request, error)
    except Exception:  # the promise of this module: no traceback reaches a client
        log.exception("http.crashed", route=request.rel_url.raw_path, request_id=request.get(REQUEST_ID))
        return problem(request, SoundtraceError("an error of ours"))


def _wording(request: web.Request, error: SoundtraceError, status: int) -> tuple[str, str]:
    """(message, detail): fixed where the contract fixes it, and silent about our insides."""
    limits = request.app[SETTINGS]
    if status == 500:
        return "Something went wrong on our side.", "it was logged under the request_id; try again, or report that id"
    if isinstance(error, Unavailable) and not isinstance(error, Unconfirmed):
        fact = "something that this request needs does not answer at present"
        return "The service is temporarily unavailable.", f"{fact}: send the request again in {RETRY_S} s"
    if error.code == "unsupported-audio-format":
        *most, last = limits.upload_formats
        return f"Unsupported audio format. Use {', '.join(most)}, or {last}", str(error)
    if error.code == "upload-too-large":
        limit = f"{limits.upload_max_bytes / MEGABYTE:g} MB"
        return f"Upload file size exceeds the maximum limit of {limit}.", str(error)
    return f"{error.message[:1].upper()}{error.message[1:]}.", str(error)


def _fault(fault: Mapping[str, Any]) -> dict[str, str]:
    path = fault["field"]
    parts = path if isinstance(path, tuple) else tuple(filter(None, [FIELDS.get(path, path)]))
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return {"pointer": "#" + "".join(f"/{part}" for part in escaped), "detail": fault["detail"]}
