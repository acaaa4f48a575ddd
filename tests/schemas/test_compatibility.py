"""What was released is read for ever, and a schema changes only in ways that its readers survive."""

import io
import json

import pytest
from fastavro import schemaless_reader, schemaless_writer
from fastavro.utils import generate_many

import schemas
from streams.records import RECORDS

RELEASED = sorted(schemas.FOLDER.glob("released/*/*.avsc"))


def named_types(schema, kind):
    """All records or enums inside a raw schema, the outermost first."""
    if isinstance(schema, dict):
        if schema.get("type") == kind:
            yield schema
        for value in schema.values():
            yield from named_types(value, kind)
    elif isinstance(schema, list):
        for value in schema:
            yield from named_types(value, kind)


def test_every_record_of_this_version_was_released():
    assert {path.stem for path in RELEASED} == set(schemas.NAMES)


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_records_written_by_a_released_schema_are_read_by_the_current_one(path):
    writer = schemas.read(path)
    for record in generate_many(writer, 20):
        body = io.BytesIO()
        schemaless_writer(body, writer, record)
        body.seek(0)
        read = schemaless_reader(body, writer, schemas.schema(path.stem))
        assert set(read) == {field["name"] for field in schemas.schema(path.stem)["fields"]}


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_fingerprint_of_a_released_schema_is_known(path):
    assert schemas.by_fingerprint()[schemas.schema_fingerprint(schemas.read(path))][0] == path.stem


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_field_that_was_added_since_a_release_has_a_default(path):
    released = {record["name"]: record for record in named_types(json.loads(path.read_text()), "record")}
    current = json.loads((schemas.FOLDER / path.name).read_text())
    for record in named_types(current, "record"):
        before = {field["name"] for field in released.get(record["name"], record)["fields"]}
        added = [field for field in record["fields"] if field["name"] not in before]
        assert all("default" in field for field in added), f"{record['name']} got a field without a default"


@pytest.mark.parametrize("name", schemas.NAMES)
def test_an_enum_has_a_default_so_that_an_older_reader_survives_a_new_symbol(name):
    for enum in named_types(json.loads((schemas.FOLDER / f"{name}.avsc").read_text()), "enum"):
        assert enum.get("default") in enum["symbols"], enum["name"]


@pytest.mark.parametrize("name", schemas.NAMES)
def test_the_typed_record_has_the_fields_of_its_schema_in_their_order(name):
    assert list(RECORDS[name].model_fields) == [field["name"] for field in schemas.schema(name)["fields"]]


def test_the_fingerprint_is_crc_64_avro_in_wire_order():
    # 0x63dd24e7cc258f8a is the specification's own value for "null"
    assert schemas.schema_fingerprint("null")[::-1].hex() == "63dd24e7cc258f8a"
