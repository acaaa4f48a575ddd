from __future__ import annotations

from pathlib import Path

from streams import pipeline
from streams.compose import compose, text

COMMITTED = Path(__file__).resolve().parents[2] / "docker-compose.yml"


def test_the_committed_file_is_what_the_tables_say() -> None:
    assert COMMITTED.read_text() == text(), "run: python -m streams.compose > docker-compose.yml"


def test_there_is_one_service_per_stage_and_lane_beside_broker_index_and_api() -> None:
    workers = [f"{consumer.stage.name}-{consumer.lane}" for consumer in pipeline.consumers()]
    assert list(compose()["services"]) == ["broker", "milvus", "api", *workers]


def test_every_volume_is_declared() -> None:
    used = {volume.partition(":")[0] for one in compose()["services"].values() for volume in one.get("volumes", ())}
    assert used == set(compose()["volumes"])


def test_only_the_api_is_reached_from_outside_and_only_from_this_machine() -> None:
    published = {name: one["ports"] for name, one in compose()["services"].items() if "ports" in one}
    assert list(published) == ["api"]
    assert all(port.startswith("127.0.0.1:") for port in published["api"])
