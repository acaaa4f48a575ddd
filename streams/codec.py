"""Records to bytes and back: Avro single-object encoding, CloudEvents headers, W3C trace context.

Single-object encoding is `C3 01`, the 8-byte fingerprint of the writer's schema, the body (Avro 1.11 specification):
it needs no registry, and a reader knows at once whether it has met the schema before.
"""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from fastavro import schemaless_reader, schemaless_writer

import schemas
from streams.errors import Invalid
from streams.records import Record, build, now

MARKER = b"\xc3\x01"
Headers = list[tuple[str, bytes]]
_TRACEPARENT = re.compile(rb"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")


def encode(record: Record) -> bytes:
    """A record as single-object Avro, by the current schema."""
    schema = schemas.schema(record.schema_name)
    body = io.BytesIO()
    schemaless_writer(body, schema, record.model_dump())
    return MARKER + schemas.schema_fingerprint(schema) + body.getvalue()


def decode(value: bytes | None, *expected: str) -> Record:
    """The record in `value`, read by its writer's schema and resolved to the current one.

    Raises: `Invalid` `undecodable-record` when the bytes are none of the `expected` records,
        `validation-failed` when they decode but break the contract.
    """
    remedy = "publish Avro single-object encoding of a released schema (schemas/*.avsc)"
    if value is None or value[:2] != MARKER:
        seen = "null" if value is None else f"{len(value)} bytes that do not start with C3 01"
        raise Invalid(f"the record's value is {seen}", remedy, code="undecodable-record")
    name, writer = schemas.by_fingerprint().get(value[2:10], ("", {}))
    if name not in expected:
        found = f"a {name}" if name else f"of unknown schema fingerprint {value[2:10].hex()}"
        raise Invalid(f"the record is {found}, expected {' or '.join(expected)}", remedy, code="undecodable-record")
    body = io.BytesIO(value[10:])
    try:
        fields = schemaless_reader(body, writer, schemas.schema(name))
    except Exception as error:  # noqa: BLE001 - a reader of arbitrary bytes may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise Invalid(f"the {name}'s body does not decode ({reason})", remedy, code="undecodable-record") from None
    if body.read(1):
        raise Invalid(f"the {name} is followed by surplus bytes", remedy, code="undecodable-record")
    assert isinstance(fields, dict)
    return build(name, fields)


def cloud_event(record: Record, subject: str, incoming: Iterable[tuple[str, bytes]] = ()) -> Headers:
    """The headers of a record we write (CloudEvents 1.0, binary mode), its trace context taken over from `incoming`."""
    fields: Mapping[str, Any] = record.model_dump(include={"event_id"})
    name = record.schema_name
    plain = {
        "content-type": "application/avro",
        "ce_specversion": "1.0",
        "ce_type": f"soundtrace.{name}.v1",
        "ce_source": "soundtrace",
        "ce_id": fields["event_id"],
        "ce_time": now().isoformat().replace("+00:00", "Z"),
        "ce_subject": subject,
        "ce_dataschema": f"urn:soundtrace:schema:{name}:{schemas.schema_fingerprint(schemas.schema(name)).hex()}",
    }
    return [(key, value.encode()) for key, value in plain.items()] + trace_context(incoming)


def trace_context(incoming: Iterable[tuple[str, bytes]] = ()) -> Headers:
    """`traceparent` and `tracestate` as they came; a new trace where none came or a wrong one did."""
    given = dict(incoming)
    traceparent = given.get("traceparent", b"")
    if not _TRACEPARENT.match(traceparent):
        return [("traceparent", f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01".encode())]
    state = given.get("tracestate")
    return [("traceparent", traceparent)] + ([("tracestate", state)] if state else [])
