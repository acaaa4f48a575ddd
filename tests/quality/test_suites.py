"""That every measurement can be begun: each takes too long to be a test, and what one of them imports may go."""

from importlib import import_module

import pytest

from tests.quality.__main__ import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_is_there_with_what_it_needs(name):
    assert callable(import_module(f"tests.quality.{name}").measure)
