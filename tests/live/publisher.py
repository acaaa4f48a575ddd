"""An upstream system: it publishes requests on Kafka and reads what becomes of them, and knows nothing else."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams import codec
from streams.publish import Outgoing, outgoing
from streams.records import DeadLetter, Feature, Job, Record, SearchRequest, SearchResult, Upload, now

OUTCOMES = {"features": "feature", "results": "search_result", "dead-letters": "dead_letter"}
DEADLINE_S = 240.0
TENANT = "local"


def upload(uri: str, dataset: str = "kafka", **fields: Any) -> Upload:
    job = Job(id=f"job-{uuid.uuid4()}", index=0, size=1)
    defaults = {"event_id": job.id, "tenant": TENANT, "dataset_name": dataset, "blob_uri": uri, "job": job}
    return Upload.model_validate({**defaults, "requested_at": now(), **fields})


def search(search_type: str, **fields: Any) -> SearchRequest:
    job_id = f"job-{uuid.uuid4()}"
    defaults = {"event_id": job_id, "tenant": TENANT, "job_id": job_id, "search_type": search_type}
    return SearchRequest.model_validate({**defaults, "requested_at": now(), **fields})


async def send(bootstrap: str, records: Iterable[Record | Outgoing], **options: Any) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, **options) as producer:
        for record in records:
            out = record
            if isinstance(out, Record):
                out = outgoing(out, "uploads" if isinstance(out, Upload) else "search-requests")
            await producer.send_and_wait(out.topic, out.value, key=out.key, headers=out.headers)


async def outcomes(bootstrap: str, enough: Callable[[list[Record]], bool]) -> list[Record]:
    """Every outcome since the beginning, repeats dropped by their event ids, as soon as they are enough."""
    seen: dict[str, Record] = {}
    consumer = AIOKafkaConsumer(*OUTCOMES, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(DEADLINE_S):
        while not enough(list(seen.values())):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                for record in batch:
                    told = codec.decode(record.value, OUTCOMES[record.topic])
                    seen.setdefault(str(told.model_dump()["event_id"]), told)
    return list(seen.values())


def job_id_of(record: Record) -> str:
    if isinstance(record, (Feature, SearchResult)):
        return record.job.id
    return record.job.id if isinstance(record, DeadLetter) and record.job else ""


def ended(record: Record) -> bool:
    """Whether a record is the last word on a file or a query."""
    return not isinstance(record, Feature) or record.kind == "index"


async def run(bootstrap: str, requests: list[Upload | SearchRequest]) -> dict[str, list[Record]]:
    """Publish, wait until every job has come to an end, and give the outcomes of each job."""
    jobs = {request.job.id if isinstance(request, Upload) else request.job_id for request in requests}
    await send(bootstrap, requests)

    def all_ended(told: list[Record]) -> bool:
        return jobs <= {job_id_of(record) for record in told if ended(record)}

    told = await outcomes(bootstrap, all_ended)
    return {job: [record for record in told if job_id_of(record) == job] for job in jobs}
