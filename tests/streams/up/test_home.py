from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from streams.errors import Invalid
from streams.up.home import Home

NAMES = ("kafka", "controller", "milvus", "api")


def a_home(folder: Path) -> Home:
    folder.mkdir(exist_ok=True)
    return Home.at(folder)


def test_two_homes_get_different_ports(tmp_path: Path) -> None:
    first, second = a_home(tmp_path / "first"), a_home(tmp_path / "second")
    with_listeners = []
    for port in first.choose_ports(NAMES).values():
        listener = socket.create_server(("127.0.0.1", port))
        with_listeners.append(listener)

    assert not {*first.ports().values()} & {*second.choose_ports(NAMES).values()}
    assert len({*second.ports().values()}) == len(NAMES)
    for listener in with_listeners:
        listener.close()


def test_ports_are_kept_from_one_start_to_the_next(tmp_path: Path) -> None:
    home = a_home(tmp_path)

    assert home.choose_ports(NAMES) == home.choose_ports(NAMES) == home.ports()


def test_a_port_that_somebody_took_meanwhile_is_chosen_again_and_the_others_stay(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    before = home.choose_ports(NAMES)
    with socket.create_server(("127.0.0.1", before["api"])):
        after = home.choose_ports(NAMES)

    assert after["api"] != before["api"]
    assert {**after, "api": 0} == {**before, "api": 0}


def test_one_port_is_not_given_to_two_names_even_if_the_record_says_so(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    (tmp_path / "ports.json").write_text('{"kafka": 21999, "api": 21999}')

    assert len({*home.choose_ports(("kafka", "api")).values()}) == 2


def test_the_api_key_is_asked_for_recorded_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    asked: list[str | None] = []

    def ensure_key(recorded: str | None) -> str:
        asked.append(recorded)
        return recorded or "st_secret"

    home.keep_api_key(ensure_key)
    home.keep_api_key(ensure_key)

    assert asked == [None, "st_secret"]
    assert home.api_key() == "st_secret"
    assert (tmp_path / "api_key").stat().st_mode & 0o777 == 0o600


def test_a_path_too_long_for_a_socket_in_it_has_its_socket_elsewhere_and_always_the_same(tmp_path: Path) -> None:
    home = Home.at(tmp_path / ("x" * 100))
    assert len(os.fsencode(home.socket)) < 107
    assert home.socket == Home.at(tmp_path / ("x" * 100)).socket
    assert home.socket != Home.at(tmp_path / ("y" * 100)).socket


@pytest.mark.parametrize("name", ["a;b", "a#b", "a,b"])
def test_a_path_that_the_broker_or_the_supervisor_could_not_use_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="SOUNDTRACE_HOME"):
        Home.at(tmp_path / name)
