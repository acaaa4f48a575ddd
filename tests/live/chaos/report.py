"""The figures of a run of the delivery suite, as they are committed."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from streams.up.broker import KAFKA
from tests.live.chaos.verify import Figures

RESULTS = Path(__file__).parents[1] / "results" / "delivery.json"
PACKAGES = ("faust-streaming", "aiokafka", "milvus-lite")


class Report:
    """Collects scenarios; only a run of the whole suite is worth writing."""

    def __init__(self) -> None:
        self.is_whole = False
        self._figures: list[Figures] = []

    def add(self, figures: Figures) -> None:
        self._figures.append(figures)

    def write(self) -> None:
        if not self.is_whole:
            return
        told = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": _machine(),
            "scenarios": [asdict(figures) for figures in self._figures],
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(told, indent=2) + "\n")


def _machine() -> dict[str, object]:
    (kafka,) = (path.stem.rpartition("-")[2] for path in (KAFKA / "lib").glob("kafka_2*.jar"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "python": platform.python_version(),
        "kafka": kafka,
        **{name: version(name) for name in PACKAGES},
    }
