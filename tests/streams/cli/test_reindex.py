from __future__ import annotations

from tests.streams.cli.conftest import Run


def test_a_switch_and_a_mending_exclude_each_other(run: Run) -> None:
    ended = run("reindex", "music", "--switch", "--missing")
    assert (ended.code, ended.out) == (2, "")
    assert "exclude each other" in ended.err


def test_without_an_index_it_says_so(run: Run) -> None:
    ended = run("reindex", "--switch")
    assert ended.code == 2
    assert "index" in ended.err
