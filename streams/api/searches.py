"""Searches: a job of one `SearchRequest` record (contract, A5)."""

from __future__ import annotations

import uuid

from aiohttp import web

from streams.api.posting import post_job, refuse_webhook
from streams.api.routing import Answer
from streams.api.schemas import NewComprehensiveSearch, NewSearch, SearchAnswer, Searching
from streams.api.state import CATALOGUE, SETTINGS, tenant_of
from streams.check import check_search, check_search_fields, known_blob, look_for_search
from streams.pipeline import REQUEST_TOPICS, EncoderType
from streams.records import SearchRequest, now


async def search_type1(request: web.Request, body: NewSearch) -> Answer[SearchAnswer]:
    """Search with the encoders of type 1."""
    return await _search(request, body, "type1", "search")


async def search_type2(request: web.Request, body: NewSearch) -> Answer[SearchAnswer]:
    """Search with the encoders of type 2."""
    return await _search(request, body, "type2", "search")


async def comprehensive_type1(request: web.Request, body: NewComprehensiveSearch) -> Answer[SearchAnswer]:
    """Search by everything that the encoders of type 1 hear."""
    return await _search(request, body, "type1", "comprehensive1")


async def comprehensive_type2(request: web.Request, body: NewComprehensiveSearch) -> Answer[SearchAnswer]:
    """Search by everything that the encoders of type 2 hear."""
    return await _search(request, body, "type2", "comprehensive1")


async def _search(
    request: web.Request, body: NewComprehensiveSearch, encoder_type: EncoderType, profile: str
) -> Answer[SearchAnswer]:
    tenant, catalogue = tenant_of(request), request.app[CATALOGUE]
    refuse_webhook(body.webhook_url)
    job_id = f"search_job_{uuid.uuid4()}"
    asked = check_search_fields(
        SearchRequest(
            event_id=job_id,
            tenant=tenant,
            requested_at=now(),
            job_id=job_id,
            profile=profile,
            encoder_type=encoder_type,
            **body.asked(),
        )
    )
    for name in filter(None, (asked.query_uri, asked.candidate_uri)):
        await known_blob(tenant, name, catalogue)
    plan = check_search(asked, await look_for_search(asked, catalogue), request.app[SETTINGS])
    headers = await post_job(request, job_id, REQUEST_TOPICS["live"], [asked])
    accepted = Searching(
        job_id=job_id, usecase_id=profile, search_type=asked.search_type, depth=asked.depth, n=plan.n, m=plan.m
    )
    return Answer(SearchAnswer(data=accepted), headers)
