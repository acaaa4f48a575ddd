from __future__ import annotations

import configparser
from pathlib import Path

from streams import pipeline
from streams.up.home import Home
from streams.up.programs import Program, everything, port_names
from streams.up.supervisor import config, spawned_pids, starts


def read(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser


def test_every_program_dies_with_its_supervisor_and_takes_its_children_along(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    ports = {name: 20_000 + number for number, name in enumerate(port_names())}
    written = read(config(home, everything(home, ports)))
    programs = [section for section in written.sections() if section.startswith("program:")]

    assert len(programs) == 3 + len(pipeline.WORKERS)
    for name in programs:
        assert written[name]["command"].startswith("setpriv --pdeathsig TERM -- ")
        assert written[name]["stopasgroup"] == written[name]["killasgroup"] == written[name]["autorestart"] == "true"


def test_a_worker_gets_its_stages_its_lane_and_a_metrics_port_of_its_own(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    ports = {name: 20_000 + number for number, name in enumerate(port_names())}
    written = read(config(home, everything(home, ports)))

    for worker in pipeline.WORKERS:
        section = written[f"program:worker-{worker.name}"]
        role = f"soundtrace worker {' '.join(worker.stages)} --lane {worker.lane} --child-nice {worker.child_nice}"
        assert section["command"].endswith(role)
        assert section["environment"] == f'SOUNDTRACE_METRICS_PORT="{ports[f"metrics-{worker.name}"]}"'


def test_the_broker_stops_last_and_the_api_first(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    programs = everything(home, dict.fromkeys(port_names(), 20_000))

    by_stop = [program.name for program in sorted(programs, key=lambda program: -program.priority)]
    assert (by_stop[0], by_stop[-1]) == ("api", "kafka")


def test_blanks_and_percent_signs_in_a_command_reach_the_program(tmp_path: Path) -> None:
    program = Program("p", ("echo", "a b", "100%"), lambda: True, priority=1, stop_wait_s=1, start_s=1)

    assert "-- echo 'a b' 100%%\n" in config(Home.at(tmp_path), [program])


def test_starts_are_counted_and_pids_remembered_from_supervisords_own_log(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.logs.mkdir()
    (home.logs / "supervisord.log.1").write_text("2026 INFO spawned: 'kafka' with pid 11\n")
    (home.logs / "supervisord.log").write_text(
        "2026 WARN exited: kafka (terminated by SIGKILL; not expected)\n"
        "2026 INFO spawned: 'kafka' with pid 12\n2026 INFO spawned: 'api' with pid 13\n"
    )

    assert starts(home) == {"kafka": 2, "api": 1}
    assert spawned_pids(home) == {11, 12, 13}
