"""docker-compose.yml, from the pipeline's tables: `python -m streams.compose > docker-compose.yml`.

One service per stage and lane, the API, the broker, the index. The index is Milvus Lite under our own entry, from our
own image: it is what the tests judge, and needs no etcd and no object store. A Milvus cluster is an address away:
SOUNDTRACE_MILVUS_URI. Catalogue and blobs lie on one volume that the services of one machine share.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from streams import pipeline

Service = dict[str, Any]

KAFKA_IMAGE = "apache/kafka:4.3.1"
DATA = "/var/lib/soundtrace"
HEAD = """\
# Written by `python -m streams.compose` from the tables in streams/pipeline.py: change those, then run it again.
# Start:    docker compose up --build --detach --wait
# A key:    docker compose exec api soundtrace keys make
# Busier:   docker compose up --detach --scale encode-bulk=4
"""
OURS: Service = {
    "image": "soundtrace",
    "build": {"context": ".", "dockerfile": "ops/Dockerfile"},
    "init": True,  # so that SIGTERM counts from the first moment, not only once Python has its handler
    "restart": "unless-stopped",
    "stop_grace_period": "30s",  # the drain of a worker, and a little more
}
ENVIRONMENT = {
    "SOUNDTRACE_HOME": DATA,
    "SOUNDTRACE_KAFKA_BOOTSTRAP": "broker:9092",
    "SOUNDTRACE_MILVUS_URI": "${SOUNDTRACE_MILVUS_URI:-http://milvus:19530}",
    "SOUNDTRACE_API_HOST": "0.0.0.0",
    "SOUNDTRACE_ALLOWED_PREFIXES": "${SOUNDTRACE_ALLOWED_PREFIXES:-}",
    "OMP_NUM_THREADS": "1",
}
BROKER_ENVIRONMENT = {  # one node, as ops/kafka/server.properties has it
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://broker:9092",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@broker:9093",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_RETENTION_MINUTES": "43200",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_MESSAGE_MAX_BYTES": "8388608",
    "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
}


def compose() -> dict[str, Any]:
    """The whole file as plain data."""
    workers = {f"{consumer.stage.name}-{consumer.lane}": _worker(consumer) for consumer in pipeline.consumers()}
    return {
        "name": "soundtrace",
        "services": {"broker": _broker(), "milvus": _milvus(), "api": _api(), **workers},
        "volumes": {"kafka": {}, "milvus": {}, "data": {}},
    }


def text() -> str:
    """docker-compose.yml."""
    return HEAD + "\n".join(_yaml(compose())) + "\n"


def _broker() -> Service:
    return {
        "image": KAFKA_IMAGE,
        "restart": "unless-stopped",
        "environment": BROKER_ENVIRONMENT,
        "volumes": ["kafka:/var/lib/kafka/data"],
        "healthcheck": _health("/opt/kafka/bin/kafka-broker-api-versions.sh", "--bootstrap-server", "broker:9092"),
    }


def _milvus() -> Service:
    command = ["python", "-m", "streams.milvus_server", "/var/lib/milvus", "--host", "0.0.0.0"]
    port_opens = "import socket; socket.create_connection(('127.0.0.1', 19530), 5)"
    return {
        **OURS,
        "command": command,
        "volumes": ["milvus:/var/lib/milvus"],
        "healthcheck": _health("python", "-c", port_opens),
    }


def _api() -> Service:
    answers = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=5)"
    return {
        **_ours("soundtrace", "api"),
        "ports": ["127.0.0.1:${SOUNDTRACE_API_PORT:-8080}:8080"],
        "healthcheck": _health("python", "-c", answers),
    }


def _worker(consumer: pipeline.Consumer) -> Service:
    """A heavy child of the bulk lane leaves the processor to the live lane, as on one machine."""
    nice = max(worker.child_nice for worker in pipeline.WORKERS if worker.lane == consumer.lane)
    lowered = ("--child-nice", str(nice)) if nice and consumer.stage.heavy else ()
    return _ours("soundtrace", "worker", consumer.stage.name, "--lane", consumer.lane, *lowered)


def _ours(*command: str) -> Service:
    """Each waits by itself for what it needs; there is no order of starting that anything relies on."""
    return {**OURS, "command": list(command), "environment": ENVIRONMENT, "volumes": [f"data:{DATA}"]}


def _health(*command: str) -> Service:
    return {"test": ["CMD", *command], "interval": "10s", "timeout": "10s", "retries": 6, "start_period": "60s"}


def _yaml(value: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """YAML of nested mappings. A scalar or a list is written as JSON, which YAML contains."""
    for name, member in value.items():
        if isinstance(member, dict) and member:
            yield f"{indent}{name}:"
            yield from _yaml(member, indent + "  ")
        else:
            yield f"{indent}{name}: {json.dumps(member)}"


if __name__ == "__main__":
    sys.stdout.write(text())
