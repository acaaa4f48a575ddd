"""A small corpus without soundfonts or music21: plain tones for notes, songs for tunes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import card
from models.training import bank, corpus
from models.training.arrange import BASSES, CHORDS, FONTS, LEADS
from models.training.songs import song

HEARING = card.load("classical").hearing


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training folder with a note bank, tunes, and one shard to learn from and one to validate with."""
    found = tmp_path_factory.mktemp("training")
    tunes = [replace(song(5_000 + at), name=f"test/{at}", source="test") for at in range(150)]
    (found / "tunes-1.pickle").write_bytes(pickle.dumps(tuple(tunes)))
    (found / "bank").mkdir()
    plain = found / "bank" / f"{FONTS[0]}-{LEADS[0]}-notes.npy"
    np.save(plain, tones())
    for font in FONTS:
        for program in {*LEADS, *CHORDS, *BASSES}:
            other = found / "bank" / f"{font}-{program}-notes.npy"
            if other != plain:
                other.symlink_to(plain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "COMPOSITIONS", 24)  # the renderer's own process is forked from this one
        for split in ("train", "validation"):
            corpus.render(found, split, "bank", [0], HEARING)
    return found


def tones() -> np.ndarray:
    """Every key as eight partials which die away, heard by filters one bin wide."""
    rate_hz = HEARING.rate_hz / HEARING.hop_samples
    frames = round((bank.BEFORE_S + bank.HELD_S + bank.AFTER_S) * rate_hz)
    keys = range(bank.FIRST_PITCH, bank.LAST_PITCH + 1, bank.PITCH_STEP)
    magnitude = np.zeros((len(keys), frames, HEARING.bins), np.float16)
    time_s = np.arange(frames) / rate_hz - bank.BEFORE_S
    loud = np.where(time_s < 0, 0, np.exp(-time_s)) * np.where(time_s > bank.HELD_S, 0.05, 1)
    for row, key in enumerate(keys):
        for partial in range(1, 9):
            at = round(key - 24 + 12 * np.log2(partial))
            if at < HEARING.bins:
                magnitude[row, :, at] = loud / partial
    return magnitude
