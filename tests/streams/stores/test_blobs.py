"""One suite for every form of the blob store, then what only a folder can do wrong."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.errors import Defect, Invalid, NotFound, Unavailable
from streams.stores.blobs import BlobMissing, Blobs, open_blobs
from streams.stores.folder import FolderBlobs
from streams.stores.memory import MemoryBlobs

NAME = "artifacts/acme/0a1b/waveform.flac"


@pytest.fixture(params=["folder", "memory"])
def blobs(request, tmp_path: Path) -> Blobs:
    return FolderBlobs(tmp_path / "blobs") if request.param == "folder" else MemoryBlobs()


@pytest.fixture
def folder(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


async def names(blobs: Blobs, prefix: str = "") -> list[str]:
    return sorted([name async for name in blobs.list(prefix)])


@pytest.mark.parametrize("data", [b"", b"RIFF", bytes(3_000_000)])
async def test_what_was_put_is_got(blobs, data):
    await blobs.put(NAME, data)
    assert await blobs.get(NAME) == data
    assert await blobs.size(NAME) == len(data)
    assert await blobs.existing([NAME, f"{NAME}x"]) == {NAME}
    assert await blobs.exists(NAME)


async def test_a_put_of_an_existing_name_changes_nothing(blobs, tmp_path):
    (tmp_path / "upload").write_bytes(b"third")
    await blobs.put(NAME, b"first")
    await blobs.put(NAME, b"second")
    await blobs.put_file(NAME, tmp_path / "upload")
    assert await blobs.get(NAME) == b"first"


async def test_of_many_writers_one_wins_for_all_readers(blobs):
    await asyncio.gather(*(blobs.put(NAME, bytes([writer]) * 100_000) for writer in range(16)))
    first = await blobs.get(NAME)
    assert len(set(first)) == 1
    assert len(first) == 100_000
    assert await blobs.get(NAME) == first


async def test_a_file_is_stored_with_all_its_bytes(blobs, tmp_path):
    upload = tmp_path / "upload"
    upload.write_bytes(os.urandom(3_000_001))
    await blobs.put_file(NAME, upload)
    assert await blobs.get(NAME) == upload.read_bytes()


async def test_a_missing_blob_is_said_to_be_missing(blobs):
    with pytest.raises(BlobMissing) as missing:
        await blobs.get(NAME)
    assert isinstance(missing.value, NotFound)
    assert missing.value.code == "blob-not-found"
    assert await blobs.size(NAME) is None
    assert not await blobs.exists(NAME)


def test_a_missing_blob_survives_the_way_between_two_processes():
    missing = pickle.loads(pickle.dumps(BlobMissing(NAME)))  # noqa: S301 our own bytes
    assert str(missing) == str(BlobMissing(NAME))


async def test_the_folder_of_a_blob_is_no_blob(blobs):
    await blobs.put(NAME, b"x")
    assert await blobs.size("artifacts/acme") is None
    assert await blobs.size(f"{NAME}/deeper") is None
    for name in ("artifacts/acme", f"{NAME}/deeper"):
        with pytest.raises(BlobMissing):
            await blobs.get(name)
        await blobs.delete(name)
    assert await blobs.exists(NAME)


async def test_a_deleted_blob_is_gone_and_deleting_it_again_is_success(blobs):
    await blobs.put(NAME, b"x")
    await blobs.delete(NAME)
    await blobs.delete(NAME)
    assert not await blobs.exists(NAME)
    await blobs.put(NAME, b"y")
    assert await blobs.get(NAME) == b"y"


async def test_a_list_holds_the_names_that_begin_with_the_prefix(blobs):
    for name in ("jobs/acme/1/tracks", "jobs/acme/10/tracks", "jobs/beta/1/tracks", "uploads/song.mp3"):
        await blobs.put(name, b"x")
    assert await names(blobs, "jobs/acme/") == ["jobs/acme/1/tracks", "jobs/acme/10/tracks"]
    assert await names(blobs, "jobs/acme/1") == ["jobs/acme/1/tracks", "jobs/acme/10/tracks"]
    assert await names(blobs, "jobs/acme/1/") == ["jobs/acme/1/tracks"]
    assert await names(blobs, "none/") == []
    assert len(await names(blobs)) == 4


async def test_a_list_longer_than_a_page_is_complete(blobs, monkeypatch):
    monkeypatch.setattr("streams.stores.folder.LIST_PAGE", 100)
    expected = sorted(f"many/{number:05}" for number in range(250))
    for name in expected:
        await blobs.put(name, b"")
    assert await names(blobs, "many/") == expected


BAD_NAMES = [
    "", ".", "..", "../x", "a/../../x", "a/./x", "/etc/passwd", "a//x", "a/", "nul\0", "a\\x", "line\nbreak",
    ".partial/x", "a/.hidden", "\ud800", "p" * 256, "/".join(["part"] * 300),
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=[ascii(name)[:24] for name in BAD_NAMES])
async def test_a_name_that_might_lead_out_of_the_store_is_refused(blobs, name, tmp_path):
    calls = [blobs.put(name, b"x"), blobs.put_file(name, tmp_path), blobs.get(name), blobs.size(name)]
    for call in [*calls, blobs.exists(name), blobs.delete(name)]:
        with pytest.raises(Invalid) as refused:
            await call
        assert refused.value.code == "invalid-blob-name"


@pytest.mark.parametrize("prefix", ["../", "/", "a/../../", ".partial/", "a//"])
async def test_a_prefix_that_might_lead_out_of_the_store_is_refused(blobs, prefix):
    with pytest.raises(Invalid):
        await names(blobs, prefix)


@pytest.mark.parametrize("name", ["Größe/Ünïcode 音.mp3", "a b/c", "100%/x", "x#1", "~/x", "a..b", "p" * 255])
async def test_an_unusual_name_is_a_name(blobs, name):
    await blobs.put(name, b"x")
    assert await blobs.get(name) == b"x"
    assert await names(blobs) == [name]


async def test_the_event_loop_goes_on_while_the_disk_is_slow(folder, monkeypatch):
    turned = asyncio.Event()

    def slow_fsync(handle: int) -> None:
        asyncio.run_coroutine_threadsafe(turned.wait(), loop).result(timeout=60)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(os, "fsync", slow_fsync)
    put = asyncio.create_task(folder.put(NAME, b"x"))
    await asyncio.sleep(0)
    turned.set()  # only a loop that turns gets here before the put has ended
    await put


async def test_bytes_and_name_are_on_the_disk_before_a_put_returns(folder, tmp_path, monkeypatch):
    done = []
    fsync, link = os.fsync, Path.hardlink_to

    def seen_fsync(handle: int) -> None:
        done.append(Path(f"/proc/self/fd/{handle}").resolve())
        fsync(handle)

    def seen_link(new: Path, existing: Path) -> None:
        done.append("link")
        link(new, existing)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(Path, "hardlink_to", seen_link)
    await folder.put("a/b", b"x")
    root = tmp_path / "blobs"
    assert done[0].parent == root / ".partial"
    assert done[1:] == [root, "link", root / "a"]  # the new folder's own name, the blob's name


async def test_a_name_that_is_a_folder_in_another_is_refused_not_retried(folder):
    await folder.put("a/b", b"x")
    for name in ("a", "a/b/c"):
        with pytest.raises(Invalid):
            await folder.put(name, b"x")


WRITER = """
import asyncio, hashlib, sys
from pathlib import Path
from streams.stores.folder import FolderBlobs

async def write():
    blobs = FolderBlobs(Path(sys.argv[1]))
    for number in range(100_000):
        data = hashlib.sha256(f"{sys.argv[2]} {number}".encode()).digest() * 60_000
        await blobs.put(f"{sys.argv[2]}/{hashlib.sha256(data).hexdigest()}", data)
        print(flush=True)

asyncio.run(write())
"""


def test_a_put_that_is_killed_leaves_nothing_that_can_be_read(tmp_path):
    root = tmp_path / "blobs"
    acknowledged = 0
    for round_number in range(5):
        command = [sys.executable, "-c", WRITER, str(root), f"round{round_number}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            for _ in range(3):
                acknowledged += bool(writer.stdout.readline())
            deadline = time.monotonic() + 30
            while not list((root / ".partial").iterdir()) and time.monotonic() < deadline:
                pass  # kill it in the middle of one
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged += len(writer.stdout.readlines())
    blobs = FolderBlobs(root)
    found = asyncio.run(names(blobs))
    for name in found:
        assert hashlib.sha256(asyncio.run(blobs.get(name))).hexdigest() == name.partition("/")[2]
    assert len(found) >= acknowledged >= 15
    assert list((root / ".partial").iterdir()) == []


async def test_starting_does_not_sweep_what_a_living_process_is_writing(folder, tmp_path, monkeypatch):
    fsync = os.fsync

    def another_starts(handle: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        FolderBlobs(tmp_path / "blobs")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", another_starts)
    await folder.put(NAME, b"whole")
    assert await folder.get(NAME) == b"whole"


ON_A_FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from streams.errors import Unavailable
from streams.stores.folder import FolderBlobs

resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    asyncio.run(FolderBlobs(Path(sys.argv[1])).put("a/b", bytes(2_000_000)))
except Unavailable as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_is_unavailable_and_leaves_nothing(folder, tmp_path):
    root = tmp_path / "blobs"
    said = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, str(root)], capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith("the blob store could not write: File too large")
    assert str(tmp_path) not in said
    assert asyncio.run(names(folder)) == []
    assert list((root / ".partial").iterdir()) == []
    asyncio.run(folder.put("a/b", b"there is room again"))
    assert asyncio.run(folder.get("a/b")) == b"there is room again"


async def test_a_file_that_cannot_be_read_is_unavailable_without_its_path(folder, tmp_path):
    with pytest.raises(Unavailable) as failed:
        await folder.put_file(NAME, tmp_path / "no-such-upload")
    assert "No such file" in str(failed.value)
    assert "no-such-upload" not in str(failed.value)


async def test_a_file_url_opens_the_folder_it_names(tmp_path):
    blobs = open_blobs(f"file://{tmp_path}/with space")
    await blobs.put(NAME, b"x")
    assert (tmp_path / "with space" / NAME).read_bytes() == b"x"


@pytest.mark.parametrize("url", ["s3://bucket/x", "relative", "file://relative", "", "file:/one-slash"])
def test_a_url_of_no_known_form_is_refused_with_what_is_supported(url):
    with pytest.raises(Defect, match="must be file://"):
        open_blobs(url)
