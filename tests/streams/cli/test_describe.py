from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.quality.clips import clips
from tests.streams.cli.conftest import Run

RATE_HZ = 22_050


@pytest.fixture
def twice(tmp_path: Path) -> str:
    """Twelve seconds of a recording, two of silence, and the same twelve again."""
    once = clips()[0].samples()[5 * RATE_HZ : 17 * RATE_HZ]
    path = tmp_path / "twice.wav"
    soundfile.write(path, np.concatenate([once, np.zeros(2 * RATE_HZ, np.float32), once]), RATE_HZ)
    return str(path)


def test_sections_cover_the_file_and_a_melody_is_told_where_it_returns(run: Run, twice: str) -> None:
    told = json.loads(run("describe", twice, "--json").out)
    sections = told["sections"]
    assert (sections[0]["start_s"], sections[-1]["end_s"]) == (0.0, pytest.approx(26.0, abs=0.1))
    assert all(a["end_s"] == b["start_s"] for a, b in pairwise(sections))
    places = [[start_s for start_s, _ in one["occurrences"]] for one in told["motifs"]["full_audio"]]
    assert any(b - a == pytest.approx(14.0, abs=0.3) for some in places for a in some for b in some)
    assert all(one["confidence"] >= 0.99 for one in told["motifs"]["full_audio"])


def test_a_table_has_a_row_for_each(run: Run, twice: str) -> None:
    lines = [line.split("\t") for line in run("describe", twice).out.splitlines()]
    assert lines[0][:2] == ["section", "letter"]
    assert ["melody", "in", "sure", "times"] in [line[:4] for line in lines]
