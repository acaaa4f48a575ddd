"""The Avro schemas, one file per record, and how to find them by name or by fingerprint.

`<record>.avsc` is what we write. `released/<version>/` keeps every version that ever left the house: those are read
for ever, and the current ones must stay backward compatible with them (tests/schemas).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.avsc")))


def read(path: Path) -> dict[str, Any]:
    """A parsed schema; every file stands alone."""
    schema = parse_schema(json.loads(path.read_text("utf-8")), named_schemas={})
    assert isinstance(schema, dict)
    return schema


@cache
def schema(name: str) -> dict[str, Any]:
    """The current schema of a record, by file name: `upload`, `search_request`, …"""
    return read(FOLDER / f"{name}.avsc")


def schema_fingerprint(parsed: dict[str, Any] | str) -> bytes:
    """CRC-64-AVRO of the parsing canonical form, 8 bytes, little-endian: as single-object encoding carries it."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO"))


@cache
def by_fingerprint() -> dict[bytes, tuple[str, dict[str, Any]]]:
    """Fingerprint to (record name, writer schema) for every version ever released and the current ones."""
    paths = [*sorted(FOLDER.glob("released/*/*.avsc")), *sorted(FOLDER.glob("*.avsc"))]
    parsed = [(path.stem, read(path)) for path in paths]
    return {schema_fingerprint(found): (name, found) for name, found in parsed}
