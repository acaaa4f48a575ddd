"""What runs in a home, where it is reached, and how much work is waiting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from streams import pipeline
from streams.settings import settings
from streams.topics import full_name
from streams.up import supervisor
from streams.up.home import Home
from streams.up.lag import Reader, lag
from streams.up.programs import Ports, Program, api_url, everything, kafka_bootstrap, milvus_uri

Programs = Callable[[Home, Ports], tuple[Program, ...]]


class Service(TypedDict):
    """`state` in supervisord's words; `restarts` since `up`."""

    name: str
    pid: int | None
    state: str
    restarts: int


class Status(TypedDict):
    """`lag` is events by "<lane>.<stage>", or None while the broker cannot say it. Addresses are None before `up`."""

    ready: bool
    api_url: str | None
    api_key: str | None
    kafka_bootstrap: str | None
    milvus_uri: str | None
    home: str
    services: list[Service]
    lag: dict[str, int] | None


def status(path: Path, *, programs: Programs = everything) -> Status:
    """Asks supervisord, each program and the broker; a home that is down, or was never up, is an answer too."""
    home = Home.at(path)
    ports = home.ports()
    expected = programs(home, ports) if ports else ()
    running = supervisor.states(home)
    return {
        "ready": bool(running) and all(program.ready() for program in expected),
        "api_url": api_url(ports) if ports else None,
        "api_key": home.api_key(),
        "kafka_bootstrap": kafka_bootstrap(ports) if ports else None,
        "milvus_uri": milvus_uri(ports) if ports else None,
        "home": str(home.path),
        "services": _services(home, expected, running),
        "lag": lag(kafka_bootstrap(ports), _readers()) if running else None,
    }


def _services(home: Home, expected: tuple[Program, ...], running: supervisor.States) -> list[Service]:
    starts = supervisor.starts(home)
    services = list[Service]()
    for program in expected:
        state, pid = running.get(program.name, ("STOPPED", None))
        restarts = max(0, starts[program.name] - 1)
        services.append({"name": program.name, "pid": pid, "state": state, "restarts": restarts})
    return services


def _readers() -> dict[str, Reader]:
    return {
        f"{consumer.lane}.{consumer.stage.name}": Reader(full_name(consumer.topic, settings()), consumer.group)
        for consumer in pipeline.consumers()
    }
