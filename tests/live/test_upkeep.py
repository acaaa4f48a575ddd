"""What an operator does with a running home: send letters back, write the index anew; and both surfaces agree."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from streams import cards
from streams.records import DeadLetter, Feature, SearchResult
from streams.settings import Settings
from streams.stores.catalogue import Catalogue
from streams.stores.database import Database
from tests import signals
from tests.live import publisher
from tests.live.conftest import CLIPS

if TYPE_CHECKING:
    from tests.live.conftest import RunningHome

pytestmark = pytest.mark.live

NAMES = ("canon-in-d--rock-guitar.m4a", "ode-to-joy--brass-march.m4a", "fur-elise--solo-piano.m4a")


async def polled(home: RunningHome, job_id: str) -> dict[str, Any]:
    """A job over HTTP, once it is at its end."""
    headers = {"Authorization": f"Bearer {home.api_key}"}
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.timeout(60):
        while True:
            async with session.get(f"{home.api_url}/trace/v1/jobs/{job_id}") as answer:
                job = (await answer.json()).get("data", {})
                if job.get("status") in ("completed", "failed", "cancelled"):
                    return job
            await asyncio.sleep(0.1)


async def ingest(home: RunningHome, dataset: str) -> None:
    uploads = [publisher.upload((CLIPS / name).as_uri(), dataset) for name in NAMES]
    told = await publisher.run(home.kafka_bootstrap, uploads)
    assert all(isinstance(records[-1], Feature) for records in told.values())


async def test_http_tells_of_a_job_made_over_kafka_what_the_results_topic_told(home: RunningHome) -> None:
    await ingest(home, "agreeing")
    request = publisher.search(
        "1:n",
        query_uri=(CLIPS / "canon-in-d--three-violins.m4a").as_uri(),
        candidate_dataset_name="agreeing",
        limit=2,
    )
    records = (await publisher.run(home.kafka_bootstrap, [request]))[request.job_id]
    (result,) = [record for record in records if isinstance(record, SearchResult)]
    job = await polled(home, request.job_id)
    (entry,) = job["results"]["results"]
    assert (job["status"], job["n"], job["m"], entry["query_audio_id"]) == ("completed", 3, 1, request.query_uri)
    assert result.matches[0].filename == NAMES[0]
    for told, shown in zip(result.matches, entry["matches"], strict=True):
        assert (told.id, told.score, told.verdict, told.rank) == tuple(
            shown[k] for k in ("id", "score", "verdict", "rank")
        )
        assert [evidence.model_dump() for evidence in told.evidence] == shown["evidence"]


async def test_stems_are_separated_indexed_and_searched_by_and_the_index_is_written_again_with_them(
    home: RunningHome,
) -> None:
    tasks = ("full_audio_latent", "light_stem", "stem_drums")
    uploads = [publisher.upload((CLIPS / name).as_uri(), "in-stems", tasks=tasks) for name in NAMES]
    told = await publisher.run(home.kafka_bootstrap, uploads)
    for records in told.values():
        assert isinstance(records[-1], Feature)
        assert (records[-1].tasks_done, records[-1].tasks_failed) == (tasks, {})
        assert "stem_accompaniment" in {record.kind for record in records if isinstance(record, Feature)}
    query = (CLIPS / "canon-in-d--three-violins.m4a").as_uri()

    async def searched() -> dict[str, Any]:
        request = publisher.search(
            "1:n", query_uri=query, candidate_dataset_name="in-stems", depth="light_stem", limit=3
        )
        await publisher.send(home.kafka_bootstrap, [request])
        job = await polled(home, request.job_id)
        (entry,) = job["results"]["results"]
        assert job["depth"] == "light_stem"
        return entry["matches"][0]

    best = await searched()
    assert best["payload"]["filename"] == NAMES[0]
    assert "accompaniment_latent_scores" in best
    ended = home.run("reindex", "in-stems")
    assert ended.returncode == 0, ended.stderr
    assert (await searched())["score"] == best["score"]


async def test_m_to_n_answers_every_track_and_never_pairs_one_with_itself(home: RunningHome) -> None:
    await ingest(home, "among-themselves")
    request = publisher.search(
        "m:n", query_dataset_name="among-themselves", candidate_dataset_name="among-themselves", limit=5
    )
    await publisher.send(home.kafka_bootstrap, [request])
    job = await polled(home, request.job_id)
    entries = job["results"]["results"]
    assert len({entry["query_audio_id"] for entry in entries}) == 3
    for entry in entries:
        others = {match["id"] for match in entry["matches"]}
        assert len(others) == 2
        assert entry["query_audio_id"] not in others


async def test_a_dead_letter_is_sent_back_once_its_cause_is_mended(home: RunningHome) -> None:
    late = home.path / "inbox" / "late.wav"
    request = publisher.upload(late.as_uri(), "late")
    records = (await publisher.run(home.kafka_bootstrap, [request]))[request.job.id]
    (letter,) = [record for record in records if isinstance(record, DeadLetter)]
    assert letter.error_code == "blob-not-found"
    late.write_bytes(signals.wav(signals.tune(repeats=1, tempo_bpm=77)))

    done = await asyncio.to_thread(home.run, "replay", letter.event_id, "--json")
    assert done.returncode == 0, done.stderr
    (sent,) = json.loads(done.stdout)["letters"]
    job = await polled(home, sent["job_id"])
    assert (job["status"], job["kind"]) == ("completed", "ingest")


async def test_the_index_is_written_anew_from_the_blobs(home: RunningHome) -> None:
    await ingest(home, "anew")
    rebuilt = await asyncio.to_thread(home.run, "reindex", "anew", "--json")
    assert json.loads(rebuilt.stdout) == {"tracks": 3, "written": 3, "lost": []}
    looked = await asyncio.to_thread(home.run, "reindex", "--missing", "anew", "--json")
    assert json.loads(looked.stdout) == {"tracks": 3, "written": 0, "lost": []}


async def pin(home: RunningHome, dataset: str, model_version: str) -> None:
    """As if the dataset had been made when that version was the current one."""
    database = Database(Settings(home=home.path).sql_url)
    try:
        catalogue = Catalogue(database)
        made = await catalogue.ensure_dataset(publisher.TENANT, dataset)
        assert await catalogue.pin(made.dataset_id, "type2", model_version) == model_version
    finally:
        await database.close()


async def found(home: RunningHome, dataset: str) -> SearchResult:
    query = (CLIPS / NAMES[0]).as_uri()
    request = publisher.search("1:n", query_uri=query, candidate_dataset_name=dataset, limit=1)
    records = (await publisher.run(home.kafka_bootstrap, [request]))[request.job_id]
    (result,) = [record for record in records if isinstance(record, SearchResult)]
    assert (result.status, result.matches[0].filename, result.candidates_compared) == ("completed", NAMES[0], 3)
    return result


async def test_a_dataset_moves_to_the_encoder_of_today_while_it_is_searched(home: RunningHome) -> None:
    new = cards.current("type2").model_version
    await pin(home, "moving", "classical-0")
    await ingest(home, "moving")
    assert (await found(home, "moving")).model_version == "classical-0"

    moving = asyncio.create_task(asyncio.to_thread(home.run, "reindex", "moving", "--switch", "--json"))
    seen = []
    while not moving.done():
        seen.append((await found(home, "moving")).model_version)
    done = await moving
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["datasets"] == [
        {
            "dataset": "moving", "encoder_type": "type2", "from": "classical-0", "to": new, "switched": True,
            "tracks": 3, "written": 3, "lost": [],
        }
    ]  # fmt: skip
    assert seen == sorted(seen), "the old version first, then the new one, and never anything else"
    assert set(seen) <= {"classical-0", new}
    assert (await found(home, "moving")).model_version == new
