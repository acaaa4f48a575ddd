"""How often a key may ask: a moving window of one minute, and within it a smaller one for what creates jobs."""

from __future__ import annotations

import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from streams.api.auth import is_guarded
from streams.api.problems import Refused
from streams.api.state import KEY, SETTINGS
from streams.settings import Settings

JOB_PATHS = ("/trace/v1/ingest/", "/trace/v1/search/", "/trace/v1/comprehensive1/")
LEFT = web.RequestKey("LEFT", str)


def rate_limits(settings: Settings) -> Middleware:
    """The middleware. It counts in this process: two API processes allow twice as much."""
    window = MovingWindowRateLimiter(MemoryStorage())
    everything = RateLimitItemPerMinute(settings.requests_per_minute, namespace="default")
    jobs = RateLimitItemPerMinute(settings.jobs_per_minute, namespace="jobs")

    async def reset_s(item: RateLimitItemPerMinute, caller: str) -> int:
        return max(0, round((await window.get_window_stats(item, caller)).reset_time - time.time()))

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Raises: `Refused` `rate-limited`."""
        if not is_guarded(request):
            return await handler(request)
        caller = request[KEY].key_hash
        creates_job = request.method == "POST" and request.path.startswith(JOB_PATHS)
        over = None if await window.hit(everything, caller) else everything
        if creates_job and not over:
            over = None if await window.hit(jobs, caller) else jobs
        left = (await window.get_window_stats(everything, caller)).remaining
        request[LEFT] = f'"default";r={left};t={await reset_s(everything, caller)}'
        if over:
            wait_s = max(1, await reset_s(over, caller))
            fact = f"more than {over.amount} {'jobs' if over is jobs else 'requests'} within a minute"
            raise Refused(fact, f"wait {wait_s} s", code="rate-limited", headers={"Retry-After": str(wait_s)})
        return await handler(request)

    return limit


async def tell_limits(request: web.Request, response: web.StreamResponse) -> None:
    """Signal: how much is left, on every authenticated answer."""
    if LEFT in request:
        settings = request.app[SETTINGS]
        policy = f'"default";q={settings.requests_per_minute};w=60, "jobs";q={settings.jobs_per_minute};w=60'
        response.headers["RateLimit-Policy"] = policy
        response.headers["RateLimit"] = request[LEFT]
