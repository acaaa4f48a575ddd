"""What one machine runs: the broker, the vector index, the workers of the pipeline, the API.

There is no order between them that anything relies on: each waits by itself for what it needs, as it must anyway when
that is restarted under it. The priorities only say what is stopped first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from streams import pipeline
from streams.up import broker
from streams.up.home import LOOPBACK, Home, is_open

Ports = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Program:
    """One process under supervisord, and how to see that it is ready."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    priority: int  # the lowest is stopped last
    stop_wait_s: int  # after SIGTERM, before SIGKILL
    start_s: int  # an exit before this counts as a failed start: the pause before the next one grows
    environment: Mapping[str, str] = field(default_factory=dict)


def port_names() -> tuple[str, ...]:
    return ("kafka", "controller", "milvus", "api", *(_metrics(worker) for worker in pipeline.WORKERS))


def environment(home: Home, ports: Ports) -> dict[str, str]:
    """What every process of this home is told."""
    return {
        "SOUNDTRACE_HOME": str(home.path),
        "SOUNDTRACE_KAFKA_BOOTSTRAP": kafka_bootstrap(ports),
        "SOUNDTRACE_MILVUS_URI": milvus_uri(ports),
        "SOUNDTRACE_API_HOST": LOOPBACK,
        "SOUNDTRACE_API_PORT": str(ports["api"]),
        # Several processes share the cores: one thread each beats all of them spinning for the same ones.
        "OMP_NUM_THREADS": "1",
        "KMP_BLOCKTIME": "0",
        "PYTHONUNBUFFERED": "1",
    }


def kafka_bootstrap(ports: Ports) -> str:
    return f"{LOOPBACK}:{ports['kafka']}"


def milvus_uri(ports: Ports) -> str:
    return f"http://{LOOPBACK}:{ports['milvus']}"


def api_url(ports: Ports) -> str:
    return f"http://{LOOPBACK}:{ports['api']}"


def everything(home: Home, ports: Ports) -> tuple[Program, ...]:
    workers = tuple(_worker(worker, ports[_metrics(worker)]) for worker in pipeline.WORKERS)
    return (kafka(home, ports), _milvus(home, ports["milvus"]), *workers, _api(ports))


def kafka(home: Home, ports: Ports) -> Program:
    ready = partial(broker.answers, kafka_bootstrap(ports))
    return Program("kafka", broker.command(home.path / "kafka"), ready, priority=10, stop_wait_s=20, start_s=20)


def _milvus(home: Home, port: int) -> Program:
    command = (sys.executable, "-m", "streams.milvus_server", str(home.path / "milvus"), "--port", str(port))
    # It finishes the index it is building before it stops: 17 s seen after 100,000 rows.
    return Program("milvus", command, partial(is_open, port), priority=20, stop_wait_s=60, start_s=10)


def _worker(worker: pipeline.Worker, metrics_port: int) -> Program:
    return Program(
        f"worker-{worker.name}",
        (*_soundtrace(), "worker", *worker.stages, "--lane", worker.lane, "--child-nice", str(worker.child_nice)),
        partial(_http_ok, metrics_port, "/metrics"),
        priority=30,
        stop_wait_s=25,  # the drain of settings.drain_s and a little more
        start_s=10,
        environment={"SOUNDTRACE_METRICS_PORT": str(metrics_port)},
    )


def _api(ports: Ports) -> Program:
    ready = partial(_http_ok, ports["api"], "/readyz")
    return Program("api", (*_soundtrace(), "api"), ready, priority=40, stop_wait_s=15, start_s=10)


def _soundtrace() -> tuple[str, ...]:
    return (str(Path(sys.executable).with_name("soundtrace")),)  # the one of this environment, whatever PATH says


def _metrics(worker: pipeline.Worker) -> str:
    return f"metrics-{worker.name}"


def _http_ok(port: int, path: str) -> bool:
    connection = HTTPConnection(LOOPBACK, port, timeout=2.0)  # and no urllib, which would ask a proxy
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
