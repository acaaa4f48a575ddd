"""What holds for the whole command line, and the verbs that need nothing running."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streams import cli, pipeline
from streams.errors import Unavailable
from streams.settings import settings
from tests.streams.cli.conftest import Run
from tests.streams.cli.fake_api import FakeApi

HEAVY = ("aiohttp", "aiokafka", "faust", "librosa", "numpy", "pydantic", "pymilvus", "rich", "sqlalchemy")


def test_help_lists_every_verb_in_one_line_and_loads_nothing_heavy() -> None:
    told = f"import sys; from streams import cli; print([name for name in {HEAVY} if name in sys.modules])"
    loaded = subprocess.run((sys.executable, "-c", told), capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_every_verb_has_a_help_of_one_line_that_fits(run: Run) -> None:
    ended = run("--help")
    assert ended.code == 0
    lines = re.findall(r"^  (\w+) +(\S.*)$", ended.out.partition("Commands:")[2], re.MULTILINE)
    assert len(lines) == len(cli.VERBS) + 1  # and `keys`, which has verbs of its own
    assert not [help_ for _, help_ in lines if help_.endswith("...")]


@pytest.mark.parametrize("arguments", [("jobs",), ("ingest", "a.wav", "-d", "x"), ("search", "a", "--in", "b")])
def test_without_a_server_the_way_to_one_is_told(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("soundtrace: nothing runs in ")
    assert "soundtrace up --detach" in ended.err


def test_a_server_that_is_not_there_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDTRACE_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SOUNDTRACE_API_KEY", "st_any")
    ended = run("jobs")
    assert ended.code == 2
    assert ended.err.startswith("soundtrace: the API at http://127.0.0.1:9 does not answer: ")


def test_a_setting_without_sense_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDTRACE_API_PORT", "many")
    ended = run("topics")
    assert ended.code == 2
    assert ended.err.startswith("soundtrace: SOUNDTRACE_API_PORT: ")


def test_a_fault_of_ours_is_a_sentence_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.cli.place.configured", lambda: 1 / 0)
    ended = run("status")
    assert ended.code == 2
    assert re.fullmatch(r"soundtrace: ZeroDivisionError in test_cli\.py, line \d+: .*\n", ended.err)


def test_several_tasks_that_fail_for_one_reason_tell_it_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ExceptionGroup("tasks", [Unavailable("it is gone", "wait"), Unavailable("it is gone", "wait")])

    monkeypatch.setattr("streams.cli.place.configured", fail)
    assert run("status").err == "soundtrace: it is gone: wait\n"


def test_jobs_are_listed_shown_and_cancelled(run: Run, api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"sound")
    run("ingest", str(tmp_path / "song.wav"), "-d", "x")
    listed = run("jobs").out.splitlines()
    assert listed[1] == "ingest_job_0\tingest\tcompleted\t2026-01-01T00:00:00Z\t1/2 files\t"
    assert json.loads(run("jobs", "ingest_job_0", "--json").out)["job_id"] == "ingest_job_0"
    assert "status\tcancelled" in run("jobs", "ingest_job_0", "--cancel").out
    assert run("jobs", "--cancel").code == 2
    unknown = run("jobs", "gone")
    assert (unknown.code, unknown.err) == (2, "soundtrace: there is no such job: list yours\n")


def test_topics_are_those_of_the_table_with_their_readers(run: Run) -> None:
    told = json.loads(run("topics", "--json").out)["topics"]
    assert [row["topic"] for row in told] == [topic.name for topic in pipeline.topics()]
    assert told[0] == {
        "topic": "uploads",
        "partitions": 8,
        "retention_days": 7,
        "read_by": ["soundtrace.bulk.accept", "api"],
    }


def test_keys_are_made_listed_and_revoked(run: Run) -> None:
    made = run("keys", "make", "--tenant", "studio", "--scope", "read", "--days", "3")
    assert made.out.startswith("st_")
    (key,) = json.loads(run("keys", "list", "--json").out)["keys"]
    assert (key["tenant"], key["scopes"], key["state"]) == ("studio", "read", "open")
    assert run("keys", "revoke", key["id"]).code == 0
    assert json.loads(run("keys", "list", "--json").out)["keys"][0]["state"] == "revoked"
    assert run("keys", "revoke", "000000000000").code == 2
    assert run("keys", "make", "--scope", "fly").code == 2


def test_status_of_a_home_that_was_never_up_is_an_answer(run: Run) -> None:
    ended = run("status", "--json")
    assert (ended.code, json.loads(ended.out)["ready"]) == (0, False)


def test_doctor_names_what_is_missing_and_what_mends_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    ended = run("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(ended.out)["findings"]}
    assert ended.code == 1
    assert findings["Java"]["remedy"] == "install openjdk-17-jre-headless, or run ops/setup"
    assert findings["setpriv"]["remedy"] == "install util-linux 2.33 or later"
    assert findings["home"]["remedy"] is None


def test_doctor_names_a_separator_that_was_not_fetched(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {one["name"]: one for one in json.loads(run("doctor", "--json").out)["findings"]}
    assert told["separator"]["remedy"] is None
    monkeypatch.setenv("SOUNDTRACE_SEPARATOR", "htdemucs")
    settings.cache_clear()
    ended = run("doctor", "--json")
    told = {one["name"]: one for one in json.loads(ended.out)["findings"]}
    assert ended.code == 1
    assert "SOUNDTRACE_SEPARATOR=htdemucs soundtrace separate --fetch" in told["separator"]["remedy"]


def test_replay_wants_to_be_told_which(run: Run) -> None:
    assert run("replay").code == 2


def test_a_stage_that_its_lane_has_not_is_told(run: Run) -> None:
    ended = run("worker", "index", "--lane", "live")
    assert ended.code == 2
    assert "there is no stage index on lane 'live'" in ended.err
