"""The AsyncAPI document: the contract's Kafka side, drawn from the table of topics and the Avro schemas."""

from __future__ import annotations

import json
from typing import Any

import schemas
import streams
from streams import pipeline
from streams.settings import Settings

AVRO = "application/vnd.apache.avro+json;version=1.11.0"

# topic: (record, what we do with it, summary); topics not named here are internal
SPOKEN = {
    "uploads":         ("upload",         "receive", "Hear this audio."),
    "search-requests": ("search_request", "receive", "Find what is like this."),
    "features":        ("feature",        "send",    "An artifact was made or found; `index`: it is searchable."),
    "results":         ("search_result",  "send",    "What one query of a search found."),
    "dead-letters":    ("dead_letter",    "send",    "What was given up, byte for byte, and why."),
}  # fmt: skip


def document(settings: Settings) -> dict[str, Any]:
    """AsyncAPI 3.0, as a plain JSON object."""
    topics = {topic.name: topic for topic in pipeline.topics()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "soundtrace", "version": streams.__version__},
        "defaultContentType": "application/avro",
        "channels": {name: _channel(settings.topic_prefix, topics[name]) for name in SPOKEN},
        "operations": {
            f"{action}-{name}": {
                "action": action,
                "summary": summary,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{record}"}],
            }
            for name, (record, action, summary) in SPOKEN.items()
        },
        "components": {"messages": {record: _message(record, text) for record, _, text in SPOKEN.values()}},
    }


def _channel(prefix: str, topic: pipeline.Topic) -> dict[str, Any]:
    record = SPOKEN[topic.name][0]
    kept = {"retention.ms": int(topic.config["retention.ms"]), "cleanup.policy": ["delete"]}
    return {
        "address": prefix + topic.name,
        "messages": {record: {"$ref": f"#/components/messages/{record}"}},
        "bindings": {"kafka": {"partitions": topic.partitions, "topicConfiguration": kept}},
    }


def _message(record: str, summary: str) -> dict[str, Any]:
    schema = json.loads((schemas.FOLDER / f"{record}.avsc").read_text("utf-8"))
    return {
        "name": schema["name"],
        "summary": summary,
        "contentType": "application/avro",
        "headers": {
            "type": "object",
            "properties": {
                "ce_type": {"type": "string", "const": f"soundtrace.{record}.v1"},
                "ce_id": {"type": "string", "description": "the record's event_id: drop repeats by it"},
                "traceparent": {"type": "string"},
            },
        },
        "payload": {"schemaFormat": AVRO, "schema": schema},
        "bindings": {"kafka": {"key": {"type": "string"}}},
    }
