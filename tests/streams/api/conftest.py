"""An API over small stores, with a broker that writes down what it is given."""

from __future__ import annotations

import asyncio
import logging
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import aiohttp
import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer

from streams import codec
from streams.api.app import build_app
from streams.errors import Unavailable
from streams.ids import track_id
from streams.outbox import Outbox
from streams.probe import Prober
from streams.publish import Outgoing
from streams.records import Health, Record
from streams.settings import Settings
from streams.stores.catalogue import Blob, Catalogue, TrackRow
from streams.stores.database import Database
from streams.stores.keys import Keys
from streams.stores.memory import MemoryBlobs
from streams.stores.projection import merge
from tests import signals

TENANT = "acme"
GOOD_WAV = signals.wav(signals.tone(2.0))


@dataclass
class FakeBroker:
    """Confirms everything at once, unless told otherwise."""

    published: list[Outgoing] = field(default_factory=list)
    refusing: bool = False

    async def publish(self, records: Sequence[Outgoing]) -> None:
        if self.refusing:
            raise Unavailable("the broker does not confirm")
        self.published += records

    async def close(self) -> None:
        pass

    def records(self, name: str) -> list[Any]:
        return [codec.decode(out.value, name) for out in self.published]


class ReachableOutbox(Outbox):
    """No address is knocked at: `reach` says whether the broker is there."""

    reach = True

    async def reachable(self) -> bool:
        return self.reach


@dataclass
class Api:
    """A client with a key, and what is behind the application."""

    client: TestClient[Any, Any]
    settings: Settings
    database: Database
    blobs: MemoryBlobs
    broker: FakeBroker
    outbox: ReachableOutbox
    key: str

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.database)

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON body (None where there is none), headers."""
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        async with self.client.request(method, path, headers=headers, **options) as response:
            body = await response.json(content_type=None) if response.content_type.endswith("json") else None
            return response.status, body, response.headers

    async def upload(
        self, data: bytes = GOOD_WAV, filename: str | None = "a.wav"
    ) -> tuple[int, Any, Mapping[str, str]]:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", data, filename=filename, content_type="audio/wav")
        return await self.call("POST", "/trace/v1/upload", data=form)

    async def has_blob(self, content: str = "a" * 64, tenant: str = TENANT, uri: str | None = None) -> str:
        """A blob in the catalogue, without its bytes."""
        uri = uri or f"dataset/{uuid.uuid4()}_{content[:4]}.wav"
        await self.catalogue.add_blob(Blob(tenant, uri, content, uri.rpartition("_")[2], 1_000))
        return uri

    async def has_track(
        self,
        dataset_id: str,
        content: str,
        tenant: str = TENANT,
        model_version: str = "v0",
        tasks: tuple[str, ...] = ("full_audio_latent",),
    ) -> None:
        """A searchable track in a dataset."""
        uri = await self.has_blob(content, tenant)
        track = TrackRow(
            tenant, dataset_id, track_id(dataset_id, content), content, uri, f"{content}.wav", 2.0, 22_050, 1,
            Health(), {},
        )  # fmt: skip
        await self.catalogue.add_track(track, "type2", tasks, {"type2": model_version})

    async def hears(self, *records: Record) -> None:
        """The read model learns what these records say, as the projector would."""
        async with self.database.write() as connection:
            await merge(connection, *records)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """No log lines: drawing tracebacks is what takes most of a test's time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def settings() -> Settings:
    """Small limits where a test has to reach them."""
    return Settings(
        upload_max_bytes=1024 * 1024, max_track_s=10.0, kafka_bootstrap="127.0.0.1:1", milvus_uri="http://127.0.0.1:1"
    )


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with all its tables, to copy."""
    path = tmp_path_factory.mktemp("api") / "catalogue.db"

    async def migrate() -> None:
        database = Database(f"sqlite+aiosqlite:///{path}")
        await database.migrate()
        await database.close()

    asyncio.run(migrate())
    return path


@pytest.fixture
async def api(
    settings: Settings, migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    # A file: the twin in memory has one connection, and a server's transactions overlap.
    database = Database(f"sqlite+aiosqlite:///{shutil.copy(migrated, tmp_path)}")
    monkeypatch.setattr(Prober, "start", AsyncMock())  # most tests upload nothing: its child starts when asked
    blobs, broker = MemoryBlobs(), FakeBroker()
    outbox = ReachableOutbox(database, settings, broker)
    key = await Keys(database).make(TENANT)
    app = build_app(settings, database=database, blobs=blobs, outbox=outbox)
    async with TestClient(TestServer(app)) as client:
        yield Api(client, settings, database, blobs, broker, outbox, key)
    await outbox.close()
    await database.close()
