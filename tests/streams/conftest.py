"""The agents one after the other on memory stores, as the pipeline's tables route them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from models.errors import WrongWeights
from streams import cards, codec, pipeline
from streams.agents import match
from streams.delivery import Delivery
from streams.errors import Defect
from streams.giving_up import Message
from streams.publish import outgoing
from streams.records import Job, SearchRequest, SearchResult, Upload, now
from streams.settings import Settings
from streams.stage import Resources
from streams.stores.catalogue import Catalogue
from streams.stores.database import Database
from streams.stores.ledger import Ledger
from streams.stores.memory import ExactVectors, MemoryBlobs
from streams.stores.segments import SegmentPostings
from tests import signals

TUNES = {
    "first": signals.tune(signals.FIRST_TUNE),
    "first-higher": signals.tune(signals.FIRST_TUNE, transposition=3, timbre="string"),
    "other": signals.tune(signals.OTHER_TUNE),
    "silence": signals.silence(20.0),
    "tone": signals.tone(5.0),
}


class Inline:
    """The heavy child, without the child; weights that are not right are told as it tells them."""

    async def call(self, _limit_s, function, *args, **kwargs):
        try:
            return function(*args, **kwargs)
        except WrongWeights as error:
            raise Defect(error.message, error.remedy) from None


@dataclass
class Pipeline:
    """Every stage, and a broker that is a list: what is published is handled in turn, until nothing is left."""

    resources: Resources
    waiting: list = field(default_factory=list)
    told: list = field(default_factory=list)
    passed: list = field(default_factory=list)

    def __post_init__(self):
        self.set()

    def set(self, **settings):
        """Run with other settings from now on."""
        changed = self.resources.settings.model_copy(update=settings)
        self.resources = replace(self.resources, settings=changed)
        self.stages = {c.topic: Delivery(c, self.resources, self) for c in pipeline.consumers()}

    async def publish(self, records):
        for out in records:
            (self.waiting if out.topic in self.stages else self.told).append(out)

    async def run(self, record):
        """Take a request to its end. Returns its features and results."""
        self.told.clear()
        self.passed.clear()
        topic = "uploads" if isinstance(record, Upload) else "search-requests"
        self.waiting.append(outgoing(record, topic))
        while self.waiting:
            out = self.waiting.pop(0)
            self.passed.append(out.topic)
            message = Message(out.topic, 0, 0, 0.0, out.key, out.value, out.headers)
            await self.stages[out.topic].handle(message)
        return [
            codec.decode(out.value, "feature", "search_result", "dead_letter")
            for out in self.told
            if out.topic != "progress"
        ]

    async def ingest(self, *names, dataset="demo", encoder_type="type2", tasks=("full_audio_latent",)):
        for name in names:
            job = Job(id=f"{dataset}-{name}-{encoder_type}", index=0, size=1)
            await self.run(
                Upload(
                    event_id=job.id,
                    tenant="acme",
                    dataset_name=dataset,
                    blob_uri=self.uri(name),
                    encoder_type=encoder_type,
                    tasks=tasks,
                    job=job,
                    requested_at=now(),
                )
            )

    async def search(self, search_type, job_id="search", **fields):
        request = SearchRequest(
            event_id=job_id, tenant="acme", requested_at=now(), job_id=job_id, search_type=search_type, **fields
        )
        return [record for record in await self.run(request) if isinstance(record, SearchResult)]

    def uri(self, name):
        return f"{self.resources.settings.allowed_prefixes[0]}/{name}.wav"


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inbox")
    for name, samples in TUNES.items():
        (folder / f"{name}.wav").write_bytes(signals.wav(samples))
    return folder


@pytest.fixture
async def way(inbox, tmp_path):
    database = Database("sqlite+aiosqlite://")
    await database.migrate()
    settings = Settings(home=tmp_path, allowed_prefixes=(inbox.as_uri(),), exact_candidates_max=100)
    stores = Catalogue(database), Ledger(database), MemoryBlobs(), ExactVectors()
    yield Pipeline(Resources(settings, *stores, SegmentPostings(settings.postings_folder), Inline()))
    await database.close()


@pytest.fixture
def unrecognised(monkeypatch):
    """No recording is known again: takes that are the same to the sample stand for two takes."""

    async def recognised(*_):
        return {}

    monkeypatch.setattr(match, "recognised", recognised)


@pytest.fixture
def classical(monkeypatch):
    """New datasets of type 2 are pinned to version 0, whose figures do not change with new weights."""
    monkeypatch.setitem(cards.CURRENT, "type2", "classical")
