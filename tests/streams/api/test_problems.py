"""Whatever goes wrong is answered in one shape."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from sqlalchemy import text

from streams.api import problems
from streams.api.problems import STATUS
from streams.errors import SoundtraceError
from streams.stores.catalogue import Catalogue
from tests.streams.api.conftest import Api

DATASETS = "/trace/v1/dataset"


async def test_a_problem_has_the_members_of_both_worlds(api: Api) -> None:
    status, body, headers = await api.call("GET", "/trace/v1/jobs/nope?x=1", headers={"X-Request-Id": "mine-1"})
    detail = body.pop("detail")
    assert status == 404
    assert body == {
        "type": "urn:soundtrace:problem:job-not-found",
        "title": "Job not found",
        "status": 404,
        "instance": "/trace/v1/jobs/nope",
        "code": "job-not-found",
        "success": False,
        "message": "There is no job 'nope'.",
        "request_id": "mine-1",
    }
    assert detail.endswith("check the id, or list your jobs")
    assert headers["Content-Type"].startswith("application/problem+json")
    assert headers["X-Request-Id"] == "mine-1"


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "ü"])
async def test_a_request_id_that_is_none_is_replaced(api: Api, sent: str) -> None:
    _, _, headers = await api.call("GET", DATASETS, headers={"X-Request-Id": sent})
    assert headers["X-Request-Id"] not in ("", sent)


@pytest.mark.parametrize("path", ["/", "/trace/v1", "/trace/v1/dataset/", "/trace/v1/nothing", "/trace/v2/dataset"])
async def test_an_unknown_path_is_a_problem_too(api: Api, path: str) -> None:
    status, body, _ = await api.call("GET", path)
    assert (status, body["code"]) == (404, "route-not-found")


async def test_a_wrong_method_names_the_right_ones(api: Api) -> None:
    for method in ("PUT", "PATCH", "DELETE", "PROPFIND"):
        status, body, headers = await api.call(method, DATASETS)
        assert (status, body["code"], headers["Allow"]) == (405, "method-not-allowed", "GET, HEAD, OPTIONS, POST")


async def test_options_answers_what_is_allowed(api: Api) -> None:
    async with api.client.options(DATASETS) as response:
        assert (response.status, response.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")


async def test_a_client_that_takes_no_json_is_told_so(api: Api) -> None:
    for accept, status in (("text/html", 406), ("text/html, */*;q=0.1", 200), ("application/json; q=1", 200)):
        assert (await api.call("GET", DATASETS, headers={"Accept": accept}))[0] == status


async def test_an_error_of_ours_says_nothing_of_our_insides(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: object, **__: object) -> None:
        raise KeyError("/secret/path on host db-7")

    monkeypatch.setattr(Catalogue, "datasets", crash)
    status, body, _ = await api.call("GET", DATASETS)
    assert (status, body["code"]) == (500, "internal")
    assert "secret" not in str(body)
    assert "KeyError" not in str(body)


async def test_what_does_not_answer_is_503_with_a_time(api: Api) -> None:
    async with api.database.write() as connection:
        await connection.execute(text("drop table keys"))
    status, body, headers = await api.call("GET", DATASETS)
    assert (status, body["code"], headers["Retry-After"]) == (503, "unavailable", "5")
    assert "database" not in str(body)


def test_every_code_that_the_code_names_has_its_status() -> None:
    """A code without a row would be answered with its class's status: right today, forgotten tomorrow."""
    folder = Path(problems.__file__).parent
    sources = [*folder.glob("*.py"), folder.parent / "check.py"]
    calls = [
        node for source in sources for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)
    ]
    named = {
        keyword.value.value
        for call in calls
        for keyword in call.keywords
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
    }
    assert named - STATUS.keys() == set()
    assert {cls.code for cls in SoundtraceError.__subclasses__()} <= STATUS.keys()
