"""Ingests: a job of one `Upload` record per file (contract, A3)."""

from __future__ import annotations

import uuid

from aiohttp import web

from streams.api.posting import post_job, refuse_webhook
from streams.api.routing import Answer
from streams.api.schemas import IngestAnswer, Ingesting, NewIngest
from streams.api.state import CATALOGUE, SETTINGS, tenant_of
from streams.check import check_tasks, known_blob
from streams.errors import Invalid
from streams.pipeline import REQUEST_TOPICS, EncoderType
from streams.records import Job, Upload, now


async def type1(request: web.Request, body: NewIngest) -> Answer[IngestAnswer]:
    """Ingest uploaded files with the encoders of type 1."""
    return await _ingest(request, body, "type1")


async def type2(request: web.Request, body: NewIngest) -> Answer[IngestAnswer]:
    """Ingest uploaded files with the encoders of type 2."""
    return await _ingest(request, body, "type2")


async def _ingest(request: web.Request, body: NewIngest, encoder_type: EncoderType) -> Answer[IngestAnswer]:
    """All is checked before anything starts: if one blob is wrong, nothing was begun."""
    tenant, catalogue, limit = tenant_of(request), request.app[CATALOGUE], request.app[SETTINGS].blobs_per_ingest
    refuse_webhook(body.webhook_url)
    if len(body.audio_blobs) > limit:
        fact = f"{len(body.audio_blobs)} blobs are named, the limit is {limit}"
        raise Invalid(fact, "send several requests", code="too-many-blobs")
    tasks = check_tasks(body.tasks)
    dataset = await catalogue.dataset_by_name(tenant, body.dataset_name)
    blobs = [await known_blob(tenant, name, catalogue) for name in dict.fromkeys(body.audio_blobs)]
    job_id, requested_at = f"ingest_job_{uuid.uuid4()}", now()
    uploads = [
        Upload(
            event_id=f"{job_id}/{index}",
            tenant=tenant,
            dataset_name=dataset.name,
            dataset_id=dataset.dataset_id,
            blob_uri=blob.uri,
            filename=blob.filename,
            sha256=blob.audio_id,
            size_bytes=blob.size_bytes,
            encoder_type=encoder_type,
            tasks=tasks,
            job=Job(id=job_id, index=index, size=len(blobs)),
            requested_at=requested_at,
        )
        for index, blob in enumerate(blobs)
    ]
    headers = await post_job(request, job_id, REQUEST_TOPICS["bulk"], uploads)
    return Answer(IngestAnswer(data=Ingesting(job_id=job_id)), headers)
