"""Every depth and every kind of search on two recorded pieces in several arrangements, as records and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models import separate as separation
from streams import cards, pipeline
from streams.agents import match
from streams.mend import Stores, mend
from streams.records import SearchRequest, now
from tests import signals
from tests.quality.clips import clips
from tests.streams.agents.test_stems import by_height

TASKS = tuple(pipeline.TASKS)
BLOCKS = {
    "track": {"full_audio_latent_scores"},
    "light_stem": {"full_audio_latent_scores", "vocal_latent_scores", "accompaniment_latent_scores"},
    "stem": {"full_audio_latent_scores", "vocal_latent_scores"},
    "motif": {"motif_matches"},
    "section": {"full_audio_latent_scores", "section_matches"},
    "stem_section": {"full_audio_latent_scores", "stem_section_matches"},
    "comprehensive1": {
        "full_audio_latent_scores", "vocal_latent_scores", "accompaniment_latent_scores", "motif_matches",
    },
}  # fmt: skip
EVERY_BLOCK = set.union(*BLOCKS.values())


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    """`one` and `again` are one piece in two arrangements, `other` is another."""
    folder = tmp_path_factory.mktemp("depths")
    chosen = [clip for clip in clips() if clip.composition == clips()[0].composition][:2]
    chosen.append(next(clip for clip in clips() if clip.composition != clips()[0].composition))
    for name, clip in zip(("one", "again", "other"), chosen, strict=True):
        (folder / f"{name}.wav").write_bytes(signals.wav(clip.samples()))
    (folder / "silence.wav").write_bytes(signals.wav(signals.silence(10.0)))
    return folder


@pytest.fixture
async def full(way, monkeypatch):
    """A dataset with everything that can be made of three tracks, by a separator that tells stems by their height."""
    monkeypatch.setattr(separation, "separate", by_height)
    await way.ingest("again", "other", tasks=TASKS)
    return way


async def found(way, result):
    return json.loads(await way.resources.blobs.get(result.details_uri))["matches"]


def asked(depth):
    return {"profile": "comprehensive1"} if depth == "comprehensive1" else {"depth": depth}


def numbers_are_told_alike(result, documents):
    for record, document in zip(result.matches, documents, strict=True):
        assert (record.id, record.score, record.verdict) == (document["id"], document["score"], document["verdict"])
        assert (record.metric, record.layer) == (document["payload"]["metric"], document["payload"]["layer"])
        assert [evidence.model_dump() for evidence in record.evidence] == document["evidence"]
        assert 0 <= document["score"] <= 1
        assert document["p_chance"] is None or 0 < document["p_chance"] <= 1


@pytest.mark.parametrize("depth", BLOCKS)
async def test_one_to_many(full, depth):
    (result,) = await full.search("1:n", query_uri=full.uri("one"), candidate_dataset_name="demo", **asked(depth))
    documents = await found(full, result)
    assert (result.status, result.candidates_compared, len(documents)) == ("completed", 2, 2)
    numbers_are_told_alike(result, documents)
    assert all(EVERY_BLOCK & set(document) == BLOCKS[depth] for document in documents)
    assert documents[0]["payload"]["filename"] == "again.wav"
    assert documents[0]["score"] > documents[1]["score"]


@pytest.mark.parametrize("depth", BLOCKS)
async def test_one_to_one_needs_nothing_ingested(way, monkeypatch, depth):
    monkeypatch.setattr(separation, "separate", by_height)
    uris = {"query_uri": way.uri("one"), "candidate_uri": way.uri("again")}
    (result,) = await way.search("1:1", **uris, **asked(depth))
    documents = await found(way, result)
    assert len(documents) == 1
    numbers_are_told_alike(result, documents)
    assert EVERY_BLOCK & set(documents[0]) == BLOCKS[depth]


@pytest.mark.parametrize("depth", BLOCKS)
async def test_many_to_many(full, depth):
    names = {"query_dataset_name": "demo", "candidate_dataset_name": "demo"}
    results = await full.search("m:n", **names, **asked(depth))
    assert [result.job.index for result in results] == [0, 1]
    for result in results:
        documents = await found(full, result)
        assert len(documents) == 1, "its pair with itself is left out"
        numbers_are_told_alike(result, documents)
        assert EVERY_BLOCK & set(documents[0]) == BLOCKS[depth]


async def test_for_what_windows_tell_a_melody_is_looked_for_whatever_the_postings_say(full, monkeypatch):
    async def none_told(*_):
        return {}

    monkeypatch.setattr(match, "shared_melodies", none_told)
    names = {"query_uri": full.uri("one"), "candidate_dataset_name": "demo"}
    (result,) = await full.search("1:n", **names, **asked("comprehensive1"))
    assert [bool(match.motifs) for match in result.matches] == [True, False]


@pytest.mark.parametrize("depth", ["motif", "section", "stem_section", "comprehensive1"])
async def test_silence_matches_nothing_at_any_depth(full, depth):
    (result,) = await full.search("1:n", query_uri=full.uri("silence"), candidate_dataset_name="demo", **asked(depth))
    assert {(match.score, match.verdict) for match in result.matches} == {(0.0, "no_relation")}


async def test_a_track_with_its_own_bytes_is_the_same_recording_at_every_depth(full):
    for depth in BLOCKS:
        uris = {"query_uri": full.uri("one"), "candidate_uri": full.uri("one")}
        (result,) = await full.search("1:1", f"same-{depth}", **uris, **asked(depth))
        assert (result.matches[0].score, result.matches[0].verdict) == (1.0, "same_recording")


async def test_sections_are_told_with_letters_that_are_sure_to_a_degree_and_guesses_that_say_so(full):
    uris = {"query_uri": full.uri("one"), "candidate_uri": full.uri("one")}
    (result,) = await full.search("1:1", **uris, depth="section")
    (first,) = await found(full, result)
    block = first["section_matches"]
    assert block["total_matches"] == len(block["matches"]) > 0
    for item in block["matches"]:
        for section in (item["query_section"], item["candidate_section"]):
            assert section["label"].isalpha()
            assert 0 <= section["label_confidence"] <= 1
            assert 0 <= section["start_s"] < section["end_s"]
            assert section["guess"] is None or 0 < section["guess"]["confidence"] < 1
    indexes = [item["query_section"]["index"] for item in block["matches"]]
    assert indexes == sorted(indexes), "in the order of both tracks"


async def test_stems_that_have_no_harmony_have_no_sections(way):
    uris = {"query_uri": way.uri("one"), "candidate_uri": way.uri("again")}
    (letter,) = await way.run(
        SearchRequest(
            event_id="drums", tenant="acme", requested_at=now(), job_id="drums", search_type="1:1", **uris,
            depth="stem_section", stem_types=("drums", "bass"),
        )
    )  # fmt: skip
    assert (letter.status, letter.error.code) == ("failed", "validation-failed")
    assert "drums have no harmony" in letter.error.message


async def test_a_melody_of_two_files_that_is_gone_is_heard_again(way, monkeypatch):
    monkeypatch.setattr(separation, "separate", by_height)
    uris, blobs = {"query_uri": way.uri("one"), "candidate_uri": way.uri("again")}, way.resources.blobs
    (first,) = await way.search("1:1", "first", **uris, depth="motif")
    kept, get = [name async for name in blobs.list("artifacts/") if "/contour-" in name], blobs.get

    async def swept(name):
        while name in kept:
            await blobs.delete(kept.pop())
        return await get(name)

    monkeypatch.setattr(blobs, "get", swept)
    (again,) = await way.search("1:1", "again", **uris, depth="motif")
    assert "work.live.motif" in way.passed
    assert (again.status, again.matches[0].score) == ("completed", first.matches[0].score)


@pytest.mark.parametrize("lost", ["motif", "contour"])
async def test_a_track_whose_melodies_are_not_stored_is_told_as_skipped(full, lost):
    catalogue, blobs = full.resources.catalogue, full.resources.blobs
    dataset = await catalogue.dataset_by_name("acme", "demo")
    (track,) = [one for one in await catalogue.tracks("acme", dataset.dataset_id) if one.filename == "other.wav"]
    (name,) = [name async for name in blobs.list("artifacts/") if f"/{track.audio_id}/{lost}-" in name]
    await blobs.delete(name)
    names = {"query_uri": full.uri("one"), "candidate_dataset_name": "demo"}
    (result,) = await full.search("1:n", **names, depth="motif")
    assert (result.candidates_compared, result.candidates_skipped) == (1, 1)
    assert [match.filename for match in result.matches] == ["again.wav"]
    (result,) = await full.search("1:n", "all", **names, **asked("comprehensive1"))
    assert result.candidates_compared == 2, "by their windows"
    told = {document["payload"]["filename"]: document for document in await found(full, result)}
    assert "motif_matches" in told["again.wav"]
    assert "motif_matches" not in told["other.wav"], "nobody looked"
    each = await full.search("m:n", "each", query_dataset_name="demo", candidate_dataset_name="demo", depth="motif")
    assert {one.status for one in each} == {"failed"}
    assert each[0].error.remedy.startswith("ingest the dataset's files again")


async def test_a_melody_in_another_key_and_tempo_is_found_and_placed(way, monkeypatch, inbox, unrecognised):
    rng = np.random.default_rng(5)
    notes = tuple(int(note) for note in np.cumsum(rng.choice((-4, -3, -2, -1, 1, 2, 3, 5), 32)) % 17 - 4)
    strangers = {f"stranger{seed}": tuple(np.random.default_rng(seed).integers(-7, 8, 32)) for seed in range(4)}
    (inbox / "tune.wav").write_bytes(signals.wav(signals.tune(notes, repeats=1)))
    higher = signals.tune(notes, repeats=1, transposition=5, tempo_bpm=132.0, timbre="string")
    (inbox / "higher.wav").write_bytes(signals.wav(higher))
    for name, played in strangers.items():
        (inbox / f"{name}.wav").write_bytes(signals.wav(signals.tune(played, repeats=1)))
    monkeypatch.setattr(separation, "separate", by_height)
    await way.ingest("tune", *strangers, tasks=("motif",))
    (result,) = await way.search("1:n", query_uri=way.uri("higher"), candidate_dataset_name="demo", depth="motif")
    assert result.matches[0].filename == "tune.wav"
    documents = await found(way, result)
    items = documents[0]["motif_matches"]["full_audio"]["matches"]
    assert items[0]["transposition_semitones"] % 12 == 5, "octaves are heard less surely"
    assert items[0]["tempo_ratio"] == pytest.approx(1.1, abs=0.03)
    assert items[0]["commonness"] == pytest.approx(1 / 5, abs=0.01)
    (mine, theirs) = items[0]["query_audio_timestamps"], items[0]["candidate_audio_timestamps"]
    assert theirs[0][0] == pytest.approx(1.1 * mine[0][0], abs=0.5)


async def test_lost_postings_of_melodies_are_written_again(full):
    resources = full.resources
    stores = Stores(resources.catalogue, resources.vectors, resources.postings, resources.blobs)
    for path in resources.settings.postings_folder.rglob("*.segment"):
        path.unlink()
    assert (await mend(stores)).written == 2
    (result,) = await full.search("1:n", query_uri=full.uri("one"), candidate_dataset_name="demo", depth="motif")
    assert result.matches[0].filename == "again.wav"


async def test_one_unreadable_artifact_stops_no_mending(full):
    resources = full.resources
    stores = Stores(resources.catalogue, resources.vectors, resources.postings, resources.blobs)
    for kind in ("full_audio_latent", "motif"):
        (name, _) = [name async for name in resources.blobs.list("artifacts/") if f"/{kind}-" in name]
        await resources.blobs.delete(name)
        await resources.blobs.put(name, b"torn")
        mended = await mend(stores, rebuild=True)
        assert (len(mended.lost), mended.tracks) == (1, 2), kind


async def test_an_index_is_written_anew_while_it_is_searched(way, monkeypatch):
    way.set(exact_candidates_max=1, shortlist_size=2, strangers=0)
    await way.ingest("again", "other")
    resources = way.resources
    stores = Stores(resources.catalogue, resources.vectors, resources.postings, resources.blobs)
    upsert, compared = resources.vectors.upsert, []

    async def searched_before(*written):
        fields = {"query_uri": way.uri("one"), "candidate_dataset_name": "demo"}
        (result,) = await way.search("1:n", f"at-{len(compared)}", **fields)
        compared.append(result.candidates_compared)
        await upsert(*written)

    dataset = await resources.catalogue.dataset_by_name("acme", "demo")
    card = cards.current("type2")
    collection = cards.collection_of("acme", dataset.dataset_id, "full_audio_latent", card)
    await upsert(collection, "gone", np.ones((1, 128), np.float32), np.zeros(1))
    monkeypatch.setattr(resources.vectors, "upsert", searched_before)
    assert (await mend(stores, rebuild=True)).written == 2
    assert compared == [2, 2]
    assert "gone" not in await resources.vectors.tracks(collection)


async def test_a_later_task_adds_its_stage_alone(way, monkeypatch):
    monkeypatch.setattr(separation, "separate", by_height)
    await way.ingest("one", tasks=("light_stem",))
    await way.ingest("one", dataset="demo", encoder_type="type1", tasks=("motif",))
    assert way.passed == ["uploads", "work.bulk.motif", "work.bulk.index"]


async def test_sections_that_cannot_be_made_take_no_other_task_with_them(way, monkeypatch):
    monkeypatch.setattr(separation, "separate", by_height)
    monkeypatch.setattr("models.hear.structure", lambda *_: 1 / 0)
    await way.ingest("one", tasks=("full_audio_latent", "motif", "section"))
    dataset = await way.resources.catalogue.dataset_by_name("acme", "demo")
    assert dataset.ingested_tasks == ("full_audio_latent", "motif")
