"""The baseline: the pure functions of `models/` in a loop in one process, without broker, store, index or API.

A process of its own, with the environment that the workers get, asked for one piece of work at a time over its pipes:
so it can be measured between two pieces of the pipeline's work, and drifts of the machine meet both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "KMP_BLOCKTIME": "0"}


class Pure:
    """Use with `with`. Times are of the wall clock; `cpu_s` is what the process really ran."""

    def __enter__(self) -> Self:
        command = (sys.executable, "-m", "tests.bench.pure")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, **pipes)
        self._answer()  # warm
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def hear(self, path: Path) -> dict[str, float]:
        """Seconds for `decode`, `encode` and `pack` of a file. What was heard is kept for `compare`."""
        return self._ask(["hear", str(path)])

    def compare(self, query: Path, candidates: Iterable[Path]) -> dict[str, float]:
        """Seconds for `compare`: one query with each of the candidates, all heard before."""
        return self._ask(["compare", str(query), [str(path) for path in candidates]])

    def _ask(self, asked: Any) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer


# ── In the process ───────────────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    from models import hear
    from models.verdict import Features, compare_many, preliminary
    from streams import cards
    from streams.artifacts import pack
    from streams.settings import Settings

    card = cards.current("type2")
    hear.warm(card)
    heard: dict[str, Features] = {}
    in_full = Settings.model_fields["compared_in_full"].default

    def hear_one(path: str) -> dict[str, float]:
        data = Path(path).read_bytes()
        clock = [time.perf_counter()]
        decoded = hear.decode_track(data, 300.0)
        clock.append(time.perf_counter())
        encoded = hear.encode_track(decoded.flac, card)
        clock.append(time.perf_counter())
        for array in (decoded.envelope, encoded.cqt, encoded.latents):
            pack(array, {})
        clock.append(time.perf_counter())
        heard[path] = Features(encoded.cqt, encoded.latents, decoded.duration_s)
        steps = zip(("decode", "encode", "pack"), clock, clock[1:], strict=False)
        return {name: end - begin for name, begin, end in steps}

    def compare(query: str, candidates: list[str]) -> dict[str, float]:
        began = time.perf_counter()
        against = [heard[path] for path in candidates]
        ranked = preliminary([heard[query]], against, card)[0].argsort()[::-1]
        list(compare_many(heard[query], [against[place] for place in ranked[:in_full]], card))
        return {"compare": time.perf_counter() - began}

    _say({})
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        began = time.process_time()
        told = {"hear": hear_one, "compare": compare}[what](*arguments)
        _say({**told, "cpu": time.process_time() - began})


def _say(answer: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
