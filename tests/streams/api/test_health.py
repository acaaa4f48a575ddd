"""Alive, ready, counted, documented."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import schemas
from streams import pipeline
from streams.api.problems import STATUS
from streams.api.routes import OPEN, ROUTES
from tests.streams.api.conftest import Api


async def test_livez_asks_nobody(api: Api) -> None:
    await api.database.close()
    assert (await api.call("GET", "/livez"))[:2] == (200, {"status": "ok"})


async def test_readyz_names_what_is_missing(api: Api) -> None:
    api.outbox.reach = False
    status, body, _ = await api.call("GET", "/readyz")
    assert status == 503
    assert {name: check["ok"] for name, check in body["checks"].items()} == {
        "kafka": False, "store": True, "read_model": True, "milvus": False,
    }  # fmt: skip
    assert "127.0.0.1" not in json.dumps(body)


async def test_readyz_is_200_when_all_answers(api: Api) -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    object.__setattr__(api.settings, "milvus_uri", f"http://127.0.0.1:{port}")
    async with server:
        status, body, _ = await api.call("GET", "/readyz")
    assert (status, body["status"]) == (200, "ready")


async def test_metrics_are_labelled_by_template_never_by_id(api: Api) -> None:
    await api.call("GET", "/trace/v1/jobs/some-secret-job")
    await api.call("GET", "/nothing/at/all")
    await api.upload()
    async with api.client.get("/metrics") as response:
        text = await response.text()
    assert 'soundtrace_http_requests_total{method="GET",route="/trace/v1/jobs/{job_id}",status="404"} 1.0' in text
    assert 'route="unmatched"' in text
    assert "soundtrace_outbox_waiting 0.0" in text
    assert "soundtrace_projector_lag" in text
    assert "soundtrace_upload_bytes_total 8" in text
    assert "some-secret-job" not in text


async def test_the_openapi_document_has_every_route_and_resolves_every_reference(api: Api) -> None:
    document = (await api.call("GET", "/openapi.json"))[1]
    assert {(method.upper(), path) for path, methods in document["paths"].items() for method in methods} == {
        *((route.method, route.path) for route in ROUTES),
        *(("GET", path) for path in OPEN),
    }
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, f"{name} is never used"
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.partition('"')[0] in document["components"]["schemas"]
    search = document["paths"]["/trace/v1/search/type2"]["post"]
    assert set(search["responses"]) == {"202", "400", "401", "403", "404", "406", "413", "415", "429", "500", "503"}
    assert document["components"]["schemas"]["NewSearch"]["properties"]["depth"]["enum"][0] == "track"


def test_every_code_of_a_route_has_its_status() -> None:
    assert {code for route in ROUTES for code in route.errors} <= STATUS.keys()


async def test_the_asyncapi_document_has_every_public_topic_with_its_schema(api: Api) -> None:
    document = (await api.call("GET", "/asyncapi.json"))[1]
    internal = {topic.name for topic in pipeline.topics() if topic.name.startswith("work.") or topic.name == "progress"}
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {topic.name for topic in pipeline.topics()} - internal
    fields = document["components"]["messages"]["upload"]["payload"]["schema"]["fields"]
    assert [field["name"] for field in fields] == [field["name"] for field in schemas.schema("upload")["fields"]]


async def test_the_docs_need_no_other_address(api: Api) -> None:
    async with api.client.get("/docs") as response:
        page = await response.text()
    assert all(route.path in page for route in ROUTES)
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_the_api_imports_nothing_heavy() -> None:
    script = "import sys, streams.api.app; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.replace("'", "").strip("[]\n").split(", "))
    assert loaded.isdisjoint(
        {"torch", "librosa", "faust", "models.hear", "scipy", "numba", "soundfile", "av", "soxr", "pymilvus"}
    )
