"""The heavy child: one process per worker that hears and compares, so that the worker itself stays light and alive.

It is started from the main thread (PR_SET_PDEATHSIG follows the *thread* that made a child), dies with its parent,
has a memory limit, is the first that the kernel's out-of-memory killer takes, and is killed when a call overruns its
time limit. A dead child is replaced in place, the Kafka offset unmoved.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import structlog

from models.errors import AudioError, WrongWeights
from streams.errors import Defect, Invalid, SoundtraceError, Unavailable

log = structlog.get_logger()
START_LIMIT_S = 180.0  # the first start on a machine compiles numba functions (34 s seen on two busy cores)
SPAWNS_MAX = 3
OUT_OF_MEANS = "see which processes take the machine's memory and open files"
P = ParamSpec("P")
T = TypeVar("T")


class ChildLost(Defect):
    """The child died or was killed in the middle of a call."""


class Heavy:
    """A child process that runs one function at a time. Use from one event loop, in the main thread."""

    def __init__(self, *, nice: int, memory_bytes: int) -> None:
        self._nice, self._memory_bytes = nice, memory_bytes
        self._turn = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._closing = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Spawn and warm the child. Raises: `Defect` when it does not come up in three tries."""
        for tries_left in reversed(range(SPAWNS_MAX)):
            try:
                await self._spawn()
                return
            except Defect as error:
                log.error("heavy child did not start", reason=str(error), tries_left=tries_left)
                if not tries_left:
                    raise

    async def call(self, time_limit_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(*args)` in the child. The function and all values must pickle.

        Raises: `Invalid` when the audio is to blame (any `AudioError`), `ChildLost` when the child died
            (`child-died`) or ran over the limit (`time-limit-exceeded`), `Defect` for any other exception.
        """
        async with self._turn:
            if self._closing:
                await asyncio.Event().wait()
            if self._process is None or self._process.poll() is not None:
                try:
                    await self.start()
                except Defect as error:  # a sick machine is not the input's fault
                    raise Unavailable(error.message, error.remedy) from error
            try:
                answer = await asyncio.wait_for(self._exchange((function, args, kwargs)), time_limit_s)
            except TimeoutError:
                self._kill()
                raise _lost(function, f"ran longer than {time_limit_s:g} s", "time-limit-exceeded") from None
            except (EOFError, OSError):
                if self._closing:  # we ended it ourselves: that is nobody's failed attempt
                    await asyncio.Event().wait()
                code = self._kill()
                raise _lost(function, f"ended its process ({_ending(code)})", "child-died") from None
            except asyncio.CancelledError:
                self._kill()  # its answer would be taken for the next call's
                raise
        if isinstance(answer, Exception):
            raise answer
        return answer[0]  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the child. A call that was under way never returns: it is cancelled with the app that made it."""
        self._closing = True
        self._kill()

    async def _exchange(self, message: Any) -> Any:
        pipe = self._pipe
        assert pipe is not None

        def exchange() -> Any:
            pipe.send(message)
            return pipe.recv()

        return await asyncio.to_thread(exchange)

    async def _spawn(self) -> None:
        self._kill()
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise Defect(f"the heavy child has no pipe: {error.strerror}", OUT_OF_MEANS) from None
        command = [sys.executable, "-m", "streams.heavy", str(theirs.fileno()), str(os.getpid())]
        command += [str(self._nice), str(self._memory_bytes)]
        # Not asyncio's subprocess: that may start it from another thread, whose end would kill it.
        try:
            self._process = subprocess.Popen(  # noqa: ASYNC220
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        except OSError as error:
            ours.close()
            raise Defect(f"the heavy child cannot be started: {error.strerror}", OUT_OF_MEANS) from None
        finally:
            theirs.close()
        self._pipe = Connection(ours.detach())
        began = time.monotonic()
        try:
            told = await asyncio.wait_for(asyncio.to_thread(self._pipe.recv), START_LIMIT_S)
        except (TimeoutError, EOFError, OSError):
            raise Defect(
                f"the heavy child did not come up ({_ending(self._kill())})", "run `soundtrace doctor`"
            ) from None
        if isinstance(told, Defect):
            self._kill()
            raise told
        log.info("heavy child is warm", pid=self._process.pid, seconds=round(time.monotonic() - began, 1))

    def _kill(self) -> int | None:
        if self._process is None:
            return None
        self._process.kill()
        code = self._process.wait()
        # Only now: a thread may still be blocked in recv, and the child's death is what wakes it.
        self._process = None
        return code


def _lost(function: Callable[..., Any], fact: str, code: str) -> ChildLost:
    remedy = "look at the file; when it is a sound one, cut it into shorter ones or replay the dead letter"
    return ChildLost(f"{function.__name__} {fact}", remedy, code=code)


def _ending(code: int | None) -> str:
    if code is None:
        return "no process"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


# ── In the child ─────────────────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    descriptor, parent, nice, memory_bytes = (int(word) for word in sys.argv[1:])
    _die_with(parent)
    _be_modest(nice, memory_bytes)
    from models import hear
    from models.memory import keep_freed
    from streams import cards, pipeline

    keep_freed()
    pipe = Connection(descriptor)
    try:
        for encoder_type in pipeline.ENCODER_TYPES:
            hear.warm(cards.current(encoder_type))
    except WrongWeights as error:
        pipe.send(Defect(error.message, error.remedy))
        return
    pipe.send("warm")
    while True:
        try:
            function, args, kwargs = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(function, args, kwargs))


def _answer(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    try:
        return (function(*args, **kwargs),)
    except AudioError as error:
        return Invalid(error.message, error.remedy, code=error.code)
    except WrongWeights as error:
        return Defect(error.message, error.remedy)
    except SoundtraceError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the child must live on, whatever a model raises
        trace = traceback.format_exc()
        sys.stderr.write(trace)
        digest = hashlib.sha256(trace.encode()).hexdigest()[:12]
        fact = f"{function.__name__} raised {type(error).__name__}: {error} (traceback {digest})"
        return Defect(fact, "look the traceback up in the worker's log and report it")


def _die_with(parent: int) -> None:
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _be_modest(nice: int, memory_bytes: int) -> None:
    import resource

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a stop is the parent's to draw out: it ends us when drained
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(nice)
    # What it may write, not what it may map: torch's libraries take 3 GB of addresses, CUDA far more.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    Path("/proc/self/oom_score_adj").write_text("500")  # of all of ours, the kernel should take this one first


if __name__ == "__main__":
    main()
