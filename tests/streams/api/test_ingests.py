"""Ingests: everything is checked first, then one record per file goes out and the first poll shows them all."""

from __future__ import annotations

from typing import Any

import pytest

from streams import pipeline
from streams.records import Upload
from tests.streams.api.conftest import TENANT, Api

PATH = "/trace/v1/ingest/type2"


@pytest.fixture
async def dataset_id(api: Api) -> str:
    return (await api.catalogue.create_dataset(TENANT, "d")).dataset_id


async def test_one_record_per_file_goes_out_before_the_answer(api: Api, dataset_id: str) -> None:
    blobs = [await api.has_blob(letter * 64) for letter in "ab"]
    body = {"dataset_name": "d", "audio_blobs": [*blobs, blobs[0]], "tasks": ["full_audio_latent"] * 2}
    status, answer, headers = await api.call("POST", PATH, json=body)
    job_id = answer["data"]["job_id"]
    assert status == 202
    assert answer == {"success": True, "data": {"job_id": job_id, "status": "pending", "cost_usd": 0.0}}
    assert (headers["Location"], headers["Retry-After"]) == (f"/trace/v1/jobs/{job_id}", "1")
    uploads: list[Upload] = api.broker.records("upload")
    assert [(u.event_id, u.tenant, u.dataset_id, u.blob_uri, u.sha256, u.job.index, u.job.size) for u in uploads] == [
        (f"{job_id}/{i}", TENANT, dataset_id, blob, "ab"[i] * 64, i, 2) for i, blob in enumerate(blobs)
    ]
    assert [out.key for out in api.broker.published] == [
        f"{TENANT}/{'a' * 64}".encode(),
        f"{TENANT}/{'b' * 64}".encode(),
    ]
    assert await api.outbox.waiting() == 0


async def test_the_first_poll_shows_every_file_and_task(api: Api, dataset_id: str) -> None:
    blob = await api.has_blob()
    job_id = (await api.call("POST", PATH, json={"dataset_name": "d", "audio_blobs": [blob]}))[1]["data"]["job_id"]
    status, body, headers = await api.call("GET", f"/trace/v1/ingest/{job_id}")
    data = body["data"]
    assert (status, data["status"], data["tasks_requested"]) == (200, "pending", ["full_audio_latent"])
    assert [(a["audio_id"], a["artifact_type"], a["status"], a["blob_name"]) for a in data["artifacts"]] == [
        ("aaaa.wav", "full_audio_latent", "pending", blob)
    ]
    assert data["progress"] == {
        "files_total": 1, "files_done": 0, "files_failed": 0, "artifacts_total": 1, "artifacts_done": 0,
    }  # fmt: skip
    assert headers["Retry-After"] == "1"
    assert (await api.call("GET", f"/trace/v1/jobs/{job_id}"))[1] == body


async def test_a_client_may_bring_its_trace(api: Api, dataset_id: str) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    body = {"dataset_name": "d", "audio_blobs": [await api.has_blob()]}
    await api.call("POST", PATH, json=body, headers={"traceparent": trace})
    assert ("traceparent", trace.encode()) in api.broker.published[0].headers


async def test_audio_that_came_by_kafka_is_known_by_its_uri(api: Api, dataset_id: str) -> None:
    uri = await api.has_blob(uri="file:/music/a_b.wav")
    assert (await api.call("POST", PATH, json={"dataset_name": "d", "audio_blobs": [uri]}))[0] == 202


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"dataset_name": "nope"}, 404, "dataset-not-found"),
        ({"dataset_name": "a\u0000"}, 404, "dataset-not-found"),
        ({"audio_blobs": ["dataset/00000000-0000-4000-8000-000000000000_a.wav"]}, 404, "blob-not-found"),
        ({"audio_blobs": [f"x{i}" for i in range(11)]}, 400, "too-many-blobs"),
        ({"audio_blobs": []}, 400, "validation-failed"),
        ({"audio_blobs": "x"}, 400, "validation-failed"),
        ({"tasks": []}, 400, "validation-failed"),
        ({"tasks": ["nope"]}, 400, "validation-failed"),
        ({"webhook_url": "https://example.com/x"}, 400, "webhook-url-not-allowed"),
        ({"webhook_url": "http://169.254.169.254/"}, 400, "webhook-url-not-allowed"),
        ({"audio_blobs": ["dataset/../../etc/passwd"]}, 400, "invalid-blob-name"),
        ({"audio_blobs": ["/etc/passwd"]}, 400, "invalid-blob-name"),
        ({"audio_blobs": ["https://example.com/a.wav"]}, 400, "invalid-blob-name"),
        ({"audio_blobs": ["dataset/a\u0000b"]}, 400, "invalid-blob-name"),
    ],
)
async def test_a_wrong_request_starts_nothing(
    api: Api, dataset_id: str, change: dict[str, Any], status: int, code: str
) -> None:
    body = {"dataset_name": "d", "audio_blobs": [await api.has_blob()], **change}
    answer = await api.call("POST", PATH, json=body)
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert api.broker.published == []
    assert (await api.call("GET", "/trace/v1/jobs"))[1]["data"]["jobs"] == []


@pytest.mark.parametrize("encoder_type", pipeline.ENCODER_TYPES)
async def test_the_path_says_which_encoder_hears(api: Api, dataset_id: str, encoder_type: str) -> None:
    body = {"dataset_name": "d", "audio_blobs": [await api.has_blob()]}
    status, _, _ = await api.call("POST", f"/trace/v1/ingest/{encoder_type}", json=body)
    assert status == 202
    (upload,) = api.broker.records("upload")
    assert upload.encoder_type == encoder_type


async def test_another_tenants_blob_does_not_exist(api: Api, dataset_id: str) -> None:
    theirs = await api.has_blob(tenant="other")
    status, answer, _ = await api.call("POST", PATH, json={"dataset_name": "d", "audio_blobs": [theirs]})
    assert (status, answer["code"]) == (404, "blob-not-found")


async def test_faults_of_every_kind_are_told_at_once(api: Api) -> None:
    body = {"dataset_name": 5, "tasks": ["nope"]}
    _, answer, _ = await api.call("POST", PATH, json=body)
    assert [fault["pointer"] for fault in answer["errors"]] == ["#/dataset_name", "#/audio_blobs", "#/tasks"]


async def test_without_a_broker_nothing_is_written(api: Api, dataset_id: str) -> None:
    api.outbox.reach = False
    body = {"dataset_name": "d", "audio_blobs": [await api.has_blob()]}
    status, answer, headers = await api.call("POST", PATH, json=body)
    assert (status, answer["code"], headers["Retry-After"]) == (503, "unavailable", "5")
    assert await api.outbox.waiting() == 0
    assert (await api.call("GET", "/trace/v1/jobs"))[1]["data"]["jobs"] == []


async def test_what_is_not_confirmed_is_kept_and_named(api: Api, dataset_id: str) -> None:
    api.broker.refusing = True
    body = {"dataset_name": "d", "audio_blobs": [await api.has_blob()]}
    status, answer, _ = await api.call("POST", PATH, json=body)
    [job] = (await api.call("GET", "/trace/v1/jobs"))[1]["data"]["jobs"]
    assert (status, await api.outbox.waiting()) == (503, 1)
    assert job["job_id"] in answer["detail"]
