"""The ledger's promises, judged on memory and on a file alike."""

import pytest

from streams.errors import Invalid
from streams.stores.database import Database
from streams.stores.ledger import Ledger


@pytest.fixture(params=["memory", "file"])
async def ledger(request, tmp_path):
    url = "sqlite+aiosqlite://" if request.param == "memory" else f"sqlite+aiosqlite:///{tmp_path}/c.db"
    database = Database(url)
    await database.migrate()
    yield Ledger(database)
    await database.close()


async def test_an_event_is_remembered_for_its_tenant_alone(ledger):
    await ledger.mark_accepted("acme", "e-1")
    await ledger.mark_accepted("acme", "e-1")
    assert await ledger.was_accepted("acme", "e-1")
    assert not await ledger.was_accepted("other", "e-1")


@pytest.mark.parametrize(("kind", "index", "size"), [("ingest", 0, 3), ("search", 0, 2), ("ingest", 2, 2)])
async def test_the_first_record_of_a_job_binds_the_later_ones(ledger, kind, index, size):
    await ledger.agree_on_job("acme", "job", "ingest", 1, 2)
    await ledger.agree_on_job("acme", "job", "ingest", 0, 2)
    with pytest.raises(Invalid) as caught:
        await ledger.agree_on_job("acme", "job", kind, index, size)
    assert caught.value.code == "job-inconsistent"


async def test_starts_and_failures_are_counted_until_they_are_forgotten(ledger):
    assert await ledger.begin_attempt("group", "e") == (1, 0)
    assert await ledger.fail_attempt("group", "e") == 1
    assert await ledger.begin_attempt("group", "e") == (2, 1)
    assert await ledger.begin_attempt("another group", "e") == (1, 0)
    await ledger.forget_attempts("group", "e")
    assert await ledger.begin_attempt("group", "e") == (1, 0)
