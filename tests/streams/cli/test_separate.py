"""`soundtrace separate`: files of stems, and what there is of each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import signals
from tests.streams.cli.conftest import Run

CLIP = Path(__file__).parents[3] / "ops" / "clips" / "oh-susanna--banjo-bluegrass.m4a"


def test_a_file_becomes_four_that_sum_to_it_and_is_told_what_it_has(run: Run, tmp_path: Path) -> None:
    tune = signals.tune(repeats=1)
    (tmp_path / "tune.wav").write_bytes(signals.wav(tune))
    ended = run("separate", str(tmp_path / "tune.wav"), "--out", str(tmp_path / "stems"), "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["separator"].startswith("unet-")
    assert [stem["stem"] for stem in told["stems"]] == ["drums", "bass", "other", "vocals"]
    sounds = [soundfile.read(stem["file"], dtype="float32") for stem in told["stems"]]
    assert {rate_hz for _, rate_hz in sounds} == {22_050}
    together = np.sum([samples for samples, _ in sounds], axis=0)
    assert np.abs(together - (tune - tune.mean())).max() < 5e-3
    assert max(told["stems"], key=lambda stem: stem["relative_db"])["present"]


def test_a_track_without_vocals_says_so(run: Run, tmp_path: Path) -> None:
    ended = run("separate", str(CLIP), "--out", str(tmp_path))
    rows = [line.split("\t") for line in ended.out.splitlines()]
    assert rows[0][:2] == ["stem", "there"]
    assert {row[0]: row[1] for row in rows[1:]} == {"drums": "no", "bass": "yes", "other": "yes", "vocals": "no"}


def test_weights_that_nobody_fetched_are_named_with_what_brings_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDTRACE_SEPARATOR", "htdemucs")
    monkeypatch.setenv("SOUNDTRACE_MODELS", str(tmp_path))
    ended = run("separate", str(CLIP), "--out", str(tmp_path))
    assert ended.code == 2
    assert "SOUNDTRACE_SEPARATOR=htdemucs soundtrace separate --fetch" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_separate_is_wrong_usage(run: Run) -> None:
    assert run("separate").code == 2


def test_a_place_where_no_stems_can_be_written_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tune.wav").write_bytes(signals.wav(signals.tune(repeats=1)))
    (tmp_path / "taken").write_text("a file")
    ended = run("separate", str(tmp_path / "tune.wav"), "--out", str(tmp_path / "taken"))
    assert ended.code == 2
    assert "cannot be written" in ended.err
    assert "--out" in ended.err
