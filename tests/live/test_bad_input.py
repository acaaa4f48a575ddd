"""The Kafka column of the contract's part D, row by row: all of it published at once, each row judged alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streams import codec
from streams.publish import Outgoing
from streams.records import DeadLetter, Feature, Job, Record, SearchResult, Upload
from tests import signals
from tests.live import publisher
from tests.live.publisher import upload

if TYPE_CHECKING:
    from tests.live.conftest import RunningHome

pytestmark = pytest.mark.live

GOOD = signals.wav(signals.tune(repeats=1))
EIGHT = np.stack([signals.tune(repeats=1, transposition=shift) for shift in range(8)], axis=1) * 0.5
OVER_300_S = signals.raw_wav(bytes(2 * 4_000 * 301), 4_000, 1)

# name of the file, its bytes, the code of its dead letter
REFUSED = {
    "empty.wav": (b"", "empty-file"),
    "truncated-to-nothing.wav": (signals.wav_truncated(5.0, 0.3), "audio-too-short"),
    "corrupt.flac": (b"fLaC" + signals.wav(signals.noise(3.0))[44:], "audio-undecodable"),
    "text.wav": (signals.text_called_wav(), "unsupported-audio-format"),
    "header-only.wav": (signals.wav_header_only(), "audio-too-short"),
    "one-sample.wav": (signals.wav(signals.tone()[:1]), "audio-too-short"),
    "nan.wav": (signals.wav_not_finite(float("nan")), "audio-not-finite"),
    "inf.wav": (signals.wav_not_finite(float("inf")), "audio-not-finite"),
    "0-hz.wav": (signals.wav_of_rate(0), "audio-undecodable"),
    "4-ghz.wav": (signals.wav_of_rate(4_000_000_000), "audio-undecodable"),
    "0-channels.wav": (signals.wav_of_channels(0), "audio-undecodable"),
    "40-channels.wav": (signals.wav_of_channels(40), "audio-undecodable"),
    "over-300-s.wav": (OVER_300_S, "audio-too-long"),
    "over-100-mb.wav": (bytes(100 * 1024 * 1024 + 1), "upload-too-large"),
}
TAKEN = {
    "truncated.wav": signals.wav_truncated(8.0, 4.0),
    "lying.wav": signals.wav_lying(2_000_000_000, 4.0),
    "silence.wav": signals.wav(signals.silence(3.0)),
    "eight-channels.wav": signals.wav(EIGHT),
    "192-khz.wav": signals.wav(signals.tune(repeats=1, rate_hz=192_000), 192_000),
    "eight-bit.wav": signals.wav(signals.tune(repeats=1, timbre="flute"), subtype="PCM_U8"),
    "double.wav": signals.wav(signals.tune(repeats=1, timbre="string"), subtype="DOUBLE"),
    "audio.txt": GOOD,
    "*?:<>|\u202e name.wav": signals.wav(signals.tune(repeats=1, tempo_bpm=99)),
}
FORBIDDEN = {
    "outside": "file:///etc/hostname",
    "dots": "{inbox}/../ports.json",
    "encoded dots": "{inbox}/%2e%2e/ports.json",
    "absolute path": "/etc/hostname",
    "url": "http://127.0.0.1:1/a.wav",
    "metadata service": "http://169.254.169.254/latest",
    "nul": "{inbox}/a%00.wav",
    "bucket": "s3://bucket/a.wav",
}


@pytest.fixture(scope="module")
def told(home: RunningHome) -> dict[str, list[Record]]:
    """What became of every row, by its name."""
    inbox = home.path / "inbox"
    requests: dict[str, Upload] = {}
    for name, (data, _) in REFUSED.items():
        (inbox / name).write_bytes(data)
        requests[name] = upload((inbox / name).as_uri())
    for name, data in TAKEN.items():
        (inbox / name).write_bytes(data)
        requests[name] = upload((inbox / name).as_uri())
    for name, uri in FORBIDDEN.items():
        requests[name] = upload(uri.format(inbox=inbox.as_uri()))
    (inbox / "good.wav").write_bytes(GOOD)
    good = (inbox / "good.wav").as_uri()
    job = Job(id="disagreeing", index=0, size=2)
    requests |= {
        "missing": upload((inbox / "missing.wav").as_uri()),
        "unknown blob": upload("dataset/00000000-0000-4000-8000-000000000000_a.wav"),
        "wrong hash": upload(good, sha256="0" * 64),
        "wrong size": upload(good, size_bytes=1),
        "no such task": upload(good, tasks=("karaoke",)),
        "webhook": upload(good, webhook_url="http://169.254.169.254/"),
        "new dataset": upload(good, dataset="made by an upload"),
        "gone dataset": upload(good, dataset_id="00000000-0000-4000-8000-000000000000"),
        "disagreeing": upload(good, job=job),
    }
    later = upload(good, job=job.model_copy(update={"index": 1, "size": 3}))
    waited = [request for name, request in requests.items() if name not in ("gone dataset", "disagreeing")]
    outcomes = asyncio.run(publisher.run(home.kafka_bootstrap, [*waited, requests["disagreeing"]]))
    asyncio.run(publisher.send(home.kafka_bootstrap, [later, requests["gone dataset"]]))
    return {name: outcomes.get(request.job.id, []) for name, request in requests.items()}


def only(records: list[Record], kind: type[Record]) -> Record:
    (found,) = [record for record in records if isinstance(record, kind) and publisher.ended(record)]
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_bad_audio_ends_as_one_dead_letter_that_says_why_and_what_to_do(told, name):
    letter = only(told[name], DeadLetter)
    assert letter.error_code == REFUSED[name][1]
    assert letter.message
    assert letter.remedy
    assert not [record for record in told[name] if isinstance(record, Feature) and record.kind == "index"]


@pytest.mark.parametrize("name", TAKEN)
def test_odd_but_sound_audio_becomes_searchable(told, name):
    feature = only(told[name], Feature)
    assert feature.tasks_done == ("full_audio_latent",)
    assert feature.track.filename == name


@pytest.mark.parametrize(("name", "ailment"), [("truncated.wav", "truncated"), ("silence.wav", "silent")])
def test_what_decoding_noticed_is_told_with_the_track(told, name, ailment):
    assert getattr(only(told[name], Feature).track.health, ailment)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_place_we_may_not_read_from_is_refused_and_nothing_is_opened(told, name):
    assert only(told[name], DeadLetter).error_code == "uri-not-allowed"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("missing", "blob-not-found"),
        ("unknown blob", "blob-not-found"),
        ("wrong hash", "hash-mismatch"),
        ("wrong size", "hash-mismatch"),
        ("no such task", "validation-failed"),
    ],
)
def test_an_upload_that_cannot_be_done_is_dead_lettered(told, name, code):
    assert only(told[name], DeadLetter).error_code == code


def test_a_webhook_is_dropped_and_the_work_goes_on(told):
    assert only(told["webhook"], Feature).tasks_done


def test_a_dataset_that_is_missing_is_made(told):
    assert only(told["new dataset"], Feature).dataset_name == "made by an upload"


async def test_records_of_a_job_that_disagree_are_refused_one_by_one(home, told):
    def has_letter(records):
        return any(isinstance(r, DeadLetter) and r.error_code == "job-inconsistent" for r in records)

    assert only(told["disagreeing"], Feature).tasks_done
    letters = [
        record
        for record in await publisher.outcomes(home.kafka_bootstrap, has_letter)
        if isinstance(record, DeadLetter) and record.error_code == "job-inconsistent"
    ]
    assert [letter.job.index for letter in letters] == [1]


POISON = {
    "junk": b"junk",
    "null": None,
    "unknown fingerprint": b"\xc3\x01" + b"\x07" * 12,
    "truncated": codec.encode(upload("file:///a"))[:-6],
    "huge length": codec.encode(upload("file:///a"))[:10] + b"\xfe" + b"\xff" * 8 + b"\x01",
}


@pytest.mark.parametrize("name", POISON)
async def test_poison_between_good_records_makes_one_letter_and_its_neighbours_are_untouched(home, name):
    good = [upload((home.path / "inbox" / "good.wav").as_uri()) for _ in range(2)]
    (home.path / "inbox" / "good.wav").write_bytes(GOOD)
    key = f"poison {name}".encode()
    poison = Outgoing("uploads", key, POISON[name], [("x", b"y")])
    await publisher.send(home.kafka_bootstrap, [good[0], poison, good[1]])

    def all_there(records):
        done = {publisher.job_id_of(record) for record in records if publisher.ended(record)}
        letters = [record for record in records if isinstance(record, DeadLetter) and record.key == key]
        return letters and {request.job.id for request in good} <= done

    told = await publisher.outcomes(home.kafka_bootstrap, all_there)
    (letter,) = [record for record in told if isinstance(record, DeadLetter) and record.key == key]
    assert (letter.error_code, letter.value, letter.topic) == ("undecodable-record", POISON[name], "uploads")
    assert [(header.name, header.value) for header in letter.headers] == [("x", b"y")]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"search_type": "1:n", "candidate_dataset_name": "nowhere"}, "dataset-not-found"),
        ({"search_type": "1:n", "candidate_dataset_name": "kafka", "tenant": "another"}, "dataset-not-found"),
        ({"search_type": "2:n"}, "validation-failed"),
        ({"search_type": "1:n", "candidate_dataset_name": "kafka", "depth": "motif"}, "depth-not-ingested"),
        ({"search_type": "1:n", "candidate_dataset_name": "kafka", "profile": "comprehensive1"}, "depth-not-ingested"),
        ({"search_type": "1:n", "candidate_dataset_name": "kafka", "limit": 0}, "validation-failed"),
        ({"search_type": "1:1", "candidate_dataset_name": "kafka"}, "field-not-allowed"),
    ],
)
async def test_a_bad_search_request_is_answered_where_its_requester_looks(home, told, fields, code):
    good = (home.path / "inbox" / "good.wav").as_uri()
    request = publisher.search(**{"query_uri": good, **fields})
    result = only((await publisher.run(home.kafka_bootstrap, [request]))[request.job_id], SearchResult)
    assert (result.status, result.error.code) == ("failed", code)


@pytest.mark.parametrize("codec_name", ["gzip", "snappy", "lz4", "zstd"])
async def test_what_a_publisher_compresses_is_read(home, told, codec_name):
    good = upload((home.path / "inbox" / "good.wav").as_uri())
    await publisher.send(home.kafka_bootstrap, [good], compression_type=codec_name)

    def is_there(records):
        return any(publisher.job_id_of(record) == good.job.id and publisher.ended(record) for record in records)

    assert await publisher.outcomes(home.kafka_bootstrap, is_there)


async def test_a_query_that_cannot_be_heard_fails_its_search_with_the_reason(home, told):
    request = publisher.search(
        "1:n", query_uri=(home.path / "inbox" / "text.wav").as_uri(), candidate_dataset_name="kafka"
    )
    records = (await publisher.run(home.kafka_bootstrap, [request]))[request.job_id]
    assert only(records, SearchResult).error.code == "unsupported-audio-format"


async def test_the_same_request_twice_makes_nothing_new(home, told):
    request = upload((home.path / "inbox" / "good.wav").as_uri(), dataset="twice")
    (first,) = [r for r in (await publisher.run(home.kafka_bootstrap, [request]))[request.job.id] if publisher.ended(r)]
    again = upload(request.blob_uri, dataset="twice")
    records = (await publisher.run(home.kafka_bootstrap, [request, again]))[again.job.id]
    assert {record.reused for record in records if isinstance(record, Feature)} == {True}
    assert only(records, Feature).track.track_id == first.track.track_id
