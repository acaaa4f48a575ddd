"""One 1:n search, asked over HTTP or over Kafka, and the legs of its way."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

from streams import pipeline
from streams.cli.client import Client
from streams.publish import Publisher, outgoing
from streams.records import SearchRequest, now
from streams.settings import Settings
from tests.bench.polling import until_completed
from tests.bench.running import Running
from tests.bench.watcher import Watcher

LANE = "live"
DATASET = "clips"
POLL_S = 0.02
STAGES = tuple(row.name for row in pipeline.STAGES if row.partitions[pipeline.LANES.index(LANE)])
TOPICS = tuple(pipeline.topic(stage, LANE) for stage in STAGES)
LEGS = ("ask", *STAGES, "answer")


@dataclass(frozen=True, slots=True)
class Asker:
    """What every way of asking needs."""

    home: Running
    client: Client
    publisher: Publisher
    watcher: Watcher

    async def over_http(self, query: str) -> dict[str, float]:
        began_s = time.time()
        body = {"search_type": "1:n", "query_url": query, "candidate_dataset_name": DATASET}
        job_id = await self.client.start("search", "type2", body)
        await until_completed(self.client, job_id, POLL_S)
        seen_s = time.time()
        await self.watcher.ended(job_id)
        return _legs(began_s, self.watcher.published[job_id], seen_s)

    async def over_kafka(self, query: str) -> dict[str, float]:
        began_s, job_id = time.time(), f"bench-{uuid.uuid4()}"
        request = SearchRequest(
            event_id=job_id,
            tenant="local",
            requested_at=now(),
            job_id=job_id,
            search_type="1:n",
            query_uri=query,
            candidate_dataset_name=DATASET,
        )
        await self.publisher.publish([outgoing(request, "search-requests")])
        seen_s = await self.watcher.ended(job_id)
        return _legs(began_s, self.watcher.published[job_id], seen_s)


@asynccontextmanager
async def asker(home: Running) -> AsyncIterator[Asker]:
    publisher = Publisher(Settings(kafka_bootstrap=home.kafka_bootstrap))
    topics = (*TOPICS, "results", "dead-letters")
    try:
        async with Watcher(home.kafka_bootstrap, topics) as watcher, Client(home.server) as client:
            yield Asker(home, client, publisher, watcher)
    finally:
        await publisher.close()


def _legs(began_s: float, published: Mapping[str, float], seen_s: float) -> dict[str, float]:
    """Seconds between the moments that the search passed; a stage that it did not need has none."""
    passed = [("ask", began_s)]
    passed += [(stage, published[topic]) for stage, topic in zip(STAGES, TOPICS, strict=True) if topic in published]
    passed += [("answer", published["results"]), ("", seen_s)]
    return {leg: end_s - start_s for (leg, start_s), (_, end_s) in pairwise(passed)}
