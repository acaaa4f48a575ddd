"""The engine under catalogue and read model: migrations, transactions, what a fault becomes."""

import asyncio
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from streams.errors import Unavailable
from streams.stores.database import Database
from streams.stores.tables import metadata


@pytest.fixture(params=["memory", "file"])
async def database(request, tmp_path):
    url = "sqlite+aiosqlite://" if request.param == "memory" else f"sqlite+aiosqlite:///{tmp_path}/deep/er/c.db"
    made = Database(url)
    await made.migrate()
    yield made
    await made.close()


async def test_the_migrations_lead_to_the_tables_that_the_code_speaks_of(database):
    async with database.read() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
    assert differences == []


async def test_migrating_again_changes_nothing(database):
    await database.migrate()


async def test_processes_that_start_at_once_may_all_migrate(tmp_path):
    databases = [Database(f"sqlite+aiosqlite:///{tmp_path}/c.db") for _ in range(4)]
    await asyncio.gather(*(each.migrate() for each in databases))
    for each in databases:
        await each.close()


async def test_a_transaction_that_raises_leaves_nothing_behind(database):
    async def fail():
        async with database.write() as connection:
            await connection.execute(text("insert into cancels values ('acme', 'job', 1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.read() as connection:
        assert (await connection.execute(text("select count(*) from cancels"))).scalar_one() == 0


async def test_two_writers_wait_for_each_other_instead_of_failing(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/c.db")
    await database.migrate()

    async def add(number):
        async with database.write() as connection:
            rows = await connection.execute(text("select count(*) from cancels"))
            held = rows.scalar_one()
            await asyncio.sleep(0.01)
            insert = text("insert into cancels values ('acme', :job, :held)")
            await connection.execute(insert, {"job": f"job-{number}", "held": held})

    await asyncio.gather(*(add(number) for number in range(10)))
    async with database.read() as connection:
        rows = await connection.execute(text("select cancelled_at_ms from cancels order by 1"))
        assert list(rows.scalars()) == list(range(10)), "each saw what the one before it wrote"
    await database.close()


async def test_a_database_that_is_away_is_unavailable_and_not_the_inputs_fault(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/c.db")
    await database.migrate()
    await database.close()
    for path in tmp_path.glob("c.db*"):
        path.unlink()
    (tmp_path / "c.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(Unavailable) as caught:
        await database.migrate()
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, sqlite3.Error)
