"""A home of its own for one benchmark: up at the beginning, down and removed at the end, also after a failure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.cli.place import Server
from streams.up.home import Home

SOUNDTRACE = str(Path(sys.executable).with_name("soundtrace"))
UNLIMITED = {"SOUNDTRACE_REQUESTS_PER_MINUTE": "1000000", "SOUNDTRACE_JOBS_PER_MINUTE": "1000000"}  # polls every 20 ms
START_S, STOP_S = 300.0, 120.0


@dataclass(frozen=True, slots=True)
class Running:
    """What is up: `inputs` is a folder for audio that the pipeline may read, `pids` those of the services."""

    path: Path
    inputs: Path
    server: Server
    kafka_bootstrap: str
    pids: dict[str, int]
    environment: dict[str, str]

    def metrics_ports(self) -> dict[str, int]:
        """By worker."""
        ports = Home.at(self.path).ports()
        return {name.removeprefix("metrics-"): port for name, port in ports.items() if name.startswith("metrics-")}

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command line of soundtrace on this home."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen((SOUNDTRACE, *arguments), env=self.environment, cwd=self.path, **quiet)


@contextmanager
def running() -> Iterator[Running]:
    """`soundtrace up --detach` in a temporary folder, without the rate limits of a caller."""
    folder = Path(tempfile.mkdtemp(prefix="soundtrace-bench-")).resolve()
    path, inputs = folder / "home", folder / "inputs"
    path.mkdir()
    inputs.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDTRACE_")}
    environment |= UNLIMITED | {"SOUNDTRACE_HOME": str(path), "SOUNDTRACE_ALLOWED_PREFIXES": inputs.as_uri()}
    try:
        up = subprocess.run(
            (SOUNDTRACE, "up", "--detach", "--json"),
            env=environment, cwd=path, stdout=subprocess.PIPE, timeout=START_S, check=True,
        )  # fmt: skip
        told = json.loads(up.stdout)
        pids = {service["name"]: service["pid"] for service in told["services"]}
        server = Server(told["api_url"], told["api_key"])
        yield Running(path, inputs, server, told["kafka_bootstrap"], pids, environment)
    finally:
        try:
            subprocess.run((SOUNDTRACE, "down"), env=environment, cwd=path, timeout=STOP_S, check=True)
        finally:
            shutil.rmtree(folder)
