"""A dataset moves to the encoder of today: nothing is lost, nothing is seen half done, and it can be begun again."""

from __future__ import annotations

import pytest

from streams import cards
from streams.errors import NotFound, Unavailable
from streams.records import Job, SearchRequest, SearchResult, Upload, now
from streams.stores.vectors import Collection
from streams.switch import switch

OLD, NEW = "classical-0", cards.current("type2").model_version


@pytest.fixture
async def old(way, monkeypatch):
    """A pipeline with three tracks in `demo`, ingested when the classical encoder was the current one."""
    with monkeypatch.context() as before:
        before.setitem(cards.CURRENT, "type2", "classical")
        await way.ingest("first", "other", "silence")
    return way


async def switched(way, **fields):
    resources = way.resources
    (done,) = await switch(resources.catalogue, resources.vectors, resources.blobs, **fields)
    return done


async def windows(way, model_version):
    dataset = await way.resources.catalogue.dataset_by_name("acme", "demo")
    collection = Collection("acme", dataset.dataset_id, "full_audio_latent", model_version, 128)
    return await way.resources.vectors.tracks(collection)


async def pinned(way):
    dataset = await way.resources.catalogue.dataset_by_name("acme", "demo")
    return await way.resources.catalogue.pinned_to(dataset.dataset_id, "type2")


async def searched(way, job_id, name="first-higher", **fields):
    (result,) = await way.search("1:n", job_id, query_uri=way.uri(name), candidate_dataset_name="demo", **fields)
    return result


def without(*kinds):
    return lambda name: any(f"/{kind}-" in name for kind in kinds)


async def forget(way, chosen):
    blobs = way.resources.blobs
    for name in [name async for name in blobs.list() if chosen(name)]:
        await blobs.delete(name)


async def test_a_switched_dataset_is_searched_by_the_new_encoder(old):
    assert (await searched(old, "before")).model_version == OLD
    done = await switched(old)
    assert (done.tracks, done.made, done.lost, done.model_version) == (3, 2, [], NEW)  # silence has no windows
    assert await pinned(old) == NEW
    result = await searched(old, "after")
    assert (result.model_version, result.candidates_compared, result.status) == (NEW, 3, "completed")


async def test_the_old_windows_are_dropped_and_the_new_ones_are_those_of_an_ingest(old):
    await switched(old)
    assert await windows(old, OLD) == {}
    after = await windows(old, NEW)
    await old.ingest("first", "other", dataset="fresh")
    assert sorted(after.values()) == [12, 12]


async def test_stems_are_encoded_anew_from_their_transforms_and_drums_stay_as_they_are(way, monkeypatch):
    tasks = ("full_audio_latent", "light_stem", "stem_drums")
    with monkeypatch.context() as before:
        before.setitem(cards.CURRENT, "type2", "classical")
        await way.ingest("first", tasks=tasks)
    dataset = await way.resources.catalogue.dataset_by_name("acme", "demo")
    kinds = ("full_audio_latent", "stem_vocals", "stem_accompaniment", "stem_drums")

    async def held(version):
        card = cards.pinned("type2", version)
        found = [cards.collection_of("acme", dataset.dataset_id, kind, card) for kind in kinds]
        return {at.kind: await way.resources.vectors.tracks(at) for at in found}

    old = await held(OLD)
    done = await switched(way)
    assert (done.made, done.lost) == (1, [])
    new = await held(NEW)
    assert {kind: len(tracks) for kind, tracks in new.items()} == {kind: len(tracks) for kind, tracks in old.items()}
    assert new["full_audio_latent"]
    assert new["stem_drums"] == old["stem_drums"]
    assert not any(tracks for kind, tracks in (await held(OLD)).items() if kind != "stem_drums")
    (result,) = await way.search(
        "1:n", "after", query_uri=way.uri("first-higher"), candidate_dataset_name="demo", depth="light_stem"
    )
    assert (result.status, result.model_version, result.candidates_skipped) == ("completed", NEW, 0)


async def test_a_track_whose_stems_are_gone_keeps_its_dataset_where_it_is(way, monkeypatch):
    with monkeypatch.context() as before:
        before.setitem(cards.CURRENT, "type2", "classical")
        await way.ingest("first", tasks=("full_audio_latent", "light_stem"))
    await forget(way, without("stem_cqt"))
    assert (await switched(way)).lost
    assert await pinned(way) == OLD


async def test_a_dataset_that_is_there_already_is_left_as_it_is(old):
    await switched(old)
    again = await switched(old)
    assert (again.tracks, again.made) == (3, 0)


@pytest.mark.parametrize(
    "gone", [("cqt",), ("cqt", "waveform")], ids=["from the waveform", "from the bytes as they were sent"]
)
async def test_what_is_not_stored_any_more_is_made_again(old, gone):
    await forget(old, without(*gone))
    assert (await switched(old)).lost == []
    assert len(await windows(old, NEW)) == 2


async def test_a_track_of_which_nothing_is_left_keeps_its_dataset_where_it_is(old):
    await forget(old, lambda name: without("cqt", "waveform")(name) or name.startswith("uploads/"))
    done = await switched(old)
    assert len(done.lost) == 3
    assert await pinned(old) == OLD
    assert (await searched(old, "after")).model_version == OLD


async def test_a_switch_that_is_interrupted_is_not_seen_and_can_be_begun_again(old, monkeypatch):
    upsert, written = old.resources.vectors.upsert, []

    async def dies_at_the_second(*args):
        written.append(args)
        if len(written) == 2:
            raise Unavailable("the index went away")
        await upsert(*args)

    monkeypatch.setattr(old.resources.vectors, "upsert", dies_at_the_second)
    with pytest.raises(Unavailable):
        await switched(old)
    assert await pinned(old) == OLD
    assert (await searched(old, "between")).model_version == OLD
    monkeypatch.setattr(old.resources.vectors, "upsert", upsert)
    assert (await switched(old)).made == 1
    assert await pinned(old) == NEW


async def test_a_track_that_comes_in_meanwhile_comes_along(old, monkeypatch):
    upsert, once = old.resources.vectors.upsert, []

    async def while_one_comes_in(collection, *args):
        if collection.model_version == NEW and not once:
            once.append(True)
            await old.ingest("first-higher")
        await upsert(collection, *args)

    monkeypatch.setattr(old.resources.vectors, "upsert", while_one_comes_in)
    done = await switched(old)
    assert (done.tracks, await pinned(old)) == (4, NEW)
    assert len(await windows(old, NEW)) == 3
    assert (await searched(old, "after")).candidates_compared == 4


async def test_an_ingest_that_was_accepted_before_and_ends_after_is_encoded_again(old):
    job = Job(id="late", index=0, size=1)
    upload = Upload(
        event_id="late", tenant="acme", dataset_name="demo", blob_uri=old.uri("first-higher"), job=job,
        requested_at=now(),
    )  # fmt: skip
    handle = old.stages["work.bulk.index"].handle

    async def after_a_switch(message):
        if await pinned(old) == OLD:
            await switched(old)
        await handle(message)

    old.stages["work.bulk.index"].handle = after_a_switch
    await old.run(upload)
    assert old.passed[-4:] == ["work.bulk.encode", "work.bulk.index", "work.bulk.encode", "work.bulk.index"]
    assert await windows(old, OLD) == {}
    assert len(await windows(old, NEW)) == 3
    assert (await searched(old, "after", "first-higher")).matches[0].filename == "first-higher.wav"


@pytest.mark.parametrize("exact_candidates_max", [100, 1], ids=["exact", "by a shortlist"])
async def test_a_search_that_was_accepted_before_is_answered_by_the_old_encoder(old, exact_candidates_max):
    old.set(exact_candidates_max=exact_candidates_max, shortlist_size=1, strangers=0)
    request = SearchRequest(
        event_id="s", tenant="acme", requested_at=now(), job_id="s", search_type="1:n",
        query_uri=old.uri("first-higher"), candidate_dataset_name="demo",
    )  # fmt: skip
    handle = old.stages["work.live.match"].handle

    async def after_a_switch(message):
        await switched(old)
        await handle(message)

    old.stages["work.live.match"].handle = after_a_switch
    (result,) = [record for record in await old.run(request) if isinstance(record, SearchResult)]
    assert (result.status, result.model_version, result.candidates_compared) == ("completed", OLD, 3)
    assert result.matches[0].filename == "first.wav"


async def test_only_the_dataset_that_is_named_is_moved(old, monkeypatch):
    with monkeypatch.context() as before:
        before.setitem(cards.CURRENT, "type2", "classical")
        await old.ingest("first", dataset="another")
    await switched(old, dataset_name="another")
    assert await pinned(old) == OLD


async def test_a_name_without_tracks_is_told(way):
    with pytest.raises(NotFound, match="no dataset 'nobody'"):
        await switch(way.resources.catalogue, way.resources.vectors, way.resources.blobs, dataset_name="nobody")


async def test_it_waits_for_an_index_that_is_being_mended(old):
    old.resources.vectors.unclean_id = "mark"
    with pytest.raises(Unavailable, match="mark"):
        await switched(old)
