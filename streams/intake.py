"""Take in the bytes that a request names: an uploaded blob, or a file that an upstream system wrote for us.

Audio never travels through Kafka. Whatever is named is copied into the blob store under its SHA-256 before anything
else happens, so a file that changes or goes later changes nothing.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from streams.artifacts import upload_name
from streams.check import BLOB_NAME
from streams.errors import Invalid, NotFound, TooLarge, Unavailable
from streams.settings import Settings
from streams.stores.blobs import Blobs
from streams.stores.catalogue import Blob, Catalogue

# What the caller's words are to blame for, and no disk
NO_SUCH_FILE = frozenset(
    (
        errno.ENOENT,
        errno.EISDIR,
        errno.EACCES,
        errno.EPERM,
        errno.ENOTDIR,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EINVAL,
        errno.ENXIO,  # a socket
        errno.ENODEV,
    )
)


@dataclass(frozen=True, slots=True)
class Named:
    """What a request says about its audio; `sha256` and `size_bytes` are checked when given."""

    tenant: str
    uri: str
    filename: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None


async def take_in(named: Named, catalogue: Catalogue, blobs: Blobs, settings: Settings) -> Blob:
    """The blob of that name, its bytes in the store.

    Raises: `NotFound` `blob-not-found`; `Invalid` `uri-not-allowed`, `empty-file`, `hash-mismatch`;
        `TooLarge` `upload-too-large`; `Unavailable` when a disk does not answer.
    """
    if BLOB_NAME.match(named.uri):
        blob = await catalogue.blob(named.tenant, named.uri)
    else:
        blob = await _copy(named, catalogue, blobs, settings)
    _agree(named, blob)
    return blob


async def _copy(named: Named, catalogue: Catalogue, blobs: Blobs, settings: Settings) -> Blob:
    path = allowed_path(named.uri, settings.allowed_prefixes)
    try:
        data = await asyncio.to_thread(_read, path, settings.upload_max_bytes)
    except OSError as error:
        if error.errno not in NO_SUCH_FILE:
            fact = f"'{_shown(named.uri)}' does not answer: {error.strerror}"
            raise Unavailable(fact, "see that its disk is well") from error
        try:
            return await catalogue.blob(named.tenant, named.uri)  # taken in before, then tidied away by its owner
        except NotFound:
            reason = error.strerror or "cannot be opened"
            fact = f"'{_shown(named.uri)}' cannot be read ({reason.lower()})"
            raise NotFound(fact, "publish again once the file is there", code="blob-not-found") from None
    filename = named.filename or Path(unquote(urlsplit(named.uri).path)).name
    _refuse_size(filename, len(data), settings.upload_max_bytes)
    blob = Blob(named.tenant, named.uri, hashlib.sha256(data).hexdigest(), filename, len(data))
    _agree(named, blob)
    await blobs.put(upload_name(named.tenant, blob.audio_id), data)
    await catalogue.set_blob(blob)
    return blob


def allowed_path(uri: str, prefixes: tuple[str, ...]) -> Path:
    """The file that a `file:` URI names, links and `..` resolved, when it lies under an allowed prefix.

    Raises: `Invalid` `uri-not-allowed`; nothing was opened.
    """
    with suppress(ValueError, RuntimeError, OSError):  # of words that are no URI, and of links in a circle
        parts = urlsplit(uri)
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and "\x00" not in unquote(uri):
            path = Path(unquote(parts.path)).resolve()
            roots = [Path(unquote(urlsplit(p).path)).resolve() for p in prefixes if p.startswith("file:")]
            if any(path.is_relative_to(root) for root in roots):
                return path
    remedy = "use a blob name, or a file: URI under one of SOUNDTRACE_ALLOWED_PREFIXES"
    raise Invalid(f"'{_shown(uri)}' is not a place we may read from", remedy, code="uri-not-allowed")


def _read(path: Path, limit_bytes: int) -> bytes:
    # A pipe would block its opener for ever; EISDIR stands for all that is no regular file.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EISDIR, "is no regular file")
        return file.read(limit_bytes + 1)


def _refuse_size(filename: str, size_bytes: int, limit_bytes: int) -> None:
    if size_bytes == 0:
        raise Invalid(f"'{_shown(filename)}' has no bytes", "send the file again", code="empty-file")
    if size_bytes > limit_bytes:
        fact = f"'{_shown(filename)}' is larger than the limit of {limit_bytes} bytes"
        raise TooLarge(fact, "raise SOUNDTRACE_UPLOAD_MAX_BYTES or cut the file", limit_bytes=limit_bytes)


def _agree(named: Named, blob: Blob) -> None:
    wrong = []
    if named.sha256 is not None and named.sha256.lower() != blob.audio_id:
        wrong.append(f"SHA-256 {blob.audio_id} instead of {named.sha256}")
    if named.size_bytes is not None and named.size_bytes != blob.size_bytes:
        wrong.append(f"{blob.size_bytes} bytes instead of {named.size_bytes}")
    if wrong:
        fact = f"'{_shown(named.uri)}' has {' and '.join(wrong)}"
        raise Invalid(fact, "publish again when the file is whole", code="hash-mismatch")


def _shown(name: str) -> str:
    """A caller's words in a message: escaped and short."""
    return name[:120].encode("unicode_escape").decode()
