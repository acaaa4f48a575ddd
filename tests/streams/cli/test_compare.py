from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.streams.cli.conftest import Run
from tests.sung import needs_espeak, song

RATE_HZ = 22_050


@pytest.fixture
def tune(tmp_path: Path) -> str:
    """Twenty seconds of changing notes."""
    rng = np.random.default_rng(1)
    time_s = np.arange(RATE_HZ // 2) / RATE_HZ
    notes = [np.sin(2 * np.pi * 220 * 2 ** (semitones / 12) * time_s) for semitones in rng.integers(0, 24, 40)]
    path = tmp_path / "tune.wav"
    soundfile.write(path, 0.5 * np.concatenate(notes), RATE_HZ)
    return str(path)


def test_a_file_is_the_same_as_itself_from_its_first_second_to_its_last(run: Run, tune: str) -> None:
    told = json.loads(run("compare", tune, tune, "--json").out)
    assert (told["payload"]["metric"], told["verdict"]) == ("landmarks", "same_recording")
    evidence = told["evidence"][0]
    assert told["score"] >= 0.999
    assert (evidence["transposition_semitones"], evidence["tempo_ratio"]) == (0, 1.0)
    assert evidence["query_start_s"] == evidence["candidate_start_s"]


def test_silence_is_like_nothing_and_the_reason_is_told(run: Run, tune: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(10 * RATE_HZ), RATE_HZ)
    ended = run("compare", str(tmp_path / "silence.wav"), tune)
    assert ended.out.splitlines()[1] == "silence.wav\ttune.wav\t0.000\tno_relation\tfull_audio\t–\t–\t–"
    assert ended.err == "The query is silent.\n"


def test_drum_stems_are_compared_by_how_they_are_played(run: Run, tmp_path: Path) -> None:
    def beat(name: str, pattern: str, beat_s: float) -> str:
        """Low thumps, high hisses, eight bars of them."""
        rng, step = np.random.default_rng(3), round(beat_s * RATE_HZ / 4)
        fading = np.exp(-np.arange(step) / (0.03 * RATE_HZ))
        sounds = {
            "k": fading * np.sin(2 * np.pi * 60 * np.arange(step) / RATE_HZ),
            "s": fading * np.convolve(rng.normal(0, 0.3, step), [0.5, 0.5], "same"),
            ".": np.zeros(step),
        }
        soundfile.write(tmp_path / name, 0.5 * np.concatenate([sounds[sign] for sign in 8 * pattern]), RATE_HZ)
        return str(tmp_path / name)

    first = beat("first.wav", "k...s...k.k.s...", 0.5)
    faster = beat("faster.wav", "k...s...k.k.s...", 0.42)
    other = beat("other.wav", "k..k..k...s.k...", 0.5)
    told = [json.loads(run("compare", "--drums", first, path, "--json").out) for path in (first, faster, other)]
    same, again, stranger = (one["rhythm_agreement"] for one in told)
    assert same == pytest.approx(1.0, abs=1e-3)
    assert again > stranger + 0.05
    assert run("compare", "--drums", first, first).out.splitlines()[1] == "first.wav\tfirst.wav\t1.000"


def test_the_encoder_can_be_chosen(run: Run, tune: str) -> None:
    told = json.loads(run("compare", tune, tune, "--encoder", "type1", "--json").out)
    assert told["model_version"].startswith("pitchclass-large-")


def test_what_is_no_audio_is_named_with_its_reason(run: Run, tune: str, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("words")
    ended = run("compare", tune, str(tmp_path / "text.wav"))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"soundtrace: {tmp_path}/text.wav: ")


def test_the_evidence_is_written_as_one_page(run: Run, tune: str, tmp_path: Path) -> None:
    page = tmp_path / "evidence.html"
    told = json.loads(run("compare", tune, tune, "--html", str(page), "--json").out)
    written = page.read_text("utf-8")
    assert written.startswith("<!doctype html>")
    assert told["query"].rpartition("/")[2] in written
    assert "data:audio/" in written


def test_a_page_that_cannot_be_written_is_named(run: Run, tune: str, tmp_path: Path) -> None:
    ended = run("compare", tune, tune, "--html", str(tmp_path / "nowhere" / "evidence.html"))
    assert ended.code == 2
    assert "nowhere/evidence.html cannot be written" in ended.err


@needs_espeak
def test_at_depth_light_stem_two_singers_are_compared_as_a_search_does(run: Run, tmp_path: Path) -> None:
    files = []
    for at in range(2):
        voice, backing = song(3, at, tmp_path)
        files.append(tmp_path / f"song{at}.wav")
        soundfile.write(files[-1], voice + backing, RATE_HZ)
    ended = run("compare", *map(str, files), "--depth", "light_stem", "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["verdict"] != "same_composition", "a singer is no composition"
    assert 0.3 < told["vocal_latent_scores"]["voice_similarity"] <= 1
