from dataclasses import replace

import numpy as np
import pytest

from models import card, library
from models.score import agreements
from tests.quality.measures import ks_to_uniform

LEARNED = card.load("pitchclass_small")
assert LEARNED.library is not None
CARD = replace(
    LEARNED,
    library=replace(
        LEARNED.library,
        related_agreement=0.8,
        harmony_floor=0.1,
        harmony_weight=2.0,
        calibration=replace(LEARNED.library.calibration, slope=2.0, intercept=-8.0),  # even odds at four spreads
    ),
)
DIM = 24


def unit(rows):
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def track(random, windows=12, centre=None, pull=0.0):
    rows = unit(random.standard_normal((windows, DIM)))
    return rows if centre is None else unit(rows + pull * centre)


def tracks(count, seed=1, **kwargs):
    random = np.random.default_rng(seed)
    return [(f"t{number}", track(random, **kwargs)) for number in range(count)]


def against(name, latents, agreement, qmax, query):
    return library.standardised(agreement, qmax, query, library.norm_of(name, latents, query), CARD)


@pytest.fixture(scope="module")
def among():
    found = library.cohort(tracks(120), CARD)
    assert found is not None
    return found


def test_fewer_than_fifty_unrelated_tracks_are_no_cohort():
    assert library.cohort(tracks(49), CARD) is None
    assert library.cohort(tracks(50), CARD) is not None


def test_relatives_count_once_and_silence_not_at_all():
    some = tracks(50)
    again = [(f"again {name}", unit(latents + 0.02)) for name, latents in some]
    silent = [("silent", np.zeros((4, DIM), np.float32)), ("empty", np.zeros((0, DIM), np.float32))]
    found = library.cohort([*silent, *some, *again], CARD)
    assert found is not None
    assert found.names == tuple(name for name, _ in some)
    assert library.cohort([*silent, *some[:49], *again[:49]], CARD) is None


def test_a_cohort_has_at_most_two_hundred_tracks_the_first_ones():
    found = library.cohort(tracks(230, windows=3), CARD)
    assert found is not None
    assert found.names == tuple(f"t{number}" for number in range(200))


def test_each_norm_is_of_the_others_alone(among):
    alike = agreements([among.latents[7]], among.latents)[0]
    others = np.delete(alike, 7)
    assert among.norms[7].median == pytest.approx(np.median(others))
    assert among.norms[7].median + among.norms[7].spread == pytest.approx(np.quantile(others, 0.84))


def test_strangers_lie_about_zero_and_a_friend_far_above(among):
    random = np.random.default_rng(2)
    query = track(random)
    normed = library.standing("query", query, among, CARD)
    scores = np.array(list(normed.strangers.values()))
    assert abs(np.median(scores)) < 0.3
    assert np.quantile(scores, 0.84) == pytest.approx(1.0, abs=0.4)
    friend = unit(query + 0.02 * random.standard_normal(query.shape))
    agreement = float(agreements([query], [friend])[0, 0])
    assert against("friend", friend, agreement, 0.0, normed) > 6


def test_a_track_that_is_a_little_like_everything_gains_nothing_by_it():
    random = np.random.default_rng(3)
    centre = random.standard_normal(DIM)
    some = [(name, unit(latents + 0.15 * centre)) for name, latents in tracks(100)]
    found = library.cohort(some, CARD)
    query, hub = track(random, centre=centre, pull=0.15), track(random, windows=60, centre=centre, pull=0.3)
    normed = library.standing("query", query, found, CARD)
    agreement = float(agreements([query], [hub])[0, 0])
    only_query = (agreement - normed.norm.median) / normed.norm.spread
    assert against("hub", hub, agreement, 0.0, normed) < only_query - 0.5


def test_harmony_counts_only_above_what_strangers_reach(among):
    query = track(np.random.default_rng(4))
    normed = library.standing("query", query, among, CARD)

    def z(qmax):
        return against("t3", among.latents[3], 0.5, qmax, normed)

    assert z(0.0) == z(0.1)
    expected = 2.0 * 0.2 * (1 / normed.norm.spread + 1 / among.norms[3].spread) / 2
    assert z(0.3) - z(0.1) == pytest.approx(expected)


def test_the_norm_of_a_track_outside_the_cohort_is_what_it_would_be_inside(among):
    query = track(np.random.default_rng(5))
    normed = library.standing("query", query, among, CARD)
    fewer = library.Cohort(among.names[1:], among.latents[1:], among.norms[1:])
    outside = library.standing("query", query, fewer, CARD)
    inside_z = against("t0", among.latents[0], 0.5, 0.0, normed)
    assert against("t0", among.latents[0], 0.5, 0.0, outside) == pytest.approx(inside_z, rel=0.05)


def test_the_chance_of_strangers_is_uniform_in_any_library():
    # Two halves that know nothing of each other, and tracks of very different lengths.
    random = np.random.default_rng(6)
    centres = random.standard_normal((2, DIM))
    some = [
        (f"t{number}", track(random, int(random.integers(4, 40)), centres[number % 2], 0.12)) for number in range(160)
    ]
    found = library.cohort(some[:110], CARD)
    assert found is not None
    chances = []
    for name, query in some[110:]:
        normed = library.standing(name, query, found, CARD)
        for other, latents in some:
            if other != name:
                agreement = float(agreements([query], [latents])[0, 0])
                z = against(other, latents, agreement, 0.05, normed)
                chances.append(library.chance(other, z, normed))
    assert ks_to_uniform(chances) < 0.1


def test_a_chance_counts_the_strangers_above_and_falls_on_beyond_them(among):
    normed = library.standing("query", track(np.random.default_rng(7)), among, CARD)
    scores = sorted(normed.strangers.values())
    count = len(scores)
    assert library.chance("", scores[-3] - 1e-9, normed) == pytest.approx(4 / (count + 1))
    assert library.chance("", scores[0] - 1, normed) == 1.0
    beyond = [library.chance("", scores[-1] + step, normed) for step in (0.01, 0.5, 1, 2, 4, 40)]
    assert beyond == sorted(beyond, reverse=True)
    assert 1 / (count + 1) > beyond[0] > 0.9 / (count + 1)
    assert beyond[-1] == 1e-6


def test_a_candidate_is_not_counted_against_itself(among):
    normed = library.standing("query", track(np.random.default_rng(8)), among, CARD)
    best = max(normed.strangers, key=normed.strangers.__getitem__)
    count = len(normed.strangers)
    assert library.chance(best, normed.strangers[best], normed) < 1 / count
    assert library.chance("", normed.strangers[best], normed) == pytest.approx(2 / (count + 1))


def test_the_query_and_its_relatives_in_the_library_are_no_strangers(among):
    normed = library.standing("t5", among.latents[5], among, CARD)
    assert "t5" not in normed.strangers
    again = library.standing("of t5", unit(among.latents[5] + 0.02), among, CARD)
    assert "t5" not in again.strangers
    assert len(again.strangers) == len(among.names) - 1


def test_what_is_not_alike_at_all_scores_nothing_for_certain(among):
    normed = library.standing("query", track(np.random.default_rng(9)), among, CARD)
    assert (library.score(-np.inf, CARD), library.chance("t0", -np.inf, normed)) == (0.0, 1.0)


def test_the_score_is_a_half_at_even_odds_and_keeps_the_order_of_what_is_certain():
    assert library.score(4.0, CARD) == pytest.approx(0.5)
    scores = [library.score(z, CARD) for z in range(-5, 30)]
    assert scores == sorted(set(scores))
    assert scores[-1] < 1
