"""What every request that creates a job ends with: its records go out, and the answer tells where to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from streams.api.state import OUTBOX
from streams.errors import Invalid
from streams.records import Record

POLL_S = 1  # how long a client should wait before it polls again


async def post_job(request: web.Request, job_id: str, topic: str, records: Sequence[Record]) -> Mapping[str, str]:
    """Publish the job's records, in the trace the client may have named; the headers of the 202.

    Raises: `Unavailable`, as the outbox does.
    """
    sent = ("traceparent", "tracestate")
    trace = [(name, request.headers[name].encode("utf-8", "replace")) for name in sent if name in request.headers]
    await request.app[OUTBOX].post([(topic, record) for record in records], trace)
    return {"Location": f"/trace/v1/jobs/{job_id}", "Retry-After": str(POLL_S)}


def refuse_webhook(url: str | None) -> None:
    """Raises: `Invalid` `webhook-url-not-allowed`. To take one and never call it would be worse."""
    if url is not None:
        fact = "webhooks are not built yet in this version"
        remedy = "leave webhook_url out and poll GET /trace/v1/jobs/{job_id} instead"
        raise Invalid(fact, remedy, code="webhook-url-not-allowed")
