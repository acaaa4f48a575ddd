"""A home that is up on this machine, its processes, and how to do harm to them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from streams import pipeline
from streams.publish import Outgoing, Publisher
from streams.settings import Settings
from streams.up import supervisor
from streams.up.home import Home
from streams.up.programs import environment as told
from streams.up.programs import kafka_bootstrap, milvus_uri
from streams.up.status import Status, status
from tests.live.processes import eventually
from tests.live.topics import members

SABOTEUR = Path(__file__).with_name("saboteur")
ROOT = Path(__file__).parents[3]
SOUNDTRACE = str(Path(sys.executable).with_name("soundtrace"))
READY_S = 240.0


@dataclass(frozen=True, slots=True)
class Machine:
    """`path` is its SOUNDTRACE_HOME, `tracks` the folder that it may read audio from."""

    path: Path
    tracks: Path

    @property
    def environment(self) -> dict[str, str]:
        given = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDTRACE_")}
        return given | {
            "PYTHONPATH": f"{SABOTEUR}{os.pathsep}{ROOT}",
            "SOUNDTRACE_HOME": str(self.path),
            "SOUNDTRACE_ALLOWED_PREFIXES": self.tracks.as_uri(),
        }

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    def up(self) -> None:
        command = (SOUNDTRACE, "up", "--detach", "--wait", str(READY_S))
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=READY_S + 60, check=False
        )
        assert done.returncode == 0, done.stderr

    def down(self) -> str:
        """Stop all; answers what `down` had to say."""
        command = (SOUNDTRACE, "down")
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=150, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def status(self) -> Status:
        return status(self.path)

    def settings(self) -> Settings:
        ports = Home.at(self.path).ports()
        return Settings(home=self.path, kafka_bootstrap=kafka_bootstrap(ports), milvus_uri=milvus_uri(ports))

    def publish(self, records: Iterable[Outgoing]) -> None:
        async def publish() -> None:
            publisher = Publisher(settings)
            await publisher.publish(records)
            await publisher.close()

        settings = self.settings()
        asyncio.run(publish())

    def pid(self, service: str) -> int:
        """The living process of a service, waited for."""

        def running() -> int | None:
            return supervisor.states(Home.at(self.path)).get(service, ("", None))[1]

        eventually(running, f"{service} runs", READY_S)
        pid = running()
        assert pid is not None
        return pid

    def heavy_child(self, service: str) -> int:
        parent = self.pid(service)
        return next(
            pid
            for pid, command in processes_of(self.path).items()
            if "streams.heavy" in command and _ppid(pid) == parent
        )

    def kill(self, service: str, number: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.pid(service), number)

    def supervisor_pid(self) -> int:
        return int((self.path / "supervisor.pid").read_text())

    def log(self, service: str) -> str:
        log = self.path / "logs" / f"{service}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def second_worker(self) -> subprocess.Popen[bytes]:
        """Another bulk worker, under nobody's supervision."""
        (bulk,) = (worker for worker in pipeline.WORKERS if worker.name == "bulk")
        home = Home.at(self.path)
        environment = self.environment | told(home, home.ports())
        with (self.path / "logs" / "second-worker.log").open("ab") as log:
            return subprocess.Popen(
                (SOUNDTRACE, "worker", *bulk.stages, "--lane", bulk.lane), env=environment, stdout=log, stderr=log
            )

    def workers(self) -> int:
        """How many of them share the decoding on the bulk lane."""
        return members(self.settings().kafka_bootstrap, "soundtrace.bulk.decode")

    def orphans(self) -> dict[int, str]:
        """Processes of this home that its supervisor does not know."""
        root = self.supervisor_pid()
        return {pid: command for pid, command in processes_of(self.path).items() if root not in (pid, *_ancestors(pid))}


def processes_of(home: Path) -> Mapping[int, str]:
    """Every process, whoever started it, whose environment or command line names this home."""
    named, ours = b"SOUNDTRACE_HOME=" + os.fsencode(home), (os.getpid(), *_ancestors(os.getpid()))
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in ours:
            continue
        try:
            command = (folder / "cmdline").read_bytes()
            belongs = named in (folder / "environ").read_bytes().split(b"\0") or os.fsencode(home) in command
        except OSError:
            continue  # it ended meanwhile
        if belongs and command:  # a zombie has no command line: nothing of it runs
            found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def _ppid(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _ancestors(pid: int) -> tuple[int, ...]:
    parent = _ppid(pid)
    return (parent, *_ancestors(parent)) if parent else ()
