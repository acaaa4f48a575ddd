"""Upserts whose order does not matter: every column is joined with what the row holds by a rule that commutes.

Each rule is a join (commutative, associative, idempotent), so any order and any repeats of the same facts end in the
same row. Null means "not said" and loses against everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Executable, Table, and_, case, or_, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from streams import pipeline
from streams.stores.database import insert

Columns = Any  # of a row: `.name` gives a column
Rule = Callable[[Columns, Columns, str], ColumnElement[Any]]  # (held, said, name): the joined column

STATUS_RANK = {"pending": 0, "running": 1, "failed": 2, "cancelled": 3, "completed": 4}
STAGE_RANK = {stage.name: rank for rank, stage in enumerate(pipeline.STAGES)}


def least(held: Columns, said: Columns, name: str) -> ColumnElement[Any]:
    return _unless_null(held[name], said[name], said[name] < held[name])


def greatest(held: Columns, said: Columns, name: str) -> ColumnElement[Any]:
    return _unless_null(held[name], said[name], said[name] > held[name])


def replaced(_held: Columns, said: Columns, name: str) -> ColumnElement[Any]:
    """No join: the last word counts."""
    word: ColumnElement[Any] = said[name]
    return word


def furthest(held: Columns, said: Columns, name: str) -> ColumnElement[Any]:
    """Of two stages the later in the pipeline's table; one that the table no longer has loses."""
    ranks = [tuple_(_rank(STAGE_RANK, row[name]), row[name]) for row in (said, held)]
    further = ranks[0] > ranks[1]
    return _unless_null(held[name], said[name], further)


def outcome(held: Columns, said: Columns, name: str) -> ColumnElement[Any]:
    """Status and what hangs on it change together: the higher rank wins, among equals the earlier ending.

    That a part ends twice is rare (a crash between two records). Completed outranks the rest, as what is searchable
    is searchable; cancelled outranks failed, as nobody waits for it any more.
    """
    said_rank, held_rank = _rank(STATUS_RANK, said.status), _rank(STATUS_RANK, held.status)
    earlier = tuple_(said.finished_at_ms, said.finished_by) < tuple_(held.finished_at_ms, held.finished_by)
    return case((or_(said_rank > held_rank, and_(said_rank == held_rank, earlier)), said[name]), else_=held[name])


class Join:
    """A table and the rule of each of its columns; those without a rule are its key."""

    def __init__(self, table: Table, **rules: Rule) -> None:
        self._table = table
        self._rules = rules
        self._statements: dict[tuple[str, ...], Executable] = {}  # building one costs more than running it

    async def __call__(self, connection: AsyncConnection, **facts: Any) -> None:
        """Insert a row of these facts, or join them into the row that is there."""
        shape = (connection.dialect.name, *facts)
        if shape not in self._statements:
            self._statements[shape] = self._statement(connection, facts)
        await connection.execute(self._statements[shape], {name: _storable(said) for name, said in facts.items()})

    def _statement(self, connection: AsyncConnection, names: Iterable[str]) -> Executable:
        statement = insert(connection, self._table)
        rules = {name: self._rules[name] for name in names if name in self._rules}
        joined = {name: rule(self._table.c, statement.excluded, name) for name, rule in rules.items()}
        if not joined:
            return statement.on_conflict_do_nothing()
        return statement.on_conflict_do_update(index_elements=self._table.primary_key, set_=joined)


def _storable(value: Any) -> Any:
    """PostgreSQL refuses NUL in a text, and one such file name must not stop the projector."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def _rank(ranks: Mapping[str, int], column: ColumnElement[Any]) -> ColumnElement[Any]:
    return case(ranks, value=column, else_=-1)


def _unless_null(held: ColumnElement[Any], said: ColumnElement[Any], wins: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((held.is_(None), said), (wins, said), else_=held)
