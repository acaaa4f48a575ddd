"""API keys: 256 random bits each, of which only the SHA-256 is kept.

A hash without salt or stretching is right here: what is hashed is not a word a person chose, so there is nothing to
guess. A key is named to people by its id, the first 12 hex digits of the hash.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, select, update

from streams.errors import Invalid
from streams.stores import tables
from streams.stores.catalogue import epoch_ms
from streams.stores.database import Database

SCOPES = ("read", "write")
PREFIX = "st_"
ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Key:
    """What a key may do, for whom, until when."""

    key_hash: str
    tenant: str
    scopes: tuple[str, ...]
    created_at_ms: int
    expires_at_ms: int | None
    revoked: bool

    @property
    def key_id(self) -> str:
        return self.key_hash[:ID_DIGITS]

    @property
    def expired(self) -> bool:
        return self.expires_at_ms is not None and self.expires_at_ms <= epoch_ms()


class Keys:
    """The keys of all tenants. Raises `Unavailable` when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def make(self, tenant: str, scopes: Iterable[str] = SCOPES, expires_at_ms: int | None = None) -> str:
        """A new key: the only time that it can be read. Raises: `Invalid` for a scope that is none."""
        wanted = tuple(scopes)
        if not wanted or not set(wanted) <= set(SCOPES):
            raise Invalid(f"scopes {', '.join(wanted) or '(none)'} are not of {', '.join(SCOPES)}", "name at least one")
        key = PREFIX + secrets.token_urlsafe(32)
        async with self.database.write() as connection:
            row = {"key_hash": _hash(key), "tenant": tenant, "scopes": list(wanted), "created_at_ms": epoch_ms()}
            await connection.execute(tables.keys.insert().values(**row, expires_at_ms=expires_at_ms, revoked=False))
        return key

    async def find(self, key: str) -> Key | None:
        """The key as it is kept, also an expired one; None for an unknown or revoked one."""
        found = await self._select(tables.keys.c.key_hash == _hash(key), tables.keys.c.revoked.is_(False))
        return found[0] if found else None

    async def list(self, tenant: str | None = None) -> Sequence[Key]:
        """The keys of one tenant, or of all, oldest first; revoked and expired ones too."""
        return await self._select(*([] if tenant is None else [tables.keys.c.tenant == tenant]))

    async def revoke(self, key_id: str) -> bool:
        """Whether there was such a key; from now on it opens nothing."""
        if len(key_id) != ID_DIGITS or not key_id.isalnum():
            return False
        matching = tables.keys.c.key_hash.startswith(key_id)
        async with self.database.write() as connection:
            changed = await connection.execute(update(tables.keys).where(matching).values(revoked=True))
            return changed.rowcount > 0

    async def _select(self, *conditions: Any) -> Sequence[Key]:
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(tables.keys).where(*conditions).order_by(tables.keys.c.created_at_ms, tables.keys.c.key_hash)
            )
            return [_key(row) for row in rows.mappings()]


async def ensure_key(database: Database, tenant: str, recorded: str | None) -> str:
    """The recorded key while it still opens this tenant, else a new one, without expiry: `soundtrace up` keeps it."""
    keys = Keys(database)
    if recorded:
        found = await keys.find(recorded)
        if found and found.tenant == tenant and not found.expired:
            return recorded
    return await keys.make(tenant)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _key(row: RowMapping) -> Key:
    return Key(**{**row, "scopes": tuple(row["scopes"])})
