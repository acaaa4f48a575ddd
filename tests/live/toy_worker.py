"""A real worker with a toy agent in the place of decode's, as a process: `python -m tests.live.toy_worker OPTIONS`.

OPTIONS is JSON: journal and settings. Broker, Faust, adapter, delivery, drain and catalogue are real; the index and the
heavy child are left out. What the agent does follows from the name of its audio: "slow-N" takes N seconds, "stuck" for
ever at its first start, "raise" raises, "bad" is bad audio, "away-N" finds its store away for N seconds, any other is
done at once. Each says one Feature.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import types
from pathlib import Path
from typing import Any

from streams import worker
from streams.errors import Invalid, Unavailable
from streams.records import Audio
from streams.settings import Settings
from streams.stage import StageContext
from streams.stores.memory import ExactVectors
from tests.live.processes import Journal


class NoChild:
    """In the place of the heavy child."""

    def __init__(self, **_: Any) -> None: ...

    async def start(self) -> None: ...

    def close(self) -> None: ...


def toy(journal: Journal) -> types.ModuleType:
    began: dict[str, float] = {}

    async def decode(audio: Audio, stage: StageContext) -> None:
        name = audio.filename
        kind, _, number = name.partition("-")
        journal.note(f"start {name}")
        match kind:
            case "slow":
                await asyncio.sleep(float(number))
            case "stuck" if journal.lines.count(f"start {name}") == 1:
                await asyncio.Event().wait()
            case "raise":
                raise ZeroDivisionError("a bug")
            case "bad":
                raise Invalid(f"'{name}' is no audio", "send it again", code="audio-undecodable")
            case "away":
                if time.monotonic() - began.setdefault(name, time.monotonic()) < float(number):
                    raise Unavailable("the store is away")
        stage.say(stage.feature(audio, "envelope", seconds_taken=0.0), "features")
        journal.note(f"done {name}")

    module = types.ModuleType("streams.agents.decode")
    module.decode = decode  # type: ignore[attr-defined]
    return module


def main(options: dict[str, Any]) -> int:
    logging.basicConfig(level=logging.INFO)
    sys.modules["streams.agents.decode"] = toy(Journal(Path(options["journal"])))
    worker.Heavy = NoChild  # type: ignore[assignment,misc]
    worker.MilvusVectors = lambda _: ExactVectors()  # type: ignore[assignment,misc]
    return asyncio.run(worker.run(["decode"], "bulk", Settings(**options["settings"])))


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
