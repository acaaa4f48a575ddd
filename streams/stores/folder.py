"""`Blobs` in a folder.

A put writes to `.partial/<random>`, fsyncs the file, links it to its name and fsyncs the folder: a name appears at
once with all bytes, or not, and stays. A link and not a rename, as a rename would replace what another writer has put
there a moment before (so the file system must know hard links). Plain calls of the operating system, as obstore's
local form never fsyncs and leaves the parts of killed puts beside the blobs for ever.

Who writes a partial file holds its lock, so at the start those without one are known to be dead and are removed.
(Should one be removed in the instant before it is locked, its put fails as `Unavailable` and is done again.)

A deletion is not fsynced: after a loss of power the blob may be back, and is swept again. Empty folders stay, as to
remove one would race with a put into it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from streams.errors import Invalid, Unavailable
from streams.stores.blobs import BlobMissing, check_name

LIST_PAGE = 1_000


class FolderBlobs:
    """See `Blobs`. Any number of processes may use one folder. The disk is touched in threads, never in the loop."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._partial = self._root / ".partial"  # no name can lead here, as no part may begin with a dot
        with _as_unavailable("open its folder"):
            _make_folder(self._partial)
            for leftover in self._partial.iterdir():
                _remove_if_dead(leftover)

    async def put(self, name: str, data: bytes) -> None:
        await asyncio.to_thread(self._put, self._path(name), BytesIO(data))

    async def put_file(self, name: str, path: Path) -> None:
        target = self._path(name)

        def copy() -> None:
            with _as_unavailable("read the file to store"), path.open("rb") as source:
                self._put(target, source)

        await asyncio.to_thread(copy)

    async def get(self, name: str) -> bytes:
        path = self._path(name)

        def read() -> bytes:
            with _as_unavailable("read"):
                try:
                    return path.read_bytes()
                except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                    raise BlobMissing(name) from None

        return await asyncio.to_thread(read)

    async def size(self, name: str) -> int | None:
        return await asyncio.to_thread(_size, self._path(name))

    async def exists(self, name: str) -> bool:
        return await self.size(name) is not None

    async def existing(self, names: Iterable[str]) -> set[str]:
        paths = {name: self._path(name) for name in names}
        return await asyncio.to_thread(lambda: {name for name, path in paths.items() if _size(path) is not None})

    async def delete(self, name: str) -> None:
        path = self._path(name)

        def remove() -> None:
            with _as_unavailable("delete"), suppress(NotADirectoryError, IsADirectoryError):
                path.unlink(missing_ok=True)

        await asyncio.to_thread(remove)

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        check_name(f"{prefix}x")
        names = self._walk(prefix)

        def page() -> list[str]:
            with _as_unavailable("list"):
                return list(islice(names, LIST_PAGE))

        while found := await asyncio.to_thread(page):
            for name in found:
                yield name

    def _path(self, name: str) -> Path:
        return self._root / check_name(name)

    def _walk(self, prefix: str) -> Iterator[str]:
        for path, folders, files in os.walk(self._root / prefix.rpartition("/")[0]):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for file in files:
                name = (Path(path) / file).relative_to(self._root).as_posix()
                if name.startswith(prefix):
                    yield name

    def _put(self, target: Path, source: BinaryIO) -> None:
        with _as_unavailable("write"):
            if not target.is_file():
                self._write(target, source)
            _sync(target.parent)  # also when another writer was first: it may not have come so far yet

    def _write(self, target: Path, source: BinaryIO) -> None:
        partial = self._partial / secrets.token_hex(16)
        try:
            with partial.open("xb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                shutil.copyfileobj(source, file, 1024 * 1024)
                file.flush()
                os.fsync(file.fileno())
                try:
                    _make_folder(target.parent)
                    target.hardlink_to(partial)
                except (FileExistsError, NotADirectoryError):
                    if not target.is_file():  # else: the other writer's bytes stand
                        raise Invalid(
                            "a blob's name is a folder in another's", "choose another name", code="invalid-blob-name"
                        ) from None
        finally:
            partial.unlink(missing_ok=True)


def _make_folder(path: Path) -> None:
    """Make it and what it is in, each one durable in its own parent."""
    if not path.is_dir():
        _make_folder(path.parent)
        with suppress(FileExistsError):
            path.mkdir()
        _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_if_dead(partial: Path) -> None:
    with suppress(FileNotFoundError), partial.open("rb") as file, suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        partial.unlink()


def _size(path: Path) -> int | None:
    with _as_unavailable("look up a blob"):
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None


@contextmanager
def _as_unavailable(what: str) -> Iterator[None]:
    """An OSError becomes `Unavailable` with its meaning in words; its paths stay out of what a caller may read."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise Unavailable(
            f"the blob store could not {what}: {reason}", "make room on the disk, or see that it can be reached"
        ) from error
