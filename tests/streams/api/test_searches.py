"""Searches: checked against what the datasets hold, then one record goes out."""

from __future__ import annotations

from typing import Any

import pytest

from streams.records import SearchRequest
from tests.streams.api.conftest import TENANT, Api

PATH = "/trace/v1/search/type2"


@pytest.fixture
async def blob(api: Api) -> str:
    """With a dataset `d` of three tracks, and an empty one."""
    dataset = await api.catalogue.create_dataset(TENANT, "d")
    await api.catalogue.create_dataset(TENANT, "empty")
    for letter in "abc":
        await api.has_track(dataset.dataset_id, letter * 64)
    return await api.has_blob("f" * 64)


async def test_1_to_n(api: Api, blob: str) -> None:
    body = {"search_type": "1:N", "query_url": blob, "candidate_dataset_name": "d", "limit": 3, "colour": 1}
    status, answer, headers = await api.call("POST", PATH, json=body)
    job_id = answer["data"]["job_id"]
    assert status == 202
    assert answer["data"] == {
        "job_id": job_id, "status": "pending", "usecase_id": "search", "search_type": "1:n", "depth": "track",
        "n": 3, "m": 1, "cost_usd": 0.0, "warnings": ["unknown field 'colour' was ignored"],
    }  # fmt: skip
    assert headers["Location"] == f"/trace/v1/jobs/{job_id}"
    [asked] = api.broker.records("search_request")
    assert isinstance(asked, SearchRequest)
    assert (asked.event_id, asked.job_id, asked.tenant, asked.query_uri, asked.limit) == (
        job_id,
        job_id,
        TENANT,
        blob,
        3,
    )
    assert api.broker.published[0].key == job_id.encode()
    assert (await api.call("GET", f"/trace/v1/jobs/{job_id}"))[1]["data"]["status"] == "pending"


async def test_1_to_1_ignores_its_limit(api: Api, blob: str) -> None:
    body = {"search_type": "1:1", "query_url": blob, "candidate_url": blob, "limit": -5}
    status, answer, _ = await api.call("POST", PATH, json=body)
    assert (status, answer["data"]["n"], answer["data"]["m"]) == (202, 1, 1)


async def test_m_to_n_may_search_a_dataset_in_itself(api: Api, blob: str) -> None:
    body = {"search_type": "m:n", "query_dataset_name": "d", "candidate_dataset_name": "d"}
    status, answer, _ = await api.call("POST", PATH, json=body)
    assert (status, answer["data"]["n"], answer["data"]["m"]) == (202, 3, 3)


GONE = "dataset/00000000-0000-4000-8000-000000000000_a.wav"
ONE_TO_N = {"search_type": "1:n", "query_url": "BLOB", "candidate_dataset_name": "d"}


@pytest.mark.parametrize(
    ("body", "status", "code", "pointers"),
    [
        ({}, 400, "validation-failed", ["#/search_type"]),
        ({"search_type": "2:3"}, 400, "validation-failed", ["#/search_type"]),
        ({"search_type": "1:n"}, 400, "validation-failed", ["#/query_url", "#/candidate_dataset_name"]),
        ({**ONE_TO_N, "candidate_url": "BLOB"}, 400, "field-not-allowed", ["#/candidate_url"]),
        ({**ONE_TO_N, "limit": 0}, 400, "validation-failed", ["#/limit"]),
        ({**ONE_TO_N, "limit": 1_001}, 400, "validation-failed", ["#/limit"]),
        ({**ONE_TO_N, "limit": "3", "depth": "nope"}, 400, "validation-failed", ["#/limit", "#/depth"]),
        ({**ONE_TO_N, "stem_types": []}, 400, "validation-failed", ["#/stem_types"]),
        ({**ONE_TO_N, "depth": "motif"}, 400, "depth-not-ingested", None),
        ({**ONE_TO_N, "verbose_output": "yes"}, 400, "validation-failed", ["#/verbose_output"]),
        ({**ONE_TO_N, "webhook_url": "https://x.example"}, 400, "webhook-url-not-allowed", None),
        ({**ONE_TO_N, "query_url": "../x"}, 400, "invalid-blob-name", None),
        ({**ONE_TO_N, "candidate_dataset_name": "nope"}, 404, "dataset-not-found", None),
        ({**ONE_TO_N, "candidate_dataset_name": "empty"}, 400, "dataset-empty", None),
        ({"search_type": "1:1", "query_url": GONE, "candidate_url": "BLOB"}, 404, "blob-not-found", None),
    ],
)  # fmt: skip
async def test_a_wrong_request_starts_nothing(
    *, api: Api, blob: str, body: dict[str, Any], status: int, code: str, pointers: list[str] | None
) -> None:
    body = {name: blob if value == "BLOB" else value for name, value in body.items()}
    answer = await api.call("POST", PATH, json=body)
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert pointers is None or pointers == [fault["pointer"] for fault in answer[1]["errors"]]
    assert api.broker.published == []


async def test_a_comprehensive_search_says_which_tasks_it_needs(api: Api, blob: str) -> None:
    status, answer, _ = await api.call("POST", "/trace/v1/comprehensive1/type2", json={**ONE_TO_N, "query_url": blob})
    assert (status, answer["code"]) == (400, "depth-not-ingested")
    for task in ("full_audio_latent", "light_stem or stem_vocals", "motif"):
        assert task in answer["detail"]


async def test_a_comprehensive_search_is_a_job_of_its_own_kind(api: Api, blob: str) -> None:
    body = {"search_type": "1:1", "query_url": blob, "candidate_url": blob}
    status, answer, _ = await api.call("POST", "/trace/v1/comprehensive1/type2", json=body)
    assert (status, answer["data"]["usecase_id"]) == (202, "comprehensive1")
    [asked] = api.broker.records("search_request")
    assert asked.profile == "comprehensive1"
    job_id = answer["data"]["job_id"]
    status, answer, _ = await api.call("GET", f"/trace/v1/comprehensive1/jobs/{job_id}")
    assert (status, answer["data"]["usecase_id"]) == (200, "comprehensive1")


async def test_datasets_of_different_model_versions_are_not_compared(api: Api, blob: str) -> None:
    old, new = [await api.catalogue.create_dataset(TENANT, name) for name in ("old", "new")]
    for dataset, version in ((old, "v0"), (new, "v1")):
        await api.catalogue.pin(dataset.dataset_id, "type2", version)
        await api.has_track(dataset.dataset_id, "a" * 64, model_version=version)
    body = {"search_type": "m:n", "query_dataset_name": "new", "candidate_dataset_name": "old"}
    status, answer, _ = await api.call("POST", PATH, json=body)
    assert (status, answer["code"]) == (400, "model-versions-differ")
    for named in ("'v0'", "'v1'", "'old'", "'new'", "soundtrace reindex"):
        assert named in answer["detail"]
    assert api.broker.published == []


async def test_melodies_have_no_windows_whose_versions_could_differ(api: Api) -> None:
    for name, version in (("old", "v0"), ("new", "v1")):
        dataset = await api.catalogue.create_dataset(TENANT, name)
        await api.catalogue.pin(dataset.dataset_id, "type2", version)
        await api.has_track(dataset.dataset_id, "a" * 64, model_version=version, tasks=("motif",))
    body = {"search_type": "m:n", "query_dataset_name": "new", "candidate_dataset_name": "old", "depth": "motif"}
    assert (await api.call("POST", PATH, json=body))[0] == 202


async def test_too_many_pairs_are_counted_before_anything_starts(api: Api, blob: str) -> None:
    object.__setattr__(api.settings, "pairs_max", 8)
    body = {"search_type": "m:n", "query_dataset_name": "d", "candidate_dataset_name": "d"}
    status, answer, _ = await api.call("POST", PATH, json=body)
    assert (status, answer["code"]) == (400, "too-many-pairs")
    assert "9 pairs, the limit is 8" in answer["message"]
