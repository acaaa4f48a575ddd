from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.streams.cli.conftest import Run

RATE_HZ = 22_050


@pytest.fixture
def tune(tmp_path: Path) -> str:
    """Twenty seconds of changing notes."""
    rng = np.random.default_rng(1)
    time_s = np.arange(RATE_HZ // 2) / RATE_HZ
    notes = [np.sin(2 * np.pi * 220 * 2 ** (semitones / 12) * time_s) for semitones in rng.integers(0, 24, 40)]
    path = tmp_path / "tune.wav"
    soundfile.write(path, 0.5 * np.concatenate(notes), RATE_HZ)
    return str(path)


def test_a_file_is_the_same_as_itself_from_its_first_second_to_its_last(run: Run, tune: str) -> None:
    told = json.loads(run("compare", tune, tune, "--json").out)
    assert told["payload"]["metric"] == "max_then_mean_qmax"
    evidence = told["evidence"][0]
    assert told["score"] >= 0.999
    assert (evidence["transposition_semitones"], evidence["tempo_ratio"]) == (0, 1.0)
    assert evidence["query_start_s"] == evidence["candidate_start_s"]


def test_silence_is_like_nothing_and_the_reason_is_told(run: Run, tune: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(10 * RATE_HZ), RATE_HZ)
    ended = run("compare", str(tmp_path / "silence.wav"), tune)
    assert ended.out.splitlines()[1] == "silence.wav\ttune.wav\t0.000\tno_relation\t–\t–\t–"
    assert ended.err == "The query is silent.\n"


def test_what_is_no_audio_is_named_with_its_reason(run: Run, tune: str, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("words")
    ended = run("compare", tune, str(tmp_path / "text.wav"))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"soundtrace: {tmp_path}/text.wav: ")
