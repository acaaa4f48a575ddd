import numpy as np
import pytest

from models.motif import contour_align


def contour(seed, frames):
    """One pitch class at a time, each for two frames."""
    tones = np.repeat(np.random.default_rng(seed).integers(0, 12, frames // 2 + 1), 2)[:frames]
    return (255 * np.eye(12)[tones]).astype(np.uint8)


def run(query, reference, *, tempo_ratio=1.0, offset_s=0.0, semitones=0, middle_s=10.0):
    return contour_align.run(
        contour_align.directions(query),
        contour_align.directions(reference),
        tempo_ratio=tempo_ratio,
        offset_s=offset_s,
        semitones=semitones,
        middle_s=middle_s,
    )


def test_a_passage_is_found_where_it_is():
    own = contour(1, 100)
    mixed = np.concatenate([contour(5, 40), own[30:80], contour(6, 40)])
    found = run(own, mixed, offset_s=2.0)
    assert (found.start_s, found.end_s) == (pytest.approx(8.0, abs=0.6), pytest.approx(18.0, abs=0.6))
    assert found.similarity > 0.9


@pytest.mark.parametrize("semitones", [-14, -3, 0, 5, 12])
def test_another_key_is_as_good_where_it_is_told(semitones):
    own = contour(1, 100)
    assert run(np.roll(own, semitones, axis=1), own, semitones=semitones).score == pytest.approx(
        run(own, own).score, rel=1e-5
    )


def test_another_tempo_is_nearly_as_good_where_it_is_told():
    own = contour(1, 100)
    slow = own[(np.arange(120) / 1.2).astype(int)]
    assert run(own, slow, tempo_ratio=1.2).score > 0.75 * run(own, own).score


def test_a_tempo_that_drifts_by_less_than_the_band_is_followed():
    own = contour(1, 200)
    late = np.concatenate([own[:60], own[60:61].repeat(3, axis=0), own[61:]])
    found = run(own, late, middle_s=20.0)
    assert found.end_s - found.start_s > 38


def test_strangers_reach_a_fraction():
    same = run(contour(1, 200), contour(1, 200), middle_s=20.0)
    strangers = [run(contour(1, 200), contour(seed, 200), middle_s=20.0).score for seed in range(2, 12)]
    assert max(strangers) < same.score / 4


def test_silence_matches_nothing_not_even_itself():
    silent = np.zeros((50, 12), np.uint8)
    assert run(silent, silent) == contour_align.Run(0.0, 0.0, 0.0, 0.0)
    assert run(np.zeros((0, 12), np.uint8), contour(1, 50)).score == 0


def test_of_a_long_track_only_what_lies_around_the_middle_is_heard():
    own = contour(1, 2_000)
    found = run(own, own, middle_s=300.0)
    assert (found.start_s, found.end_s) == (
        pytest.approx(300 - contour_align.REACH_S, abs=1),
        pytest.approx(300 + contour_align.REACH_S, abs=1),
    )
