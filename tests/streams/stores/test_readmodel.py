"""Merging may see records in any order and more than once; a caller must not be able to tell."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies
from sqlalchemy import select

from streams import codec
from streams.errors import Conflict, NotFound
from streams.records import (
    DeadLetter,
    Feature,
    Health,
    Job,
    Problem,
    Progress,
    Record,
    SearchRequest,
    SearchResult,
    Track,
    Upload,
    Work,
)
from streams.stores import tables
from streams.stores.database import Database
from streams.stores.ledger import Ledger
from streams.stores.readmodel import ReadModel, merge
from streams.stores.settle import job_status

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
TENANT = "acme"
MODEL_TABLES = (tables.jobs, tables.parts, tables.artifacts)
Rows = dict[str, list[tuple[Any, ...]]]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def upload(index: int = 0, size: int = 1, **fields: Any) -> Upload:
    given = {"event_id": f"upload-{index}", "blob_uri": f"dataset/{index}.mp3", "requested_at": at(index)}
    return Upload(
        tenant=TENANT, dataset_name="demo", job=Job(id="ingest", index=index, size=size), **{**given, **fields}
    )


def search_request(**fields: Any) -> SearchRequest:
    given = {"event_id": "search", "requested_at": at(0), "job_id": "search", "search_type": "M:N"}
    return SearchRequest(tenant=TENANT, **{**given, **fields})


def progress(job_id: str, index: int, stage: str, seconds: float, size: int = 1, **fields: Any) -> Progress:
    what = f"{job_id}-{index}-{stage}-{fields.get('status')}"
    job = Job(id=job_id, index=index, size=size)
    return Progress(event_id=what, tenant=TENANT, job=job, stage=stage, at=at(seconds), **fields)


def feature(kind: str, index: int = 0, size: int = 1, seconds: float = 20, **fields: Any) -> Feature:
    given = {
        "event_id": f"feature-{index}-{kind}",
        "dataset_name": "demo",
        "created_at": at(seconds),
        "seconds_taken": 1.5,
    }
    fixed = {"encoder_type": "type2", "model_version": "1", "params_hash": "0", "blob_uri": f"dataset/{index}.mp3"}
    job = Job(id="ingest", index=index, size=size)
    return Feature(tenant=TENANT, job=job, audio_id=f"sha-{index}", kind=kind, **{**fixed, **given, **fields})


def indexed(index: int = 0, size: int = 1, seconds: float = 30, **fields: Any) -> Feature:
    track = Track(
        track_id=f"track-{index}", blob_name=f"dataset/{index}.mp3", filename=f"{index}.mp3", sha256=f"sha-{index}",
        duration_s=2.0, rate_hz=44_100, channels=2, encoder_types=("type2",), tasks=("full_audio_latent",),
        health=Health(clipped=True), metadata={}, ingested_at=at(seconds),
    )  # fmt: skip
    done = {"track": track, "track_id": track.track_id, "tasks_done": ("full_audio_latent",)}
    return feature("index", index, size, seconds, **{**done, **fields})


def result(index: int = 0, size: int = 1, seconds: float = 30, **fields: Any) -> SearchResult:
    given = {
        "event_id": f"result-{index}",
        "status": "completed",
        "completed_at": at(seconds),
        "candidates_compared": 7,
    }
    asked = {"profile": "search", "search_type": "m:n", "depth": "track", "encoder_type": "type2"}
    rest = {"details_uri": f"jobs/{index}", "model_version": "1", "seconds_taken": 0.5, "query_audio_id": f"q{index}"}
    job = Job(id="search", index=index, size=size)
    return SearchResult(tenant=TENANT, job=job, **{**given, **asked, **rest, **fields})


def letter(value: bytes | None, job: Job | None, topic: str = "uploads", **fields: Any) -> DeadLetter:
    given = {"event_id": f"letter-{job.index if job else 0}", "error_code": "audio-undecodable", "message": "no audio"}
    rest = {"partition": 0, "offset": 3, "timestamp": at(9), "remedy": "send audio", "attempts": 1, "app_version": "0"}
    names = {"failed_at": at(25), "tenant": TENANT, "stage": "accept"}
    return DeadLetter(topic=topic, value=value, job=job, **{**names, **given, **rest, **fields})


def letter_for(request: Upload, **fields: Any) -> DeadLetter:
    return letter(codec.encode(request), request.job, **fields)


def work_of(request: Upload | SearchRequest, job: Job) -> bytes:
    return codec.encode(
        Work(
            event_id="work", tenant=TENANT, job=job, lane="bulk", request=codec.encode(request), model_version="1",
            audios=(), wanted=("index",), accepted_at=at(1),
        )
    )  # fmt: skip


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    database = Database("sqlite+aiosqlite://")
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
def model(database: Database) -> ReadModel:
    return ReadModel(database)


async def tell(database: Database, *records: Record, retention_days: int = 0) -> None:
    for record in records:
        async with database.write() as connection:
            await merge(connection, record, retention_days=retention_days)


async def rows(database: Database) -> Rows:
    async with database.read() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key))]
            for table in MODEL_TABLES
        }


async def rows_after(records: Iterable[Record], *, at_once: bool = False, cancelled: bool = False) -> Rows:
    database = Database("sqlite+aiosqlite://")
    await database.migrate()
    await Ledger(database).agree_on_job(TENANT, "ingest", "ingest", 0, 4)
    if cancelled:
        async with database.write() as connection:
            row = {"tenant": TENANT, "job_id": "ingest", "cancelled_at_ms": START_MS + 22_000}
            await connection.execute(tables.cancels.insert().values(row))
    if at_once:
        async with database.write() as connection:
            await merge(connection, *records, retention_days=30)
    else:
        await tell(database, *records, retention_days=30)
    found = await rows(database)
    await database.close()
    return found


STORY: list[Record] = [
    *(upload(index, 4, tasks=("full_audio_latent", "motif")[: 1 + index % 2]) for index in range(4)),
    progress("ingest", 0, "accept", 5, 4, warnings=("no webhooks",)),
    *(progress("ingest", index, "decode", 6 + index, 4) for index in range(4)),
    progress("ingest", 0, "encode", 10, 4),
    feature("cqt", 0, 4),
    feature("cqt", 0, 4, 21, reused=True, seconds_taken=0.0),
    indexed(0, 4),
    indexed(0, 4, 33),  # said again after a crash
    letter_for(upload(1, 4)),
    letter_for(upload(1, 4), event_id="another", message="another reason", failed_at=at(25)),
    indexed(1, 4, 40, tasks_done=(), tasks_failed={"motif": Problem(code="c", message="m", remedy="r")}),
    letter_for(upload(2, 4)),
    progress("ingest", 2, "encode", 20, 4, status="cancelled"),
    letter(work_of(upload(3, 4), upload(3, 4).job), upload(3, 4).job, "work.bulk.decode"),
    indexed(3, 4),
    letter_for(upload(1, 7), error_code="job-inconsistent"),
    upload(1, 7, event_id="stray", blob_uri="a stray"),
    search_request(),
    progress("search", 0, "accept", 4, queries_total=3, pairs_total=9, candidates_total=3, queries_skipped=1),
    progress("search", 0, "match", 5, 3),
    *(result(index, 3, 10 + index) for index in range(3)),
    result(2, 3, 11, event_id="failed", status="failed", error=Problem(code="c", message="m", remedy="r")),
    letter(codec.encode(search_request()), Job(id="search", index=0, size=1), "search-requests"),
]  # fmt: skip


@pytest.fixture(scope="module")
def told_in_order() -> Rows:
    return asyncio.run(rows_after(STORY))


@settings(max_examples=25, deadline=None)
@given(order=strategies.randoms(use_true_random=False), repeats=strategies.lists(strategies.sampled_from(STORY)))
async def test_any_order_and_any_repeats_end_in_the_same_rows(
    order: random.Random, repeats: list[Record], told_in_order: Rows
) -> None:
    records = [*STORY, *repeats]
    order.shuffle(records)
    assert await rows_after(records) == told_in_order


async def test_a_batch_ends_in_the_same_rows_as_its_records_one_by_one(told_in_order: Rows) -> None:
    assert await rows_after(STORY[::-1], at_once=True) == told_in_order


async def test_a_cancelled_job_does_not_depend_on_the_order_either() -> None:
    expected = await rows_after(STORY, cancelled=True)
    assert await rows_after(STORY[::-1], cancelled=True) == expected


async def test_no_time_in_the_rows_is_the_clocks(database: Database, model: ReadModel) -> None:
    await tell(database, upload(), progress("ingest", 0, "decode", 5), indexed(), retention_days=0)
    job = await model.job(TENANT, "ingest")
    expected = (START_MS, START_MS + 5_000, START_MS + 30_000, START_MS + 30_000, None)
    assert expected == (job.created_at_ms, job.started_at_ms, job.finished_at_ms, job.updated_at_ms, job.expires_at_ms)


# ── an ingest's way ──


async def test_an_upload_alone_is_a_pending_job(database: Database, model: ReadModel) -> None:
    await tell(database, upload(0, 2))
    job = await model.job(TENANT, "ingest")
    asked = {"dataset_name": "demo", "encoder_type": "type2", "tasks": ["full_audio_latent"]}
    assert ("ingest", "pending", 2, asked) == (job.kind, job.status, job.size, job.asked)
    assert [(file.status, file.filename) for file in await model.files(TENANT, "ingest")] == [("pending", "0.mp3")]


async def test_the_furthest_stage_is_shown(database: Database, model: ReadModel) -> None:
    await tell(database, upload(), progress("ingest", 0, "encode", 5), progress("ingest", 0, "decode", 4))
    assert [(file.status, file.stage) for file in await model.files(TENANT, "ingest")] == [("running", "encode")]
    assert (await model.job(TENANT, "ingest")).status == "running"


async def test_an_indexed_file_tells_what_is_searchable(database: Database, model: ReadModel) -> None:
    await tell(database, upload(), feature("cqt"), indexed())
    (file,) = await model.files(TENANT, "ingest")
    assert (file.status, file.track_id, file.sha256) == ("completed", "track-0", "sha-0")
    assert (("full_audio_latent",), Health(clipped=True)) == (file.tasks_done, file.health)
    assert [(made.kind, made.reused, made.seconds_taken) for made in file.artifacts] == [("cqt", False, 1.5)]


async def test_a_job_of_which_a_record_is_still_to_be_published_has_not_ended(
    database: Database, model: ReadModel
) -> None:
    await tell(database, upload(0, 2), indexed(0, 2))
    assert (await model.job(TENANT, "ingest")).status == "running"


async def test_one_bad_file_of_two_leaves_the_job_completed_with_a_sentence(
    database: Database, model: ReadModel
) -> None:
    await tell(database, upload(0, 2), upload(1, 2), indexed(0, 2), letter_for(upload(1, 2)))
    job = await model.job(TENANT, "ingest")
    assert (
        job.status, job.error, job.parts_done, job.parts_failed
    ) == ("completed", "1 of 2 files failed: no audio", 1, 1)  # fmt: skip


async def test_a_file_of_which_no_task_could_be_done_failed(database: Database, model: ReadModel) -> None:
    problem = Problem(code="audio-too-short", message="it is short", remedy="send more")
    await tell(database, upload(), indexed(tasks_done=(), tasks_failed={"full_audio_latent": problem}))
    job = await model.job(TENANT, "ingest")
    assert (job.status, job.error) == ("failed", "it is short")
    assert [problem] == [file.error for file in await model.files(TENANT, "ingest")]


async def test_an_upload_that_breaks_the_contract_fails_the_file_its_letter_names(
    database: Database, model: ReadModel
) -> None:
    broken = upload().model_copy(update={"metadata": {"k": "v" * 9_000}})
    await tell(database, letter_for(broken, error_code="validation-failed"))
    (file,) = await model.files(TENANT, "ingest")
    assert (file.status, file.blob_name) == ("failed", "dataset/0.mp3")
    assert (await model.job(TENANT, "ingest")).asked["tasks"] == []


async def test_a_letter_of_a_searchs_work_changes_nothing(database: Database) -> None:
    job = Job(id="search", index=0, size=1)
    await tell(database, search_request())
    before = await rows(database)
    await tell(database, letter(work_of(search_request(), job), job, "work.live.decode"))
    assert await rows(database) == before


async def test_an_inconsistent_record_does_not_stretch_the_job(database: Database, model: ReadModel) -> None:
    await Ledger(database).agree_on_job(TENANT, "ingest", "ingest", 0, 1)
    await tell(database, upload(), indexed(), upload(1, 2), letter_for(upload(1, 2), error_code="job-inconsistent"))
    job = await model.job(TENANT, "ingest")
    assert (job.status, job.size, job.error) == ("completed", 1, None)


async def test_a_size_learnt_too_late_is_mended_by_the_next_record(database: Database, model: ReadModel) -> None:
    await tell(database, upload(0, 9, event_id="stray"))
    await Ledger(database).agree_on_job(TENANT, "ingest", "ingest", 0, 1)
    await tell(database, upload(), indexed())
    assert ((await model.job(TENANT, "ingest")).status, (await model.job(TENANT, "ingest")).size) == ("completed", 1)


async def test_a_file_name_with_a_nul_is_kept_readable(database: Database, model: ReadModel) -> None:
    await tell(database, upload(filename="a\0b.mp3"))
    assert [file.filename for file in await model.files(TENANT, "ingest")] == ["a\N{REPLACEMENT CHARACTER}b.mp3"]


# ── a search's way ──


async def test_a_search_is_complete_when_all_its_queries_are(database: Database, model: ReadModel) -> None:
    totals = {"queries_total": 2, "pairs_total": 6, "candidates_total": 3}
    seen = []
    for record in (search_request(), progress("search", 0, "accept", 1, **totals), result(0, 2), result(1, 2)):
        await tell(database, record)
        seen.append((await model.job(TENANT, "search")).status)
    assert seen == ["pending", "running", "running", "completed"]
    job = await model.job(TENANT, "search")
    assert (job.size, job.pairs_total, job.candidates_total) == (2, 6, 3)
    assert job.asked == {"profile": "search", "search_type": "m:n", "depth": "track", "encoder_type": "type2"}
    assert [query.details_uri for query in await model.queries(TENANT, "search")] == ["jobs/0", "jobs/1"]


async def test_a_search_with_every_query_failed_is_failed(database: Database, model: ReadModel) -> None:
    problem = Problem(code="dataset-not-found", message="there is no dataset 'x'", remedy="create it")
    await tell(database, search_request(), result(status="failed", error=problem))
    job = await model.job(TENANT, "search")
    assert ("failed", problem.message) == (job.status, job.error)


async def test_a_searchs_own_audio_makes_no_file(database: Database) -> None:
    await tell(database, search_request(), feature("cqt", dataset_name=None))
    assert (await rows(database))["artifacts"] == []


# ── questions ──


async def test_a_job_is_hidden_until_a_record_tells_its_kind(database: Database, model: ReadModel) -> None:
    await tell(database, progress("ingest", 0, "decode", 5))
    assert await model.jobs(TENANT) == []
    with pytest.raises(NotFound) as caught:
        await model.job(TENANT, "ingest")
    assert caught.value.code == "job-not-found"


@pytest.mark.parametrize("question", ["job", "files", "queries", "cancel"])
async def test_another_tenants_job_is_unknown(question: str, database: Database, model: ReadModel) -> None:
    await tell(database, upload())
    with pytest.raises(NotFound):
        await getattr(model, question)("other", "ingest")


async def test_an_expired_job_is_unknown(database: Database, model: ReadModel) -> None:
    await tell(database, upload(requested_at=datetime.now(UTC) - timedelta(days=31)), retention_days=30)
    with pytest.raises(NotFound):
        await model.job(TENANT, "ingest")
    assert await model.jobs(TENANT) == []


async def test_pages_neither_repeat_nor_hide_when_a_job_is_made_in_between(
    database: Database, model: ReadModel
) -> None:
    for number in range(5):  # two and two of the same moment
        await tell(database, search_request(job_id=f"job-{number}", requested_at=at(number // 2)))
    first = await model.jobs(TENANT, limit=2)
    await tell(database, search_request(job_id="new", requested_at=at(60)))
    rest = await model.jobs(TENANT, before=(first[-1].created_at_ms, first[-1].job_id))
    assert [job.job_id for job in [*first, *rest]] == ["job-4", "job-3", "job-2", "job-1", "job-0"]


async def test_jobs_are_found_by_kind_and_status(database: Database, model: ReadModel) -> None:
    await tell(database, upload(), search_request(), result())
    assert [job.job_id for job in await model.jobs(TENANT, kind="ingest")] == ["ingest"]
    assert [job.job_id for job in await model.jobs(TENANT, status="completed")] == ["search"]
    assert await model.jobs(TENANT, kind="ingest", status="completed") == []


# ── cancelling ──


async def test_cancelling_keeps_what_was_finished_and_nothing_moves_the_job_again(
    database: Database, model: ReadModel
) -> None:
    await tell(database, upload(0, 2), upload(1, 2), indexed(0, 2))
    assert (await model.cancel(TENANT, "ingest")).status == "cancelled"
    assert [file.status for file in await model.files(TENANT, "ingest")] == ["completed", "cancelled"]
    await tell(database, letter_for(upload(1, 2)), progress("ingest", 1, "encode", 50, 2))
    job = await model.job(TENANT, "ingest")
    assert (job.status, job.error) == ("cancelled", None)
    assert await Ledger(database).is_cancelled(TENANT, "ingest")


async def test_a_finished_job_cannot_be_cancelled(database: Database, model: ReadModel) -> None:
    await tell(database, upload(), indexed())
    with pytest.raises(Conflict) as caught:
        await model.cancel(TENANT, "ingest")
    assert caught.value.code == "job-finished"
    assert not await Ledger(database).is_cancelled(TENANT, "ingest")


async def test_a_file_whose_dataset_is_gone_is_cancelled_alone(database: Database, model: ReadModel) -> None:
    await tell(database, upload(), progress("ingest", 0, "accept", 3, status="cancelled"))
    assert (await model.job(TENANT, "ingest")).status == "cancelled"


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, "pending"),
        ({"completed": 2}, "running"),
        ({"completed": 1, "failed": 1, "cancelled": 1}, "completed"),
        ({"failed": 1, "cancelled": 2}, "failed"),
        ({"cancelled": 3}, "cancelled"),
    ],
)
def test_a_jobs_status_follows_from_its_parts(counts: dict[str, int], expected: str) -> None:
    assert expected == job_status(3, counts, started=False, cancelled=False)
