import numpy as np
import pytest

from models.cqt import pooled_cqt
from models.section import novelty
from models.section.beats import beats
from models.section.boundaries import bars, boundaries
from models.section.sections import HEARING, harmony_of_cqt
from tests import section_signals, signals

RNG = np.random.default_rng(0)


def walls(changes_at, count, dimensions=12, noise=0.3):
    """Rows that are all alike between the places given, and unlike across them."""
    rows = np.concatenate(
        [np.tile(RNG.normal(size=dimensions), (length, 1)) for length in np.diff([0, *changes_at, count])]
    )
    rows += noise * RNG.normal(size=rows.shape)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("reach", [4, 32])
def test_novelty_is_greatest_where_one_thing_ends_and_another_begins(reach):
    rise = novelty.checkerboard(walls([80], 200), reach)
    assert int(rise.argmax()) == 80


def test_what_is_the_same_throughout_has_no_novelty():
    assert novelty.checkerboard(np.ones((100, 4)) / 2, 32).max() < 1e-9
    assert novelty.novelty(np.ones((100, 4)) / 2).max() < 0.01


def test_a_change_late_in_a_long_track_is_not_hidden_by_a_greater_one_elsewhere():
    faint = np.concatenate([walls([100], 700, noise=0), 0.6 * walls([100], 1_300, noise=0)])
    faint[700:] = np.sqrt(1 - 0.36) * faint[0] + faint[700:]
    rise = novelty.novelty(faint)
    assert rise[100] == pytest.approx(1, abs=0.05)
    assert rise[780:820].max() > 0.3


@pytest.mark.parametrize("metre", [3, 4])
@pytest.mark.parametrize("phase", [0, 2])
def test_bars_are_told_from_where_things_change(metre, phase):
    changes = RNG.random(200) + 0.7 * (np.arange(200) % metre == phase)
    found, on_bar = bars(changes)
    assert found == metre
    np.testing.assert_array_equal(np.flatnonzero(on_bar), np.arange(phase, 200, metre))


def test_bars_follow_a_tracker_that_loses_a_beat():
    places = np.arange(800)
    shifted = np.where(places < 400, places, places + 1) % 4 == 0
    found, on_bar = bars(0.3 * RNG.random(800) + shifted)
    assert found == 4
    np.testing.assert_array_equal(on_bar[:300], shifted[:300])
    np.testing.assert_array_equal(on_bar[500:], shifted[500:])


@pytest.mark.parametrize("samples", [section_signals.song("ABACB"), signals.noise(2.0), signals.noise(5.0)])
def test_sections_tile_the_track(samples):
    heard = beats(samples)
    edges = boundaries(heard, harmony_of_cqt(pooled_cqt(samples, HEARING), heard.starts_s).astype(np.float32))
    assert edges[0] == 0
    assert (np.diff(edges) > 0).all()
    assert edges[-1] == len(heard.starts_s)


def test_a_track_without_beats_has_no_sections():
    assert len(boundaries(beats(signals.silence(3.0)), np.zeros((0, 24), np.float32))) == 0
