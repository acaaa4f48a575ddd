"""The command line of training knows every step that its help names."""

from __future__ import annotations

import re

import pytest

from models.training import __main__ as training

STEPS = re.findall(r"^(\w+)(?: NAME)? {2,}", training.__doc__ or "", re.MULTILINE)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_the_help_can_be_asked_for(step, monkeypatch):
    monkeypatch.setattr("sys.argv", ["training", step])
    assert training._arguments().step == step


def test_the_help_names_steps():
    assert {"tunes", "stems", "voice", "all"} <= set(STEPS)
