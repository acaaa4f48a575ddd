"""The end of a job, as a caller sees it who polls faster than one should."""

from __future__ import annotations

import asyncio

from streams.cli.client import ENDED, Client


async def until_completed(client: Client, job_id: str, every_s: float) -> None:
    """Raises: `RuntimeError` when it ended otherwise."""
    while True:
        job = await client.job(job_id)
        if job["status"] == "completed":
            return
        if job["status"] in ENDED:
            raise RuntimeError(f"job {job_id} ended as {job['status']}: {job['error']}")
        await asyncio.sleep(every_s)
