"""The catalogue's promises, judged on memory and on a file alike."""

from functools import partial

import pytest

from streams.errors import Conflict, NotFound
from streams.records import Health
from streams.stores.catalogue import Blob, Catalogue, TrackRow, epoch_ms
from streams.stores.database import Database

TASK = "full_audio_latent"


@pytest.fixture(params=["memory", "file"])
async def catalogue(request, tmp_path):
    url = "sqlite+aiosqlite://" if request.param == "memory" else f"sqlite+aiosqlite:///{tmp_path}/c.db"
    database = Database(url)
    await database.migrate()
    yield Catalogue(database)
    await database.close()


def track(dataset, name="t", **fields):
    values = {
        "tenant": dataset.tenant,
        "dataset_id": dataset.dataset_id,
        "track_id": name,
        "audio_id": f"sha of {name}",
        "blob_uri": f"file:///{name}",
        "filename": name,
        "duration_s": 30.0,
        "rate_hz": 44_100,
        "channels": 2,
        "health": Health(clipped=True),
        "metadata": {"title": "Ode"},
    }
    return TrackRow(**{**values, **fields})


async def test_a_name_is_taken_once_in_a_tenant_and_free_in_another(catalogue):
    first = await catalogue.create_dataset("acme", "demo")
    with pytest.raises(Conflict) as caught:
        await catalogue.create_dataset("acme", "demo")
    assert caught.value.facts["existing_dataset_id"] == first.dataset_id
    await catalogue.create_dataset("other", "demo")


async def test_names_are_compared_after_unicode_composition(catalogue):
    made = await catalogue.create_dataset("acme", "Cafe\u0301")
    assert (await catalogue.dataset_by_name("acme", "Caf\u00e9")).dataset_id == made.dataset_id


async def test_what_belongs_to_another_tenant_answers_as_if_it_had_never_existed(catalogue):
    dataset = await catalogue.create_dataset("acme", "demo")
    await catalogue.add_track(track(dataset), "type2", [TASK], {"type2": "v0"})
    await catalogue.add_blob(Blob("acme", "file:///t", "sha", "t", 1))
    for question in (
        catalogue.dataset("other", dataset.dataset_id),
        catalogue.dataset_by_name("other", "demo"),
        catalogue.track("other", dataset.dataset_id, "t"),
        catalogue.blob("other", "file:///t"),
    ):
        with pytest.raises(NotFound):
            await question
    assert await catalogue.tracks("other", dataset.dataset_id) == []


async def test_datasets_come_oldest_first_and_say_what_is_searchable_in_them(catalogue):
    made = [await catalogue.create_dataset("acme", name) for name in ("b", "a", "c")]
    await catalogue.add_track(track(made[1]), "type2", [TASK], {"type2": "v0"})
    listed = await catalogue.datasets("acme")
    assert {dataset.name for dataset in listed} == {"a", "b", "c"}
    assert sorted(listed, key=lambda dataset: (dataset.created_at_ms, dataset.dataset_id)) == listed
    held = next(dataset for dataset in listed if dataset.name == "a")
    assert (held.ingested_tasks, held.encoder_types) == ((TASK,), ("type2",))


async def test_a_page_begins_behind_the_dataset_it_is_told(catalogue):
    for name in "abcde":
        await catalogue.create_dataset("acme", name)
    everything = await catalogue.datasets("acme")
    assert await catalogue.datasets("acme", after=everything[1].dataset_id, limit=2) == everything[2:4]


async def test_the_first_model_version_of_a_dataset_stays_pinned(catalogue):
    dataset = await catalogue.create_dataset("acme", "demo")
    assert await catalogue.pin(dataset.dataset_id, "type2", "v0") == "v0"
    assert await catalogue.pin(dataset.dataset_id, "type2", "v1") == "v0"


async def test_a_pin_gives_way_until_something_that_it_made_can_be_found(catalogue):
    dataset = await catalogue.create_dataset("acme", "demo")
    pin = partial(catalogue.pin, dataset.dataset_id, "separator", until=("light_stem",))
    assert await pin("first") == "first"
    await catalogue.add_track(track(dataset), "type2", [TASK], {"type2": "v0"})
    made = {"type2": "v0", "separator": "first"}
    await catalogue.add_track(track(dataset, "gone", expires_at_ms=1), "type2", ["light_stem"], made)
    assert await pin("second") == "second"
    assert await catalogue.add_track(track(dataset), "type2", ["light_stem"], made) == made | {"separator": "second"}
    made = {"type2": "v0", "separator": "second"}
    assert await catalogue.add_track(track(dataset), "type2", ["light_stem"], made) == made
    assert await pin("third") == "second"


async def pinned_dataset(catalogue, version="v0"):
    dataset = await catalogue.create_dataset("acme", "demo")
    await catalogue.pin(dataset.dataset_id, "type2", version)
    (pinned,) = await catalogue.pinned(("type2",))
    return dataset, pinned


async def test_a_pin_moves_when_every_live_track_is_ready_and_tells_which_is_not(catalogue):
    dataset, pinned = await pinned_dataset(catalogue)
    await catalogue.add_track(track(dataset, "one"), "type2", [TASK], {"type2": "v0"})
    await catalogue.add_track(track(dataset, "two"), "type2", [TASK], {"type2": "v0"})
    await catalogue.add_track(track(dataset, "gone", expires_at_ms=1), "type2", [TASK], {"type2": "v0"})
    await catalogue.add_track(track(dataset, "of the other type"), "type1", [TASK], {"type1": "w0"})
    assert await catalogue.switch_pin(pinned, "v1", {("one", TASK)}) == {("two", TASK)}
    assert await catalogue.pinned_to(dataset.dataset_id, "type2") == "v0"
    assert await catalogue.switch_pin(pinned, "v1", {("one", TASK), ("two", TASK)}) == set()
    assert await catalogue.pinned_to(dataset.dataset_id, "type2") == "v1"
    assert await catalogue.pinned_to(dataset.dataset_id, "type1") is None
    assert await catalogue.has_tasks(dataset.dataset_id, "one", "type2", [TASK], "v1")
    assert await catalogue.has_tasks(dataset.dataset_id, "of the other type", "type1", [TASK], "w0")


async def test_a_track_of_a_version_that_is_not_pinned_any_more_is_not_added(catalogue):
    dataset, pinned = await pinned_dataset(catalogue)
    await catalogue.switch_pin(pinned, "v1", set())
    assert await catalogue.add_track(track(dataset), "type2", [TASK], {"type2": "v0"}) == {"type2": "v1"}
    assert await catalogue.tracks("acme", dataset.dataset_id) == []
    assert await catalogue.add_track(track(dataset), "type2", [TASK], {"type2": "v1"}) == {"type2": "v1"}
    assert len(await catalogue.tracks("acme", dataset.dataset_id)) == 1


async def test_adding_a_track_again_changes_nothing_and_a_new_task_joins_it(catalogue):
    dataset = await catalogue.create_dataset("acme", "demo")
    await catalogue.add_track(track(dataset), "type2", [TASK], {"type2": "v0"})
    await catalogue.add_track(track(dataset, filename="renamed"), "type2", [TASK, "motif"], {"type2": "v0"})
    (held,) = await catalogue.tracks("acme", dataset.dataset_id)
    assert (held.filename, held.tasks, held.health.clipped) == ("t", (TASK, "motif"), True)


async def test_only_tracks_with_every_task_of_that_encoder_type_are_usable(catalogue):
    dataset = await catalogue.create_dataset("acme", "demo")
    await catalogue.add_track(track(dataset, "one"), "type2", [TASK], {"type2": "v0"})
    await catalogue.add_track(track(dataset, "two"), "type1", [TASK], {"type1": "v0"})
    usable = await catalogue.tracks("acme", dataset.dataset_id, encoder_type="type2", needs=[(TASK,)])
    assert [held.track_id for held in usable] == ["one"]
    assert await catalogue.count_tracks("acme", dataset.dataset_id) == 2


async def test_of_tasks_that_serve_the_same_need_one_is_enough(catalogue):
    dataset = await catalogue.create_dataset("acme", "demo")
    for name, tasks in (("mix", [TASK]), ("light", [TASK, "light_stem"]), ("vocals", [TASK, "stem_vocals"])):
        await catalogue.add_track(track(dataset, name), "type2", tasks, {"type2": "v0"})
    needs = [(TASK,), ("light_stem", "stem_vocals")]
    usable = await catalogue.tracks("acme", dataset.dataset_id, encoder_type="type2", needs=needs)
    assert [held.track_id for held in usable] == ["light", "vocals"]


async def test_a_task_that_came_in_meanwhile_keeps_a_pin_where_it_is(catalogue):
    dataset, pinned = await pinned_dataset(catalogue)
    await catalogue.add_track(track(dataset, "one"), "type2", [TASK, "stem_vocals"], {"type2": "v0"})
    assert await catalogue.switch_pin(pinned, "v1", {("one", TASK)}) == {("one", "stem_vocals")}
    assert await catalogue.pinned_to(dataset.dataset_id, "type2") == "v0"


async def test_upkeep_asks_for_the_pins_of_encoder_types_and_not_for_the_separator_s(catalogue):
    dataset, pinned = await pinned_dataset(catalogue)
    await catalogue.pin(dataset.dataset_id, "separator", "unet-1")
    assert await catalogue.pinned(("type1", "type2")) == [pinned]


async def test_an_expired_track_or_blob_is_gone(catalogue):
    dataset = await catalogue.create_dataset("acme", "demo")
    await catalogue.add_track(track(dataset, expires_at_ms=1), "type2", [TASK], {"type2": "v0"})
    await catalogue.add_blob(Blob("acme", "file:///t", "sha", "t", 1, expires_at_ms=1))
    assert await catalogue.tracks("acme", dataset.dataset_id) == []
    with pytest.raises(NotFound):
        await catalogue.blob("acme", "file:///t")


async def test_an_expired_track_comes_back_as_a_new_one_and_the_last_ingest_prolongs_it(catalogue):
    dataset = await catalogue.create_dataset("acme", "demo")
    versions, far = {"type2": "v0"}, epoch_ms() + 86_400_000
    await catalogue.add_track(track(dataset, expires_at_ms=1), "type2", [TASK, "motif"], versions)
    assert not await catalogue.has_tasks(dataset.dataset_id, "t", "type2", [TASK], "v0")
    await catalogue.add_track(track(dataset, filename="renamed", expires_at_ms=far), "type2", [TASK], versions)
    (held,) = await catalogue.tracks("acme", dataset.dataset_id)
    assert (held.filename, held.tasks, held.expires_at_ms) == ("renamed", (TASK,), far), "what it had is gone with it"
    await catalogue.add_track(track(dataset, expires_at_ms=far + 1), "type2", [TASK], versions)
    assert (await catalogue.track("acme", dataset.dataset_id, "t")).expires_at_ms == far + 1


async def test_a_uri_stands_for_what_its_file_holds_now(catalogue):
    await catalogue.set_blob(Blob("acme", "file:///t", "old", "t", 1))
    await catalogue.set_blob(Blob("acme", "file:///t", "new", "t", 2))
    assert (await catalogue.blob("acme", "file:///t")).audio_id == "new"


async def test_a_blob_name_stands_for_its_first_bytes_for_good(catalogue):
    await catalogue.add_blob(Blob("acme", "dataset/x", "old", "t", 1))
    await catalogue.add_blob(Blob("acme", "dataset/x", "new", "t", 2))
    assert (await catalogue.blob("acme", "dataset/x")).audio_id == "old"
