"""The folder where one installation keeps everything: `SOUNDTRACE_HOME`. Two of them never meet.

ports.json    the loopback ports chosen for it, by name
api_key       the key of the tenant `local`, readable by its owner alone
supervisor.*  what supervisord runs from; logs/, kafka/, milvus/, blobs/ and the catalogue lie beside it
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from streams.errors import Invalid

LOOPBACK = "127.0.0.1"
# Below 32768, where Linux starts to hand out ports for outgoing connections: one of those could take the port of a
# service that is just being restarted, or a client that knocks there could even connect to itself.
PORTS = range(20_000, 32_000)
SOCKET_PATH_MAX = 90  # Linux allows 107 bytes, and supervisord appends its pid


@dataclass(frozen=True, slots=True)
class Home:
    path: Path

    @classmethod
    def at(cls, path: Path) -> Home:
        home = cls(path.resolve())
        if any(sign in str(path) for sign in ";#,\n"):  # supervisord's and Kafka's files cannot say such a path
            raise Invalid(f"{str(home.path)!r} has one of ; # , in it", "set SOUNDTRACE_HOME to a plainer path")
        return home

    @property
    def config(self) -> Path:
        return self.path / "supervisor.conf"

    @property
    def socket(self) -> Path:
        inside = self.path / "supervisor.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_MAX:
            return inside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"soundtrace-{digest}.sock"

    @property
    def pidfile(self) -> Path:
        return self.path / "supervisor.pid"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Holds off a second `up` of this home until the first has its supervisord."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.path / "up.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def ports(self) -> Mapping[str, int]:
        """The recorded ports; empty before the first `up`."""
        with suppress(FileNotFoundError):
            recorded: dict[str, int] = json.loads((self.path / "ports.json").read_text())
            return recorded
        return {}

    def choose_ports(self, names: Iterable[str]) -> Mapping[str, int]:
        """A free port for each name, the same as the last time where that is still free."""
        recorded = self.ports()
        with ExitStack() as held:  # each stays bound until all are chosen, so none is chosen twice
            chosen = {name: _hold(held, recorded.get(name)) for name in names}
        _write(self.path / "ports.json", json.dumps(chosen, indent=2) + "\n")
        return chosen

    def api_key(self) -> str | None:
        with suppress(FileNotFoundError):
            return (self.path / "api_key").read_text().strip()
        return None

    def keep_api_key(self, ensure_key: Callable[[str | None], str]) -> None:
        """Gives `ensure_key` the recorded key, or None, and records the one it answers."""
        recorded = self.api_key()
        key = ensure_key(recorded)
        if key != recorded:
            _write(self.path / "api_key", key + "\n")


def is_open(port: int) -> bool:
    """Whether something listens on that loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _hold(held: ExitStack, wanted: int | None) -> int:
    for port in [*([wanted] if wanted else []), *random.sample(PORTS, 100)]:
        taker = held.enter_context(socket.socket())
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT are no obstacle
        with suppress(OSError):
            taker.bind((LOOPBACK, port))
            taker.listen()  # what is bound but does not listen, SO_REUSEADDR would let another bind too
            return port
    raise Invalid(f"no free port between {PORTS.start} and {PORTS.stop} on {LOOPBACK}", "end what listens there")


def _write(path: Path, text: str) -> None:
    """All or nothing, and for the owner alone."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
