"""Search over Kafka alone: publish a `SearchRequest`, print its `SearchResult`.

    python ops/examples/search.py BOOTSTRAP FILE DATASET

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


async def main(bootstrap, query_uri, dataset):
    job_id = f"example-{uuid.uuid4()}"
    request = {
        "event_id": job_id,
        "tenant": "local",
        "requested_at": datetime.now(UTC),
        "job_id": job_id,
        "search_type": "1:n",
        "limit": 3,
        "query_uri": query_uri,
        "candidate_dataset_name": dataset,
    }
    results = AIOKafkaConsumer("results", bootstrap_servers=bootstrap)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer, results:
        await results.seek_to_end()  # before publishing, so that nothing of ours is missed
        await producer.send_and_wait("search-requests", encode(request, schema("search_request")), key=job_id.encode())
        result_schema = schema("search_result")
        while True:
            result = decode((await results.getone()).value, result_schema)
            if result["job"]["id"] == job_id:  # one query, so one result
                return result


if __name__ == "__main__":
    bootstrap, file, dataset = sys.argv[1:]
    result = asyncio.run(main(bootstrap, Path(file).resolve().as_uri(), dataset))
    print(json.dumps(result, indent=2, default=str))
    sys.exit(result["status"] != "completed")
