"""The whole thing running: one home for all live tests, with the shipped clips readable by `file:` URI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ROOT / "ops" / "clips"
SOUNDTRACE = str(Path(sys.executable).with_name("soundtrace"))
START_S = 240.0
LOG_LINES = 25

Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True, slots=True)
class RunningHome:
    """A home that is up: its folder, its addresses, and `run`, the command line that works on it."""

    path: Path
    api_url: str
    api_key: str
    kafka_bootstrap: str
    milvus_uri: str
    run: Run


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    """`soundtrace up --detach` in a folder of its own; at the end `down`, which must leave no process."""
    path = tmp_path_factory.mktemp("home")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDTRACE_")}
    (path / "inbox").mkdir()
    prefixes = f"{CLIPS.as_uri()},{(path / 'inbox').as_uri()}"
    environment |= {"SOUNDTRACE_HOME": str(path), "SOUNDTRACE_ALLOWED_PREFIXES": prefixes}

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = (SOUNDTRACE, *arguments)
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)

    try:
        started = run("up", "--detach", "--json", timeout=START_S)
        if started.returncode:
            pytest.fail(f"soundtrace up ended with {started.returncode}:\n{started.stderr}\n{tails(path)}")
        status = json.loads(started.stdout)
        facts = {name: status[name] for name in ("api_url", "api_key", "kafka_bootstrap", "milvus_uri")}
        yield RunningHome(path=path, run=run, **facts)
    finally:
        stopped = run("down", timeout=120)
    assert "was killed" not in stopped.stderr, stopped.stderr


@pytest.fixture(autouse=True)
def _logs_of_a_failure(request: pytest.FixtureRequest) -> Iterator[None]:
    """Prints the end of every log of the home when a test that uses it fails."""
    failed_before = request.session.testsfailed
    yield
    if "home" in request.fixturenames and request.session.testsfailed > failed_before:
        sys.stderr.write(tails(request.getfixturevalue("home").path))


def tails(home: Path) -> str:
    """The last lines of each log."""
    told = list[str]()
    for log in sorted((home / "logs").glob("*.log")):
        told += [f"── {log.name}", *log.read_text(errors="replace").splitlines()[-LOG_LINES:]]
    return "\n".join(told) + "\n"
