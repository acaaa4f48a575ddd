"""The calls of the HTTP contract that the command line makes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from streams.cli.place import Server
from streams.errors import Invalid, NotFound, SoundtraceError, Unavailable
from streams.pipeline import EncoderType

Data = dict[str, Any]

TRIES = 6  # of a call that the server asks to repeat later
PAUSE_MAX_S = 60.0
FIRST_LOOK_S = 0.2  # a search may be answered long before the server's Retry-After, which is whole seconds
OUTAGE_S = 60.0  # an API that is being restarted is back by then
ENDED = ("completed", "failed", "cancelled")


class Client:
    """Use with `async with`. Whatever the server refuses is raised as `Invalid` in the server's words."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._server.key}"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)
        self._session = aiohttp.ClientSession(headers=headers, timeout=timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ensure_dataset(self, name: str, content: Mapping[str, Any] | None = None) -> None:
        """Make it, with the `content_type` and the `thresholds` of `content`, where there is none.

        Raises: `Invalid` where there is one and it has others.
        """
        asked = content or {}
        try:
            await self._ask("POST", "/dataset", lambda: {"json": {"name": name, **asked}})
        except SoundtraceError as error:
            if error.code != "dataset-exists":
                raise
            if asked:
                held = await self._ask("GET", f"/dataset/{error.facts['existing_dataset_id']}")
                _refuse_other(name, held, asked)

    async def upload(self, path: Path) -> Data:
        """The answer's data: `blob_name`, `duration_s`, …. Raises: `Invalid`, also for what cannot be read."""
        name = path.name.encode("utf-8", "replace").decode()
        try:
            with path.open("rb") as file:
                return await self._ask("POST", "/upload", lambda: {"data": _form(file, name)})
        except OSError as error:
            raise Invalid(f"the file cannot be read: {error.strerror}", "see its path and permissions") from None

    async def start(self, kind: str, encoder_type: EncoderType, body: Mapping[str, Any]) -> str:
        """The id of a new job; `kind` is `ingest` or `search`."""
        data = await self._ask("POST", f"/{kind}/{encoder_type}", lambda: {"json": dict(body)})
        return str(data["job_id"])

    async def jobs(self, limit: int) -> list[Data]:
        data = await self._ask("GET", "/jobs", lambda: {"params": {"limit": str(limit)}})
        return list(data["jobs"])

    async def job(self, job_id: str) -> Data:
        if "/" in job_id or not job_id:
            raise NotFound(f"'{job_id}' is no job id", "list yours with `soundtrace jobs`")
        return await self._ask("GET", f"/jobs/{job_id}")

    async def cancel(self, job_id: str) -> Data:
        return await self._ask("DELETE", f"/jobs/{job_id}")

    async def ended(self, job_id: str) -> Data:
        """A job's data, once it has ended: completed, failed or cancelled."""
        pause_s, answered_s = FIRST_LOOK_S, time.monotonic()
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 1.0)
            try:
                data = await self.job(job_id)
            except Unavailable:
                if time.monotonic() - answered_s > OUTAGE_S:
                    raise
                continue
            if data["status"] in ENDED:
                return data
            answered_s = time.monotonic()

    async def _ask(self, method: str, path: str, arguments: Callable[[], Data] = dict) -> Data:
        """Raises: `Unavailable` when nothing answers or the server cannot, `Invalid` when it refuses."""
        for tries_left in reversed(range(TRIES)):
            try:
                url = f"{self._server.url}/trace/v1{path}"
                async with self._session.request(method, url, **arguments()) as answer:
                    content = await answer.json(content_type=None)
                    wait_s = answer.headers.get("Retry-After", "")
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                reason = str(error) or type(error).__name__
                remedy = "see `soundtrace status`, and SOUNDTRACE_API_URL if it is set"
                raise Unavailable(f"the API at {self._server.url} does not answer: {reason}", remedy) from None
            if answer.status not in (429, 503) or not tries_left:
                return _data(answer.status, content)
            await asyncio.sleep(min(float(wait_s) if wait_s.isdigit() else 1.0, PAUSE_MAX_S))
        raise AssertionError("unreachable")


def _refuse_other(name: str, held: Data, asked: Mapping[str, Any]) -> None:
    for field, value in asked.items():
        if held[field] != value:
            fact = f"dataset '{name}' was made with the {field.replace('_', ' ')} {held[field]}, not {value}"
            raise Invalid(fact, "leave the option out, or name a new dataset")


def _form(file: Any, name: str) -> aiohttp.FormData:
    file.seek(0)
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", file, filename=name, content_type="application/octet-stream")
    return form


def _data(status: int, content: Any) -> Data:
    if status < 400 and isinstance(content, dict):
        data: Data = content.get("data", content)
        return data
    problem = content if isinstance(content, dict) else {}
    message, detail = str(problem.get("message") or f"the API answered {status}"), str(problem.get("detail") or "")
    if faults := problem.get("errors"):
        detail = "; ".join(f"{fault['pointer'].removeprefix('#/')}: {fault['detail']}" for fault in faults)
    message = message.rstrip(".")
    if detail.lower().startswith(message.lower()):  # then the detail alone says it all
        message, detail = detail, ""
    wrong = Unavailable if status >= 500 else Invalid
    facts = {name: problem[name] for name in ("existing_dataset_id",) if name in problem}
    raise wrong(message, detail, code=problem.get("code"), **facts)
