"""Uploads: streamed to a file while they are hashed and counted, looked at, stored once per content (contract, A2)."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from streams.api.blob_names import clean_name, new_blob_name
from streams.api.problems import Refused
from streams.api.reading import invalid
from streams.api.routing import Answer
from streams.api.schemas import UploadAnswer, Uploaded, maybe_rfc3339
from streams.api.state import BLOBS, CATALOGUE, METRICS, PROBER, SETTINGS, tenant_of
from streams.artifacts import upload_name
from streams.errors import Invalid, TooLarge, Unavailable
from streams.probe import Probe
from streams.settings import Settings
from streams.stores.catalogue import Blob, epoch_ms

T = TypeVar("T")
CHUNK_BYTES = 256 * 1024
FORM_BYTES = 64 * 1024  # what a multipart body may have around its file
DAY_MS = 86_400_000
UNREADABLE = (  # what aiohttp's multipart reader meets in bytes that are none of its kind
    AssertionError,
    HttpProcessingError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    web.HTTPException,
)
KNOWN_FORMATS = frozenset({".wav", ".flac", ".mp3", ".m4a"})


@dataclass(frozen=True, slots=True)
class Received:
    """A file that lies on our disk whole."""

    name: str
    sha256: str
    size_bytes: int


async def upload(request: web.Request) -> Answer[UploadAnswer]:
    """Take one audio file as the part `file`."""
    settings, tenant = request.app[SETTINGS], tenant_of(request)
    async with _temporary_file() as (path, file):
        received, ignored = await _receive(request, file)
        probe = await request.app[PROBER].probe(path, settings.track_limit_s)
        _check_container(probe, settings)
        await request.app[BLOBS].put_file(upload_name(tenant, received.sha256), path)
    made_ms = epoch_ms()
    blob = Blob(
        tenant=tenant,
        uri=new_blob_name(received.name),
        audio_id=received.sha256,
        filename=received.name,
        size_bytes=received.size_bytes,
        created_at_ms=made_ms,
        expires_at_ms=made_ms + settings.retention_days * DAY_MS if settings.retention_days else None,
    )
    await request.app[CATALOGUE].add_blob(blob)
    request.app[METRICS].upload_bytes.inc(received.size_bytes)
    return Answer(
        UploadAnswer(
            data=Uploaded(
                blob_name=blob.uri,
                sha256=blob.audio_id,
                size_bytes=blob.size_bytes,
                duration_s=probe.duration_s,
                rate_hz=probe.rate_hz,
                channels=probe.channels,
                expires_at=maybe_rfc3339(blob.expires_at_ms),
                warnings=[f"unknown part '{name[:64]}' was ignored" for name in ignored],
            )
        )
    )


@asynccontextmanager
async def _temporary_file() -> AsyncIterator[tuple[Path, IO[bytes]]]:
    """A file that goes when the block ends. Raises: `Unavailable` when the disk takes no more."""
    try:
        with tempfile.NamedTemporaryFile(prefix="soundtrace-", buffering=0) as file:
            yield Path(file.name), file.file
    except ConnectionError:  # the client went away in the middle
        raise
    except OSError as error:
        raise Unavailable("the disk does not take the upload", "make room on it") from error


async def _receive(request: web.Request, file: IO[bytes]) -> tuple[Received, list[str]]:
    """The part `file`, written to `file`, and the names of other parts, whose content is skipped.

    Raises: `Refused`, `TooLarge`, `Invalid`.
    """
    settings = request.app[SETTINGS]
    if request.content_type != "multipart/form-data":
        fact = f"the body is '{request.content_type}'"
        raise Refused(fact, "send multipart/form-data with a part 'file'", code="unsupported-media-type")
    if (request.content_length or 0) > settings.upload_max_bytes + FORM_BYTES:
        raise _too_large(settings)
    received: Received | None = None
    ignored: list[str] = []
    left_bytes = settings.upload_max_bytes
    parts = await _readable(request.multipart())
    while part := await _readable(parts.next()):
        if isinstance(part, MultipartReader) or part.name != "file":
            name = "" if isinstance(part, MultipartReader) else part.name or ""
            ignored.append(name.encode("utf-8", "replace").decode())
            await _readable(_skip(part, FORM_BYTES))
        elif received:
            raise _fault("send one part 'file', not two")
        elif part.filename is None:
            raise _fault("the part 'file' is a text field: send it as a file, with a file name")
        else:
            name = clean_name(part.filename, settings.upload_formats)
            sha256, size_bytes = await _write(part, file, left_bytes, settings)
            received = Received(name, sha256, size_bytes)
    if received is None:
        raise _fault("the part 'file' is missing")
    return received, ignored


async def _write(part: BodyPartReader, file: IO[bytes], limit_bytes: int, settings: Settings) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0

    def keep(chunk: bytes) -> None:
        digest.update(chunk)
        file.write(chunk)

    while chunk := await _readable(part.read_chunk(CHUNK_BYTES)):
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            raise _too_large(settings)
        await asyncio.to_thread(keep, chunk)
    return digest.hexdigest(), size_bytes


async def _skip(part: BodyPartReader | MultipartReader, limit_bytes: int) -> None:
    if isinstance(part, MultipartReader):
        raise ValueError("a part holds parts")
    while chunk := await part.read_chunk(CHUNK_BYTES):
        limit_bytes -= len(chunk)
        if limit_bytes < 0:
            raise ValueError(f"a part is not a file and over {FORM_BYTES} bytes")


async def _readable(reading: Awaitable[T]) -> T:
    """What a multipart reader gives; whatever it stumbles over in the client's bytes is the client's fault."""
    try:
        return await reading
    except web.RequestPayloadError:  # a Content-Encoding that does not hold what it says; the connection is lost
        raise Invalid("the body does not unpack", "send it plainly", headers={"Connection": "close"}) from None
    except UNREADABLE as error:
        raise _fault(f"the body is not multipart/form-data ({error or type(error).__name__})") from None


def _check_container(probe: Probe, settings: Settings) -> None:
    """Raises: `Invalid` `unsupported-audio-format`. The content decides; which of the names it bears does not."""
    others = not KNOWN_FORMATS.issuperset(settings.upload_formats)  # an operator has added formats of their own
    if f".{probe.container}" not in settings.upload_formats and not (probe.container == "other" and others):
        fact = "the content is audio, but in none of the accepted containers"
        raise Invalid(
            fact, f"convert it to one of {', '.join(settings.upload_formats)}", code="unsupported-audio-format"
        )


def _too_large(settings: Settings) -> TooLarge:
    fact = f"the file is over {settings.upload_max_bytes} bytes"
    return TooLarge(fact, "send a shorter or a compressed file", limit_bytes=settings.upload_max_bytes)


def _fault(detail: str) -> Invalid:
    return invalid([{"field": "file", "detail": detail}])
