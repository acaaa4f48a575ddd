"""`up` and `down`: soundtrace on one machine, without Docker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from streams.errors import Unavailable
from streams.up import broker, supervisor
from streams.up.home import Home
from streams.up.processes import supervisor_pid, wait_until_gone
from streams.up.programs import Program, environment, everything, port_names
from streams.up.status import Programs, Status, status

EnsureKey = Callable[[str | None], str]

ANSWER_S = 30.0  # of supervisord, from its start on
STOP_S = 90.0  # all stop_wait_s one after the other, and a little more
FAILED_STARTS = 4  # this often without being ready once: waiting longer would not help
LOG_LINES = 15


def up(
    path: Path,
    *,
    detach: bool,
    wait_s: float = 180.0,
    ensure_key: EnsureKey | None = None,
    announce: Callable[[Status], None] | None = None,
    programs: Programs = everything,
) -> None:
    """Starts what does not run yet, waits until all is ready, then calls `announce`. Progress goes to stderr.

    Without `detach` it stays until supervisord ends: on Ctrl-C, SIGTERM or `down`. A home that is up already stays
    as it is. What an `up` has started it also stops when it fails.

    Args:
        ensure_key: given the API key that the home has recorded, or None, answers the one to record.
    Raises: `Unavailable`, with the last lines of the logs of what was not ready in time or kept failing.
    """
    home = Home.at(path)
    supervisord: subprocess.Popen[bytes] | None = None
    with home.starting():
        ours = not supervisor_pid(home)
        if ours:
            supervisord = _start(home, detach, ensure_key, programs)
        else:
            _tell(f"{home.path} is up already")
    try:
        _wait_until_ready(home, programs(home, home.ports()), wait_s)
    except BaseException:
        if ours:
            _tell("giving up: stopping what was started")
            down(home.path)
        raise
    if announce:
        announce(status(home.path, programs=programs))
    if supervisord and (code := supervisord.wait()):
        raise Unavailable(f"supervisord of {home.path} ended with {code}", "run `soundtrace up` again")


def down(path: Path, wait_s: float = STOP_S) -> Mapping[int, str]:
    """Stops everything of this home and waits for it. What the home holds stays.

    Returns: pid and command line of what had to be killed because it did not end in time; empty when all went well.
    """
    home = Home.at(path)
    if pid := supervisor_pid(home):
        os.kill(pid, signal.SIGTERM)
    return wait_until_gone(home, wait_s)


def _start(
    home: Home, detach: bool, ensure_key: EnsureKey | None, programs: Programs
) -> subprocess.Popen[bytes] | None:
    if left := wait_until_gone(home, 30.0):  # children of a supervisord that was killed, still draining
        _tell(f"killed {len(left)} processes of an earlier run")
    ports = home.choose_ports(port_names())
    if ensure_key:
        home.keep_api_key(ensure_key)
    broker.prepare(home.path / "kafka", ports["kafka"], ports["controller"])
    told, wanted = environment(home, ports), programs(home, ports)
    started = None
    if detach:
        supervisor.start_detached(home, wanted, told)
    else:
        started = supervisor.start(home, wanted, told)
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, lambda *_: started.terminate())
    deadline = time.monotonic() + ANSWER_S
    while not (supervisor_pid(home) and supervisor.states(home)):
        if time.monotonic() > deadline or (started and started.poll() is not None):
            raise Unavailable("supervisord does not answer" + _last_lines(home, "supervisord"))
        time.sleep(0.1)
    return started


def _wait_until_ready(home: Home, programs: tuple[Program, ...], wait_s: float) -> None:
    began = time.monotonic()
    waiting = {program.name: program for program in programs}
    while waiting:
        for name in [name for name, program in waiting.items() if program.ready()]:
            del waiting[name]
            _tell(f"{name} is ready ({time.monotonic() - began:.1f} s)")
        if not supervisor_pid(home):
            raise Unavailable("supervisord ended before all was ready" + _last_lines(home, "supervisord"))
        started = supervisor.starts(home)
        if failing := [name for name in waiting if started[name] >= FAILED_STARTS]:
            raise Unavailable(f"{', '.join(failing)} failed {FAILED_STARTS} times" + _last_lines(home, *failing))
        if waiting and time.monotonic() - began > wait_s:
            raise Unavailable(f"not ready after {wait_s:g} s: {', '.join(waiting)}" + _last_lines(home, *waiting))
        time.sleep(0.2)


def _last_lines(home: Home, *names: str) -> str:
    told = list[str]()
    for name in names:
        log = home.logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        told += ["", f"── the end of {log}", *lines]
    return "\n".join(told)


def _tell(line: str) -> None:
    sys.stderr.write(f"up: {line}\n")
