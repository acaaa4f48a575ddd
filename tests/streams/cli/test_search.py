from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.cli import matches
from tests.streams.cli.conftest import Run
from tests.streams.cli.fake_api import FakeApi

BLOB = "dataset/3f8a1c52-0000-4000-8000-000000000000_song.wav"


@pytest.fixture
def song(tmp_path: Path) -> str:
    (tmp_path / "song.wav").write_bytes(b"sound")
    return str(tmp_path / "song.wav")


def test_a_file_is_uploaded_and_searched_for_in_a_dataset(run: Run, api: FakeApi, song: str) -> None:
    ended = run("search", song, "--in", "music", "--limit", "5")
    assert ended.code == 0, ended.err
    assert api.bodies == [
        {
            "search_type": "1:n",
            "limit": 5,
            "verbose_output": False,
            "depth": "track",
            "stem_types": ["vocals"],
            "candidate_dataset_name": "music",
            "query_url": api.uploads[0],
        }
    ]
    assert ended.out.splitlines() == [
        "query\tcandidate\tscore\tverdict\tlayer\twhere\ttransposition\ttempo",
        "song.wav\tfound.wav\t0.900\tsame_composition\tfull_audio\t1.0–11.5 s ↔ 3.2–15.0 s\t+3\t×1.10",
        "song.wav\tother.wav\t0.450\tno_relation\tfull_audio\t–\t–\t–",
    ]


def test_a_depth_and_its_stems_are_asked_for(run: Run, api: FakeApi, song: str) -> None:
    assert run("search", song, "--in", "music", "--depth", "stem", "--stem", "bass", "--stem", "drums").code == 0
    assert (api.bodies[0]["depth"], api.bodies[0]["stem_types"]) == ("stem", ["bass", "drums"])


def test_two_names_are_a_search_of_one_in_the_other(run: Run, api: FakeApi, song: str) -> None:
    assert run("search", BLOB, song).code == 0
    body = api.bodies[0]
    assert (body["search_type"], body["query_url"], body["candidate_url"]) == ("1:1", BLOB, api.uploads[0])


def test_two_datasets_are_searched_all_in_all(run: Run, api: FakeApi) -> None:
    assert run("search", "--from", "mine", "--in", "theirs").code == 0
    body = api.bodies[0]
    names = (body["query_dataset_name"], body["candidate_dataset_name"])
    assert (body["search_type"], names) == ("m:n", ("mine", "theirs"))


def test_verbose_shows_every_evidence(run: Run, api: FakeApi) -> None:
    ended = run("search", BLOB, "--in", "music", "--verbose")
    assert api.bodies[0]["verbose_output"] is True
    assert [line.split("\t")[2] for line in ended.out.splitlines()] == ["score", "0.810", "0.500", "0.450"]


def test_json_is_the_job_as_the_server_tells_it(run: Run, api: FakeApi) -> None:
    ended = run("search", BLOB, "--in", "music", "--json")
    assert json.loads(ended.out) == api.jobs["search_job_0"]


def test_a_search_that_fails_ends_with_1_and_the_reason(run: Run, api: FakeApi) -> None:
    api.search_fails = True
    ended = run("search", BLOB, "--in", "music")
    assert ended.code == 1
    assert ended.err == "soundtrace: the search ended as failed: the query is silent\n"


@pytest.mark.parametrize("arguments", [(), ("a.wav",), ("a", "b", "--in", "c"), ("--from", "a"), ("--in", "a")])
def test_other_combinations_are_wrong_usage(run: Run, api: FakeApi, arguments: tuple[str, ...]) -> None:
    ended = run("search", *arguments)
    assert (ended.code, ended.out, api.bodies) == (2, "", [])


def test_what_is_neither_a_file_nor_a_blob_is_told(run: Run, api: FakeApi) -> None:
    ended = run("search", "gone.wav", "--in", "music")
    assert ended.code == 2
    assert ended.err.startswith("soundtrace: 'gone.wav' is neither a file here nor a blob name: ")


@pytest.mark.parametrize(("told", "where"), [(("vocals", "full_audio"), "2.0–4.0 s ↔ 2.0–4.0 s"), (("vocals",), "–")])
def test_seconds_are_those_of_the_layer_that_carries_the_match(told: tuple[str, ...], where: str) -> None:
    at_s = {"vocals": 1.0, "full_audio": 2.0}
    moved = {"transposition_semitones": 0, "tempo_ratio": 1.0}
    evidence = [
        {"layer": layer, "query_start_s": at_s[layer], "query_end_s": 2 * at_s[layer], **moved}
        | {"candidate_start_s": at_s[layer], "candidate_end_s": 2 * at_s[layer]}
        for layer in told
    ]
    payload = {"filename": "b.wav", "layer": "full_audio"}
    match = {"payload": payload, "score": 0.3, "verdict": "no_relation", "evidence": evidence}
    (row,) = matches.rows({"query_audio_id": "a.wav", "matches": [match]})
    assert row[5] == where
