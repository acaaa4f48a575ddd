"""Bytes on the wire. A round trip would not notice a renamed field, so the bytes themselves are compared."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import codec
from streams.errors import Invalid
from streams.publish import outgoing
from streams.records import DeadLetter, Feature, Job, Progress, SearchRequest, SearchResult, Upload, Work

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
JOB = Job(id="job-1", index=0, size=2)
UPLOAD = Upload(
    event_id="e-1", tenant="acme", dataset_name="demo", blob_uri="file:///in/a.mp3", job=JOB, requested_at=MOMENT
)
SEARCH = SearchRequest(
    event_id="e-2", tenant="acme", requested_at=MOMENT, job_id="job-2", search_type="1:n", query_uri="file:///q.wav",
    candidate_dataset_name="demo",
)  # fmt: skip
WORK = Work(
    event_id="e-3", tenant="acme", job=JOB, lane="bulk", request=b"\x00\x01", model_version="classical-0", audios=(),
    wanted=("index",), accepted_at=MOMENT,
)  # fmt: skip
PROGRESS = Progress(event_id="e-4", tenant="acme", job=JOB, stage="decode", at=MOMENT)
FEATURE = Feature(
    event_id="e-5", tenant="acme", created_at=MOMENT, job=JOB, audio_id="ab", blob_uri="u", kind="cqt",
    encoder_type="type2", model_version="classical-0", params_hash="00", seconds_taken=0.5, shape=(84, 10),
)  # fmt: skip
RESULT = SearchResult(
    event_id="e-6", tenant="acme", completed_at=MOMENT, job=JOB, status="completed", profile="search",
    search_type="1:1", depth="track", encoder_type="type2", details_uri="d", model_version="classical-0",
    seconds_taken=1.0,
)  # fmt: skip
LETTER = DeadLetter(
    event_id="e-7", failed_at=MOMENT, topic="uploads", partition=1, offset=2, timestamp=MOMENT, value=b"junk",
    stage="accept", error_code="undecodable-record", message="m", remedy="r", attempts=1, app_version="0.1.0",
)  # fmt: skip

# Written once, by hand of the first version; a change of any of them is a change of what others must read.
GOLDEN = {
    "upload": (
        "c301c7f952d4636f9c4d06652d310861636d650864656d6f002066696c653a2f2f2f696e2f612e6d70330000000202226675"
        "6c6c5f617564696f5f6c6174656e74000a6a6f622d3100040000dcbccccaef66"
    ),
    "search_request": (
        "c301645ad0468b5dc29906652d320861636d65dcbccccaef660a6a6f622d320c73656172636806313a6e020a747261636b02"
        "0c766f63616c73001400021a66696c653a2f2f2f712e7761760000020864656d6f00"
    ),
    "work": (
        "c3015455fc0dd39863fc06652d330861636d650a6a6f622d3100040862756c6b040001000216636c6173736963616c2d300c"
        "756e65742d3100020a696e6465780000020000dcbccccaef66"
    ),
    "progress": ("c3010a3852bfc2626e5e06652d340861636d650a6a6f622d3100040c6465636f646500000000000000dcbccccaef66"),
    "feature": (
        "c301311815471777a58b06652d350861636d65dcbccccaef660a6a6f622d31000400046162027500066371740004a8011400"
        "00000000000216636c6173736963616c2d30043030000000000000e03f00000000"
    ),
    "search_result": (
        "c301c1a1a80251898fb306652d360861636d65dcbccccaef660a6a6f622d31000400000c73656172636806313a310a747261"
        "636b020000000000026416636c6173736963616c2d30000000000000f03f"
    ),
    "dead_letter": (
        "c3010ca497c88269aef906652d37dcbccccaef660e75706c6f6164730204dcbccccaef660002086a756e6b000c6163636570"
        "7424756e6465636f6461626c652d7265636f7264026d0272020a302e312e300000"
    ),
}


@pytest.mark.parametrize(
    "record", [UPLOAD, SEARCH, WORK, PROGRESS, FEATURE, RESULT, LETTER], ids=lambda r: r.schema_name
)
def test_the_bytes_of_a_record_are_the_golden_ones(record):
    assert codec.encode(record).hex() == GOLDEN[record.schema_name]
    assert codec.decode(bytes.fromhex(GOLDEN[record.schema_name]), record.schema_name) == record


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is null"),
        (b"", "0 bytes"),
        (b"junk", "do not start with C3 01"),
        (b"\xc3\x01" + b"\x00" * 8 + b"body", "unknown schema fingerprint"),
        (codec.encode(WORK), "is a work, expected upload"),
        (codec.encode(UPLOAD)[:-9], "does not decode"),
        (codec.encode(UPLOAD) + b"\x00", "surplus bytes"),
        (codec.encode(UPLOAD)[:10] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "does not decode"),
    ],
    ids=["null", "empty", "junk", "fingerprint", "other record", "truncated", "surplus", "huge length"],
)
def test_what_is_no_record_is_refused_in_words_and_never_crashes(value, words):
    with pytest.raises(Invalid, match=words) as caught:
        codec.decode(value, "upload")
    assert caught.value.code == "undecodable-record"


@given(st.binary(max_size=200))
def test_arbitrary_bodies_are_refused_or_decoded_but_raise_nothing_else(body):
    value = codec.encode(UPLOAD)[:10] + body
    with suppress(Invalid):
        assert isinstance(codec.decode(value, "upload"), Upload)


def test_a_record_that_decodes_but_breaks_the_rules_names_every_fault_and_keeps_its_fields():
    bad = UPLOAD.model_copy(update={"tenant": "no spaces please", "event_id": ""})
    with pytest.raises(Invalid) as caught:
        codec.decode(codec.encode(bad), "upload")
    assert caught.value.code == "validation-failed"
    assert "tenant" in caught.value.message
    assert "event_id" in caught.value.message
    assert caught.value.facts["fields"]["job"]["id"] == "job-1"


def test_the_headers_are_cloud_events_in_binary_mode():
    headers = {name: value.decode() for name, value in codec.cloud_event(UPLOAD, "job-1")}
    assert headers["content-type"] == "application/avro"
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_type"] == "soundtrace.upload.v1"
    assert headers["ce_id"] == "e-1"
    assert headers["ce_subject"] == "job-1"


def test_a_trace_context_is_carried_on_and_a_wrong_one_is_ignored():
    given_headers = [("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"), ("tracestate", b"x=y")]
    assert dict(codec.trace_context(given_headers)) == dict(given_headers)
    made = dict(codec.trace_context([("traceparent", b"nonsense"), ("tracestate", b"x=y")]))
    assert made["traceparent"] != b"nonsense"
    assert "tracestate" not in made


@pytest.mark.parametrize(
    ("record", "key"),
    [
        (UPLOAD, "acme/file:///in/a.mp3"),
        (UPLOAD.model_copy(update={"sha256": "ff"}), "acme/ff"),
        (SEARCH, "job-2"),
        (FEATURE.model_copy(update={"dataset_name": "demo"}), "acme/demo/ab"),
        (RESULT, "job-1"),
    ],
    ids=["upload by uri", "upload by content", "search", "feature", "result"],
)
def test_the_key_of_a_record_is_the_contracts(record, key):
    assert outgoing(record, "topic").key == key.encode()
