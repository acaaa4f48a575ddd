"""One suite for every form of the index, then what only a server can do wrong."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import numpy as np
import pytest

from streams.errors import Defect, Unavailable
from streams.stores.memory import ExactVectors
from streams.stores.milvus import MilvusVectors
from streams.stores.vectors import Collection, Vectors

DIM = 16
SEED = 20_261_121


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


@pytest.fixture
def collection() -> Collection:
    return Collection("acme", uuid.uuid4().hex, "full_audio_latent", "cover-1.2.0", DIM)


@pytest.fixture
async def index(milvus) -> AsyncIterator[MilvusVectors]:
    index = MilvusVectors(milvus.uri)
    yield index
    await index.close()


@pytest.fixture(params=["exact", "milvus"])
def vectors(request) -> Vectors:
    return ExactVectors() if request.param == "exact" else request.getfixturevalue("index")


def latents(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.standard_normal((count, DIM)).astype(np.float32)


def test_a_collection_has_a_name_that_milvus_takes_and_a_person_can_read():
    name = Collection("Größe & Co", "0d9e/../x", "full_audio_latent", "v1.2-beta+3", DIM).name
    assert re.fullmatch(r"st_full_audio_latent_v1_2_beta_3_[0-9a-f]{12}", name)


def test_collections_that_differ_in_anything_but_dim_have_names_that_differ():
    parts = ["acme", "demo", "vocals", "1.0"]
    names = {Collection(*parts, DIM).name}
    for place in range(4):
        names.add(Collection(*parts[:place], parts[place] + "_", *parts[place + 1 :], DIM).name)
    names |= {
        Collection("acm", "edemo", "vocals", "1.0", DIM).name,
        Collection("acme", "demo", "vocals", "1_0", DIM).name,
    }
    assert len(names) == 7
    assert Collection(*parts, DIM).name in names


async def test_a_window_is_found_at_once_with_its_track_its_second_and_its_score(vectors, collection):
    windows = np.eye(DIM, dtype=np.float32)[:3]
    await vectors.upsert(collection, "a", windows, np.array([0.0, 7.5, 15.0]))
    query = np.zeros((1, DIM), np.float32)
    query[0, :2] = 3.0, 4.0  # a vector's length does not count
    hits = await vectors.search(collection, query, 2)
    assert [(hit.track_id, hit.start_s, hit.query_index) for hit in hits] == [("a", 7.5, 0), ("a", 0.0, 0)]
    assert [hit.score for hit in hits] == pytest.approx([0.8, 0.6], abs=1e-6)


async def test_hits_are_ordered_by_query_then_best_first(vectors, collection, rng):
    await vectors.upsert(collection, "a", latents(rng, 30), np.arange(30.0))
    hits = await vectors.search(collection, latents(rng, 4), 5)
    assert [hit.query_index for hit in hits] == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
    assert hits == sorted(hits, key=lambda hit: (hit.query_index, -hit.score))


@pytest.mark.parametrize("flush_rows", [10, 10_000], ids=["flushed", "waiting"])
async def test_milvus_agrees_with_the_exact_oracle(milvus, collection, rng, flush_rows):
    exact, index = ExactVectors(), MilvusVectors(milvus.uri, flush_rows=flush_rows)
    for track in range(20):
        windows = latents(rng, 40)
        for form in (exact, index):
            await form.upsert(collection, f"track {track}", windows, np.arange(40) * 7.5)
    queries = latents(rng, 25)
    expected = await exact.search(collection, queries, 50)
    found = await index.search(collection, queries, 50)
    await index.close()
    assert [(hit.track_id, hit.start_s, hit.query_index) for hit in found] == [
        (hit.track_id, hit.start_s, hit.query_index) for hit in expected
    ]
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-5)


async def test_silence_resembles_nothing(vectors, collection):
    windows = np.stack([np.zeros(DIM, np.float32), np.ones(DIM, np.float32)])
    await vectors.upsert(collection, "a", windows, np.array([0.0, 1.0]))
    scores = {hit.start_s: hit.score for hit in await vectors.search(collection, windows[1:], 2)}
    assert scores == pytest.approx({0.0: 0.0, 1.0: 1.0}, abs=1e-6)
    assert [hit.score for hit in await vectors.search(collection, windows[:1], 2)] == [0.0, 0.0]


async def test_upserting_twice_counts_once(vectors, collection, rng):
    windows = latents(rng, 30)
    for _ in range(2):
        await vectors.upsert(collection, "a", windows, np.arange(30.0))
    await vectors.upsert(collection, "b", windows[:4], np.arange(4.0))
    assert await vectors.tracks(collection) == {"a": 30, "b": 4}
    hits = await vectors.search(collection, windows[:1], 40)
    assert len({(hit.track_id, hit.start_s) for hit in hits}) == len(hits) == 34


async def test_an_upsert_replaces_the_same_windows_and_no_other(vectors, collection, rng):
    old, new = latents(rng, 3), latents(rng, 2)
    await vectors.upsert(collection, "a", old, np.arange(3.0))
    await vectors.upsert(collection, "a", new, np.arange(2.0) + 100)
    assert await vectors.tracks(collection) == {"a": 3}
    best = [(await vectors.search(collection, window[None], 1))[0] for window in (*new, old[2])]
    assert [hit.start_s for hit in best] == [100.0, 101.0, 2.0]


async def test_no_windows_change_nothing(vectors, collection):
    await vectors.upsert(collection, "a", np.zeros((0, DIM), np.float32), np.zeros(0))
    assert await vectors.tracks(collection) == {}


async def test_no_queries_find_nothing(vectors, collection, rng):
    await vectors.upsert(collection, "a", latents(rng, 3), np.arange(3.0))
    assert await vectors.search(collection, np.zeros((0, DIM), np.float32), 5) == []


async def test_a_collection_that_is_not_there_is_empty(vectors, collection, rng):
    assert await vectors.search(collection, latents(rng, 2), 5) == []
    assert await vectors.tracks(collection) == {}
    await vectors.delete_track(collection, "a")
    await vectors.drop(collection)


ODD_IDS = ["it's", 'say "yes"', "back\\slash", '" or track_id != "', "Größe 音 ☃", "a" * 512, "%", "{x}"]


@pytest.mark.parametrize("track_id", ODD_IDS, ids=range(len(ODD_IDS)))
async def test_a_deleted_track_is_gone_and_no_other(vectors, collection, rng, track_id):
    for name in (track_id, "other"):
        await vectors.upsert(collection, name, latents(rng, 3), np.arange(3.0))
    assert await vectors.tracks(collection) == {track_id: 3, "other": 3}
    await vectors.delete_track(collection, track_id)
    await vectors.delete_track(collection, track_id)
    assert await vectors.tracks(collection) == {"other": 3}
    assert {hit.track_id for hit in await vectors.search(collection, latents(rng, 1), 10)} == {"other"}


async def test_a_deleted_track_can_come_back(vectors, collection, rng):
    windows = latents(rng, 3)
    await vectors.upsert(collection, "a", windows, np.arange(3.0))
    await vectors.delete_track(collection, "a")
    await vectors.upsert(collection, "a", windows[:2], np.arange(2.0))
    assert await vectors.tracks(collection) == {"a": 2}


async def test_dropping_a_collection_leaves_its_neighbour(vectors, collection, rng):
    neighbour = Collection("acme", collection.dataset_id, "vocals", collection.model_version, DIM)
    for each in (collection, neighbour):
        await vectors.upsert(each, "a", latents(rng, 3), np.arange(3.0))
    await vectors.drop(collection)
    assert await vectors.tracks(collection) == {}
    assert await vectors.tracks(neighbour) == {"a": 3}
    await vectors.upsert(collection, "b", latents(rng, 2), np.arange(2.0))
    assert await vectors.tracks(collection) == {"b": 2}


async def test_all_windows_are_counted_also_when_there_are_more_than_one_answer_holds(vectors, collection, rng):
    for track in ("a", "b"):
        await vectors.upsert(collection, track, latents(rng, 10_000), np.arange(10_000.0))
    assert await vectors.tracks(collection) == {"a": 10_000, "b": 10_000}


async def test_arrays_of_a_wrong_shape_or_with_nan_are_our_own_defect(vectors, collection):
    nan = np.full((1, DIM), np.nan, np.float32)
    for wrong in (np.zeros((1, DIM + 1), np.float32), np.zeros(DIM, np.float32), nan):
        with pytest.raises(Defect):
            await vectors.upsert(collection, "a", wrong, np.arange(1.0))
        with pytest.raises(Defect):
            await vectors.search(collection, wrong, 5)
    with pytest.raises(Defect):
        await vectors.upsert(collection, "a", np.zeros((2, DIM), np.float32), np.arange(1.0))


async def test_an_index_that_was_never_killed_is_clean(vectors):
    await vectors.ping()
    assert await vectors.unclean() is None
    await vectors.mended("0123456789ab")


async def test_writers_and_readers_in_two_processes_worth_of_clients_do_not_disturb_each_other(milvus, collection, rng):
    clients = [MilvusVectors(milvus.uri, flush_rows=50) for _ in range(2)]
    windows = latents(rng, 20)
    await clients[0].upsert(collection, "first", windows, np.arange(20.0))

    async def write(client: MilvusVectors, who: int) -> None:
        for track in range(10):
            await client.upsert(collection, f"{who} {track}", latents(rng, 20), np.arange(20.0))

    async def read(client: MilvusVectors) -> None:
        for _ in range(20):
            best = (await client.search(collection, windows[:1], 1))[0]
            assert (best.track_id, best.start_s) == ("first", 0.0)  # also while rows are being flushed

    await asyncio.gather(*(work for who, client in enumerate(clients) for work in (write(client, who), read(client))))
    counted = await clients[0].tracks(collection)
    for client in clients:
        await client.close()
    assert counted == {"first": 20, **{f"{who} {track}": 20 for who in range(2) for track in range(10)}}


async def test_a_collection_dropped_by_another_process_is_made_again_at_the_next_try(milvus, index, collection, rng):
    other = MilvusVectors(milvus.uri)
    await index.upsert(collection, "a", latents(rng, 3), np.arange(3.0))
    await other.drop(collection)
    with pytest.raises(Unavailable):
        await index.upsert(collection, "b", latents(rng, 3), np.arange(3.0))
    await index.upsert(collection, "b", latents(rng, 3), np.arange(3.0))
    assert await other.tracks(collection) == {"b": 3}
    await other.close()


async def test_a_collection_that_somebody_released_is_loaded_again(milvus, index, collection, rng):
    await index.upsert(collection, "a", latents(rng, 3), np.arange(3.0))
    index._client().release_collection(collection.name)
    assert len(await index.search(collection, latents(rng, 1), 5)) == 3
    index._client().release_collection(collection.name)
    assert await index.tracks(collection) == {"a": 3}


async def test_a_collection_left_half_made_by_a_kill_is_completed(milvus, index, collection, rng):
    other = MilvusVectors(milvus.uri)
    await other.upsert(collection, "a", latents(rng, 3), np.arange(3.0))
    other._client().release_collection(collection.name)
    other._client().drop_index(collection.name, "vector")
    await index.upsert(collection, "b", latents(rng, 3), np.arange(3.0))
    assert index._client().list_indexes(collection.name) == ["vector"]
    assert await index.tracks(collection) == {"a": 3, "b": 3}
    await other.close()


def segments(milvus, collection: Collection) -> int:
    """Flushes that the collection has seen, as files: too few of them here to be compacted."""
    return len(list((milvus.data_dir / "collections" / collection.name).rglob("data_*.parquet")))


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 it waits for another process
            await asyncio.sleep(0.05)


async def test_rows_are_flushed_when_enough_of_them_wait_and_not_per_track(milvus, collection, rng):
    index = MilvusVectors(milvus.uri, flush_rows=50)
    seen = []
    for track in range(6):
        await index.upsert(collection, f"{track}", latents(rng, 20), np.arange(20.0))
        seen.append(segments(milvus, collection))
    await index.close()
    assert seen == [0, 0, 1, 1, 1, 2]


async def test_rows_are_flushed_when_nobody_has_written_for_a_while(milvus, collection, rng):
    index = MilvusVectors(milvus.uri, idle_s=0.2)
    await index.start()
    await index.upsert(collection, "a", latents(rng, 20), np.arange(20.0))

    async def flushed() -> bool:
        return segments(milvus, collection) == 1

    await until(flushed)
    await index.close()


async def test_rows_that_wait_are_flushed_at_the_end(milvus, collection, rng):
    index = MilvusVectors(milvus.uri)
    await index.upsert(collection, "a", latents(rng, 20), np.arange(20.0))
    assert segments(milvus, collection) == 0
    await index.close()
    assert segments(milvus, collection) == 1


async def test_a_collection_dropped_elsewhere_does_not_stop_the_others_from_being_flushed(milvus, collection, rng):
    index, other = MilvusVectors(milvus.uri), MilvusVectors(milvus.uri)
    second = Collection("acme", uuid.uuid4().hex, "vocals", "1", DIM)
    for each in (collection, second):
        await index.upsert(each, "a", latents(rng, 20), np.arange(20.0))
    await other.drop(collection)
    await index.close()
    await other.close()
    assert segments(milvus, second) == 1


def every_call(index: MilvusVectors, collection: Collection) -> list[Awaitable[object]]:
    one = np.ones((1, DIM), np.float32)
    return [
        index.ping(),
        index.upsert(collection, "a", one, np.zeros(1)),
        index.search(collection, one, 5),
        index.delete_track(collection, "a"),
        index.drop(collection),
        index.tracks(collection),
        index.unclean(),
        index.mended("0123456789ab"),
    ]


@pytest.fixture(params=[b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["hangs up", "speaks HTTP/1"])
def stranger(request) -> Iterator[str]:
    """Something on a port that is no Milvus."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller:
                    caller.sendall(request.param)

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


async def test_what_is_no_milvus_is_unavailable(stranger, collection, monkeypatch):
    monkeypatch.setattr("streams.stores.milvus.PING_S", 1.0)
    index = MilvusVectors(stranger)
    answers = await asyncio.gather(*every_call(index, collection), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 8
    await index.close()


async def test_an_address_that_is_none_is_unavailable(collection):
    index = MilvusVectors("nonsense://x")
    answers = await asyncio.gather(*every_call(index, collection), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 8


async def test_a_server_that_died_is_unavailable_and_is_found_again_when_it_is_back(start_milvus, collection, rng):
    server = start_milvus()
    index = MilvusVectors(server.uri)
    await index.upsert(collection, "a", latents(rng, 3), np.arange(3.0))
    server.end(signal.SIGTERM)
    answers = await asyncio.gather(*every_call(index, collection), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 8
    server.start()

    async def found() -> bool:
        try:
            return len(await index.search(collection, latents(rng, 1), 5)) == 3
        except Unavailable:
            return False

    await until(found)
    await index.close()


async def test_a_closed_index_is_unavailable(milvus, collection):
    index = MilvusVectors(milvus.uri)
    await index.ping()
    await index.close()
    answers = await asyncio.gather(*every_call(index, collection), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 8


LOADED = """
import logging, os, sys
import streams.stores.milvus
print("STRAY" in os.environ, logging.getLogger("pymilvus.decorators").isEnabledFor(logging.ERROR))
"""


def test_a_stray_env_file_does_not_reach_us_and_the_driver_is_quiet(tmp_path):
    (tmp_path / ".env").write_text("STRAY=1\n")
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()])}  # noqa: PTH109
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, env=here).stdout
    assert said == "False False\n"
