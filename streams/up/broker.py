"""Apache Kafka as one local process: its storage, its configuration, its command line.

Nothing of Kafka's own scripts is used: they would add a shell between the supervisor and the Java process, and kill -9
of the shell would leave the broker behind.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import uuid
from pathlib import Path
from string import Template

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.errors import Unavailable
from streams.up.home import is_open

KAFKA = Path(__file__).resolve().parents[2] / "ops" / "kafka"

JVM = (
    "-Xmx384m",
    "-Xms128m",
    "-XX:+UseSerialGC",  # one machine, few records: less memory and a faster start than G1
    "-XX:TieredStopAtLevel=1",  # the broker's own CPU time is small; compiling it thoroughly is most of a start
    "-XX:+ExitOnOutOfMemoryError",  # a restarted broker is better than one that limps
    "-Djava.awt.headless=true",
)


def prepare(folder: Path, port: int, controller_port: int) -> None:
    """Makes `folder` ready for `command`: formats its storage once, writes its configuration at each start."""
    _need_java_and_jars()
    data = folder.resolve() / "data"
    data.mkdir(parents=True, exist_ok=True)
    template = Template((KAFKA / "server.properties").read_text())
    log_dir = json.dumps(str(data))[1:-1]  # Java reads these files as Latin-1 with \u escapes, as JSON writes them
    properties = template.substitute(port=port, controller_port=controller_port, log_dir=log_dir)
    (folder / "server.properties").write_text(properties)
    if not (data / "meta.properties").exists():  # Kafka writes it last; it holds the cluster's id ever after
        cluster = str(uuid.uuid4())
        _run("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(folder / "server.properties"))


def command(folder: Path) -> tuple[str, ...]:
    return _java("kafka.Kafka", str(folder.resolve() / "server.properties"))


def answers(bootstrap: str) -> bool:
    """Whether a broker gives its metadata there: an open port alone may be a broker that is not registered yet."""
    port = int(bootstrap.rpartition(":")[2])
    return is_open(port) and asyncio.run(_has_brokers(bootstrap))  # the client would log each refused connection


async def _has_brokers(bootstrap: str) -> bool:
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=2_000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except KafkaError:
        return False
    finally:
        await client.close()


def _java(main: str, *arguments: str) -> tuple[str, ...]:
    log_settings = f"-Dlog4j2.configurationFile={KAFKA / 'log4j2.properties'}"
    return ("java", *JVM, log_settings, "-cp", f"{KAFKA / 'lib'}/*", main, *arguments)


def _run(main: str, *arguments: str) -> None:
    done = subprocess.run(_java(main, *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"Kafka's {main} failed: {(done.stdout + done.stderr).strip()[-2_000:]}", "run ops/setup")


def _need_java_and_jars() -> None:
    if not shutil.which("java"):
        raise Unavailable("the Kafka broker needs Java, and there is no java on PATH", "run ops/setup")
    if not any((KAFKA / "lib").glob("kafka_*.jar")):
        raise Unavailable(f"the Kafka broker's jars are not in {KAFKA / 'lib'}", "run ops/setup")
