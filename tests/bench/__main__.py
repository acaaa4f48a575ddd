"""`ops/bench [NAME…]`: how fast it is, with what it is compared, where the time goes. Nothing here passes or fails."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.bench import report

OPTIONS: dict[str, tuple[str, ...]] = {  # of each benchmark
    "overhead": ("tracks",),
    "latency": ("searches", "load"),
    "pairs": ("uploads",),
    "encoders": (),
    "catalogue": ("sizes",),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="ops/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(OPTIONS)}; all when none is given")
    parser.add_argument("--tracks", type=int, default=40, help="overhead: ingested one by one, then all at once")
    parser.add_argument("--searches", type=int, default=30, help="latency: of each kind, idle and under load")
    parser.add_argument("--load", type=int, default=200, help="latency: tracks being ingested meanwhile")
    parser.add_argument("--uploads", type=int, default=96, help="pairs: files uploaded, one by one and four at once")
    parser.add_argument("--sizes", type=int, nargs="+", default=(100, 1_000, 10_000), help="catalogue: tracks")
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="folder of the JSON files")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(OPTIONS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that homes are taken down
    for name in asked.names or OPTIONS:
        said = [f"--{option} {_said(getattr(asked, option))}" for option in OPTIONS[name]]
        about = report.circumstances(" ".join(["ops/bench", name, *said]))
        print(f"\n── {name}: {about['machine']}, load {os.getloadavg()[0]:.1f}", flush=True)
        figures = asyncio.run(import_module(f"tests.bench.{name}").measure(asked))
        report.keep(name, asked.out, about, figures)


def _said(value: int | Sequence[int]) -> str:
    return str(value) if isinstance(value, int) else " ".join(map(str, value))


if __name__ == "__main__":
    main()
