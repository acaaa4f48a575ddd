"""Keys: who asks, what for, until when."""

from __future__ import annotations

import aiohttp
import pytest

from streams.stores.catalogue import epoch_ms
from streams.stores.keys import Keys
from tests.streams.api.conftest import TENANT, Api

DATASETS = "/trace/v1/dataset"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic abc", "Bearer st_unknown", "Bearer st_ünknown", "st_unknown", "Bearer a b"],
)
async def test_no_or_a_wrong_key_is_401_with_a_challenge(api: Api, header: str) -> None:
    status, body, headers = await api.call("GET", DATASETS, headers={"Authorization": header})
    assert (status, body["code"]) == (401, "unauthorized")
    assert headers["WWW-Authenticate"] == 'Bearer realm="soundtrace"'


async def test_the_scheme_is_taken_in_any_case(api: Api) -> None:
    assert (await api.call("GET", DATASETS, headers={"Authorization": f"bEARER {api.key}"}))[0] == 200


async def test_an_expired_key_says_so_and_a_revoked_one_is_unknown(api: Api) -> None:
    keys = Keys(api.database)
    api.key = await keys.make(TENANT, expires_at_ms=epoch_ms() - 1)
    assert (await api.call("GET", DATASETS))[1]["code"] == "key-expired"
    api.key = await keys.make("other")
    assert await keys.revoke((await keys.list("other"))[0].key_id)
    assert (await api.call("GET", DATASETS))[1]["code"] == "unauthorized"


@pytest.mark.parametrize(("scope", "get", "post"), [("read", 200, 403), ("write", 403, 201)])
async def test_a_scope_is_what_a_key_may_do(api: Api, scope: str, get: int, post: int) -> None:
    api.key = await Keys(api.database).make(TENANT, (scope,))
    assert (await api.call("GET", DATASETS))[0] == get
    status, body, _ = await api.call("POST", DATASETS, json={"name": "x"})
    assert status == post
    assert post != 403 or body["code"] == "forbidden"


async def test_a_key_is_asked_for_before_the_body_is_read_and_before_a_path_is_known(api: Api) -> None:
    nobody = {"Authorization": ""}
    assert (await api.call("POST", "/trace/v1/upload", data=b"junk", headers=nobody))[0] == 401
    assert (await api.call("GET", "/trace/v1/dataset/unknown", headers=nobody))[0] == 401
    assert (await api.call("GET", "/trace/v1/nothing-here", headers=nobody))[0] == 401


async def test_what_is_open_needs_no_key(api: Api) -> None:
    async with aiohttp.ClientSession() as stranger:
        for path in ("/livez", "/metrics", "/docs", "/openapi.json", "/asyncapi.json"):
            assert (await stranger.get(api.client.make_url(path))).status == 200
        assert (await stranger.options(api.client.make_url(DATASETS))).status == 204
