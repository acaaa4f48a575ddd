"""What a benchmark prints and keeps: aligned tables, and one small JSON file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llvmlite.binding import get_host_cpu_name

RESULTS = Path(__file__).with_name("results")
Cell = str | float | None


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """The first column is words, the others are figures; None shows as a dash."""
    lines = [list(header), *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    print(f"\n{title}")
    for line in lines:
        figures = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        print("  ".join([line[0].ljust(widths[0]), *figures]), flush=True)


def ratio(pipeline: float, baseline: float | None) -> str | None:
    return f"{pipeline / baseline:.2f}" if baseline else None


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that `percent` of all do not exceed; the largest where there are few."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def rounded(figures: Any) -> Any:
    """The same, its numbers at most four digits behind the point."""
    match figures:
        case dict():
            return {name: rounded(value) for name, value in figures.items()}
        case list() | tuple():
            return [rounded(value) for value in figures]
        case float():
            return round(figures, 4)
        case _:
            return figures


def circumstances(command: str) -> dict[str, Any]:
    """Where and when; taken before the benchmark begins, so that the load is that of others."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "command": command,
        "machine": {
            "processor": get_host_cpu_name(),  # its kind, by which it is known what vectors it has
            "cores": os.cpu_count(),
            "memory_gib": round(memory_bytes / 2**30, 1),
            "python": platform.python_version(),
        },
        "load_average_at_start": os.getloadavg(),
    }


def keep(name: str, folder: Path, about: dict[str, Any], figures: dict[str, Any]) -> Path:
    """Write `<date>-<name>.json`; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{about['date'][:10]}-{name}.json"
    path.write_text(json.dumps(rounded({**about, **figures}), indent=1) + "\n")
    print(f"\nwritten: {path.name}", flush=True)
    return path


def _shown(cell: Cell) -> str:
    match cell:
        case None:
            return "–"
        case float():
            return f"{cell:.1f}" if abs(cell) < 1_000 else f"{cell:.0f}"
        case _:
            return str(cell)
