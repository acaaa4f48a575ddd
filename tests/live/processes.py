"""Processes of a test: started, watched through their journal, killed; none outlives its test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Journal:
    """Lines that processes append, one per thing that happened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()

    def note(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(line + "\n")

    def wait_for(self, line: str, times: int = 1, limit_s: float = 60.0) -> None:
        eventually(lambda: self.lines.count(line) >= times, f"{line!r} x{times} in {self.lines}", limit_s)


class Running:
    """One module as a process in a group of its own."""

    def __init__(self, module: str, options: dict[str, Any], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ("setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", module, json.dumps(options)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,  # Faust makes a folder where it is started
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def exit_code(self, limit_s: float = 60.0) -> int:
        return self._process.wait(limit_s)


@contextmanager
def processes(folder: Path) -> Iterator[Callable[[str, dict[str, Any]], Running]]:
    """A function that starts a module with options; whatever still runs at the end is killed."""
    started: list[Running] = []

    def start(module: str, options: dict[str, Any]) -> Running:
        started.append(Running(module, options, folder / f"process-{len(started)}.log"))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.kill()


def eventually(happened: Callable[[], Any], what: str, limit_s: float = 60.0, every_s: float = 0.1) -> float:
    """Seconds until it happened; `what` says in the failure what did not."""
    began = time.monotonic()
    while not happened():
        if time.monotonic() - began > limit_s:
            raise AssertionError(f"not within {limit_s:g} s: {what}")
        time.sleep(every_s)
    return time.monotonic() - began
