"""Jobs as polled, listed and cancelled."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from streams.records import Feature, Health, Job, Problem, Progress, SearchRequest, SearchResult, Track, Upload, now
from streams.stores.keys import Keys
from tests.streams.api.conftest import TENANT, Api

BLOB = "dataset/3f8a0000-0000-4000-8000-000000000000_song.wav"
ENTRY = {"query_audio_id": BLOB, "query_index": 0, "status": "completed", "error": None, "health": None,
         "matches": [{"id": "x", "score": 0.912, "extra": {"deep": [1]}}]}  # fmt: skip


def upload(job_id: str = "j", index: int = 0, size: int = 1) -> Upload:
    return Upload(
        event_id=f"{job_id}/{index}", tenant=TENANT, dataset_name="d", blob_uri=BLOB, filename="song.wav",
        job=Job(id=job_id, index=index, size=size), requested_at=now(),
    )  # fmt: skip


def indexed(job_id: str = "j", failed: bool = False) -> Feature:
    track = Track(
        track_id="t", blob_name=BLOB, filename="song.wav", sha256="a" * 64, duration_s=2.0, rate_hz=22_050, channels=1,
        encoder_types=("type2",), tasks=("full_audio_latent",), health=Health(clipped=True), metadata={},
        ingested_at=now(),
    )  # fmt: skip
    problem = Problem(code="audio-undecodable", message="the file is broken", remedy="export it again")
    return Feature(
        event_id=f"{job_id}-index", tenant=TENANT, created_at=now(), job=Job(id=job_id, index=0, size=1),
        dataset_name="d", audio_id="a" * 64, blob_uri=BLOB, track_id=None if failed else "t", kind="index",
        encoder_type="type2", model_version="v0", params_hash="p", seconds_taken=0.5, track=None if failed else track,
        tasks_done=() if failed else ("full_audio_latent",),
        tasks_failed={"full_audio_latent": problem} if failed else {},
    )  # fmt: skip


def asked(job_id: str = "s") -> SearchRequest:
    return SearchRequest(
        event_id=job_id, tenant=TENANT, requested_at=now(), job_id=job_id, search_type="1:n", query_uri=BLOB,
        candidate_dataset_name="d",
    )  # fmt: skip


def answered(index: int = 0, size: int = 1) -> SearchResult:
    return SearchResult(
        event_id=f"s-{index}", tenant=TENANT, completed_at=now(), job=Job(id="s", index=index, size=size),
        status="completed", profile="search", search_type="1:n", depth="track", encoder_type="type2",
        query_audio_id=BLOB, details_uri=f"jobs/acme/s/details/{index}.json", model_version="v0", seconds_taken=1.0,
    )  # fmt: skip


def accepted(size: int = 1) -> Progress:
    return Progress(
        event_id="s-accept", tenant=TENANT, job=Job(id="s", index=0, size=size), stage="accept", queries_total=size,
        pairs_total=7 * size, candidates_total=7, candidates_skipped=2, at=now(),
    )  # fmt: skip


async def poll(api: Api, path: str) -> Any:
    status, body, _ = await api.call("GET", f"/trace/v1/{path}")
    assert status == 200
    return body["data"]


async def test_an_ingested_file_is_complete_with_its_track_and_health(api: Api) -> None:
    await api.hears(upload(), indexed())
    data = await poll(api, "ingest/j")
    assert (data["kind"], data["status"], data["error"], data["cost_usd"]) == ("ingest", "completed", None, 0.0)
    assert data["artifacts"][0]["status"] == "complete"
    assert data["files"][0]["track_id"] == "t"
    assert data["files"][0]["health"] == {"silent": False, "clipped": True, "truncated": False}
    assert data["progress"]["artifacts_done"] == 1
    assert "Retry-After" not in (await api.call("GET", "/trace/v1/ingest/j"))[2]


async def test_a_failed_task_tells_why(api: Api) -> None:
    await api.hears(upload(), indexed(failed=True))
    data = await poll(api, "jobs/j")
    assert (data["status"], data["error"]) == ("failed", "the file is broken")
    assert (data["artifacts"][0]["status"], data["artifacts"][0]["error"]["code"]) == ("failed", "audio-undecodable")


async def test_results_are_the_stored_entries_as_they_are(api: Api) -> None:
    await api.blobs.put("jobs/acme/s/details/0.json", json.dumps(ENTRY).encode())
    await api.hears(asked(), accepted(), answered())
    data = await poll(api, "jobs/s")
    assert (data["kind"], data["usecase_id"], data["status"], data["n"], data["m"]) == (
        "search",
        "search",
        "completed",
        7,
        1,
    )
    assert data["candidates_skipped"] == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", data["results"].pop("timestamp"))
    assert data["results"] == {"status": "success", "search_type": "1:n", "results": [ENTRY]}
    assert "partial_results" not in data
    assert data["progress"] == {"queries_total": 1, "queries_done": 1, "pairs_total": 7, "pairs_done": 7}


async def test_a_running_search_shows_what_is_finished(api: Api) -> None:
    await api.blobs.put("jobs/acme/s/details/0.json", json.dumps(ENTRY).encode())
    await api.hears(asked(), accepted(2), answered(0, 2))
    data = await poll(api, "jobs/s")
    assert (data["status"], data["results"], data["partial_results"]) == ("running", None, [ENTRY])


async def test_an_entry_that_was_swept_is_still_listed(api: Api) -> None:
    await api.hears(asked(), accepted(), answered())
    [entry] = (await poll(api, "jobs/s"))["results"]["results"]
    assert (entry["query_audio_id"], entry["matches"]) == (BLOB, [])


@pytest.mark.parametrize(
    "path",
    ["ingest/s", "ingest/nope", "jobs/nope", "comprehensive1/jobs/s", "comprehensive1/jobs/j", "jobs/%00", "jobs/a%20b",
     f"jobs/{'x' * 129}"],
)  # fmt: skip
async def test_an_unknown_or_other_kind_of_job_is_404(api: Api, path: str) -> None:
    await api.hears(upload(), asked())
    status, body, _ = await api.call("GET", f"/trace/v1/{path}")
    assert (status, body["code"]) == (404, "job-not-found")


async def test_another_tenants_job_does_not_exist(api: Api) -> None:
    await api.hears(upload())
    api.key = await Keys(api.database).make("other")
    assert (await api.call("GET", "/trace/v1/jobs/j"))[0] == 404
    assert (await api.call("DELETE", "/trace/v1/jobs/j"))[0] == 404
    assert (await poll(api, "jobs"))["jobs"] == []


async def test_pages_hold_every_job_once_newest_first(api: Api) -> None:
    await api.hears(*(upload(f"j{i}") for i in range(5)))
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await poll(api, "jobs?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        seen += [job["job_id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if len(seen) == 2:
            await api.hears(upload("made-meanwhile"))
    assert sorted(seen) == [f"j{i}" for i in range(5)]
    assert len((await poll(api, "jobs?kind=search"))["jobs"]) == 0
    assert len((await poll(api, "jobs?kind=ingest&status=pending"))["jobs"]) == 6


@pytest.mark.parametrize(
    ("query", "code"),
    [("kind=x", "validation-failed"), ("status=x", "validation-failed"), ("limit=0", "validation-failed"),
     ("cursor=eA", "invalid-cursor")],
)  # fmt: skip
async def test_a_wrong_query_is_refused(api: Api, query: str, code: str) -> None:
    status, body, _ = await api.call("GET", f"/trace/v1/jobs?{query}")
    assert (status, body["code"]) == (400, code)


async def test_a_job_is_cancelled_once(api: Api) -> None:
    await api.hears(upload())
    status, body, _ = await api.call("DELETE", "/trace/v1/jobs/j")
    assert (status, body) == (200, {"success": True, "data": {"job_id": "j", "status": "cancelled"}})
    assert (await poll(api, "jobs/j"))["artifacts"][0]["status"] == "cancelled"
    status, body, _ = await api.call("DELETE", "/trace/v1/jobs/j")
    assert (status, body["code"]) == (409, "job-finished")
