from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.up import down
from streams.up.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home of its own, with nothing left running after the test."""
    home = Home.at(tmp_path / "home")
    yield home
    down(home.path, wait_s=30.0)
