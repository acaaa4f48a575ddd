from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import web

from streams import cli
from streams.settings import settings
from tests.streams.cli.fake_api import FakeApi


class Ended(NamedTuple):
    """How a run of the command line ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Callable[..., Ended]]:
    """`run("jobs", "--json")`, as the console script would, in an environment without a home or a server."""
    monkeypatch.setenv("SOUNDTRACE_HOME", str(tmp_path / "home"))
    for name in ("SOUNDTRACE_API_URL", "SOUNDTRACE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()

    def called(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["soundtrace", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return Ended(int(ended.value.code or 0), told.out, told.err)

    yield called
    settings.cache_clear()


@pytest.fixture
def api(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A server that speaks the contract's A1 to A6 and remembers what it was asked; the command line finds it."""
    fake, loop = FakeApi(), asyncio.new_event_loop()
    runner = web.AppRunner(fake.app())

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    port = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    monkeypatch.setenv("SOUNDTRACE_API_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("SOUNDTRACE_API_KEY", fake.key)
    yield fake
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(runner.cleanup())
    loop.close()
