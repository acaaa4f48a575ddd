"""supervisord: the configuration that it gets, how it is started, what it says over its socket.

Each program runs under `setpriv --pdeathsig`, as kill -9 of supervisord alone would leave all of them running.
The socket lies in the home and is open to its owner only.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from typing import Any, cast
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from streams.errors import Unavailable
from streams.up.home import Home
from streams.up.programs import Program

States = Mapping[str, tuple[str, int | None]]

SPAWNED = re.compile(r"spawned: '(?P<name>[^']+)' with pid (?P<pid>\d+)")

HEAD = """\
; Written at each start of this home.
[supervisord]
pidfile={home.pidfile}
logfile={log}
logfile_maxbytes=10MB
logfile_backups=1
childlogdir={home.logs}

[unix_http_server]
file={home.socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# Started again for ever: what is missing may come back, and supervisord itself pauses one second more each time.
PROGRAM = """
[program:{name}]
command={command}
environment={environment}
priority={priority}
autorestart=true
startsecs={start_s}
startretries=1000000
stopwaitsecs={stop_wait_s}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


def config(home: Home, programs: Iterable[Program]) -> str:
    head = HEAD.format(home=home, log=home.logs / "supervisord.log")
    return (head + "".join(_section(home, program) for program in programs)).replace("%", "%%")


def _section(home: Home, program: Program) -> str:
    return PROGRAM.format(
        name=program.name,
        command=shlex.join(("setpriv", "--pdeathsig", "TERM", "--", *program.command)),
        environment=",".join(f'{name}="{value}"' for name, value in program.environment.items()),
        priority=program.priority,
        start_s=program.start_s,
        stop_wait_s=program.stop_wait_s,
        log=home.logs / f"{program.name}.log",
    )


def start(home: Home, programs: Iterable[Program], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts supervisord in the foreground of the caller, and with the caller it ends."""
    return subprocess.Popen(
        ("setpriv", "--pdeathsig", "TERM", "--", *_command(home, programs), "--nodaemon"),
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,  # the same lines go to its log
    )


def start_detached(home: Home, programs: Iterable[Program], environment: Mapping[str, str]) -> None:
    command, told = _command(home, programs), {**os.environ, **environment}
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"supervisord did not start: {(done.stdout + done.stderr).strip()}", f"see {home.logs}")


def _command(home: Home, programs: Iterable[Program]) -> tuple[str, ...]:
    log = home.logs / "supervisord.log"
    if log.exists():
        log.replace(home.logs / "supervisord.previous.log")  # `spawned` counts from this start on
    home.config.write_text(config(home, programs))
    return sys.executable, "-m", "supervisor.supervisord", "--configuration", str(home.config)


def states(home: Home) -> States:
    """State and pid by program, in supervisord's words; empty when no supervisord answers."""
    transport = SupervisorTransport(None, None, f"unix://{home.socket}")
    try:
        proxy = ServerProxy("http://localhost", transport=transport)
        told = cast(list[dict[str, Any]], proxy.supervisor.getAllProcessInfo())
    except (OSError, HTTPException, Fault):  # not there; going; SHUTDOWN_STATE
        return {}
    finally:
        transport.close()
    return {info["name"]: (info["statename"], info["pid"] or None) for info in told}


def starts(home: Home) -> Counter[str]:
    """How often each program was started since `up`."""
    return Counter(name for name, _ in _spawned(home))


def spawned_pids(home: Home) -> set[int]:
    """Every pid that this home's supervisord, living or dead, gave to a program."""
    return {pid for _, pid in _spawned(home)}


def _spawned(home: Home) -> list[tuple[str, int]]:
    logs = (home.logs / "supervisord.log.1", home.logs / "supervisord.log")
    text = "".join(log.read_text(errors="replace") for log in logs if log.exists())
    return [(found["name"], int(found["pid"])) for found in SPAWNED.finditer(text)]
