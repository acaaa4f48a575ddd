"""The SQL engine behind catalogue and read model: short `begin immediate` transactions from any process.

SQLite takes WAL, a busy timeout, and `synchronous=FULL` (an acknowledged row survives power loss; the catalogue is
truth) unless the caller says that a row need not. Without `begin immediate` two writers fail with "database is locked"
whatever the timeout (measured 2026-11-21). Whatever the driver raises becomes `Unavailable`: a database fault is never
blamed on the input.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Table, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from streams.errors import Unavailable

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS, WAL_RETRY_MS = 15_000, 50


class Database:
    """An engine with our transaction rules. `sqlite+aiosqlite://` (no path) lives in memory: the twin for tests."""

    def __init__(self, url: str) -> None:
        self.url = url
        in_memory = make_url(url).database in (None, "", ":memory:")
        options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
        self.engine: AsyncEngine = create_async_engine(url, **options)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _sqlite_pragmas)
            event.listen(self.engine.sync_engine, "begin", _begin)

    async def migrate(self) -> None:
        """Bring the schema to the newest version; safe to call from several processes."""
        if self.is_sqlite and (path := make_url(self.url).database) not in (None, "", ":memory:"):
            assert path is not None
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            await self._write_ahead()
        async with self.write() as connection:
            await connection.run_sync(_upgrade)

    async def _write_ahead(self) -> None:
        """Have the file keep a write-ahead log, from now on for everybody.

        Two processes that switch at once hold what the other waits for, and SQLite's own waiting (`busy_timeout`) does
        not help: who fails lets go and tries again.
        """
        for left in reversed(range(BUSY_TIMEOUT_MS // WAL_RETRY_MS)):
            async with self._connect("write") as connection:
                raw: Any = (await connection.get_raw_connection()).driver_connection
                try:
                    await raw.execute_fetchall("PRAGMA busy_timeout=0")
                    await raw.execute_fetchall("PRAGMA journal_mode=WAL")
                    return
                except sqlite3.Error as error:
                    if not left or not isinstance(error, sqlite3.OperationalError):
                        remedy = "see that its disk is well"
                        raise Unavailable(f"the database does not answer: {error}", remedy) from error
                finally:
                    await raw.execute_fetchall(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            await asyncio.sleep(WAL_RETRY_MS / 1_000)

    @asynccontextmanager
    async def write(self, *, durable: bool = True) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write. Committed when the block ends, rolled back when it raises.

        What is not `durable` survives every kill, but not a loss of power: for what can be told again. It is spared
        the fsync, which is nearly all that a short transaction costs (5 ms of 5.1, measured 2026-11-21).
        """
        async with self._connect("write" if durable else "write quickly") as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A snapshot for reading; never waits for a writer."""
        async with self._connect("read") as connection:
            yield connection

    @asynccontextmanager
    async def _connect(self, intent: str) -> AsyncIterator[AsyncConnection]:
        try:
            async with self.engine.connect() as connection:
                assert connection.sync_connection is not None
                connection.sync_connection.info["intent"] = intent
                yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError) as error:
            reason = str(getattr(error, "orig", error)).splitlines()[0]
            raise Unavailable(
                f"the database does not answer: {reason}", "see that its disk or server is well"
            ) from error

    async def close(self) -> None:
        await self.engine.dispose()


def insert(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An `insert` that knows `on_conflict_do_…`, in the connection's dialect."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _sqlite_pragmas(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None  # we say BEGIN ourselves
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.close()


def _begin(connection: Connection) -> None:
    intent = connection.info["intent"]
    if intent == "read":
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if intent == 'write' else 'NORMAL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
