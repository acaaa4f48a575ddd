"""Which processes of a home are alive, whoever their parent is.

A process belongs to a home when supervisord recorded the leader of its process group there *and* its environment names
the home. The first alone could be a pid used again, the second alone a shell of the user.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from streams.up.home import Home
from streams.up.supervisor import spawned_pids


def supervisor_pid(home: Home) -> int | None:
    """The pid of this home's living supervisord."""
    with suppress(FileNotFoundError, ValueError):
        pid = int(home.pidfile.read_text())
        return pid if _is_of(home, pid) else None
    return None


def alive(home: Home) -> dict[int, str]:
    """Pid and command line of every process that programs of this home left or run."""
    groups = spawned_pids(home)
    found = {}
    for folder in Path("/proc").iterdir() if groups else ():
        with suppress(OSError, ValueError):  # not a process, or no longer one
            pid = int(folder.name)
            if os.getpgid(pid) in groups and _is_of(home, pid):
                found[pid] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def wait_until_gone(home: Home, limit_s: float) -> dict[int, str]:
    """Waits for supervisord and its programs to end; what has not by then is killed, and told."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if not supervisor_pid(home) and not alive(home):
            return {}
        time.sleep(0.1)
    left = alive(home)
    if pid := supervisor_pid(home):
        left[pid] = "supervisord"
    for pid in sorted(left, key=lambda pid: left[pid] != "supervisord"):  # first the one that would start them again
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left


def _is_of(home: Home, pid: int) -> bool:
    """A zombie's environment is empty, so it counts as gone: nothing of it runs."""
    with suppress(OSError):
        named = b"SOUNDTRACE_HOME=" + os.fsencode(home.path)
        return named in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False
