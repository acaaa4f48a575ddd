"""The corpus: its splits never meet, its shards follow from their seeds, and what sounds is where the map says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.training import bank, batches, corpus
from models.training.arrange import FONTS, LEADS
from models.training.performance import Part, Performance, Production
from models.training.songs import song
from tests.models.training.conftest import HEARING


def one_note(start_s: float, duration_s: float, pitch: int) -> Performance:
    notes = np.array([(start_s, duration_s, pitch, 100.0)], np.float32)
    part = Part("lead", LEADS[0], notes)
    return Performance((part,), FONTS[0], Production(), np.zeros((0, 4)), 8.0)


@pytest.mark.parametrize("pitch", [40, 60, 61, 62, 80])
def test_a_note_of_the_bank_sounds_at_its_time_and_pitch(folder: Path, pitch: int) -> None:
    stems = bank.stem_magnitudes(one_note(3.0, 2.0, pitch), bank.load(folder / "bank"), HEARING)
    assert not stems[1:].any()
    lead = stems[0]
    assert lead.max(axis=1).argmax() == pitch - 24
    sounding_s = np.flatnonzero(lead[pitch - 24] > 0.1 * lead.max()) * HEARING.frame_s
    assert sounding_s[0] == pytest.approx(3.0, abs=0.15)
    assert sounding_s[-1] == pytest.approx(5.0, abs=0.25)


def test_an_octave_out_of_hearing_is_left_out(folder: Path) -> None:
    assert not bank.stem_magnitudes(one_note(1.0, 1.0, 120), bank.load(folder / "bank"), HEARING).any()


def test_no_bank_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="note bank"):
        bank.load(tmp_path)


def test_splits_never_meet(folder: Path) -> None:
    names = {
        split: {found.name for seed in (0, 1) for _, found in corpus.compositions(folder, split, seed)}
        for split in ("train", "validation", "test")
    }
    assert not names["train"] & names["validation"]
    assert not names["train"] & names["test"]
    assert not names["validation"] & names["test"]
    for split, found in names.items():
        for name in found:
            if name.startswith("songs/"):
                assert corpus.split_of(song(int(name.split("/")[1]))) == split


def test_a_shard_follows_from_its_seed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "COMPOSITIONS", 24)
    (tmp_path / "bank").symlink_to(folder / "bank")
    (tmp_path / "tunes-1.pickle").symlink_to(folder / "tunes-1.pickle")
    corpus.render(tmp_path, "validation", "bank", [0], HEARING)
    one, again = (corpus.load_shard(at, "validation", "bank", 0) for at in (folder, tmp_path))
    np.testing.assert_array_equal(one.stems, again.stems)
    np.testing.assert_array_equal(one.maps, again.maps)
    assert corpus.rendered(tmp_path, "validation", "bank") == [0]


def test_views_of_a_composition_are_of_one_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter instead of sound: every frame holds its own beat, so what is drawn tells where it was taken."""
    shard = corpus.load_shard(folder, "train", "bank", 0)
    beats = np.zeros(shard.stems.shape, np.uint8)
    for row, spans in enumerate(shard.maps):
        used = spans[spans[:, 1] > spans[:, 0]]
        at_s = (np.arange(shard.stems.shape[3]) + 0.5) * HEARING.frame_s
        for start_s, end_s, first, last in used:
            inside = (at_s >= start_s) & (at_s < end_s)
            beats[row, :, :, inside] = (
                1 + np.round(first + (at_s[inside] - start_s) / (end_s - start_s) * (last - first))[:, None, None]
            )
    monkeypatch.setattr(batches, "JITTER_S", 0.0)
    pool = batches.pool([corpus.Shard(beats, shard.maps, shard.compositions)])
    windows, gains, labels = batches.draw(pool, 20, 3, window_s=4.0, hearing=HEARING, rng=np.random.default_rng(0))
    assert windows.shape[:3] == (60, 4, HEARING.bins)
    assert gains.shape == (60, 4)
    assert (np.bincount(labels)[np.unique(labels)] == 3).all()
    middles = windows[:, 0, 0, windows.shape[3] // 2].astype(int).reshape(20, 3)
    whole = (middles > 0).all(axis=1)
    assert whole.sum() > 12
    assert np.median(np.ptp(middles[whole], axis=1)) <= 1


def test_a_mix_is_what_its_gains_let_through(folder: Path) -> None:
    shard = corpus.load_shard(folder, "train", "bank", 0)
    stems = np.asarray(shard.stems[:8, :, :, :86])
    silent = batches.mix(stems, np.zeros((8, 4), np.float32), HEARING, 1)
    assert not silent.any()
    heard = batches.mix(stems, np.ones((8, 4), np.float32), HEARING, 1)
    assert heard.shape == (8, HEARING.bins, 86)
    assert 0 <= float(heard.min()) <= float(heard.max()) <= 1
    assert heard.equal(batches.mix(stems, np.ones((8, 4), np.float32), HEARING, 1))
    assert not heard.equal(batches.mix(stems, np.ones((8, 4), np.float32), HEARING, 2))
