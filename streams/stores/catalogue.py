"""The catalogue: datasets, blobs and tracks. This is truth.

Every question names a tenant, and what belongs to another one answers as if it had never existed. Its in-memory twin
is the same SQL on `sqlite+aiosqlite://`; one suite judges both (tests/streams/stores/test_catalogue.py).
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, and_, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from models.content import ContentType
from streams.errors import Conflict, NotFound
from streams.records import Health
from streams.stores import tables
from streams.stores.database import Database, insert


def epoch_ms(moment: datetime | None = None) -> int:
    return int((moment or datetime.now(UTC)).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Dataset:
    dataset_id: str
    tenant: str
    name: str
    description: str
    created_at_ms: int
    content_type: ContentType = "music"
    thresholds: Mapping[str, float] = field(default_factory=dict)
    ingested_tasks: tuple[str, ...] = ()
    encoder_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pinned:
    """The model version that a dataset keeps for an encoder type."""

    tenant: str
    dataset_id: str
    name: str
    encoder_type: str
    model_version: str


@dataclass(frozen=True, slots=True)
class Blob:
    """What a tenant calls an audio (a blob name or a URI) and which bytes that is."""

    tenant: str
    uri: str
    audio_id: str
    filename: str
    size_bytes: int
    created_at_ms: int = field(default_factory=epoch_ms)
    expires_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class TrackRow:
    """A live track of a dataset. `tasks` are the searchable ones, of every encoder type in `encoder_types`."""

    tenant: str
    dataset_id: str
    track_id: str
    audio_id: str
    blob_uri: str
    filename: str
    duration_s: float
    rate_hz: int
    channels: int
    health: Health
    metadata: Mapping[str, str]
    ingested_at_ms: int = field(default_factory=epoch_ms)
    expires_at_ms: int | None = None
    encoder_types: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


class Catalogue:
    """Questions and changes, one short transaction each. Raises `Unavailable` when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # ── datasets ──

    async def create_dataset(
        self,
        tenant: str,
        name: str,
        description: str = "",
        *,
        content_type: ContentType = "music",
        thresholds: Mapping[str, float] = {},
    ) -> Dataset:
        """A new dataset. Raises: `Conflict` `dataset-exists`, with `existing_dataset_id` in its facts.

        Args:
            content_type, thresholds: as `models.content.thresholds` takes them.
        """
        name = unicodedata.normalize("NFC", name)
        dataset_id = str(uuid.uuid4())
        made = Dataset(dataset_id, tenant, name, description, epoch_ms(), content_type, dict(thresholds))
        try:
            async with self.database.write() as connection:
                await connection.execute(tables.datasets.insert().values(**_dataset_columns(made)))
        except IntegrityError:
            existing = await self.dataset_by_name(tenant, name)
            remedy = f"use the existing one ({existing.dataset_id}) or choose another name"
            facts = {"existing_dataset_id": existing.dataset_id}
            raise Conflict(f"a dataset named '{name}' exists", remedy, code="dataset-exists", **facts) from None
        return made

    async def ensure_dataset(self, tenant: str, name: str) -> Dataset:
        """The dataset of that name, made now if there is none."""
        try:
            return await self.dataset_by_name(tenant, name)
        except NotFound:
            try:
                return await self.create_dataset(tenant, name)
            except Conflict:  # another worker made it in between
                return await self.dataset_by_name(tenant, name)

    async def dataset_by_name(self, tenant: str, name: str) -> Dataset:
        """Raises: `NotFound` `dataset-not-found`."""
        wanted = unicodedata.normalize("NFC", name)
        found = await self._datasets(tenant, tables.datasets.c.name == wanted)
        if not found:
            raise _no_dataset(f"there is no dataset named '{name}'")
        return found[0]

    async def dataset(self, tenant: str, dataset_id: str) -> Dataset:
        """Raises: `NotFound` `dataset-not-found`."""
        found = await self._datasets(tenant, tables.datasets.c.dataset_id == dataset_id)
        if not found:
            raise _no_dataset(f"there is no dataset {dataset_id}")
        return found[0]

    async def datasets(self, tenant: str, *, after: str | None = None, limit: int | None = None) -> list[Dataset]:
        """A tenant's datasets, oldest first; with `after`, those behind that dataset id."""
        found = await self._datasets(tenant)
        start = next((i + 1 for i, dataset in enumerate(found) if dataset.dataset_id == after), 0)
        return found[start : None if limit is None else start + limit]

    async def _datasets(self, tenant: str, *conditions: Any) -> list[Dataset]:
        columns = tables.datasets.c
        tasks = tables.track_tasks
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(tables.datasets)
                .where(columns.tenant == tenant, *conditions)
                .order_by(columns.created_at_ms, columns.dataset_id)
            )
            found = [dict(row) for row in rows.mappings()]
            ids = [row["dataset_id"] for row in found]
            done = await connection.execute(
                select(tasks.c.dataset_id, tasks.c.task, tasks.c.encoder_type)
                .where(tasks.c.dataset_id.in_(ids))
                .distinct()
            )
            held = done.all()
        return [
            Dataset(
                **row,
                ingested_tasks=tuple(sorted({t.task for t in held if t.dataset_id == row["dataset_id"]})),
                encoder_types=tuple(sorted({t.encoder_type for t in held if t.dataset_id == row["dataset_id"]})),
            )
            for row in found
        ]

    async def pin(self, dataset_id: str, encoder_type: str, model_version: str, *, until: Collection[str] = ()) -> str:
        """The model version a dataset keeps for an encoder type: the given one where none is pinned yet.

        Args:
            until: tasks. While the dataset has no live track with one of them, what is pinned gives way: nothing that
                it made could be found.
        """
        values = {"dataset_id": dataset_id, "encoder_type": encoder_type, "model_version": model_version}
        held = await self.pinned_to(dataset_id, encoder_type)
        if held == model_version or (held is not None and not until):
            return held
        tasks, tracks, pins = tables.track_tasks.c, tables.tracks.c, tables.pins.c
        made = (
            select(tasks.task)
            .join(tables.tracks, and_(tracks.dataset_id == tasks.dataset_id, tracks.track_id == tasks.track_id))
            .where(tasks.dataset_id == dataset_id, tasks.task.in_(until), _alive(tracks.expires_at_ms))
            .limit(1)
        )
        async with self.database.write() as connection:
            await connection.execute(insert(connection, tables.pins).values(values).on_conflict_do_nothing())
            if until and (await connection.execute(made)).first() is None:
                mine = and_(pins.dataset_id == dataset_id, pins.encoder_type == encoder_type)
                await connection.execute(update(tables.pins).where(mine).values(model_version=model_version))
            return await _pin_of(connection, dataset_id, encoder_type) or model_version

    async def pinned_to(self, dataset_id: str, encoder_type: str) -> str | None:
        """The model version a dataset keeps for an encoder type; None before its first ingest of that type."""
        async with self.database.read() as connection:
            return await _pin_of(connection, dataset_id, encoder_type)

    async def switch_pin(
        self, dataset: Pinned, model_version: str, ready: Collection[tuple[str, str]]
    ) -> set[tuple[str, str]]:
        """Move a dataset to another model version, unless a live track has a task that is not `ready`.

        Args:
            ready: track id and task.
        Returns: those that are not; none means that the dataset is pinned to that version now.
        """
        tracks, held, pins = tables.tracks.c, tables.track_tasks.c, tables.pins.c
        mine = and_(held.dataset_id == dataset.dataset_id, held.encoder_type == dataset.encoder_type)
        pinned = and_(pins.dataset_id == dataset.dataset_id, pins.encoder_type == dataset.encoder_type)
        async with self.database.write() as connection:
            rows = await connection.execute(
                select(held.track_id, held.task)
                .join(tables.tracks, and_(tracks.dataset_id == held.dataset_id, tracks.track_id == held.track_id))
                .where(mine, _alive(tracks.expires_at_ms))
            )
            if missing := {(row.track_id, row.task) for row in rows}.difference(ready):
                return missing
            await connection.execute(update(tables.pins).where(pinned).values(model_version=model_version))
            await connection.execute(update(tables.track_tasks).where(mine).values(model_version=model_version))
        return set()

    async def pinned(self, encoder_types: Collection[str]) -> list[Pinned]:
        """Every dataset with every of these encoder types that it has, of all tenants: for upkeep only."""
        datasets, columns = tables.datasets.c, tables.pins.c
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(datasets.tenant, datasets.dataset_id, datasets.name, columns.encoder_type, columns.model_version)
                .join(tables.pins, columns.dataset_id == datasets.dataset_id)
                .where(columns.encoder_type.in_(encoder_types))
                .order_by(datasets.created_at_ms, datasets.dataset_id)
            )
            return [Pinned(**row) for row in rows.mappings()]

    # ── blobs ──

    async def add_blob(self, blob: Blob) -> None:
        """Remember what a blob name stands for: for good."""
        values = {column.name: getattr(blob, column.name) for column in tables.blobs.c}
        async with self.database.write() as connection:
            await connection.execute(insert(connection, tables.blobs).values(values).on_conflict_do_nothing())

    async def set_blob(self, blob: Blob) -> None:
        """Remember what a URI stands for now: a file behind a URI may have been replaced since."""
        values = {column.name: getattr(blob, column.name) for column in tables.blobs.c}
        async with self.database.write() as connection:
            statement = insert(connection, tables.blobs).values(values)
            await connection.execute(statement.on_conflict_do_update(index_elements=["tenant", "uri"], set_=values))

    async def blob(self, tenant: str, uri: str) -> Blob:
        """Raises: `NotFound` `blob-not-found`, also when it expired or belongs to another tenant."""
        columns = tables.blobs.c
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(tables.blobs).where(columns.tenant == tenant, columns.uri == uri, _alive(columns.expires_at_ms))
            )
            row = rows.mappings().first()
        if row is None:
            raise NotFound(f"there is no blob '{uri}'", "upload the file again", code="blob-not-found")
        return Blob(**row)

    # ── tracks ──

    async def add_track(
        self, track: TrackRow, encoder_type: str, tasks: Iterable[str], versions: Mapping[str, str]
    ) -> dict[str, str]:
        """Make a track, or more tasks of it, searchable. Idempotent; the first ingest's time and name stay.

        The last ingest tells when it expires. One that has expired is as if it had never been there.

        Args:
            versions: by which model versions it was made: of the encoder type, and of what else the dataset pins.
        Returns: to which of these the dataset is pinned. When that are others, nothing was changed: what these need
            must be made first.
        """
        values = {column.name: getattr(track, column.name) for column in tables.tracks.c}
        values["health"] = track.health.model_dump()
        values["metadata"] = dict(track.metadata)
        rows = [
            {
                "dataset_id": track.dataset_id,
                "track_id": track.track_id,
                "encoder_type": encoder_type,
                "task": task,
                "model_version": versions[encoder_type],
            }
            for task in tasks
        ]
        async with self.database.write() as connection:
            pinned = {
                what: await _pin_of(connection, track.dataset_id, what) or version for what, version in versions.items()
            }
            if pinned != versions:
                return pinned
            columns, held = tables.tracks.c, tables.track_tasks.c
            same = and_(columns.dataset_id == track.dataset_id, columns.track_id == track.track_id)
            gone = await connection.execute(delete(tables.tracks).where(same, ~_alive(columns.expires_at_ms)))
            if gone.rowcount:
                mine = and_(held.dataset_id == track.dataset_id, held.track_id == track.track_id)
                await connection.execute(delete(tables.track_tasks).where(mine))
            await connection.execute(
                insert(connection, tables.tracks)
                .values(values)
                .on_conflict_do_update(
                    index_elements=["dataset_id", "track_id"], set_={"expires_at_ms": track.expires_at_ms}
                )
            )
            statement = insert(connection, tables.track_tasks).values(rows)
            keys = ["dataset_id", "track_id", "encoder_type", "task"]
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=keys, set_={"model_version": statement.excluded.model_version}
                )
            )
        return pinned

    async def has_tasks(
        self, dataset_id: str, track_id: str, encoder_type: str, tasks: Iterable[str], model_version: str
    ) -> bool:
        """Whether all these tasks of a live track are searchable already, as made by this model version."""
        columns, tracks = tables.track_tasks.c, tables.tracks.c
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(columns.task)
                .join(tables.tracks, and_(tracks.dataset_id == columns.dataset_id, tracks.track_id == columns.track_id))
                .where(
                    _alive(tracks.expires_at_ms),
                    columns.dataset_id == dataset_id,
                    columns.track_id == track_id,
                    columns.encoder_type == encoder_type,
                    columns.model_version == model_version,
                )
            )
            return set(tasks) <= set(rows.scalars())

    async def tracks(
        self, tenant: str, dataset_id: str, *, encoder_type: str | None = None, needs: Collection[Collection[str]] = ()
    ) -> list[TrackRow]:
        """Live tracks in order of their ids; with `encoder_type`, those that have of that type a task of each need."""
        found = await self._tracks(tenant, tables.tracks.c.dataset_id == dataset_id)
        if encoder_type is None:
            return [track for track, _ in found]
        return [
            track
            for track, held in found
            if all(any((encoder_type, task) in held for task in either) for either in needs)
        ]

    async def track(self, tenant: str, dataset_id: str, track_id: str) -> TrackRow:
        """Raises: `NotFound` `track-not-found`."""
        columns = tables.tracks.c
        found = await self._tracks(tenant, and_(columns.dataset_id == dataset_id, columns.track_id == track_id))
        if not found:
            raise NotFound(f"there is no track {track_id}", "list the dataset's tracks", code="track-not-found")
        return found[0][0]

    async def count_tracks(self, tenant: str, dataset_id: str) -> int:
        columns = tables.tracks.c
        async with self.database.read() as connection:
            count = select(func.count()).where(
                columns.tenant == tenant, columns.dataset_id == dataset_id, _alive(columns.expires_at_ms)
            )
            return int((await connection.execute(count)).scalar_one())

    async def _tracks(self, tenant: str, condition: Any) -> list[tuple[TrackRow, set[tuple[str, str]]]]:
        columns, tasks = tables.tracks.c, tables.track_tasks.c
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(tables.tracks, tasks.encoder_type, tasks.task)
                .join(
                    tables.track_tasks,
                    and_(tasks.dataset_id == columns.dataset_id, tasks.track_id == columns.track_id),
                )
                .where(columns.tenant == tenant, condition, _alive(columns.expires_at_ms))
                .order_by(columns.track_id)
            )
            grouped: dict[str, tuple[RowMapping, set[tuple[str, str]]]] = {}
            for row in rows.mappings():
                held = grouped.setdefault(row["track_id"], (row, set()))[1]
                held.add((row["encoder_type"], row["task"]))
        return [(_track(row, held), held) for row, held in grouped.values()]


async def _pin_of(connection: AsyncConnection, dataset_id: str, encoder_type: str) -> str | None:
    columns = tables.pins.c
    mine = and_(columns.dataset_id == dataset_id, columns.encoder_type == encoder_type)
    rows = await connection.execute(select(columns.model_version).where(mine))
    return rows.scalar_one_or_none()


def _alive(expires_at_ms: Any) -> Any:
    return expires_at_ms.is_(None) | (expires_at_ms > epoch_ms())


def _no_dataset(message: str) -> NotFound:
    return NotFound(message, "create it, or list your datasets", code="dataset-not-found")


def _dataset_columns(dataset: Dataset) -> dict[str, Any]:
    return {column.name: getattr(dataset, column.name) for column in tables.datasets.c}


def _track(row: RowMapping, held: set[tuple[str, str]]) -> TrackRow:
    values = {column.name: row[column.name] for column in tables.tracks.c}
    values["health"] = Health.model_validate(row["health"])
    return TrackRow(
        **values,
        encoder_types=tuple(sorted({encoder_type for encoder_type, _ in held})),
        tasks=tuple(sorted({task for _, task in held})),
    )
