"""Datasets over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.stores.keys import Keys
from tests.streams.api.conftest import TENANT, Api

PATH = "/trace/v1/dataset"


async def test_a_dataset_is_made_and_found(api: Api) -> None:
    status, made, headers = await api.call("POST", PATH, json={"name": "Mein Lied ♪", "description": None})
    assert (status, headers["Location"]) == (201, f"{PATH}/{made['dataset_id']}")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made.pop("created_at"))
    assert re.fullmatch(r"[0-9a-f-]{36}", made.pop("dataset_id"))
    assert made == {
        "user_id": TENANT, "name": "Mein Lied ♪", "description": "", "content_type": "music", "thresholds": {},
        "ingested_tasks": [], "encoder_types": [],
    }  # fmt: skip
    assert (await api.call("GET", headers["Location"]))[1]["name"] == "Mein Lied ♪"


async def test_its_content_type_and_thresholds_are_kept(api: Api) -> None:
    told = {"content_type": "sound_mark", "thresholds": {"least_landmarks": 6, "least_share": 0.25}}
    made = (await api.call("POST", PATH, json={"name": "jingles", **told}))[1]
    found = (await api.call("GET", f"{PATH}/{made['dataset_id']}"))[1]
    assert {name: found[name] for name in told} == told


@pytest.mark.parametrize(
    ("told", "pointer", "said"),
    [({"content_type": "podcast"}, "#/content_type", "content types are music, sound_mark"),
     ({"thresholds": {"loudness": 1}}, "#/thresholds", "unknown threshold 'loudness'"),
     ({"thresholds": {"least_share": 2}}, "#/thresholds", "must be 0 to 1"),
     ({"thresholds": {"least_landmarks": 6.5}}, "#/thresholds", "a whole number")],
)  # fmt: skip
async def test_what_no_content_has_is_refused(api: Api, told: dict[str, Any], pointer: str, said: str) -> None:
    status, answer, _ = await api.call("POST", PATH, json={"name": "x", **told})
    assert (status, answer["code"]) == (400, "validation-failed")
    assert answer["errors"][0]["pointer"] == pointer
    assert said in answer["errors"][0]["detail"]


async def test_it_names_what_its_tracks_have(api: Api) -> None:
    made = (await api.call("POST", PATH, json={"name": "d"}))[1]
    await api.has_track(made["dataset_id"], "a" * 64)
    found = (await api.call("GET", f"{PATH}/{made['dataset_id']}"))[1]
    assert (found["ingested_tasks"], found["encoder_types"]) == (["full_audio_latent"], ["type2"])


async def test_a_name_is_unique_after_normalisation(api: Api) -> None:
    made = (await api.call("POST", PATH, json={"name": "caf\u00e9"}))[1]
    status, body, _ = await api.call("POST", PATH, json={"name": "cafe\u0301"})
    assert (status, body["code"], body["existing_dataset_id"]) == (409, "dataset-exists", made["dataset_id"])


@pytest.mark.parametrize(
    "body",
    [{}, {"name": None}, {"name": 5}, {"name": ""}, {"name": "x" * 256}, {"name": " x"}, {"name": "a\u0000b"},
     {"name": "a\nb"}, {"name": ["x"]}, {"name": "x", "description": "y" * 4_097}, {"name": "x", "description": 1}],
)  # fmt: skip
async def test_a_wrong_field_is_named(api: Api, body: dict[str, Any]) -> None:
    status, answer, _ = await api.call("POST", PATH, json=body)
    assert (status, answer["code"]) == (400, "validation-failed")
    assert answer["errors"][0]["pointer"] == ("#/description" if "description" in body else "#/name")


async def test_unknown_fields_are_ignored_and_named(api: Api) -> None:
    status, made, _ = await api.call("POST", PATH, json={"name": "x", "colour": 1, "success": {}})
    assert (status, made["warnings"]) == (
        201, ["unknown field 'colour' was ignored", "unknown field 'success' was ignored"],
    )  # fmt: skip


async def test_a_limit_opts_into_pages(api: Api) -> None:
    for name in "abcde":
        await api.call("POST", PATH, json={"name": name})
    assert [one["name"] for one in (await api.call("GET", PATH))[1]] == list("abcde")
    seen, path = "", f"{PATH}?limit=2"
    while path:
        _, page, headers = await api.call("GET", path)
        seen += "".join(one["name"] for one in page)
        link = re.fullmatch(r'<(.+)>; rel="next"', headers.get("Link", ""))
        path = link[1] if link else ""
    assert seen == "abcde"


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=1e3", f"limit={10**30}"])
async def test_a_limit_outside_its_range_is_refused(api: Api, query: str) -> None:
    assert (await api.call("GET", f"{PATH}?{query}"))[1]["code"] == "validation-failed"


@pytest.mark.parametrize("cursor", ["", "%00", "????", "AAAA", "a", "ü", "x" * 5_000])
async def test_a_cursor_that_we_never_gave_is_refused(api: Api, cursor: str) -> None:
    status, body, _ = await api.call("GET", PATH, params={"cursor": cursor})
    assert (status, body["code"]) == (400, "invalid-cursor")


async def test_another_tenants_dataset_does_not_exist(api: Api) -> None:
    theirs = await api.catalogue.create_dataset("other", "theirs")
    answers = [await api.call("GET", f"{PATH}/{name}") for name in (theirs.dataset_id, "junk", "%00", "..%2f")]
    assert [(status, body["code"]) for status, body, _ in answers] == [(404, "dataset-not-found")] * 4
    assert (await api.call("GET", PATH))[1] == []
    api.key = await Keys(api.database).make("other")
    assert [one["name"] for one in (await api.call("GET", PATH))[1]] == ["theirs"]


async def test_an_unchanged_answer_is_304(api: Api) -> None:
    made = (await api.call("POST", PATH, json={"name": "d"}))[1]
    path = f"{PATH}/{made['dataset_id']}"
    _, _, headers = await api.call("GET", path)
    assert headers["Cache-Control"] == "private, no-cache"
    for known in (headers["ETag"], f'"x", {headers["ETag"]}', "*", f"W/{headers['ETag']}"):
        status, body, again = await api.call("GET", path, headers={"If-None-Match": known})
        assert (status, body, again["ETag"]) == (304, None, headers["ETag"])
    await api.has_track(made["dataset_id"], "a" * 64)
    assert (await api.call("GET", path, headers={"If-None-Match": headers["ETag"]}))[0] == 200


async def test_head_is_get_without_the_body(api: Api) -> None:
    _, _, get = await api.call("GET", PATH)
    status, _, head = await api.call("HEAD", PATH)
    assert (status, head["ETag"], head["Content-Length"]) == (200, get["ETag"], get["Content-Length"])


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=10,
)
NAMES = st.sampled_from(["name", "description", "dataset_name", "audio_blobs", "tasks", "webhook_url", "search_type",
                         "query_url", "candidate_url", "candidate_dataset_name", "query_dataset_name", "depth",
                         "stem_types", "limit", "verbose_output"])  # fmt: skip
JSON_POSTS = st.sampled_from(["dataset", "ingest/type1", "ingest/type2", "search/type2", "comprehensive1/type2"])
QUIET = settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


@QUIET
@given(path=JSON_POSTS, body=st.dictionaries(NAMES | st.text(st.characters()), JUNK, max_size=6))
async def test_no_json_makes_us_fail(api: Api, path: str, body: dict[str, Any]) -> None:
    status, answer, _ = await api.call("POST", f"/trace/v1/{path}", json=body)
    assert status < 500
    assert status in (201, 202) or answer["code"] != "validation-failed" or answer["errors"]


@QUIET
@given(
    path=JSON_POSTS | st.just("upload"),
    body=st.binary(max_size=2_000),
    kind=st.sampled_from(["application/json", "multipart/form-data; boundary=x", "multipart/form-data"]),
    encoding=st.sampled_from(["identity", "gzip", "deflate", "br", "x"]),
)
async def test_no_bytes_make_us_fail(api: Api, path: str, body: bytes, kind: str, encoding: str) -> None:
    headers = {"Content-Type": kind, "Content-Encoding": encoding, "Connection": "close"}
    status, _, _ = await api.call("POST", f"/trace/v1/{path}", data=body, headers=headers)
    assert status < 500
