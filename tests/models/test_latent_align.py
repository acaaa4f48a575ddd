import numpy as np
import pytest

from models import card
from models.latent_align import align_latents

CARD = card.load("pitchclass_small")  # windows of 10 s every 2 s


def likeness(queries, candidates, place, height=0.9, spread=1.0):
    """Cosines that fall from `height` with the distance from `place(row)`, in windows; 0.2 beyond."""
    columns = np.arange(candidates)
    rows = [height - 0.3 * ((columns - place(row)) / spread) ** 2 for row in range(queries)]
    return np.maximum(np.array(rows, np.float32), np.float32(0.2))


def aligned(alike, durations_s, units=None):
    return align_latents(alike, units or len(alike), durations_s, CARD.hearing, CARD.latent_matching)


def test_a_track_lies_upon_itself_from_end_to_end():
    found = aligned(likeness(26, 26, lambda row: row, 1.0), (60.0, 60.0))
    assert found.score == pytest.approx(1.0, abs=1e-5)
    assert found.tempo_ratio == pytest.approx(1.0, abs=0.01)
    assert (found.query_start_s, found.query_end_s) == (0.0, 60.0)
    assert (found.candidate_start_s, found.candidate_end_s) == (pytest.approx(0, abs=0.3), pytest.approx(60, abs=0.3))


@pytest.mark.parametrize("late_s", [4.0, 13.0, 30.7])
def test_an_excerpt_is_found_where_it_was_cut_also_between_the_windows(late_s):
    found = aligned(likeness(6, 46, lambda row: row + late_s / 2), (20.0, 100.0))
    assert found.candidate_start_s == pytest.approx(late_s, abs=0.5)
    assert found.candidate_end_s == pytest.approx(late_s + 20.0, abs=0.5)


@pytest.mark.parametrize("tempo", [0.7, 0.8, 1.1, 1.25, 1.6])
def test_a_query_that_is_faster_has_a_tempo_ratio_above_one(tempo):
    # the middle of a window, 5 s after its start, lies upon the candidate's at `tempo` times its second
    found = aligned(likeness(21, 46, lambda row: ((2 * row + 5) * tempo - 5) / 2), (50.0, 100.0))
    assert found.tempo_ratio == pytest.approx(tempo, rel=0.03)
    assert found.candidate_end_s == pytest.approx(min(50.0 * tempo, 100.0), abs=1.5)


def test_only_the_part_that_is_alike_is_held():
    alike = likeness(26, 26, lambda row: row if row < 13 else 99)
    found = aligned(alike, (60.0, 60.0))
    assert found.query_end_s == pytest.approx(34.0, abs=2.0)
    assert found.score == pytest.approx(0.45, abs=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 26), (26, 1), (2, 2)])
def test_a_side_of_one_window_is_laid_upon_the_most_similar_one(shape):
    alike = np.full(shape, 0.3, np.float32)
    alike[-1, -1] = 0.8
    durations_s = tuple(8.0 if count == 1 else 8.0 + 2 * count for count in shape)
    found = aligned(alike, durations_s)
    assert 0 <= found.query_start_s < found.query_end_s <= durations_s[0]
    assert 0 <= found.candidate_start_s < found.candidate_end_s <= durations_s[1]
    assert found.query_end_s == durations_s[0]
    assert found.tempo_ratio == 1.0


def test_where_nothing_is_alike_nothing_is_aligned():
    assert aligned(np.zeros((5, 5), np.float32), (18.0, 18.0)) is None
    assert aligned(np.zeros((0, 5), np.float32), (18.0, 18.0)) is None


@pytest.mark.parametrize("seed", range(60))
def test_ranges_lie_inside_both_tracks_whatever_the_likeness(seed):
    random = np.random.default_rng(seed)
    shape = random.integers(1, 30, 2)
    durations_s = tuple(float(10 + 2 * (count - 1) - random.uniform(0, 0.9)) for count in shape)
    found = aligned(random.uniform(0, 1, shape).astype(np.float32), durations_s)
    assert 0 <= found.query_start_s < found.query_end_s <= durations_s[0]
    assert 0 <= found.candidate_start_s < found.candidate_end_s <= durations_s[1]
    assert 0.5 <= found.tempo_ratio <= 2.0
    assert 0 <= found.score <= 1
