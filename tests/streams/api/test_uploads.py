"""Uploads: streamed, counted, hashed, looked at, stored once."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from streams.api.schemas import rfc3339
from streams.artifacts import upload_name
from streams.stores.catalogue import epoch_ms
from tests import signals
from tests.streams.api.conftest import GOOD_WAV, TENANT, Api

UPLOAD = "/trace/v1/upload"


async def test_a_file_comes_back_as_a_blob_name_with_what_its_header_says(api: Api) -> None:
    status, body, _ = await api.upload(GOOD_WAV, "Träck 1.WAV")
    data = body["data"]
    assert (status, body["success"], body["message"]) == (200, True, "Upload successful")
    assert data["blob_name"].startswith("dataset/")
    assert data["blob_name"].endswith("_Träck 1.WAV")
    assert data["sha256"] == hashlib.sha256(GOOD_WAV).hexdigest()
    assert {**data, "blob_name": "", "expires_at": "", "sha256": ""} == {
        "blob_name": "", "sha256": "", "expires_at": "",
        "size_bytes": len(GOOD_WAV), "duration_s": 2.0, "rate_hz": 22_050, "channels": 1,
    }  # fmt: skip
    assert rfc3339(epoch_ms() + 29 * 86_400_000) < data["expires_at"]


async def test_the_same_bytes_get_a_new_name_and_are_stored_once(api: Api) -> None:
    names = {(await api.upload(GOOD_WAV, name))[1]["data"]["blob_name"] for name in ("a.wav", "a.wav", "b.wav")}
    assert len(names) == 3
    assert [name async for name in api.blobs.list()] == [upload_name(TENANT, hashlib.sha256(GOOD_WAV).hexdigest())]


async def test_a_flac_called_wav_is_taken_for_what_it_is(api: Api) -> None:
    flac = signals.wav(signals.tone(), container="FLAC")
    assert (await api.upload(flac, "x.wav"))[0] == 200


async def test_an_ogg_called_wav_is_refused(api: Api) -> None:
    ogg = signals.wav(signals.tone(), subtype="VORBIS", container="OGG")
    status, body, _ = await api.upload(ogg, "x.wav")
    assert (status, body["code"]) == (400, "unsupported-audio-format")
    assert body["message"] == "Unsupported audio format. Use .mp3, .wav, .flac, or .m4a"


async def test_a_file_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(api: Api) -> None:
    limit = api.settings.upload_max_bytes
    assert (await api.upload(GOOD_WAV + bytes(limit - len(GOOD_WAV))))[0] == 200
    status, body, _ = await api.upload(GOOD_WAV + bytes(limit - len(GOOD_WAV) + 1))
    assert (status, body["code"]) == (413, "upload-too-large")
    assert body["message"] == "Upload file size exceeds the maximum limit of 1 MB."


async def test_a_body_without_content_length_is_refused_as_soon_as_it_is_too_long(api: Api) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        while sent < 50 * api.settings.upload_max_bytes:
            sent += 65_536
            yield bytes(65_536)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    status, body, _ = await api.call("POST", UPLOAD, data=endless(), headers=headers)
    assert (status, body["code"]) == (413, "upload-too-large")
    assert sent < 20 * api.settings.upload_max_bytes


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [("other", b"x", "a.wav")],
        [("file", GOOD_WAV, "a.wav"), ("file", GOOD_WAV, "b.wav")],
        [("file", "text", None)],
    ],
    ids=["none", "another", "two", "text"],
)
async def test_anything_but_exactly_one_part_called_file_is_refused(api: Api, parts: list[Any]) -> None:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("warm", "up")
    for name, data, filename in parts:
        form.add_field(name, data, filename=filename)
    status, body, _ = await api.call("POST", UPLOAD, data=form)
    assert (status, body["code"]) == (400, "validation-failed")
    assert body["errors"][0]["pointer"] == "#/file"


async def test_other_parts_are_ignored_and_named(api: Api) -> None:
    form = aiohttp.FormData()
    form.add_field("title", "A tune")
    form.add_field("file", GOOD_WAV, filename="a.wav")
    status, body, _ = await api.call("POST", UPLOAD, data=form)
    assert (status, body["data"]["warnings"]) == (200, ["unknown part 'title' was ignored"])


@pytest.mark.parametrize("content_type", ["application/json", "multipart/mixed; boundary=x", ""])
async def test_another_media_type_is_refused(api: Api, content_type: str) -> None:
    status, body, _ = await api.call("POST", UPLOAD, data=b"x", headers={"Content-Type": content_type})
    assert (status, body["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n", b"--x\r\n\r\nabc", b"--y\r\n\r\n", b"\x00" * 1_000, b"--x--"]
)
@pytest.mark.parametrize("boundary", ["; boundary=x", "", "; boundary=", f"; boundary={'x' * 100}"])
async def test_a_broken_multipart_body_is_the_clients_fault(api: Api, body: bytes, boundary: str) -> None:
    headers = {"Content-Type": f"multipart/form-data{boundary}"}
    status, answer, _ = await api.call("POST", UPLOAD, data=body, headers=headers)
    assert (status, answer["code"]) == (400, "validation-failed")


async def test_a_file_cut_off_in_the_middle_of_the_body_is_refused(api: Api) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    status, body, _ = await api.call("POST", UPLOAD, data=head + GOOD_WAV, headers=headers)
    assert (status, body["code"]) == (400, "validation-failed")
    assert not [name async for name in api.blobs.list()]
