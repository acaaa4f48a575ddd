"""Ingest over Kafka alone: publish an `Upload`, wait until the track is searchable.

    python ops/examples/upload.py BOOTSTRAP FILE DATASET

All it knows are topic names and schemas. The pipeline must be allowed to read FILE:
SOUNDTRACE_ALLOWED_PREFIXES=file:///where/it/lies
"""

import asyncio
import io
import json
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import fastavro
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def schema(name):
    return fastavro.parse_schema(json.loads((SCHEMAS / f"{name}.avsc").read_text()))


def encode(record, schema):
    """Avro single-object encoding: two bytes that mark it, eight that name the schema, the record."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    body = io.BytesIO(b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")))
    body.seek(10)
    fastavro.schemaless_writer(body, schema, record)
    return body.getvalue()


def decode(value, schema):
    return fastavro.schemaless_reader(io.BytesIO(value[10:]), schema)


async def main(bootstrap, blob_uri, dataset):
    job_id = f"example-{uuid.uuid4()}"
    upload = {
        "event_id": job_id,
        "tenant": "local",
        "dataset_name": dataset,
        "blob_uri": blob_uri,
        "job": {"id": job_id, "index": 0, "size": 1},
        "requested_at": datetime.now(UTC),
    }
    outcomes = AIOKafkaConsumer("features", "dead-letters", bootstrap_servers=bootstrap)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer, outcomes:
        await outcomes.seek_to_end()  # before publishing, so that nothing of ours is missed
        await producer.send_and_wait("uploads", encode(upload, schema("upload")), key=f"local/{blob_uri}".encode())
        schemas = {"features": schema("feature"), "dead-letters": schema("dead_letter")}
        while True:
            record = await outcomes.getone()
            told = decode(record.value, schemas[record.topic])
            if (told["job"] or {}).get("id") != job_id:
                continue  # somebody else's
            if record.topic == "dead-letters":
                sys.exit(f"{told['error_code']}: {told['message']}: {told['remedy']}")
            if told["kind"] == "index":  # always the last feature of a track
                return told["track"]


if __name__ == "__main__":
    bootstrap, file, dataset = sys.argv[1:]
    track = asyncio.run(main(bootstrap, Path(file).resolve().as_uri(), dataset))
    print(json.dumps(track, indent=2, default=str))
