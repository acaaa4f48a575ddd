"""The promises about one record, with toy stages on memory stores: what is published, counted, retried, given up."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import pytest

from streams import codec, giving_up, pipeline
from streams.delivery import Delivery
from streams.errors import Defect, Invalid, TooLarge, Unavailable
from streams.giving_up import Message
from streams.publish import RECORD_BYTES_MAX
from streams.records import Audio, Job, SearchRequest, Upload, Work, now
from streams.settings import Settings
from streams.stage import ArtifactGone, Resources
from streams.stores.catalogue import Catalogue
from streams.stores.database import Database
from streams.stores.ledger import Ledger
from streams.stores.memory import ExactVectors, MemoryBlobs
from streams.stores.projection import merge
from streams.stores.readmodel import ReadModel

UPLOAD = Upload(
    event_id="e-1", tenant="acme", dataset_name="demo", blob_uri="file:///a.wav",
    job=Job(id="job-1", index=0, size=1), requested_at=now(),
)  # fmt: skip
SEARCH = SearchRequest(
    event_id="e-2", tenant="acme", requested_at=now(), job_id="job-2", search_type="1:n", query_uri="file:///q.wav",
    candidate_dataset_name="demo",
)  # fmt: skip
AUDIO = Audio(role="track", audio_id="ab" * 32, blob_uri="file:///a.wav", filename="a.wav")


def work_of(request, audios=(AUDIO,), **fields):
    is_upload = isinstance(request, Upload)
    wanted = (
        pipeline.wanted_by_ingest(request.tasks) if is_upload else pipeline.wanted_by_search(pipeline.DEPTHS["track"])
    )
    return Work(
        event_id="w-1", tenant="acme", job=Job(id="job-1" if is_upload else "job-2", index=0, size=1), lane="bulk",
        request=codec.encode(request), model_version="classical-0", audios=audios, wanted=tuple(sorted(wanted)),
        accepted_at=now(), **fields,
    )  # fmt: skip


class Broker:
    """Remembers what was confirmed; `refusals` times it does not confirm, and nothing larger than it takes."""

    def __init__(self):
        self.confirmed, self.refusals, self.bytes_max = [], 0, RECORD_BYTES_MAX

    async def publish(self, records):
        if any(_bytes(out) > self.bytes_max for out in records):
            raise TooLarge("too much", code="body-too-large")
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("the broker is away")
        self.confirmed += records

    def told(self, topic):
        name = {"dead-letters": "dead_letter", "results": "search_result", "features": "feature"}.get(topic)
        name = name or ("progress" if topic == "progress" else "work")
        return [codec.decode(out.value, name) for out in self.confirmed if out.topic == topic]


def _bytes(out):
    return len(out.value) + len(out.key or b"") + sum(len(content) for _, content in out.headers)


@pytest.fixture
async def stage(monkeypatch):
    """A function that puts a toy agent in the place of a stage's and gives its delivery, broker and catalogue."""
    database = Database("sqlite+aiosqlite://")
    await database.migrate()
    settings = Settings(retry_cap_s=0.01)
    resources = Resources(settings, Catalogue(database), Ledger(database), MemoryBlobs(), ExactVectors(), None, None)
    broker = Broker()

    def put(name, agent, lane="bulk"):
        module = types.ModuleType(f"streams.agents.{name}")
        setattr(module, name, agent)
        monkeypatch.setitem(sys.modules, f"streams.agents.{name}", module)
        consumer = next(c for c in pipeline.consumers() if c.stage.name == name and c.lane == lane)
        return Delivery(consumer, resources, broker), broker, resources

    yield put
    await database.close()


def message(record, topic="work.bulk.decode", **fields):
    value = record if record is None or isinstance(record, bytes) else codec.encode(record)
    return replace(Message(topic, 1, 7, 1_700_000_000.0, b"key", value, [("traceparent", b"00-x")]), **fields)


async def test_a_work_that_succeeds_goes_on_to_the_next_stage(stage):
    async def decode(audio, context): ...

    delivery, broker, _ = stage("decode", decode)
    await delivery.handle(message(work_of(UPLOAD)))
    (sent,) = broker.told("work.bulk.fingerprint")
    assert set(sent.audios[0].present) == {"waveform", "envelope"}
    assert not broker.told("dead-letters")


async def test_bad_audio_is_dead_lettered_at_once_with_its_bytes_and_its_remedy(stage):
    calls = []

    async def decode(audio, context):
        calls.append(audio)
        raise Invalid("'a.wav' is corrupt", "send it again", code="audio-undecodable")

    delivery, broker, _ = stage("decode", decode)
    work = work_of(UPLOAD)
    await delivery.handle(message(work))
    (letter,) = broker.told("dead-letters")
    assert (letter.error_code, letter.remedy, letter.stage) == ("audio-undecodable", "send it again", "decode")
    assert (letter.value, letter.key, letter.offset) == (codec.encode(work), b"key", 7)
    assert (letter.tenant, letter.job) == ("acme", work.job)
    assert len(calls) == 1
    assert not broker.told("work.bulk.fingerprint")


async def test_a_search_whose_query_cannot_be_heard_gets_a_failed_result_and_a_letter(stage):
    async def decode(audio, context):
        raise Invalid("'q.wav' is corrupt", "send it again", code="audio-undecodable")

    delivery, broker, resources = stage("decode", decode)
    await delivery.handle(message(work_of(SEARCH)))
    (result,) = broker.told("results")
    assert (result.status, result.error.code) == ("failed", "audio-undecodable")
    assert await resources.blobs.exists(result.details_uri)
    assert len(broker.told("dead-letters")) == 1


async def test_what_does_not_answer_is_waited_for_and_never_blamed_on_the_input(stage):
    calls = []

    async def decode(audio, context):
        calls.append(audio)
        if len(calls) < 8:
            raise Unavailable("the disk is full")

    delivery, broker, _ = stage("decode", decode)
    await delivery.handle(message(work_of(UPLOAD)))
    assert len(calls) == 8
    assert len(broker.told("work.bulk.fingerprint")) == 1
    assert not broker.told("dead-letters")


async def test_an_unforeseen_fault_is_tried_three_times_and_then_dead_lettered(stage):
    calls = []

    async def decode(audio, context):
        calls.append(audio)
        raise ZeroDivisionError("a bug")

    delivery, broker, _ = stage("decode", decode)
    await delivery.handle(message(work_of(UPLOAD)))
    (letter,) = broker.told("dead-letters")
    assert (len(calls), letter.attempts, letter.error_code) == (3, 3, "internal")
    assert "ZeroDivisionError" in letter.message


async def test_attempts_are_counted_across_a_restart_of_the_worker(stage):
    async def decode(audio, context):
        raise Defect("the child died", code="child-died")

    delivery, broker, resources = stage("decode", decode)
    key = f"acme/{work_of(UPLOAD).event_id}"
    await resources.ledger.fail_attempt("soundtrace.bulk.decode", key)
    await resources.ledger.fail_attempt("soundtrace.bulk.decode", key)
    await delivery.handle(message(work_of(UPLOAD)))
    (letter,) = broker.told("dead-letters")
    assert (letter.attempts, letter.error_code) == (3, "child-died")


async def test_the_tenth_start_of_a_record_is_a_dead_letter_and_not_a_start(stage):
    calls = []

    async def decode(audio, context):
        calls.append(audio)

    delivery, broker, resources = stage("decode", decode)
    for _ in range(9):
        await resources.ledger.begin_attempt("soundtrace.bulk.decode", "acme/w-1")
    await delivery.handle(message(work_of(UPLOAD)))
    (letter,) = broker.told("dead-letters")
    assert (calls, letter.error_code, letter.attempts) == ([], "too-many-starts", 10)


@pytest.mark.parametrize("value", [b"junk", None, b"\xc3\x01" + b"\0" * 8], ids=["junk", "null", "fingerprint"])
async def test_poison_makes_exactly_one_letter_with_the_bytes_as_they_came(stage, value):
    async def decode(audio, context):
        raise AssertionError("never called")

    delivery, broker, _ = stage("decode", decode)
    await delivery.handle(message(value))
    (letter,) = broker.told("dead-letters")
    assert (letter.error_code, letter.value, letter.tenant) == ("undecodable-record", value, None)
    assert {header.name: header.value for header in letter.headers} == {"traceparent": b"00-x"}


async def test_an_upload_that_breaks_the_rules_still_tells_its_job(stage):
    async def accept(request, context):
        raise AssertionError("never called")

    delivery, broker, _ = stage("accept", accept)
    bad = UPLOAD.model_copy(update={"dataset_name": ""})
    await delivery.handle(message(bad, topic="uploads"))
    (letter,) = broker.told("dead-letters")
    assert (letter.error_code, letter.tenant, letter.job) == ("validation-failed", "acme", UPLOAD.job)


async def test_a_search_that_breaks_the_rules_is_answered_where_its_requester_looks(stage):
    async def accept(request, context):
        raise AssertionError("never called")

    delivery, broker, _ = stage("accept", accept, lane="live")
    await delivery.handle(message(SEARCH.model_copy(update={"event_id": "x" * 200}), topic="search-requests"))
    await delivery.handle(message(SEARCH.model_copy(update={"event_id": ""}), topic="search-requests"))
    assert [result.job.id for result in broker.told("results")] == ["job-2", "job-2"]
    assert not broker.told("dead-letters")


async def test_a_request_seen_twice_makes_nothing_new(stage):
    calls = []

    async def accept(request, context):
        calls.append(request)

    delivery, _, _ = stage("accept", accept)
    await delivery.handle(message(UPLOAD, topic="uploads"))
    await delivery.handle(message(UPLOAD, topic="uploads", offset=8))
    assert len(calls) == 1


async def test_nothing_is_lost_while_the_broker_does_not_confirm(stage):
    async def decode(audio, context): ...

    delivery, broker, _ = stage("decode", decode)
    broker.refusals = 5
    await delivery.handle(message(work_of(UPLOAD)))
    assert len(broker.told("work.bulk.fingerprint")) == 1


async def test_what_comes_out_larger_than_the_broker_takes_is_given_up_and_blocks_nobody(stage):
    async def accept(request, context):
        context.say(work_of(request, (AUDIO.model_copy(update={"filename": "x" * 2_000}),)), "work.bulk.decode")

    delivery, broker, _ = stage("accept", accept)
    broker.bytes_max = 5_500
    await delivery.handle(message(UPLOAD.model_copy(update={"metadata": {"title": "x" * 4_000}}), topic="uploads"))
    (letter,) = broker.told("dead-letters")
    assert (letter.error_code, letter.job) == ("body-too-large", UPLOAD.job)
    assert not broker.told("work.bulk.decode")


async def test_a_letter_gets_through_whatever_came(stage, monkeypatch):
    monkeypatch.setattr(giving_up, "VALUE_BYTES_MAX", 1_000)
    delivery, broker, _ = stage("accept", None)
    broker.bytes_max = 2_000
    await delivery.handle(message(b"junk" * 1_000, topic="uploads"))
    (letter,) = broker.told("dead-letters")
    assert letter.value == b"junk" * 250
    assert "of its 4000 bytes the first 1000 are kept" in letter.message
    headers = [("x", bytes(giving_up.BESIDE_BYTES_MAX))]
    await delivery.handle(message(b"junk", topic="uploads", offset=8, headers=headers))
    (_, letter) = broker.told("dead-letters")
    assert (letter.value, letter.key, letter.headers) == (b"junk", None, ())
    assert "its key and its headers are too long" in letter.message


async def test_a_cancelled_job_is_dropped_at_its_next_stage(stage):
    async def decode(audio, context):
        raise AssertionError("never called")

    delivery, broker, resources = stage("decode", decode)
    database = resources.catalogue.database
    async with database.write() as connection:
        await merge(connection, UPLOAD)
    await ReadModel(database).cancel("acme", "job-1")
    await delivery.handle(message(work_of(UPLOAD)))
    assert [progress.status for progress in broker.told("progress")] == ["cancelled"]
    assert not broker.told("work.bulk.fingerprint")


async def test_a_stage_whose_input_was_swept_sends_the_work_back_to_its_maker(stage):
    async def encode(audio, context):
        raise ArtifactGone("waveform")

    delivery, broker, _ = stage("encode", encode)
    heard = AUDIO.model_copy(update={"present": ("waveform", "envelope")})
    await delivery.handle(message(work_of(UPLOAD, (heard,))))
    (sent,) = broker.told("work.bulk.decode")
    assert sent.audios[0].present == ("envelope",)


async def test_the_trace_context_of_a_record_is_carried_to_what_comes_of_it(stage):
    async def decode(audio, context): ...

    delivery, broker, _ = stage("decode", decode)
    traceparent = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    await delivery.handle(message(work_of(UPLOAD), headers=[("traceparent", traceparent)]))
    assert {dict(out.headers)["traceparent"] for out in broker.confirmed} == {traceparent}


async def test_a_job_id_that_begins_with_a_dot_is_answered_like_any_other(stage):
    async def accept(request, context):
        raise Invalid("no such dataset", "make it", code="dataset-not-found")

    delivery, broker, resources = stage("accept", accept, lane="live")
    await delivery.handle(message(SEARCH.model_copy(update={"job_id": ".x", "tenant": ".a"}), topic="search-requests"))
    (result,) = broker.told("results")
    assert (result.job.id, result.error.code) == (".x", "dataset-not-found")
    assert await resources.blobs.exists(result.details_uri)


async def test_where_even_giving_up_fails_a_letter_is_left_and_the_worker_lives(stage):
    async def accept(request, context):
        raise Invalid("no such dataset", "make it", code="dataset-not-found")

    async def broken(name, data):
        raise RuntimeError("a bug")

    delivery, broker, resources = stage("accept", accept, lane="live")
    resources.blobs.put = broken
    await delivery.handle(message(SEARCH, topic="search-requests"))
    assert [letter.error_code for letter in broker.told("dead-letters")] == ["dataset-not-found"]


async def test_a_publishers_clock_may_say_anything(stage):
    async def decode(audio, context): ...

    delivery, broker, _ = stage("decode", decode)
    await delivery.handle(message(b"junk", timestamp_s=1.7e15))
    assert len(broker.told("dead-letters")) == 1


async def test_a_cancelled_search_is_told_so_on_results(stage):
    async def match(context):
        raise AssertionError("never called")

    delivery, broker, resources = stage("match", match, lane="live")
    database = resources.catalogue.database
    async with database.write() as connection:
        await merge(connection, SEARCH)
    await ReadModel(database).cancel("acme", "job-2")
    await delivery.handle(message(work_of(SEARCH), topic="work.live.match"))
    assert [result.status for result in broker.told("results")] == ["cancelled"]


async def test_a_dataset_track_whose_artifact_is_gone_ends_its_search_and_does_not_come_round_for_ever(stage):
    async def match(context):
        raise ArtifactGone("cqt")

    delivery, broker, _ = stage("match", match, lane="live")
    await delivery.handle(message(work_of(SEARCH, audios=()), topic="work.live.match"))
    assert [result.status for result in broker.told("results")] == ["failed"]
    assert not broker.told("work.live.match")
