"""Milvus Lite under our own entry, as a process of its own, for the tests of this folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class MilvusProcess:
    """`python -m streams.milvus_server` on a free loopback port, which it keeps over restarts."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = 0
        self.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "streams.milvus_server", str(self.data_dir), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline()
        assert ready, f"the server did not start: exit code {self.process.wait()}"
        self.port = int(ready.rsplit(":", 1)[1])

    def end(self, number: int) -> int:
        """Send it this signal and return its exit code."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        code = self.process.wait()
        self.process.stdout.close()
        return code


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: Any) -> Iterator[MilvusProcess]:
    """One server for all tests that leave it running."""
    server = MilvusProcess(tmp_path_factory.mktemp("milvus"))
    yield server
    server.end(signal.SIGTERM)


@pytest.fixture
def start_milvus(tmp_path: Path) -> Iterator[Callable[[], MilvusProcess]]:
    """Start a server of the test's own, to be killed at will."""
    servers: list[MilvusProcess] = []

    def start() -> MilvusProcess:
        servers.append(MilvusProcess(tmp_path / "milvus"))
        return servers[-1]

    yield start
    for server in servers:
        server.end(signal.SIGKILL)
