import numpy as np
import pytest

from models.motif.chance import CHANCES, SHARED_CHANCE, p_chance


@pytest.mark.parametrize("layer", CHANCES)
def test_more_evidence_is_less_likely_by_chance(layer):
    told = [p_chance(evidence, 30, 30, layer) for evidence in np.linspace(0, 120, 50)]
    assert told == sorted(told, reverse=True)
    assert 0.3 < told[0] <= 1
    assert 0 <= told[-1] < 1e-5


def test_longer_tracks_have_more_in_common_by_chance():
    assert p_chance(14, 240, 240, "mix") > 4 * p_chance(14, 30, 30, "mix")


def test_the_hundredth_of_strangers_that_was_measured_is_a_hundredth():
    assert p_chance(13.8, 30, 30, "mix") == pytest.approx(SHARED_CHANCE, rel=0.2)
    assert p_chance(17.3, 30, 30, "stem") == pytest.approx(SHARED_CHANCE, rel=0.25)


def test_figures_over_the_same_chords_are_no_melody():
    assert p_chance(30, 30, 30, "accompaniment") > SHARED_CHANCE > p_chance(30, 30, 30, "mix")


@pytest.mark.parametrize("seconds", [0.0, 0.1, 36_000.0])
def test_every_duration_has_a_chance(seconds):
    assert 0 <= p_chance(10, seconds, 30, "mix") <= 1
