"""The agents one after the other on memory stores, as the pipeline's tables route them: from bytes to a match."""

from __future__ import annotations

import json

import pytest

from streams import cards, codec
from streams.records import DeadLetter, Feature, Job, SearchRequest, Upload, now
from tests import signals
from tests.streams.conftest import TUNES

NEW = cards.current("type2").model_version


async def test_an_upload_passes_every_stage_and_ends_with_its_index_feature(way):
    await way.ingest("first")
    assert way.passed == [
        "uploads", "work.bulk.decode", "work.bulk.fingerprint", "work.bulk.encode", "work.bulk.index",
    ]  # fmt: skip
    features = [codec.decode(out.value, "feature") for out in way.told if out.topic == "features"]
    assert [feature.kind for feature in features] == [
        "waveform", "envelope", "fingerprint", "cqt", "full_audio_latent", "index",
    ]  # fmt: skip
    assert features[-1].track.duration_s == pytest.approx(len(TUNES["first"]) / signals.RATE_HZ, abs=0.01)
    for feature in features[:-1]:
        assert await way.resources.blobs.exists(feature.uri)


async def test_a_track_that_was_heard_before_is_not_heard_again(way):
    await way.ingest("first")
    await way.ingest("first", dataset="another")
    assert way.passed == ["uploads", "work.bulk.index"]
    features = [codec.decode(out.value, "feature") for out in way.told if out.topic == "features"]
    assert [feature.reused for feature in features] == [True, True, True, True, False]


async def test_what_one_tenant_has_is_not_reused_for_another(way):
    await way.ingest("first")
    job = Job(id="theirs", index=0, size=1)
    upload = Upload(
        event_id="e", tenant="other", dataset_name="demo", blob_uri=way.uri("first"), job=job, requested_at=now()
    )
    features = [record for record in await way.run(upload) if isinstance(record, Feature)]
    assert not any(feature.reused for feature in features)


async def test_a_query_finds_the_same_tune_in_another_key_before_a_stranger(way, classical, unrecognised):
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


async def ingested(way, job_id):
    job = Job(id=job_id, index=0, size=1)
    return await way.run(
        Upload(
            event_id=job_id, tenant="acme", dataset_name="demo", blob_uri=way.uri("first"), job=job, requested_at=now()
        )
    )


async def test_a_dataset_that_grew_since_changes_nothing_for_a_search_that_is_done_again(way, monkeypatch):
    async def never(*_):
        return False

    await way.ingest("first")
    fields = {"query_uri": way.uri("first-higher"), "candidate_dataset_name": "demo"}
    await way.search("1:n", "again", **fields)
    await way.ingest("other")
    monkeypatch.setattr(way.resources.ledger, "was_accepted", never)
    (result,) = await way.search("1:n", "again", **fields)
    assert [match.filename for match in result.matches] == ["first.wav"]


async def test_a_job_is_the_request_s_that_named_it_first(way):
    await way.ingest("first")
    await way.ingest("other", dataset="second")
    (own,) = await way.search("1:n", "same", query_uri=way.uri("first"), candidate_dataset_name="demo")
    request = SearchRequest(
        event_id="another's", tenant="acme", requested_at=now(), job_id="same", search_type="1:n",
        query_uri=way.uri("other"), candidate_dataset_name="second",
    )  # fmt: skip
    (letter,) = await way.run(request)
    assert isinstance(letter, DeadLetter)
    assert (letter.error_code, letter.remedy) == ("job-inconsistent", "ask again with a new job id")
    assert json.loads(await way.resources.blobs.get(own.details_uri))["query_audio_id"] == way.uri("first")


@pytest.mark.parametrize("limit", [0, -3])
async def test_a_one_to_one_search_tells_its_match_whatever_its_limit(way, limit):
    uris = {"query_uri": way.uri("first"), "candidate_uri": way.uri("other")}
    (result,) = await way.search("1:1", **uris, limit=limit)
    assert [match.filename for match in result.matches] == ["other.wav"]


async def test_a_track_that_expired_comes_back_by_another_ingest(way):
    way.set(retention_days=-1)
    assert (await ingested(way, "a"))[-1].error_code == "track-not-found"
    way.set(retention_days=1)
    last = (await ingested(way, "b"))[-1]
    assert (last.kind, last.reused) == ("index", False)
    (result,) = await way.search("1:n", query_uri=way.uri("first-higher"), candidate_dataset_name="demo")
    assert [match.filename for match in result.matches] == ["first.wav"]
    way.set(retention_days=9)
    again = (await ingested(way, "c"))[-1]
    assert again.reused
    assert again.track.expires_at > last.track.expires_at


async def test_above_the_exact_limit_the_index_makes_the_shortlist(way, classical):
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


@pytest.mark.parametrize(("encoder_type", "kind"), [("classical", "cqt"), ("network", "full_audio_latent")])
async def test_candidates_that_went_since_are_counted_and_not_compared(way, monkeypatch, encoder_type, kind):
    if encoder_type == "classical":
        monkeypatch.setitem(cards.CURRENT, "type2", "classical")
    await way.ingest("first", "other")
    blobs = way.resources.blobs
    names = [name async for name in blobs.list("artifacts/acme/") if f"/{kind}-" in name]
    await blobs.delete(names[0])
    (result,) = await way.search("1:n", query_uri=way.uri("first-higher"), candidate_dataset_name="demo")
    assert (result.candidates_compared, result.candidates_skipped) == (1, 1)


async def test_the_probabilities_and_what_they_were_calibrated_on_are_told_alike_in_record_and_json(way, unrecognised):
    await way.ingest("first", "other")
    (result,) = await way.search("1:n", query_uri=way.uri("first"), candidate_dataset_name="demo")
    entry = json.loads(await way.resources.blobs.get(result.details_uri))
    card = cards.current("type2")
    for match, told in zip(result.matches, entry["matches"], strict=True):
        assert (match.p_match, match.p_chance, match.qmax) == (told["p_match"], told["p_chance"], told["qmax"])
        assert 0 <= match.p_match <= 1
        assert 1e-6 <= match.p_chance <= 1
        assert told["calibration"] == {
            "source": "shipped",
            "pairs": card.calibration.n_pairs,
            "model_version": NEW,
        }
    same, other = result.matches
    assert same.p_match > other.p_match
    assert same.p_chance < other.p_chance


async def test_the_classical_encoder_tells_no_probability(way, classical, unrecognised):
    await way.ingest("first")
    (result,) = await way.search("1:n", query_uri=way.uri("first"), candidate_dataset_name="demo")
    (match,) = result.matches
    assert (match.metric, match.p_match, match.p_chance, match.qmax) == ("qmax", None, None, match.score)
    entry = json.loads(await way.resources.blobs.get(result.details_uri))
    assert entry["matches"][0]["calibration"] is None


async def test_ranking_reads_no_transform_of_a_candidate_that_is_not_compared_in_full(way, unrecognised):
    object.__setattr__(way.resources.settings, "compared_in_full", 1)
    await way.ingest("first", "first-higher", "other")
    read, get = [], way.resources.blobs.get

    async def seen(name):
        read.append(name)
        return await get(name)

    way.resources.blobs.get = seen
    (result,) = await way.search("1:n", query_uri=way.uri("first"), candidate_dataset_name="demo", limit=1)
    assert (len(result.matches), result.candidates_compared) == (1, 3)
    candidates = {name for name in read if "/full_audio_latent-" in name}
    assert len(candidates) == 3
    assert len({name for name in read if "/cqt-" in name}) == 1  # the match is the query's own bytes


async def test_datasets_of_different_model_versions_are_refused_with_what_to_do(way, monkeypatch):
    with monkeypatch.context() as before:
        before.setitem(cards.CURRENT, "type2", "classical")
        await way.ingest("first", dataset="old")
    await way.ingest("first", dataset="new")
    (result,) = await way.search("m:n", query_dataset_name="new", candidate_dataset_name="old")
    assert (result.status, result.error.code) == ("failed", "model-versions-differ")
    for named in ("classical-0", NEW):
        assert named in result.error.message
    assert "soundtrace reindex" in result.error.remedy


async def test_a_query_is_encoded_by_what_the_dataset_is_pinned_to(way, monkeypatch, unrecognised):
    with monkeypatch.context() as before:
        before.setitem(cards.CURRENT, "type2", "classical")
        await way.ingest("first")
    (result,) = await way.search("1:n", "old", query_uri=way.uri("first-higher"), candidate_dataset_name="demo")
    assert (result.model_version, result.matches[0].metric) == ("classical-0", "qmax")
    uris = {"query_uri": way.uri("first"), "candidate_uri": way.uri("first-higher")}
    (result,) = await way.search("1:1", "new", **uris)
    assert (result.model_version, result.matches[0].metric) == (NEW, "agreement_qmax")


async def test_both_types_hear_one_track_and_share_what_does_not_depend_on_them(way, unrecognised):
    await way.ingest("first", "other")
    await way.ingest("first", encoder_type="type1")
    assert way.passed == ["uploads", "work.bulk.encode", "work.bulk.index"]
    features = [codec.decode(out.value, "feature") for out in way.told if out.topic == "features"]
    reused = {feature.kind: feature.reused for feature in features}
    assert reused == {"envelope": True, "fingerprint": True, "cqt": True, "full_audio_latent": False, "index": False}
    for encoder_type, expected in (("type1", ["first.wav"]), ("type2", ["first.wav", "other.wav"])):
        fields = {"query_uri": way.uri("first-higher"), "candidate_dataset_name": "demo", "encoder_type": encoder_type}
        (result,) = await way.search("1:n", encoder_type, **fields)
        assert result.model_version == cards.current(encoder_type).model_version
        assert sorted(match.filename for match in result.matches) == expected
        assert result.matches[0].verdict == "same_composition"


async def test_a_type_that_no_track_was_ingested_with_is_refused_with_what_to_do(way):
    await way.ingest("first")
    fields = {"query_uri": way.uri("first"), "candidate_dataset_name": "demo", "encoder_type": "type1"}
    (result,) = await way.search("1:n", **fields)
    assert (result.status, result.error.code) == ("failed", "encoder-not-ingested")
    assert "type1" in result.error.remedy
