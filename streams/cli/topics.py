"""`soundtrace topics`: the topics that the pipeline's table makes, and who reads them."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from streams.cli.output import AsJson, document, table, tell


def topics(
    create: Annotated[bool, typer.Option("--create", help="Make those that the broker lacks.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the Kafka topics, and who reads them."""
    from streams import pipeline
    from streams.cli.place import settings_here
    from streams.projector import SOURCES
    from streams.topics import create_topics, full_name

    settings = settings_here()
    if create:
        asyncio.run(create_topics(settings))
        tell(f"all topics are there on {settings.kafka_bootstrap}")
    columns = ("topic", "partitions", "retention_days", "read_by")
    rows = []
    for topic in pipeline.topics():
        readers = [consumer.group for consumer in pipeline.consumers() if consumer.topic == topic.name]
        readers += ["api"] if topic.name in SOURCES else []
        rows.append((full_name(topic.name, settings), topic.partitions, topic.retention_days, readers))
    if as_json:
        document({"topics": [dict(zip(columns, row, strict=True)) for row in rows]})
    else:
        table(columns, [(*row[:3], ", ".join(row[3])) for row in rows])
