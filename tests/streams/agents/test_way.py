"""The agents one after the other on memory stores, as the pipeline's tables route them: from bytes to a match."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from streams import codec, pipeline
from streams.delivery import Delivery
from streams.giving_up import Message
from streams.publish import outgoing
from streams.records import Feature, Job, SearchRequest, SearchResult, Upload, now
from streams.settings import Settings
from streams.stage import Resources
from streams.stores.catalogue import Catalogue
from streams.stores.database import Database
from streams.stores.ledger import Ledger
from streams.stores.memory import ExactVectors, MemoryBlobs
from tests import signals

TUNES = {
    "first": signals.tune(signals.FIRST_TUNE),
    "first-higher": signals.tune(signals.FIRST_TUNE, transposition=3, timbre="string"),
    "other": signals.tune(signals.OTHER_TUNE),
    "silence": signals.silence(20.0),
    "tone": signals.tone(5.0),
}


class Inline:
    """The heavy child, without the child."""

    async def call(self, _limit_s, function, *args):
        return function(*args)


@dataclass
class Pipeline:
    """Every stage, and a broker that is a list: what is published is handled in turn, until nothing is left."""

    resources: Resources
    waiting: list = field(default_factory=list)
    told: list = field(default_factory=list)
    passed: list = field(default_factory=list)

    def __post_init__(self):
        self.set()

    def set(self, **settings):
        """Run with other settings from now on."""
        changed = self.resources.settings.model_copy(update=settings)
        self.resources = replace(self.resources, settings=changed)
        self.stages = {c.topic: Delivery(c, self.resources, self) for c in pipeline.consumers()}

    async def publish(self, records):
        for out in records:
            (self.waiting if out.topic in self.stages else self.told).append(out)

    async def run(self, record):
        """Take a request to its end. Returns its features and results."""
        self.told.clear()
        self.passed.clear()
        topic = "uploads" if isinstance(record, Upload) else "search-requests"
        self.waiting.append(outgoing(record, topic))
        while self.waiting:
            out = self.waiting.pop(0)
            self.passed.append(out.topic)
            message = Message(out.topic, 0, 0, 0.0, out.key, out.value, out.headers)
            await self.stages[out.topic].handle(message)
        return [
            codec.decode(out.value, "feature", "search_result", "dead_letter")
            for out in self.told
            if out.topic != "progress"
        ]

    async def ingest(self, *names, dataset="demo"):
        for name in names:
            job = Job(id=f"{dataset}-{name}", index=0, size=1)
            await self.run(
                Upload(
                    event_id=job.id,
                    tenant="acme",
                    dataset_name=dataset,
                    blob_uri=self.uri(name),
                    job=job,
                    requested_at=now(),
                )
            )

    async def search(self, search_type, job_id="search", **fields):
        request = SearchRequest(
            event_id=job_id, tenant="acme", requested_at=now(), job_id=job_id, search_type=search_type, **fields
        )
        return [record for record in await self.run(request) if isinstance(record, SearchResult)]

    def uri(self, name):
        return f"{self.resources.settings.allowed_prefixes[0]}/{name}.wav"


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inbox")
    for name, samples in TUNES.items():
        (folder / f"{name}.wav").write_bytes(signals.wav(samples))
    return folder


@pytest.fixture
async def way(inbox):
    database = Database("sqlite+aiosqlite://")
    await database.migrate()
    settings = Settings(allowed_prefixes=(inbox.as_uri(),), exact_candidates_max=100)
    yield Pipeline(Resources(settings, Catalogue(database), Ledger(database), MemoryBlobs(), ExactVectors(), Inline()))
    await database.close()


async def test_an_upload_passes_every_stage_and_ends_with_its_index_feature(way):
    await way.ingest("first")
    assert way.passed == ["uploads", "work.bulk.decode", "work.bulk.encode", "work.bulk.index"]
    features = [codec.decode(out.value, "feature") for out in way.told if out.topic == "features"]
    assert [feature.kind for feature in features] == ["waveform", "envelope", "cqt", "full_audio_latent", "index"]
    assert features[-1].track.duration_s == pytest.approx(len(TUNES["first"]) / signals.RATE_HZ, abs=0.01)
    for feature in features[:-1]:
        assert await way.resources.blobs.exists(feature.uri)


async def test_a_track_that_was_heard_before_is_not_heard_again(way):
    await way.ingest("first")
    await way.ingest("first", dataset="another")
    assert way.passed == ["uploads", "work.bulk.index"]
    features = [codec.decode(out.value, "feature") for out in way.told if out.topic == "features"]
    assert [feature.reused for feature in features] == [True, True, True, False]


async def test_what_one_tenant_has_is_not_reused_for_another(way):
    await way.ingest("first")
    job = Job(id="theirs", index=0, size=1)
    upload = Upload(
        event_id="e", tenant="other", dataset_name="demo", blob_uri=way.uri("first"), job=job, requested_at=now()
    )
    features = [record for record in await way.run(upload) if isinstance(record, Feature)]
    assert not any(feature.reused for feature in features)


async def test_a_query_finds_the_same_tune_in_another_key_before_a_stranger(way):
    await way.ingest("first", "other")
    (result,) = await way.search("1:n", query_uri=way.uri("first-higher"), candidate_dataset_name="demo")
    assert [match.filename for match in result.matches] == ["first.wav", "other.wav"]
    assert result.matches[0].verdict == "same_composition"
    assert result.matches[0].evidence[0].transposition_semitones == 3
    assert result.candidates_compared == 2


async def test_the_record_and_the_stored_details_say_the_same_numbers(way):
    await way.ingest("first", "other")
    (result,) = await way.search("1:n", query_uri=way.uri("first-higher"), candidate_dataset_name="demo")
    entry = json.loads(await way.resources.blobs.get(result.details_uri))
    for match, document in zip(result.matches, entry["matches"], strict=True):
        assert (match.id, match.score, match.verdict) == (document["id"], document["score"], document["verdict"])
        assert document["evidence"] == [evidence.model_dump() for evidence in match.evidence]
        assert document["percentage"] == round(document["score"] * 100, 1)


async def test_a_one_to_one_search_needs_nothing_ingested(way):
    (result,) = await way.search("1:1", query_uri=way.uri("first"), candidate_uri=way.uri("first-higher"))
    (match,) = result.matches
    assert (match.track_id, match.dataset_id) == (None, None)
    assert match.evidence[0].transposition_semitones == -3


async def test_the_same_bytes_score_one_and_silence_matches_nothing(way):
    (same,) = await way.search("1:1", "same", query_uri=way.uri("first"), candidate_uri=way.uri("first"))
    assert same.matches[0].score >= 0.999
    (steady,) = await way.search("1:1", "steady", query_uri=way.uri("tone"), candidate_uri=way.uri("tone"))
    assert steady.matches[0].score >= 0.999
    (silent,) = await way.search("1:1", "silent", query_uri=way.uri("silence"), candidate_uri=way.uri("silence"))
    assert (silent.matches[0].score, silent.matches[0].verdict) == (0.0, "no_relation")


async def test_a_dataset_searched_in_itself_leaves_out_each_track_s_pair_with_itself(way):
    await way.ingest("first", "first-higher", "other")
    results = await way.search("m:n", query_dataset_name="demo", candidate_dataset_name="demo")
    assert [result.job.index for result in results] == [0, 1, 2]
    for result in results:
        assert len(result.matches) == 2
        assert result.query_audio_id not in [match.id for match in result.matches]


async def test_m_to_n_is_cut_into_works_that_together_answer_every_query_once(way):
    way.set(queries_per_work=2)
    await way.ingest("first", "first-higher", "other")
    results = await way.search("m:n", query_dataset_name="demo", candidate_dataset_name="demo")
    assert way.passed.count("work.bulk.match") == 2
    assert [(result.job.index, result.job.size) for result in results] == [(0, 3), (1, 3), (2, 3)]


async def test_a_dataset_that_grew_since_changes_nothing_for_a_search_that_is_done_again(way):
    await way.ingest("first")
    fields = {"query_uri": way.uri("first-higher"), "candidate_dataset_name": "demo"}
    await way.search("1:n", "again", **fields)
    await way.ingest("other")
    request = SearchRequest(
        event_id="other event", tenant="acme", requested_at=now(), job_id="again", search_type="1:n", **fields
    )
    (result,) = [record for record in await way.run(request) if isinstance(record, SearchResult)]
    assert [match.filename for match in result.matches] == ["first.wav"]


async def test_above_the_exact_limit_the_index_makes_the_shortlist(way):
    way.set(exact_candidates_max=1, shortlist_size=1, strangers=0)
    await way.ingest("first", "other")
    (result,) = await way.search("1:n", query_uri=way.uri("first-higher"), candidate_dataset_name="demo", limit=1)
    assert [match.filename for match in result.matches] == ["first.wav"]
    assert (result.candidates_compared, result.candidates_skipped) == (1, 0)


async def test_a_shortlist_waits_while_the_index_is_not_known_to_equal_the_catalogue(way):
    way.set(exact_candidates_max=1, retry_cap_s=0.01)
    await way.ingest("first", "other")
    way.resources.vectors.unclean_id = "mark"
    asked = []
    unclean = way.resources.vectors.unclean

    async def mended_at_the_third_look():
        asked.append(await unclean())
        if len(asked) == 3:
            way.resources.vectors.unclean_id = None
        return asked[-1]

    way.resources.vectors.unclean = mended_at_the_third_look
    (result,) = await way.search("1:n", query_uri=way.uri("first-higher"), candidate_dataset_name="demo")
    assert result.status == "completed"
    assert len(asked) >= 3


async def test_candidates_that_went_since_are_counted_and_not_compared(way):
    await way.ingest("first", "other")
    blobs = way.resources.blobs
    names = [name async for name in blobs.list("artifacts/acme/") if "/cqt-" in name]
    await blobs.delete(names[0])
    (result,) = await way.search("1:n", query_uri=way.uri("first-higher"), candidate_dataset_name="demo")
    assert (result.candidates_compared, result.candidates_skipped) == (1, 1)
