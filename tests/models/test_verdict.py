from dataclasses import replace

import numpy as np
import pytest

from models import card, library
from models.audio.decode import decode
from models.audio.flac import to_flac
from models.card import Null
from models.hear import encode_track
from models.verdict import Features, compare, compare_many, preliminary
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


def test_many_are_ranked_by_the_score_that_each_comparison_tells(tune, arrangement, stranger, silent):
    tracks = [tune, arrangement, stranger, silent]
    ranked = preliminary(tracks, tracks, CARD)
    assert ranked.tolist() == [[found.score for found in compare_many(query, tracks, CARD)] for query in tracks]


# ── With a network ───────────────────────────────────────────────────────────────────────────────────────────────────

SMALL = card.load("pitchclass_small")
LEARNED = replace(  # judged by thresholds of the test's own, whatever the weights are
    SMALL,
    calibration=replace(SMALL.calibration, slope=1.0, intercept=-3.0),  # even odds three deviations above the mean
    latent_matching=replace(SMALL.latent_matching, least_cosine=0.5, same_composition_p=0.5, style_only_p=0.1),
    null=Null(0.2, 0.0, 0.0, 0.04, 0.0, 0.0, 4_000),
    library=replace(
        SMALL.library,
        related_agreement=0.8,
        calibration=replace(SMALL.library.calibration, slope=2.0, intercept=-8.0),  # even odds at four spreads
    ),
)


def unit(rows):
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


RANDOM = np.random.default_rng(11)
SUBJECT = unit(RANDOM.standard_normal((12, 128)))  # of the tune's 32 s


def like(latents, cosine):
    """Latents at that cosine from the given ones, row by row."""
    other = RANDOM.standard_normal(latents.shape)
    other -= np.sum(other * latents, axis=1, keepdims=True) * latents
    return unit(cosine * latents + np.sqrt(1 - cosine**2) * unit(other))


def learned(track, latents):
    return replace(track, latents=latents)


def test_the_score_is_the_mean_of_windows_and_harmony(tune, arrangement):
    found = compare(learned(arrangement, like(SUBJECT, 0.8)), learned(tune, SUBJECT), LEARNED)
    assert found.windows.max_then_mean == pytest.approx(0.8, abs=0.01)
    assert found.qmax == compare(arrangement, tune, CARD).score
    assert found.agreement == pytest.approx(0.8, abs=0.01)
    assert (found.metric, found.score) == ("agreement_qmax", (found.agreement + found.qmax) / 2)
    assert found.verdict == "same_composition"
    assert found.p_match == pytest.approx(1 / (1 + np.exp(3 - (found.score - 0.2) / 0.04)))
    assert found.p_chance == pytest.approx(1e-6, abs=1e-6)


def test_the_evidence_is_the_alignment_of_harmony_where_that_proves_it(tune, arrangement):
    found = compare(learned(arrangement, like(SUBJECT, 0.8)), learned(tune, SUBJECT), LEARNED)
    assert found.evidence == compare(arrangement, tune, CARD).evidence
    assert found.why is None


def test_the_evidence_is_the_run_of_windows_where_harmony_proves_nothing(stranger, tune):
    found = compare(learned(stranger, like(SUBJECT, 0.95)), learned(tune, SUBJECT), LEARNED)
    assert (found.verdict, len(found.evidence)) == ("same_composition", 1)
    assert compare(stranger, tune, CARD).evidence == ()


@pytest.mark.parametrize(("cosine", "verdict"), [(0.9, "same_composition"), (0.58, "style_only"), (0.4, "no_relation")])
def test_the_calibrated_probability_decides_the_verdict(stranger, tune, cosine, verdict):
    found = compare(learned(stranger, like(SUBJECT, cosine)), learned(tune, SUBJECT), LEARNED)
    assert found.verdict == verdict
    assert bool(found.evidence) == (verdict != "no_relation")
    assert (found.why is None) == (verdict == "same_composition")


def test_harmony_that_proves_itself_decides_although_the_windows_tell_nothing(tune, arrangement):
    found = compare(learned(arrangement, like(SUBJECT, 0.3)), learned(tune, SUBJECT), LEARNED)
    assert found.verdict == "same_composition"
    assert {evidence.transposition_semitones for evidence in found.evidence} == {2}


def test_with_a_network_the_same_bytes_score_one_and_silence_nothing(tune, silent):
    same = compare(learned(tune, SUBJECT), learned(tune, SUBJECT), LEARNED)
    assert same.score == pytest.approx(1.0, abs=1e-5)
    assert same.verdict == "same_composition"
    for pair in ((silent, tune), (tune, silent), (silent, silent)):
        sides = [learned(track, SUBJECT[: len(track.latents)]) for track in pair]
        found = compare(*sides, LEARNED)
        assert (found.score, found.verdict, found.evidence) == (0.0, "no_relation", ())
        assert found.p_chance == pytest.approx(1.0)
        assert "silent" in found.why


def test_a_part_is_wholly_in_its_whole_and_the_whole_only_partly_in_it(tune, stranger):
    part, whole = learned(stranger, SUBJECT[:3]), learned(tune, SUBJECT)
    there, back = compare(part, whole, LEARNED), compare(whole, part, LEARNED)
    assert there.windows.max_then_mean > back.windows.max_then_mean + 0.3
    assert there.agreement == pytest.approx(back.agreement)
    assert there.agreement > 0.85  # of a part and its whole the part is asked for


def library_of(count):
    return [(f"t{number}", unit(RANDOM.standard_normal((12, 128)))) for number in range(count)]


def test_in_a_library_its_strangers_tell_what_a_score_is_worth(tune, stranger):
    others = library_of(60)
    among = library.cohort(others, LEARNED)
    query = replace(tune, latents=SUBJECT, name="query")
    friend = replace(stranger, latents=like(SUBJECT, 0.8), name="friend")
    strangers = [replace(stranger, latents=latents, name=name) for name, latents in others]
    first, *rest = compare_many(query, [friend, *strangers], LEARNED, among=among)
    assert (first.metric, first.verdict, first.strangers) == ("library_normalised", "same_composition", 60)
    assert first.p_chance < 1e-3
    assert first.score > 0.9
    assert {found.verdict for found in rest} <= {"no_relation", "style_only"}
    assert min(found.p_chance for found in rest) <= 2 / 61
    # The larger the score, the larger the probability and the smaller the chance.
    ordered = sorted([first, *rest], key=lambda found: found.score)
    assert [found.p_match for found in ordered] == sorted(found.p_match for found in ordered)
    assert [found.p_chance for found in ordered] == sorted((found.p_chance for found in ordered), reverse=True)


def test_in_a_library_silence_is_like_nothing(tune, silent):
    among = library.cohort(library_of(50), LEARNED)
    sound, nothing = learned(tune, SUBJECT), learned(silent, SUBJECT[:0])
    for query, candidate in ((sound, nothing), (nothing, sound), (nothing, nothing)):
        (found,) = compare_many(query, [candidate], LEARNED, among=among)
        assert (found.score, found.p_match, found.p_chance, found.verdict) == (0.0, 0.0, 1.0, "no_relation")
        assert "silent" in found.why


def test_a_library_does_not_change_what_the_classical_encoder_says(tune, arrangement):
    among = library.cohort(library_of(50), LEARNED)
    told, alone = next(compare_many(arrangement, [tune], CARD, among=among)), compare(arrangement, tune, CARD)
    assert (told.score, told.metric, told.strangers) == (alone.score, "qmax", None)


def test_a_track_whose_transform_is_gone_is_still_judged_by_its_windows(tune, arrangement):
    bare = replace(tune, cqt=None, latents=SUBJECT)
    found = compare(learned(arrangement, like(SUBJECT, 0.8)), bare, LEARNED)
    assert (found.qmax, found.verdict) == (None, "same_composition")
    (evidence,) = found.evidence
    assert evidence.transposition_semitones == 0


def test_with_a_network_many_are_chosen_from_by_their_windows_alone(tune, arrangement, stranger, silent):
    tracks = [learned(tune, SUBJECT), learned(arrangement, like(SUBJECT, 0.7)), learned(silent, SUBJECT[:0])]
    bare = [replace(track, cqt=None) for track in tracks]
    told = [[found.agreement for found in compare_many(query, tracks, LEARNED)] for query in tracks]
    np.testing.assert_allclose(preliminary(bare, bare, LEARNED), told, atol=1e-6)


@pytest.mark.parametrize("semitones", [-5, -1, 0, 4, 6])
def test_the_transposition_of_an_alignment_of_windows_is_told_by_the_harmony_under_it(tune, semitones):
    moved = features(signals.tune(transposition=semitones, timbre="flute"))
    found = compare(learned(moved, like(SUBJECT, 0.9)), learned(tune, SUBJECT), LEARNED)
    assert {evidence.transposition_semitones for evidence in found.evidence} == {semitones}
