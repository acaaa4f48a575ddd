"""Looking at an uploaded file's header, in a child process: the API itself decodes nothing and imports no decoder.

The child stays for the next file, as starting one takes some 0.3 s; one that dies or runs over its time is replaced,
and the file is refused. One file at a time: a look takes milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

from streams.errors import Invalid, Unavailable

COMMAND = (sys.executable, "-m", "streams.probe_child")
START_S = 30.0
TIME_LIMIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file's header says."""

    container: str  # wav, flac, mp3, m4a or other
    duration_s: float | None  # None where only decoding would tell
    rate_hz: int
    channels: int


class Prober:
    def __init__(self, command: tuple[str, ...] = COMMAND, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._command = command
        self._time_limit_s = time_limit_s
        self._child: Popen[bytes] | None = None
        self._turn = asyncio.Lock()

    async def probe(self, path: Path, max_track_s: float | None) -> Probe:
        """What the header of the file at `path` says.

        Raises: `Invalid` with the code of what is wrong with it, `audio-undecodable` when it killed the child;
            `Unavailable` when no child starts.
        """
        async with self._turn:
            child = await self._ready()
            try:
                answer = json.loads(await self._say(child, [str(path), max_track_s]))
            except (OSError, TimeoutError, ValueError):
                self._drop()
                fact = "the file makes its decoder fail or never end"
                raise Invalid(fact, "export it again from its source", code="audio-undecodable") from None
            except BaseException:  # cancelled: the answer that comes would be taken for the next file's
                self._drop()
                raise
        if "code" in answer:
            raise Invalid(answer["message"], answer["remedy"], code=answer["code"])
        return Probe(**answer)

    async def start(self) -> None:
        """Have the child at hand before the first file comes. Raises: `Unavailable`."""
        async with self._turn:
            await self._ready()

    def close(self) -> None:
        self._drop()

    async def _ready(self) -> Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._child = child = self._spawn()
            try:
                json.loads(await self._say(child, None))
            except BaseException as error:
                self._drop()
                if not isinstance(error, OSError | TimeoutError | ValueError):
                    raise
                raise Unavailable(
                    "the child that looks at uploads does not start", "try `soundtrace doctor`"
                ) from error
        return self._child

    async def _say(self, child: Popen[bytes], question: object) -> bytes:
        """The line that the child answers, empty when it died; in a thread, which ends at the latest with the child."""

        def exchange() -> bytes:
            if not child.stdin or not child.stdout:
                return b""
            if question is not None:
                child.stdin.write(f"{json.dumps(question)}\n".encode())
                child.stdin.flush()
            return child.stdout.readline()

        async with asyncio.timeout(START_S if question is None else self._time_limit_s):
            return await asyncio.to_thread(exchange)

    def _spawn(self) -> Popen[bytes]:
        return Popen(self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)

    def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()  # a moment: it cannot refuse
