import numpy as np
import pytest

from models import card
from models.chroma import chroma
from models.cqt import pooled_cqt
from models.fourier import latent
from tests import signals

CARD = card.load("classical")
TUNE = chroma(pooled_cqt(signals.tune(), CARD.hearing), CARD.hearing)[:, :103]  # 12 s


@pytest.mark.parametrize("semitones", range(12))
def test_a_latent_does_not_change_under_transposition(semitones):
    moved = np.roll(TUNE, semitones, axis=0)
    np.testing.assert_allclose(latent(TUNE, CARD.encoder), latent(moved, CARD.encoder), atol=1e-5)


@pytest.mark.parametrize("frames", [1, 7, 50])
def test_a_latent_does_not_change_under_a_circular_shift_in_time(frames):
    moved = np.roll(TUNE, frames, axis=1)
    np.testing.assert_allclose(latent(TUNE, CARD.encoder), latent(moved, CARD.encoder), atol=1e-4)


def test_a_latent_is_of_unit_length_and_silence_is_zeros():
    assert np.linalg.norm(latent(TUNE, CARD.encoder)) == pytest.approx(1.0, abs=1e-5)
    assert not latent(np.zeros_like(TUNE), CARD.encoder).any()
