from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.streams.cli.conftest import Run
from tests.streams.cli.fake_api import FakeApi


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve songs, two of them deeper, and what is no audio."""
    songs = tmp_path / "songs"
    (songs / "deep").mkdir(parents=True)
    for number in range(10):
        (songs / f"{number}.wav").write_bytes(b"sound")
    for name in ("deep/a.FLAC", "deep/b.mp3", "notes.txt"):
        (songs / name).write_bytes(b"sound")
    return songs


def test_a_folder_is_taken_with_what_is_in_it_in_jobs_of_ten_files(run: Run, api: FakeApi, folder: Path) -> None:
    ended = run("ingest", str(folder), "--dataset", "songs")
    assert ended.code == 0, ended.err
    assert api.datasets == ["songs"]
    assert sorted(len(body["audio_blobs"]) for body in api.bodies) == [2, 10]
    assert {body["dataset_name"] for body in api.bodies} == {"songs"}
    assert ended.out.startswith("12 tracks in 'songs': 360.0 s of audio in ")
    assert ended.out.endswith(" × real time\n")


def test_into_a_dataset_that_is_there_already(run: Run, api: FakeApi, folder: Path) -> None:
    api.datasets.append("songs")
    assert run("ingest", str(folder / "1.wav"), "-d", "songs").code == 0


def test_a_dataset_is_made_for_its_content_and_not_taken_for_another(run: Run, api: FakeApi, folder: Path) -> None:
    asked = ("ingest", str(folder / "1.wav"), "-d", "jingles", "--content-type", "sound_mark")
    assert run(*asked, "--threshold", "least_landmarks=6").code == 0
    assert api.contents["jingles"]["content_type"] == "sound_mark"
    assert api.contents["jingles"]["thresholds"] == {"least_landmarks": 6}
    assert run(*asked).code == 0
    ended = run("ingest", str(folder / "1.wav"), "-d", "jingles", "--content-type", "effects")
    assert ended.code == 2
    assert "'jingles' was made with the content type sound_mark, not effects" in ended.err
    ended = run(*asked, "--threshold", "least_landmarks")
    assert ended.code == 2
    assert "is not NAME=VALUE" in ended.err


def test_the_tasks_are_asked_for_and_one_that_fails_is_told_though_its_file_is_usable(
    run: Run, api: FakeApi, folder: Path
) -> None:
    api.failing_task = "light_stem"
    ended = run("ingest", str(folder / "1.wav"), "-d", "songs", "--task", "full_audio_latent", "--task", "light_stem")
    assert api.bodies[0]["tasks"] == ["full_audio_latent", "light_stem"]
    assert ended.code == 1
    assert ended.out.startswith("1 tracks in 'songs'")
    assert f"{folder}/1.wav: light_stem: it ended its process: replay the letter\n" in ended.err


def test_a_list_comes_on_stdin(run: Run, api: FakeApi, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{folder}/2.wav\n\n{folder}/deep\n{folder}/2.wav\n"))
    assert run("ingest", "-", "-d", "songs").code == 0
    assert [blob.partition("_")[2] for blob in api.bodies[0]["audio_blobs"]] == ["2.wav", "a.FLAC", "b.mp3"]


def test_files_that_fail_are_named_with_their_reason_and_the_others_go_on(run: Run, api: FakeApi, folder: Path) -> None:
    for name in ("silent.wav", "text.wav"):
        (folder / name).write_bytes(b"?")
    ended = run("ingest", str(folder), str(folder / "gone.wav"), "-d", "songs", "--json")
    assert ended.code == 1
    told = json.loads(ended.out)
    assert (told["tracks"], told["failed"]) == (12, 3)
    codes = {Path(file["path"]).name: file["error"]["code"] for file in told["files"] if file["error"]}
    assert codes == {
        "silent.wav": "audio-too-short",
        "text.wav": "unsupported-audio-format",
        "gone.wav": "validation-failed",
    }
    assert f"{folder}/silent.wav: it is 0.2 s long: send a second\n" in ended.err


def test_a_server_that_asks_to_wait_is_asked_again(run: Run, api: FakeApi, folder: Path) -> None:
    api.busy = 3
    assert run("ingest", str(folder / "1.wav"), "-d", "songs").code == 0
    assert len(api.uploads) == 1


def test_a_name_of_any_letters_arrives_as_it_is(run: Run, api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / 'Für "Elise" 曲.wav').write_bytes(b"sound")
    assert run("ingest", str(tmp_path / 'Für "Elise" 曲.wav'), "-d", "songs").code == 0
    assert api.uploads[0].partition("_")[2] == 'Für "Elise" 曲.wav'


def test_no_audio_file_at_all_is_wrong_usage(run: Run, api: FakeApi, tmp_path: Path) -> None:
    ended = run("ingest", str(tmp_path), "-d", "songs")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"soundtrace: there is no audio file in {tmp_path}: ")


def test_a_wrong_key_is_told_once_and_not_for_every_file(
    run: Run, api: FakeApi, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDTRACE_API_KEY", "st_wrong")
    ended = run("ingest", str(folder), "-d", "songs")
    assert (ended.code, ended.err) == (2, "soundtrace: the key is unknown: make one\n")
