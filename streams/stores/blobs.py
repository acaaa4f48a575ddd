"""The blob store's port: immutable bytes under names that say what they are.

Names are made from content and parameters, or are written once and never changed, so "is it done?" is "is it there?"
and a put of what exists has nothing to do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Protocol

from streams.errors import Defect, Invalid, NotFound

NAME_MAX_BYTES = 1_024  # what S3 takes
PART_MAX_BYTES = 255  # what file systems take


class BlobMissing(NotFound):
    """No blob has this name; `facts` carry it."""

    code = "blob-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no blob '{name}'", "it was deleted, or never stored", name=name)

    def __reduce__(self) -> tuple[type[BlobMissing], tuple[str]]:
        return BlobMissing, (self.facts["name"],)


class Blobs(Protocol):
    """Every method may raise `Invalid(code="invalid-blob-name")` and `Unavailable`; `get` also `BlobMissing`; no other.

    A blob that can be seen is whole and survives a loss of power. No blob's name may be a folder in another's.
    """

    async def put(self, name: str, data: bytes) -> None:
        """Store. Where the name exists nothing happens: of two writers the first one wins, for all readers."""

    async def put_file(self, name: str, path: Path) -> None:
        """The same with the bytes of a file, which need not fit into memory."""

    async def get(self, name: str) -> bytes:
        """All its bytes. Raises `BlobMissing`."""

    async def size(self, name: str) -> int | None:
        """Bytes; None where there is no such blob."""

    async def exists(self, name: str) -> bool: ...

    async def existing(self, names: Iterable[str]) -> set[str]:
        """Which of these blobs there are, asked in one go."""

    async def delete(self, name: str) -> None:
        """Remove; nothing there is success."""

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        """Names that begin with `prefix`, in no order. What is put or deleted meanwhile may or may not appear.

        `prefix` is the beginning of a valid name, else `Invalid`.
        """


def check_name(name: str) -> str:
    """The name, if it is one: parts joined by single `/`, printable, none empty or beginning with a dot.

    Raises:
        Invalid: it is not, and might lead out of the store or be lost in another form of it.
    """
    # `isprintable` refuses control characters with NUL among them, and surrogates, which have no UTF-8.
    parts = name.split("/")
    if name.isprintable() and "\\" not in name and all(part and not part.startswith(".") for part in parts):
        longest = max(len(part.encode()) for part in parts)
        if longest <= PART_MAX_BYTES and len(name.encode()) <= NAME_MAX_BYTES:
            return name
    raise Invalid(
        f"{name[:200]!r} is not the name of a blob",
        "use printable parts joined by '/', none empty or beginning with a dot",
        code="invalid-blob-name",
    )


def open_blobs(url: str) -> Blobs:
    """The store at `url`: `file://` and an absolute path, taken as it is, not percent-decoded.

    Raises:
        Defect: there is no form for such a URL.
    """
    from streams.stores.folder import FolderBlobs  # here, as it imports this module

    scheme, separator, path = url.partition("://")
    if scheme != "file" or not separator or not Path(path).is_absolute():
        raise Defect(f"no blob store for '{url}'", "SOUNDTRACE_BLOBS_URL must be file:// and an absolute path")
    return FolderBlobs(Path(path))
