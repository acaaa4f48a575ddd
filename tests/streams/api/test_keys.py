"""Keys at rest."""

from __future__ import annotations

import pytest

from streams.errors import Invalid
from streams.stores import tables
from streams.stores.catalogue import epoch_ms
from streams.stores.database import Database
from streams.stores.keys import Keys, ensure_key
from tests.streams.api.conftest import Api


async def test_a_key_is_long_random_and_never_stored(api: Api) -> None:
    keys = Keys(api.database)
    made = {await keys.make("t") for _ in range(3)}
    assert len(made) == 3
    assert all(len(key) > 40 for key in made)
    async with api.database.read() as connection:
        stored = str((await connection.execute(tables.keys.select())).all())
    assert not any(key in stored for key in made)


async def test_a_key_knows_its_tenant_and_scopes(api: Api) -> None:
    keys = Keys(api.database)
    key = await keys.find(await keys.make("t", ("read",), 5))
    assert key is not None
    assert (key.tenant, key.scopes, key.expired, key.key_id) == ("t", ("read",), True, key.key_hash[:12])
    assert [listed.key_id for listed in await keys.list("t")] == [key.key_id]


async def test_only_what_exists_can_be_revoked(api: Api) -> None:
    keys = Keys(api.database)
    key = await keys.make("t")
    assert not await keys.revoke("")
    assert not await keys.revoke("%" * 12)
    assert not await keys.revoke("0" * 12)
    assert await keys.find(key)
    assert await keys.revoke((await keys.list("t"))[0].key_id)
    assert await keys.find(key) is None


@pytest.mark.parametrize("scopes", [(), ("admin",), ("read", "admin")])
async def test_an_unknown_scope_is_refused(api: Api, scopes: tuple[str, ...]) -> None:
    with pytest.raises(Invalid):
        await Keys(api.database).make("t", scopes)


async def test_the_local_tenants_key_is_made_once(api: Api) -> None:
    database: Database = api.database
    first = await ensure_key(database, "local", None)
    assert await ensure_key(database, "local", first) == first
    assert await ensure_key(database, "local", "st_lost") != first
    expired = await Keys(database).make("local", expires_at_ms=epoch_ms() - 1)
    assert await ensure_key(database, "local", expired) != expired
    assert await ensure_key(database, "another", first) != first
