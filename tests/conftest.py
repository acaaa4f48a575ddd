"""What tests of several folders share."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
import structlog

from streams.up import broker as kafka
from streams.up.home import Home

BROKER_START_S = 60.0


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n`, a file's tests stay together, and so do all that share the one running home."""
    for item in items:
        shares_home = "home" in getattr(item, "fixturenames", ()) and "live" in item.path.parts
        item.add_marker(pytest.mark.xdist_group("home" if shares_home else item.nodeid.partition("::")[0]))


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A role that a test runs sets how logs are written; the next test must not write to its closed output."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of a real Kafka broker, one for the whole run: give your topics names of their own."""
    home = Home(tmp_path_factory.mktemp("broker"))
    ports = home.choose_ports(("kafka", "controller"))
    bootstrap = f"127.0.0.1:{ports['kafka']}"
    kafka.prepare(home.path, ports["kafka"], ports["controller"])
    with (home.path / "log").open("w") as log:
        process = subprocess.Popen(("setpriv", "--pdeathsig", "KILL", "--", *kafka.command(home.path)), stdout=log)
    try:
        deadline = time.monotonic() + BROKER_START_S
        while not kafka.answers(bootstrap):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the broker did not start: {(home.path / 'log').read_text()[-2_000:]}")
            time.sleep(0.1)
        yield bootstrap
    finally:
        process.kill()  # its data are thrown away: no need to wait for a clean stop
        process.wait()
