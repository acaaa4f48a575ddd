"""Kafka is enough: the programs under ops/examples, which import nothing of ours, against a running home."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.conftest import CLIPS, ROOT

if TYPE_CHECKING:
    from tests.live.conftest import RunningHome

pytestmark = pytest.mark.live

EXAMPLES = ROOT / "ops" / "examples"
CLIP = "drunken-sailor--rock-band.m4a"
WAIT_S = 180.0


def run_example(home: RunningHome, name: str, *arguments: str) -> dict[str, Any]:
    command = (sys.executable, str(EXAMPLES / name), home.kafka_bootstrap, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_producer_that_knows_only_topics_and_schemas_ingests_and_searches(home: RunningHome) -> None:
    clip = CLIPS / CLIP
    track = run_example(home, "upload.py", str(clip), "kafka-only")
    assert (track["filename"], track["blob_name"]) == (CLIP, clip.as_uri())

    result = run_example(home, "search.py", str(clip), "kafka-only")
    assert (result["status"], result["query_audio_id"]) == ("completed", clip.as_uri())
    assert [match["track_id"] for match in result["matches"]] == [track["track_id"]]
    assert result["matches"][0]["score"] >= 0.999  # the same bytes on both sides


def test_a_file_outside_the_allowed_places_ends_as_a_dead_letter_that_the_publisher_sees(home: RunningHome) -> None:
    outside = home.path / "ports.json"
    command = (sys.executable, str(EXAMPLES / "upload.py"), home.kafka_bootstrap, str(outside), "kafka-only")
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("uri-not-allowed: ")


@pytest.mark.parametrize("name", ["upload.py", "search.py"])
def test_the_examples_import_nothing_of_ours(name: str) -> None:
    tree = ast.parse((EXAMPLES / name).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {module.partition(".")[0] for module in imported} & {"streams", "models", "schemas"}
