from functools import cache

import numpy as np
import pytest

from models import card
from models.align import _heaviest_run, align, harmony, transposed
from models.chroma import chroma
from models.cqt import pooled_cqt
from tests import signals

CARD = card.load("classical")


@cache
def listen(samples: bytes):
    signal = np.frombuffer(samples, np.float32)
    pitches = chroma(pooled_cqt(signal, CARD.hearing), CARD.hearing)
    return harmony(pitches, len(signal) / signals.RATE_HZ, CARD.matching)


def aligned(query, candidate):
    heard = listen(query.tobytes())
    return align(heard, transposed(heard, CARD.matching), listen(candidate.tobytes()), CARD)


TUNE = signals.tune()


def test_the_same_sound_is_aligned_whole():
    found = aligned(TUNE, TUNE)
    assert (found.score, found.transposition_semitones, found.tempo_ratio) == (1.0, 0, 1.0)
    assert (
        found.query_start_s, found.query_end_s, found.candidate_start_s, found.candidate_end_s,
    ) == (0.0, 32.0, 0.0, 32.0)  # fmt: skip


@pytest.mark.parametrize("semitones", range(-5, 7))
def test_a_query_that_is_higher_has_a_positive_transposition(semitones):
    found = aligned(signals.tune(transposition=semitones, timbre="flute"), TUNE)
    assert semitones == found.transposition_semitones
    assert found.score > 0.8


@pytest.mark.parametrize("tempo_ratio", [0.8, 0.9, 1.1, 1.25])
def test_a_query_that_is_faster_has_a_tempo_ratio_above_one(tempo_ratio):
    found = aligned(signals.tune(tempo_bpm=120 * tempo_ratio), TUNE)
    assert found.tempo_ratio == pytest.approx(tempo_ratio, abs=0.05)
    assert found.transposition_semitones == 0
    assert found.score > 0.5


def test_an_excerpt_is_found_where_it_was_cut():
    start, end = (round(second * signals.RATE_HZ) for second in (9.0, 21.0))
    found = aligned(TUNE[start:end], TUNE)
    assert found.score > 0.7
    assert found.candidate_start_s == pytest.approx(9.0, abs=1.0)
    assert found.candidate_end_s == pytest.approx(21.0, abs=1.0)


def test_ranges_lie_inside_both_tracks():
    found = aligned(TUNE[: round(10.1 * signals.RATE_HZ)], TUNE)
    assert 0 <= found.query_start_s < found.query_end_s <= 10.1
    assert 0 <= found.candidate_start_s < found.candidate_end_s <= 32.0


def test_another_tune_stays_far_below():
    assert aligned(signals.tune(signals.OTHER_TUNE), TUNE).score < 0.2


@pytest.mark.parametrize(
    "featureless",
    [signals.silence(20.0), signals.tone(20.0), signals.clicks(20.0), TUNE[: 2 * signals.RATE_HZ]],
    ids=["silence", "steady tone", "clicks", "shorter than a stack"],
)
def test_what_has_no_changing_harmony_aligns_with_nothing(featureless):
    assert aligned(featureless, TUNE) is None
    assert aligned(TUNE, featureless) is None


def test_silence_never_matches_silence():
    assert aligned(signals.silence(20.0), signals.silence(20.0)) is None


def test_two_steady_tones_are_no_match_but_one_is_itself():
    assert aligned(signals.tone(20.0, 440.0), signals.tone(20.0, 523.25)) is None
    assert aligned(signals.tone(20.0, 440.0), signals.tone(20.0, 440.0)).score == 1.0


def test_two_noises_are_strangers():
    found = aligned(signals.noise(20.0, seed=1), signals.noise(20.0, seed=2))
    assert found is None or found.score < 0.1


@pytest.mark.parametrize("duration_s", [1.0, 2.0, 3.5, 4.0])
def test_even_the_shortest_track_is_itself(duration_s):
    short = TUNE[: round(duration_s * signals.RATE_HZ)]
    assert aligned(short, short).score == 1.0


@pytest.mark.parametrize("seed", range(40))
def test_a_path_stays_inside_both_tracks_and_goes_forward_in_both(seed):
    """Guards librosa's fault with runs that begin in the second column of the matrix."""
    random = np.random.default_rng(seed)
    likeness = random.uniform(0, 0.4, (random.integers(17, 40), random.integers(17, 40))).astype(np.float32)
    for step in range(8):  # a run at half tempo from the first columns on
        likeness[2 * step + 1, step] = 1.0
    _, path = _heaviest_run(likeness, CARD.matching)
    assert path.min() >= 0
    assert (path.max(axis=0) < likeness.shape).all()
    assert (np.diff(path, axis=0) > 0).all()
