"""Sixty steps of the real loop on a small corpus: it learns, it resumes, and it keeps what it promises."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.card import Architecture
from models.network import PitchClassNetwork
from models.training import corpus, learn
from tests.models.training.conftest import HEARING

TINY = replace(
    learn.SMALL,
    name="tiny",
    architecture=Architecture(8, 3, (16, 24), (1,), 32),
    window_s=6.0,
    compositions=16,
    views=2,
    runs=(learn.Run(seed=1, steps=60, learning_rate=2e-3, shards=1), learn.Run(2, 3, 2e-3, 1)),
    warmup_steps=10,
)
FIRST, SECOND = TINY.runs


@pytest.fixture(scope="module")
def learned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("weights")
    return learn.learn(TINY, FIRST, folder, out, HEARING, validate_every=30)


def test_sixty_steps_beat_chance(learned: Path) -> None:
    (run,) = json.loads(learn.curves_path(learned.parent, "tiny").read_text())["runs"]
    assert run["steps"] == 60
    assert run["shards"] == {"bank": [0], "audio": []}
    first, last = run["validation"][0][1], run["validation"][-1][1]
    assert last["full_map"] > 0.05  # by chance 0.02
    assert set(first) == {"full_map", "full_top1", "lead_map", "lead_top1"}


def test_the_weights_are_half_precision_and_forget_the_key(learned: Path) -> None:
    state = load_file(learned)
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float16}
    network = PitchClassNetwork(TINY.architecture)
    network.load_state_dict({name: value.float() for name, value in state.items()})
    network.eval()
    windows = torch.rand(4, HEARING.bins, 60, generator=torch.Generator().manual_seed(0))
    windows[:, :24] = 0
    windows[:, 60:] = 0
    with torch.inference_mode():
        alike = (network(windows) * network(windows.roll(5, dims=1))).sum(dim=1)
    assert float(alike.min()) > 0.9999


def test_a_second_run_goes_on(learned: Path, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(learned.parent, tmp_path, dirs_exist_ok=True)
    learn.learn(TINY, SECOND, folder, tmp_path, HEARING, validate_every=3)
    first, second = json.loads(learn.curves_path(tmp_path, "tiny").read_text())["runs"]
    assert second["steps"] == 3
    # From nothing, three steps would leave chance; from the kept weights they cannot forget.
    assert second["validation"][-1][1]["full_map"] > 0.7 * first["validation"][-1][1]["full_map"]


def test_a_recipe_goes_on_with_the_run_that_its_curves_do_not_tell_of(learned: Path, tmp_path: Path) -> None:
    assert learn.missing_runs(TINY, tmp_path) == TINY.runs
    assert learn.missing_runs(TINY, learned.parent) == (SECOND,)
    broken_off = replace(TINY, runs=(replace(FIRST, steps=90), SECOND))
    assert learn.missing_runs(broken_off, learned.parent) == broken_off.runs


@pytest.mark.parametrize("name", learn.RECIPES)
def test_the_shipped_weights_are_those_of_their_recipe(name: str) -> None:
    shipped = files("models").joinpath("weights")
    with as_file(shipped) as weights:
        assert learn.missing_runs(learn.RECIPES[name], weights) == ()
    told = json.loads(shipped.joinpath(f"{name}.json").read_text())["data"]["runs"][-1]
    last = learn.RECIPES[name].runs[-1]
    assert (told["seed"], told["steps"], len(told["shards"]["bank"])) == (last.seed, last.steps, last.shards)


def test_a_run_learns_from_its_own_shards_only(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "more", symlinks=True)
    shutil.copytree(
        corpus.shard_path(folder, "train", "bank", 0), corpus.shard_path(tmp_path / "more", "train", "bank", 1)
    )
    learn.learn(TINY, SECOND, tmp_path / "more", tmp_path, HEARING, validate_every=3)
    (told,) = json.loads(learn.curves_path(tmp_path, "tiny").read_text())["runs"]
    assert told["shards"]["bank"] == [0]


def test_a_deeper_network_begins_with_all_that_the_smaller_one_has_learned(learned: Path) -> None:
    state = load_file(learned)
    smaller = PitchClassNetwork(TINY.architecture)
    smaller.load_state_dict({name: value.float() for name, value in state.items()})
    deeper = PitchClassNetwork(Architecture(8, 3, (16, 24, 32, 32), (1, 3), 32))
    deeper.load_state_dict(learn.inherited(deeper, state))
    windows = torch.rand(4, HEARING.bins, 60, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        alike = (smaller.eval()(windows) * deeper.eval()(windows)).sum(dim=1)
    assert float(alike.min()) > 0.99999
    deeper.train()(windows)[:, 0].sum().backward()  # and its new layers are learned from the first step on
    assert float(deeper.project.weight.grad[:, 48:].abs().max()) > 0


def test_a_recipe_that_begins_as_another_needs_its_weights(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        learn.learn(replace(TINY, name="deeper", begins_as="tiny"), FIRST, folder, tmp_path, HEARING)


def test_the_loss_knows_friends_from_strangers() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    apart = torch.eye(4)[[0, 0, 1, 1]]
    mixed = torch.eye(4)[[0, 1, 0, 1]]
    assert float(learn.nt_xent(apart, labels, 0.1)) < 0.01
    assert float(learn.nt_xent(mixed, labels, 0.1)) > 5
    random = torch.nn.functional.normalize(torch.randn(64, 128, generator=torch.Generator().manual_seed(1)), dim=1)
    assert float(learn.nt_xent(random, torch.arange(64) // 2, 1.0)) == pytest.approx(np.log(63), abs=0.2)


@pytest.mark.parametrize(("capable", "kept"), [(True, torch.bfloat16), (False, torch.float32)])
def test_half_numbers_are_used_where_the_processor_has_them(
    monkeypatch: pytest.MonkeyPatch, capable: bool, kept: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": capable})
    with learn.mixed_precision("cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kept
