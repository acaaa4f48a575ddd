"""The voices' corpus and twenty steps of the real loop on a little of it, sung by hisses and hums instead of eSpeak."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("pyworld", reason="pip install soundtrace[train]")

from models import voice_card
from models.training import corpus, learn_voice, multitracks, singing, voices
from models.training.learn import curves_path
from models.training.learn_voice import CARD, Recipe, equal_error_rate, learn
from models.training.songs import song
from models.training.wear import Wear, centres_hz, stretched, worn
from models.voice_network import VoiceNetwork

HEARING = CARD.hearing
TINY = Recipe(singers=14, at_once=6, steps=20, window_s=(1.0, 2.0))
UNWORN = Wear(tilt_db=0, knots_db=0, left=0, masked=0, noisy=0, limited=0)
FAST = {"DURATION_S": 3.0, "PERFORMED_S": 15.0, "LEAST_NOTES": 3, "MELODIES": 6, "SINGERS": 7, "HELD_BACK": 3}


def spoken(name: str, _: Path) -> singing.Speaker:
    """Twelve syllables, each a vowel of its own, of a voice that its name decides."""
    rng = np.random.default_rng([*name.encode()])
    tract, frames = rng.uniform(0.85, 1.2), 40
    frequency_hz = np.linspace(0, singing.RATE_HZ / 2, 513)
    vowels = [rng.uniform((300, 900, 2_300), (800, 2_200, 3_000)) * tract for _ in range(12)]
    shapes = [sum(np.exp(-(((frequency_hz - at) / 150) ** 2)) for at in vowel) for vowel in vowels]
    envelope = np.log(np.repeat(np.stack(shapes), frames, axis=0) + 1e-3).astype(np.float32)
    starts = np.arange(12) * frames
    syllables = np.stack([starts, starts + 5, starts + 35, starts + frames], axis=1)
    return singing.Speaker(envelope, np.full_like(envelope, 0.05), np.ones(len(envelope), bool), syllables)


@pytest.fixture(scope="module", autouse=True)
def small() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(singing, "speaker", spoken)
        patch.setattr(corpus, "COMPOSITIONS", 8)
        patch.setattr(voices, "LEFT", 1)
        for name, value in FAST.items():
            patch.setattr(voices, name, value)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small: object) -> Path:
    """A training folder; out of `weights` in it something was learned, into a copy of the card."""
    found = tmp_path_factory.mktemp("training")
    tunes = [replace(song(5_000 + at), name=f"test/{at}", source="test") for at in range(20)]
    (found / "tunes-1.pickle").write_bytes(pickle.dumps(tuple(tunes)))
    shard = multitracks.shard_path(found, "train", 0)
    shard.parent.mkdir()
    np.save(shard, np.random.default_rng(0).integers(-3_000, 3_000, (3, 4, 4 * voices.RATE_HZ), np.int16))
    stems = found / "weights" / "stems"
    stems.mkdir(parents=True)
    card = json.loads((Path(voice_card.__file__).parent / "weights" / "stems" / "voice.json").read_text())
    (stems / "voice.json").write_text(json.dumps(card))
    learn(found, found / "weights", TINY, seed=1, validate_every=10)
    return found


def test_twenty_steps_leave_weights_curves_and_a_card_that_names_them(folder: Path) -> None:
    stems = folder / "weights" / "stems"
    (run,) = json.loads(curves_path(stems, "voice").read_text())["runs"]
    assert [step for step, _ in run["validation"]] == [10, 20]
    assert set(run["validation"][-1][1]) >= {"clean_eer", "worn_eer", "map", "top1"}
    assert run["validation"][-1][1]["clean_eer"] < 0.5
    assert curves_path(stems, "voice").with_suffix(".png").exists()
    state = load_file(stems / "voice.safetensors")
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float16}
    VoiceNetwork(HEARING.bands, CARD.architecture).load_state_dict(state)
    told = json.loads((stems / "voice.json").read_text())
    assert told["sha256"] == hashlib.sha256((stems / "voice.safetensors").read_bytes()).hexdigest()
    assert told["data"]["runs"][0]["steps"] == 20


def test_what_is_sung_already_is_not_sung_again_and_the_same_seed_learns_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(singing, "sing", None)
    weights = learn(folder, tmp_path, TINY, seed=1, validate_every=10)
    assert weights.read_bytes() == (folder / "weights" / "stems" / "voice.safetensors").read_bytes()


def test_a_second_run_goes_on_from_the_weights(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "weights", tmp_path, dirs_exist_ok=True)
    before = load_file(tmp_path / "stems" / "voice.safetensors")["project.weight"]
    learn(folder, tmp_path, replace(TINY, steps=1, learning_rate=1e-6), seed=2)
    after = load_file(tmp_path / "stems" / "voice.safetensors")["project.weight"]
    torch.testing.assert_close(after, before, atol=1e-3, rtol=0)
    assert len(json.loads(curves_path(tmp_path / "stems", "voice").read_text())["runs"]) == 2


def test_the_songs_of_a_singer_share_no_syllable_and_no_melody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []
    monkeypatch.setattr(singing, "sing", lambda *given: heard.append(given[2].syllables[:, 0]) or np.zeros(99, "f4"))
    melodies = [voices.song(3, at, folder)[0] for at in range(voices.SONGS)]
    assert len(set(melodies)) == voices.SONGS
    assert sorted(np.concatenate(heard)) == sorted(spoken("", folder).syllables[:, 0])


def test_a_speaker_is_learned_from_or_kept_apart_in_all_languages() -> None:
    speakers = {held: set() for held in (False, True)}
    for number in range(300):
        speakers[voices.held_back(number)].add(singing.singer("train", number).speaker.split("+")[1])
    assert speakers[True]
    assert not speakers[False] & speakers[True]
    assert not (speakers[False] | speakers[True]) & set(singing.SPEAKERS["test"])


def test_a_melody_begins_at_once(folder: Path) -> None:
    assert {round(float(line[:, 0].min()), 3) for line in voices.melodies(folder, "train", 6)} == {voices.BEGINS_S}


def test_a_batch_is_two_songs_of_each_singer_and_strangers_sing_the_same(folder: Path) -> None:
    learned, apart = learn_voice.split(voices.heard(folder, 14, HEARING))
    assert not set(learned.singer) & set(apart.singer)
    left, rng = voices.left_over(folder, HEARING), np.random.default_rng(0)
    windows, labels = learn_voice.draw(learned, left, TINY, HEARING, rng)
    assert (windows.dtype, windows.shape[:2]) == (np.float32, (12, HEARING.bands))
    assert sorted(np.unique(labels, return_counts=True)[1]) == [2] * 6
    rows = learn_voice._pairs(learned, TINY, rng)
    firsts, seconds = learned.melody[rows[::2]], learned.melody[rows[1::2]]
    assert len(set(firsts)) < len(firsts)
    assert not (firsts == seconds).any()


def test_what_is_not_worn_stays_and_silence_stays_finite() -> None:
    rng = np.random.default_rng(0)
    power, left = rng.random((2, 5, HEARING.bands, 60), np.float32)
    np.testing.assert_allclose(worn(power, left, UNWORN, HEARING, rng), power, rtol=1e-5)
    for some, other in ((0 * power, left), (power, 0 * left), (0 * power, 0 * left)):
        found = worn(some, other, Wear(left=1, masked=1, noisy=1, limited=1), HEARING, rng)
        assert np.isfinite(found).all()
        assert (found >= 0).all()


def test_accompaniment_is_left_over_at_its_level() -> None:
    rng = np.random.default_rng(0)
    power, left = rng.random((2, 5, HEARING.bands, 60), np.float32)
    found = worn(power, left, replace(UNWORN, left=1, left_db=(10, 10)), HEARING, rng)
    np.testing.assert_allclose((found - power).mean(axis=(1, 2)), power.mean(axis=(1, 2)) / 10, rtol=1e-3)


def test_a_shorter_tract_moves_a_resonance_up() -> None:
    centres = centres_hz(HEARING)
    power = np.exp(-(((centres[:, None] - 1_500) / 200) ** 2)).astype(np.float32)[None]
    (moved,) = stretched(power, np.array([1.2]), HEARING)
    assert float((moved[:, 0] * centres).sum() / moved.sum()) == pytest.approx(1_800, rel=0.03)
    np.testing.assert_allclose(stretched(power, np.ones(1), HEARING), power, rtol=1e-5)


def test_the_equal_error_rate_is_where_both_errors_meet() -> None:
    assert equal_error_rate([0.8, 0.9], [0.1, 0.2]) == 0
    assert equal_error_rate([0.1, 0.2], [0.8, 0.9]) == 1
    assert equal_error_rate([0.2, 0.6, 0.7, 0.8], [0.1, 0.3, 0.4, 0.9]) == pytest.approx(0.25)
    rng = np.random.default_rng(0)
    same, strangers = rng.normal(2, 1, 20_000), rng.normal(0, 1, 20_000)
    assert equal_error_rate(same, strangers) == pytest.approx(0.1587, abs=0.01)  # the normal distribution beyond 1
