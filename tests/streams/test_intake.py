"""Taking in what a request names: what may be read, what is refused, what is nobody's fault but a disk's."""

import os
import socket

import pytest

from streams.errors import Invalid, NotFound, TooLarge
from streams.intake import Named, allowed_path, take_in
from streams.settings import Settings
from streams.stores.catalogue import Catalogue
from streams.stores.database import Database
from streams.stores.memory import MemoryBlobs


@pytest.fixture
async def taken(tmp_path):
    """A function that takes in a URI of the allowed folder."""
    database = Database("sqlite+aiosqlite://")
    await database.migrate()
    settings = Settings(allowed_prefixes=(tmp_path.as_uri(),), upload_max_bytes=1_000)
    blobs = MemoryBlobs()

    async def take(uri, **said):
        return await take_in(Named("acme", uri, **said), Catalogue(database), blobs, settings)

    yield take
    await database.close()


async def test_a_file_is_copied_and_stays_known_when_its_owner_tidies_it_away(taken, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"sound")
    first = await taken((tmp_path / "a.wav").as_uri())
    (tmp_path / "a.wav").unlink()
    assert await taken((tmp_path / "a.wav").as_uri()) == first


async def test_a_file_that_was_replaced_is_another_audio(taken, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"sound")
    first = await taken((tmp_path / "a.wav").as_uri())
    (tmp_path / "a.wav").write_bytes(b"other")
    assert (await taken((tmp_path / "a.wav").as_uri())).audio_id != first.audio_id


async def test_too_many_bytes_are_refused(taken, tmp_path):
    (tmp_path / "a.wav").write_bytes(bytes(1_001))
    with pytest.raises(TooLarge):
        await taken((tmp_path / "a.wav").as_uri())


@pytest.mark.parametrize("name", ["missing.wav", "a.wav/b.wav", "x" * 300, "pipe", "socket", "folder", "circle"])
async def test_what_is_no_file_is_not_found_and_blocks_nobody(taken, tmp_path, monkeypatch, name):
    (tmp_path / "a.wav").write_bytes(b"sound")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # a socket's path may be 108 bytes long
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    with pytest.raises((NotFound, Invalid)) as caught:
        await taken(f"{tmp_path.as_uri()}/{name}")
    assert caught.value.code in ("blob-not-found", "uri-not-allowed")


@pytest.mark.parametrize(
    "uri",
    [
        "http://[::1",
        "file://elsewhere/a",
        "s3://b/a",
        "/etc/hostname",
        "file:///etc/hostname",
        "file:///in/%00",
        "",
        "…",
    ],
)
def test_a_place_we_may_not_read_from_is_refused(uri):
    with pytest.raises(Invalid) as caught:
        allowed_path(uri, ("file:///in",))
    assert caught.value.code == "uri-not-allowed"


def test_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to("/etc/hostname")
    with pytest.raises(Invalid):
        allowed_path((tmp_path / "in" / "out").as_uri(), ((tmp_path / "in").as_uri(),))
