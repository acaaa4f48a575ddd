"""The drums' corpus and twenty steps of the real loop on a little of it, by drums out of noise and sines."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models import rhythm_card
from models.rhythm_network import RhythmNetwork
from models.training import drum_corpus, drumming, learn_drums, sound
from models.training.drums import LEAST_STROKES, Groove, essence, grooves, split_of
from models.training.grooves import KITS
from models.training.learn import curves_path
from models.training.learn_drums import CARD, Recipe, learn

HEARING = CARD.hearing
RATE_HZ = HEARING.rate_hz
TINY = Recipe(grooves=10, validated=4, at_once=8, steps=20)
BACKBEAT = Groove("backbeat", 4.0, ((0.0, "K", 1.0), (1.0, "S", 1.0), (2.5, "K", 1.0), (3.0, "S", 1.0)))


def some(split: str, count: int) -> list[Groove]:
    return list(itertools.islice(grooves(split), count))


def synthetic_bank(rate_hz: int) -> drum_corpus.Bank:
    """A hum for a kick, hisses for the others: brighter and shorter ones for higher keys."""
    time_s = np.arange(round(drum_corpus.HIT_S * rate_hz)) / rate_hz
    hiss = np.random.default_rng(1).normal(0, 0.3, len(time_s))
    sounds = {}
    for key in drum_corpus.KEYS:
        tone = np.sin(2 * np.pi * 55 * time_s) if key < 37 else np.diff(hiss, prepend=0) if key > 41 else hiss
        sounds[key] = (0.5 * tone * np.exp(-time_s / (0.08 if key < 42 else 0.02))).astype(np.float32)
    return {(font, kit, key): sounds[key] for font in drum_corpus.FONTS for kit in KITS for key in drum_corpus.KEYS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training folder; out of `weights` in it something was learned, into a copy of the card."""
    found = tmp_path_factory.mktemp("training")
    at = found / "weights" / "stems"
    at.mkdir(parents=True)
    shutil.copy(Path(rhythm_card.__file__).parent / "weights" / "stems" / "drums.json", at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drum_corpus, "hit_bank", synthetic_bank)
        patch.setattr(drum_corpus, "GROOVES", 6)
        patch.setattr(drum_corpus, "PERFORMANCES", 2)
        learn(found, found / "weights", TINY, seed=1, validate_every=10)
    return found


def test_grooves_are_the_same_every_time_and_no_split_has_one_of_another() -> None:
    learned, validated = some("train", 60), some("validation", 20)
    assert learned == some("train", 60)
    essences = [essence(groove) for groove in learned + validated]
    assert len(set(essences)) == 80
    assert {split_of(found) for found in essences[:60]} == {"train"}
    assert min(len(found) for found in essences[:60]) >= LEAST_STROKES["train"]


def test_half_of_the_grooves_are_of_songs() -> None:
    names = [groove.name for groove in some("train", 40)]
    assert 12 < sum("song" in name for name in names) < 28


def test_a_groove_is_the_same_twice_over_begun_elsewhere_or_with_other_hats() -> None:
    twice = Groove("", 8.0, tuple((beat + bar, *rest) for bar in (0, 4) for beat, *rest in BACKBEAT.strokes))
    later = Groove("", 4.0, tuple(((beat + 1.5) % 4, *rest) for beat, *rest in BACKBEAT.strokes))
    with_hats = Groove("", 4.0, (*BACKBEAT.strokes, (0.5, "H", 0.4)))
    other = Groove("", 4.0, (*BACKBEAT.strokes, (0.5, "K", 0.4)))
    assert {essence(one) for one in (twice, later, with_hats)} == {essence(BACKBEAT)}
    assert essence(other) != essence(BACKBEAT)


def test_performances_differ_in_tempo_and_stay_in_their_time() -> None:
    kicks = []
    for seed in range(8):
        hits = drumming.played(BACKBEAT, 15.0, np.random.default_rng(seed))
        assert all(0 <= hit.at_s < 15 for hit in hits)
        assert {hit.key for hit in hits} <= set(drum_corpus.KEYS)
        kicks.append(sum(hit.key in {35, 36} for hit in hits))
    assert max(kicks) > 1.3 * min(kicks)


def test_a_performance_is_sound_and_the_same_seed_gives_the_same() -> None:
    bank = synthetic_bank(RATE_HZ)
    first, again = (drum_corpus.performed(BACKBEAT, bank, np.random.default_rng(3), HEARING) for _ in range(2))
    assert first.dtype == np.float32
    assert drum_corpus.DURATION_S[0] <= len(first) / RATE_HZ <= drum_corpus.DURATION_S[1]
    assert np.abs(first).max() > 0.05
    np.testing.assert_array_equal(first, again)


def test_twenty_steps_lower_the_loss_and_leave_weights_curves_and_a_card_that_names_them(folder: Path) -> None:
    at = folder / "weights" / "stems"
    (run,) = json.loads(curves_path(at, "drums").read_text())["runs"]
    assert [step for step, _ in run["validation"]] == [10, 20]
    (_, first), (_, last) = run["losses"]
    assert last < first
    assert run["validation"][-1][1]["map"] > 0
    assert curves_path(at, "drums").with_suffix(".png").exists()
    state = load_file(at / "drums.safetensors")
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float16}
    RhythmNetwork(HEARING.pairs, CARD.architecture).load_state_dict(state)
    told = json.loads((at / "drums.json").read_text())
    assert told["sha256"] == hashlib.sha256((at / "drums.safetensors").read_bytes()).hexdigest()
    assert told["data"]["runs"][0]["steps"] == 20


def test_what_is_rendered_already_is_not_rendered_again_and_the_same_seed_learns_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drum_corpus, "hit_bank", None)
    monkeypatch.setattr(drum_corpus, "GROOVES", 6)
    weights = learn(folder, tmp_path, TINY, seed=1)
    assert weights.read_bytes() == (folder / "weights" / "stems" / "drums.safetensors").read_bytes()


def test_a_slower_tempo_moves_a_window_up_the_lags_and_gives_it_more_weight() -> None:
    lags = 243
    window = np.zeros((9, lags), np.float32)
    window[:, 100] = 1
    found = learn_drums.moved(window, 7, HEARING)
    assert np.flatnonzero(found[0]).tolist() == [107]
    assert found[0, 107] == pytest.approx(np.exp(7 * HEARING.lag_step * HEARING.lag_power))
    np.testing.assert_allclose(learn_drums.moved(found, -7, HEARING), window, atol=1e-6)


def test_a_batch_is_two_performances_each_of_different_grooves() -> None:
    curves = np.ones((40, 9, 243), np.float16)
    groove, performance = np.repeat(np.arange(10), 4), np.tile([0, 0, 1, 1], 10)
    corpus = drum_corpus.Heard(curves, groove.astype(np.int32), performance.astype(np.int32), np.zeros(40, bool))
    windows, labels = learn_drums.draw(corpus, learn_drums.places(corpus), TINY, HEARING, np.random.default_rng(0))
    assert (windows.shape, windows.dtype) == ((16, 9, 243), np.float32)
    assert sorted(np.unique(labels, return_counts=True)[1]) == [2] * 8


@pytest.mark.skipif(
    not shutil.which("fluidsynth") or not any((at / "FluidR3_GM.sf2").is_file() for at in sound.FOLDERS),
    reason="apt-get install fluidsynth fluid-soundfont-gm",
)
def test_the_hit_bank_has_every_key_of_every_kit_from_its_stroke_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drum_corpus, "FONTS", ("FluidR3_GM",))
    bank = drum_corpus.hit_bank(RATE_HZ)
    assert len(bank) == len(KITS) * len(drum_corpus.KEYS)
    kick = bank["FluidR3_GM", 0, 36]
    assert len(kick) == round(drum_corpus.HIT_S * RATE_HZ)
    assert np.abs(kick[: RATE_HZ // 10]).max() == np.abs(kick).max() > 0.01
