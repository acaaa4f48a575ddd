"""The HTTP column of the contract's Part D, row by row (rows of jobs, keys and searches stand in their own files)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests import signals
from tests.streams.api.conftest import GOOD_WAV, Api

DATASET = "/trace/v1/dataset"


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (lambda: b"", 400, "empty-file"),
        (lambda: signals.wav_truncated(20.0, 1.5), 200, None),
        (lambda: signals.wav(signals.tone(), container="FLAC")[:-200], 200, None),
        (signals.text_called_wav, 400, "unsupported-audio-format"),
        (signals.wav_header_only, 400, "audio-too-short"),
        (lambda: signals.wav(signals.tone()[:1]), 400, "audio-too-short"),
        (lambda: signals.wav_not_finite(float("nan")), 200, None),
        (lambda: signals.wav_not_finite(float("inf")), 200, None),
        (lambda: signals.wav(signals.silence()), 200, None),
        (lambda: signals.wav_of_rate(0), 400, "audio-undecodable"),
        (lambda: signals.wav_of_rate(4_000_000_000), 400, "audio-undecodable"),
        (lambda: signals.wav_of_channels(0), 400, "audio-undecodable"),
        (lambda: signals.wav_of_channels(9), 400, "audio-undecodable"),
        (lambda: signals.wav_of_channels(8), 200, None),
        (lambda: signals.wav(signals.tone(1.2, rate_hz=192_000), 192_000), 200, None),
        (lambda: signals.wav(signals.tone(), subtype="PCM_U8"), 200, None),
        (lambda: signals.wav(signals.tone(), subtype="DOUBLE"), 200, None),
        (lambda: signals.wav(signals.tone(10.5, rate_hz=8_000), 8_000), 400, "audio-too-long"),
        (lambda: signals.wav_lying(2**32 - 1), 200, None),
        (lambda: GOOD_WAV + bytes(1024 * 1024), 413, "upload-too-large"),
    ],
)
async def test_files(api: Api, data: Callable[[], bytes], status: int, code: str | None) -> None:
    answer = await api.upload(data())
    assert (answer[0], answer[1].get("code")) == (status, code)


@pytest.mark.parametrize(
    ("name", "status"),
    [("x.ogg", 400), ("x", 400), ("", 400), ("x" * 4_000 + ".wav", 200), ("../../x.wav", 200), ("x\u202e.wav", 200)],
)
async def test_file_names(api: Api, name: str, status: int) -> None:
    answer = await api.upload(GOOD_WAV, name)
    assert answer[0] == status
    assert status == 200 or answer[1]["code"] == "unsupported-audio-format"


async def test_a_file_name_that_is_not_utf8(api: Api) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="\xff\xfe.wav"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    body = head + GOOD_WAV + b"\r\n--x--\r\n"
    status, answer, _ = await api.call("POST", "/trace/v1/upload", data=body, headers=headers)
    assert status == 200
    assert answer["data"]["blob_name"].endswith("_.wav")


def nested(levels: int) -> bytes:
    return b'{"name": "x", "y": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed-json"),
        (b"{", 400, "malformed-json"),
        (b"[]", 400, "malformed-json"),
        (b'"x"', 400, "malformed-json"),
        (b'{"name": NaN}', 400, "malformed-json"),
        (b'{"name": "x", "y": -Infinity}', 400, "malformed-json"),
        (b'{"name": "\xff"}', 400, "malformed-json"),
        (b'{"name": "\\ud800"}', 400, "malformed-json"),
        (b'{"name": ' + b"9" * 5_000 + b"}", 400, "malformed-json"),
        (nested(33), 400, "malformed-json"),
        (nested(32), 201, None),
        (b'{"y": ' + b"[" * 200_000, 400, "malformed-json"),
        (json.dumps({"name": "x", "y": "z" * 1024 * 1024}).encode(), 413, "body-too-large"),
        (b'{"name": "x"}' + b" " * (1024 * 1024 - 13), 201, None),
    ],
)
async def test_bodies(api: Api, body: bytes, status: int, code: str | None) -> None:
    answer = await api.call("POST", DATASET, data=body, headers={"Content-Type": "application/json"})
    assert (answer[0], answer[1].get("code")) == (status, code)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_a_body_of_another_media_type(api: Api, content_type: str) -> None:
    answer = await api.call("POST", DATASET, data=b'{"name": "x"}', headers={"Content-Type": content_type})
    assert (answer[0], answer[1]["code"]) == (415, "unsupported-media-type")
