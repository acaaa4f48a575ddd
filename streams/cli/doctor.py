"""`soundtrace doctor`: what this machine lacks, and what mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from streams.cli.output import AsJson, document, table
from streams.errors import SoundtraceError

if TYPE_CHECKING:
    from streams.settings import Settings

PYTHON, JAVA = (3, 11), 17
FREE_BYTES = 2 * 1024**3  # the broker alone keeps up to a few hundred megabytes
SETUP = "run ops/setup"
UP = "run `soundtrace up --detach`"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and when that is not well, what mends it."""

    name: str
    found: str
    remedy: str | None = None


def doctor(as_json: AsJson = False) -> None:
    """Tell what is missing, and the command that mends it."""
    findings = [*_machine(), *_home()]
    sick = [finding for finding in findings if finding.remedy]
    if as_json:
        document({"well": not sick, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [("missing" if one.remedy else "ok", one.name, one.found, one.remedy or "") for one in findings]
        table(("", "what", "found", "what to do"), rows)
    if sick:
        raise typer.Exit(1)


def _machine() -> Iterator[Finding]:
    here = sys.version_info[:2]
    yield _judged(
        "Python", ".".join(map(str, here)), here >= PYTHON, f"install Python {PYTHON[0]}.{PYTHON[1]}; {SETUP}"
    )
    lacking = sorted(_lacking_packages())
    yield _judged("packages", ", ".join(lacking) or "all there", not lacking, SETUP)
    java = _java_version()
    yield _judged("Java", str(java or "none on PATH"), java >= JAVA, f"install openjdk-{JAVA}-jre-headless, or {SETUP}")
    from streams.up.broker import KAFKA

    jars = len(list((KAFKA / "lib").glob("*.jar")))
    yield _judged("Kafka's jars", f"{jars} in ops/kafka/lib", jars > 0, SETUP)
    setpriv = _succeeds("setpriv", "--pdeathsig", "TERM", "true")
    yield _judged("setpriv", "there" if setpriv else "missing or too old", setpriv, "install util-linux 2.33 or later")


def _home() -> Iterator[Finding]:
    from streams.cli.place import settings_here
    from streams.up.home import Home
    from streams.up.processes import supervisor_pid

    try:
        settings = settings_here()
        home = Home.at(settings.home)
    except SoundtraceError as error:
        yield Finding("settings", error.message, error.remedy)
        return
    there = next(folder for folder in (home.path, *home.path.parents) if folder.exists())
    writable = there.is_dir() and os.access(there, os.W_OK)
    yield _judged("home", str(home.path), writable, "set SOUNDTRACE_HOME to a folder that you may write to")
    free = shutil.disk_usage(there).free
    room = f"make room, {FREE_BYTES / 1e9:.0f} GB at least, or set SOUNDTRACE_HOME to another disk"
    yield _judged("disk", f"{free / 1e9:.1f} GB free", free >= FREE_BYTES, room)
    yield _separator(settings)
    if supervisor_pid(home):
        yield from _running(home.path)
    elif ports := home.ports():
        yield from _ports(ports)
    else:
        yield Finding("services", "none runs here")


def _separator(settings: Settings) -> Finding:
    from models import separators
    from models.errors import WrongWeights
    from streams import cards

    card = cards.current_separator(settings.separator)
    try:
        separators.verified(card, cards.weights_folder(card, settings))
    except WrongWeights as error:
        return Finding("separator", error.message, error.remedy)
    return Finding("separator", f"{card.model_version}, its weights are there")


def _running(home: Path) -> Iterator[Finding]:
    from streams.up import status
    from streams.up.home import Home
    from streams.up.programs import everything

    now = status(home)
    for service, program in zip(now["services"], everything(Home.at(home), Home.at(home).ports()), strict=True):
        log = home / "logs" / f"{service['name']}.log"
        answers = service["state"] == "RUNNING" and program.ready()
        found = "answers" if answers else f"{service['state']}, does not answer"
        yield _judged(service["name"], found, answers, f"wait a moment, then read {log}")


def _ports(ports: Mapping[str, int]) -> Iterator[Finding]:
    from streams.up.home import is_open

    taken = sorted(f"{name} {port}" for name, port in ports.items() if is_open(port))
    yield Finding("services", "none runs here")
    yield Finding("ports", f"taken, `up` will choose others: {', '.join(taken)}" if taken else "free")


def _judged(name: str, found: str, well: bool, remedy: str) -> Finding:
    return Finding(name, found, None if well else remedy)


def _lacking_packages() -> Iterator[str]:
    """The packages that pyproject.toml names and this environment has not; what they need in turn, pip has seen to."""
    try:
        wanted = distribution("soundtrace").requires or []
    except PackageNotFoundError:
        yield "soundtrace"
        return
    for requirement in wanted:
        name = requirement.partition(";")[0].strip()
        name = name[: next((at for at, sign in enumerate(name) if sign in "[<>=!~ "), len(name))]
        if "extra ==" not in requirement:
            try:
                version(name)
            except PackageNotFoundError:
                yield name


def _java_version() -> int:
    """The major version; 0 when there is none."""
    with suppress(OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        said = subprocess.run(("java", "-version"), capture_output=True, text=True, timeout=20, check=True).stderr
        return int(said.split('"')[1].split(".")[0])
    return 0


def _succeeds(*command: str) -> bool:
    with suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    return False
