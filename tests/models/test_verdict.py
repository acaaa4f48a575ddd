import numpy as np
import pytest

from models import card
from models.decode import decode
from models.flac import to_flac
from models.hear import encode_track
from models.verdict import Features, compare, compare_many
from tests import signals

CARD = card.load("classical")


def features(samples):
    encoded = encode_track(to_flac(decode(signals.wav(samples), None)), CARD)
    return Features(encoded.cqt, encoded.latents, len(samples) / signals.RATE_HZ)


@pytest.fixture(scope="module")
def tune():
    return features(signals.tune())


@pytest.fixture(scope="module")
def arrangement():
    return features(signals.tune(transposition=2, tempo_bpm=132, timbre="string"))


@pytest.fixture(scope="module")
def stranger():
    return features(signals.tune(signals.OTHER_TUNE))


@pytest.fixture(scope="module")
def silent():
    return features(signals.silence(20.0))


def test_the_same_bytes_are_the_same_composition_with_score_one(tune):
    found = compare(tune, tune, CARD)
    assert (found.score, found.verdict, found.why) == (1.0, "same_composition", None)
    assert found.windows.max_then_mean == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("duration_s", [1.0, 2.0, 5.0])
def test_the_same_bytes_are_the_same_composition_however_short(duration_s):
    short = features(signals.tune()[: round(duration_s * signals.RATE_HZ)])
    found = compare(short, short, CARD)
    assert (found.score, found.verdict) == (1.0, "same_composition")


def test_an_arrangement_is_the_same_composition_and_shows_where(tune, arrangement):
    found = compare(arrangement, tune, CARD)
    assert found.verdict == "same_composition"
    (evidence,) = found.evidence
    assert evidence.transposition_semitones == 2
    assert evidence.tempo_ratio == pytest.approx(1.1, abs=0.05)


def test_a_stranger_is_told_so_and_why(tune, stranger):
    found = compare(stranger, tune, CARD)
    assert found.verdict in ("no_relation", "style_only")
    assert found.score < 0.2
    assert found.evidence == ()
    assert "no stronger than unrelated music" in found.why


def test_silence_scores_zero_against_everything_also_silence(tune, silent):
    for pair in ((silent, tune), (tune, silent), (silent, silent)):
        found = compare(*pair, CARD)
        assert (found.score, found.verdict, found.evidence) == (0.0, "no_relation", ())
        assert found.windows.max == 0.0
        assert found.matched_windows == ()
        assert "silent" in found.why


def test_many_candidates_give_what_each_gives_alone(tune, arrangement, stranger):
    together = list(compare_many(tune, [arrangement, stranger], CARD))
    alone = [compare(tune, candidate, CARD) for candidate in (arrangement, stranger)]
    assert [(found.score, found.verdict, found.windows, found.matched_windows) for found in alone] == [
        (found.score, found.verdict, found.windows, found.matched_windows) for found in together
    ]


def test_ten_matched_windows_are_shown_and_all_when_verbose(tune, arrangement):
    assert len(compare(tune, arrangement, CARD).matched_windows) == 10
    verbose = compare(tune, arrangement, CARD, verbose=True)
    assert len(verbose.matched_windows) == verbose.window_similarities.size
    best = verbose.matched_windows[0]
    assert best.similarity_score == verbose.window_similarities[best.query_index, best.candidate_index]
    assert best.query_range_s == (2.0 * best.query_index, 2.0 * best.query_index + 12.0)


def test_every_figure_is_finite_and_within_bounds(tune, arrangement, stranger, silent):
    tracks = [tune, arrangement, stranger, silent]
    for query in tracks:
        for candidate, found in zip(tracks, compare_many(query, tracks, CARD, verbose=True), strict=True):
            assert 0 <= found.score <= 1
            assert np.isfinite(found.window_similarities).all()
            for window in found.matched_windows:
                assert 0 <= window.query_range_s[0] < window.query_range_s[1] <= query.duration_s
                assert 0 <= window.candidate_range_s[0] < window.candidate_range_s[1] <= candidate.duration_s
