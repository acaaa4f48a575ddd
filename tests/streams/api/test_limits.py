"""How often a key may ask."""

from __future__ import annotations

import pytest

from streams.settings import Settings
from streams.stores.keys import Keys
from tests.streams.api.conftest import TENANT, Api


@pytest.fixture
def settings() -> Settings:
    return Settings(requests_per_minute=5, jobs_per_minute=2, kafka_bootstrap="127.0.0.1:1")


async def test_the_request_after_the_last_one_is_429_and_another_key_is_not_touched(api: Api) -> None:
    answers = [await api.call("GET", "/trace/v1/jobs") for _ in range(6)]
    assert [status for status, _, _ in answers] == [200] * 5 + [429]
    assert answers[0][2]["RateLimit-Policy"] == '"default";q=5;w=60, "jobs";q=2;w=60'
    assert answers[0][2]["RateLimit"].startswith('"default";r=4;t=')
    assert answers[5][1]["code"] == "rate-limited"
    assert 1 <= int(answers[5][2]["Retry-After"]) <= 60
    assert answers[5][2]["RateLimit"].startswith('"default";r=0;t=')
    api.key = await Keys(api.database).make(TENANT)
    assert (await api.call("GET", "/trace/v1/jobs"))[0] == 200


async def test_what_creates_jobs_has_a_smaller_window(api: Api) -> None:
    codes = [(await api.call("POST", "/trace/v1/ingest/type2", json={}))[1]["code"] for _ in range(3)]
    assert codes == ["validation-failed", "validation-failed", "rate-limited"]
    assert (await api.call("POST", "/trace/v1/dataset", json={"name": "x"}))[0] == 201


async def test_a_problem_carries_the_limits_too_and_a_stranger_none(api: Api) -> None:
    assert "RateLimit" in (await api.call("GET", "/trace/v1/jobs/nope"))[2]
    assert "RateLimit" not in (await api.call("GET", "/trace/v1/jobs", headers={"Authorization": ""}))[2]
