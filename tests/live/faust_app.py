"""A Faust app with Faust's own defaults, as a process that can be killed: `python -m tests.live.faust_app OPTIONS`.

OPTIONS is JSON: broker, topic, journal, and what a trap needs beyond: concurrency, noack, app (settings of faust.App).
Every event is a word. "slow:N" takes N seconds, "raise" raises, any other is done at once; the journal gets a line
"start WORD" and, at the end, "done WORD".
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import faust
from mode import Worker

from tests.live.processes import Journal


def app_of(options: dict[str, Any]) -> faust.App:
    app = faust.App(
        options["topic"],
        broker=f"kafka://{options['broker']}",
        web_enabled=False,
        autodiscover=False,
        topic_allow_declare=False,  # these five are not what is tried: they keep the app to its one topic
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.0,
        **options.get("app", {}),
    )
    topic = app.topic(options["topic"], value_serializer="json")
    journal = Journal(Path(options["journal"]))

    async def work(word: str) -> None:
        journal.note(f"start {word}")
        if word == "raise":
            raise ValueError("a bug")
        if word.startswith("slow:"):
            await asyncio.sleep(float(word.removeprefix("slow:")))
        journal.note(f"done {word}")

    async def acknowledged_by_faust(stream: Any) -> None:
        async for word in stream:
            await work(word)

    async def acknowledged_by_hand(stream: Any) -> None:
        async for event in stream.noack().events():
            await work(event.value)
            event.ack()

    agent = acknowledged_by_hand if options.get("noack") else acknowledged_by_faust
    app.agent(topic, concurrency=options.get("concurrency", 1))(agent)
    return app


if __name__ == "__main__":
    Worker(app_of(json.loads(sys.argv[1])), loglevel="INFO", redirect_stdouts=False).execute_from_commandline()
