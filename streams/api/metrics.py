"""What Prometheus reads, and the outermost middleware, which counts, names and logs every request.

Labels are the route's template, the method and the status: never a job, a blob or a tenant.
"""

from __future__ import annotations

import re
import time
import uuid

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

log = structlog.get_logger(__name__)

SENT_ID = re.compile(r"^[\x21-\x7e]{1,128}$")
METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH")


class Metrics:
    """A registry of its own, so that two applications in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "soundtrace_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.duration_s = Histogram(
            "soundtrace_http_request_duration_seconds", "Time to answer", ["route"], registry=self.registry
        )
        self.upload_bytes = Counter("soundtrace_upload_bytes", "Bytes of audio uploaded", registry=self.registry)
        self.outbox_waiting = Gauge(
            "soundtrace_outbox_waiting", "Records not yet confirmed by the broker", registry=self.registry
        )
        self.projector_lag = Gauge(
            "soundtrace_projector_lag", "Records the read model has yet to read", registry=self.registry
        )


def observed(metrics: Metrics, request_id: web.RequestKey[str]) -> Middleware:
    """The middleware: every answer carries `X-Request-Id`, echoed when the client sent a decent one."""

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = request.headers.get("X-Request-Id", "")
        request[request_id] = sent if SENT_ID.match(sent) else uuid.uuid4().hex
        began_s = time.perf_counter()
        response = await handler(request)
        took_s = time.perf_counter() - began_s
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "unmatched"
        method = request.method if request.method in METHODS else "other"
        metrics.requests.labels(method, route, str(response.status)).inc()
        metrics.duration_s.labels(route).observe(took_s)
        response.headers["X-Request-Id"] = request[request_id]
        log.info(
            "http.answered",
            method=method,
            route=route,
            status=response.status,
            took_s=round(took_s, 4),
            request_id=request[request_id],
        )
        return response

    return observe
