"""Findings: the strongest that any layer proves, told with the layer that proves it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models import finding as told
from models.align import Alignment
from models.content import THRESHOLDS, thresholds
from models.finding import Found, finding
from models.fingerprint.recognise import Recording
from models.layers import Layered
from models.motif.melodies import SharedMelody
from models.motif.motifs import MotifMatch
from models.same_sound import CHANCE_AT_LEAST
from models.score import WindowScores
from models.verdict import Comparison

WHOLE = Recording(
    query_start_s=0.1,
    query_end_s=9.9,
    candidate_start_s=20.1,
    candidate_end_s=29.9,
    tempo_ratio=1.0,
    tempo_error=1e-4,
    transposition_semitones=0.0,
    transposition_error_semitones=0.01,
    time_error_s=0.001,
    landmarks=400,
    share=0.8,
    score=500.0,
    whole=True,
    exact=True,
)
IN_STEP = replace(
    WHOLE, query_start_s=10.0, query_end_s=18.0, tempo_ratio=1.1, share=0.3, score=100.0, exact=False, whole=False
)
CHANGED = replace(WHOLE, tempo_ratio=1.1, candidate_end_s=30.9, exact=False)
MELODY = SharedMelody(
    "vocals",
    MotifMatch(2.0, 8.0, 40.0, 46.0, 1.0, 3, similarity=0.8, score=30.0, chain_score=60.0),
    p_chance=1e-6,
    commonness=0.01,
)

RUN = Alignment(0.5, 40.0, 8.0, 0, 1.0, 0.0, 20.0, 0.0, 20.0)


def layered(verdict="no_relation", score=0.2, p_chance=0.5):
    why = None if verdict == "same_composition" else "They are no more alike than unrelated music is."
    windows = Comparison(
        score, "agreement_qmax", verdict, why, (), WindowScores(0.3, 0.2, 0.1), (), None, score, score, 0.1, p_chance
    )
    return Layered({"full_audio": windows}, "full_audio", verdict, p_chance, {})


def test_windows_alone_speak_for_themselves():
    one = finding(Found(layered("same_composition", 0.7, 1e-4)), 30.0, 60.0)
    assert (one.verdict, one.layer, one.metric, one.score, one.p_chance) == (
        "same_composition", "full_audio", "agreement_qmax", 0.7, 1e-4,
    )  # fmt: skip


@pytest.mark.parametrize("seldom", [(), ("vocals",)])
def test_what_a_layer_proves_nothing_of_leaves_no_counterpart(seldom):
    mix = replace(layered("same_composition", 0.7).best, evidence=(replace(RUN, query_start_s=0.0, query_end_s=20.0),))
    voice = replace(layered("style_only", 0.3).best, evidence=(replace(RUN, query_start_s=30.0, query_end_s=60.0),))
    both = Layered({"full_audio": mix, "vocals": voice}, "full_audio", "same_composition", 0.1, {}, seldom)
    assert finding(Found(both), 60.0, 60.0).unmatched_s == ((20.0, 60.0),)


def test_common_landmarks_are_a_recording_whatever_windows_say():
    one = finding(Found(layered(), (WHOLE,)), 10.0, 60.0)
    assert (one.verdict, one.layer, one.metric) == ("same_recording", "fingerprint", "landmarks")
    assert one.score >= 0.999
    assert one.why is None
    assert one.p_chance <= 2 * CHANCE_AT_LEAST
    assert one.proven == (WHOLE,)


def test_a_change_of_tempo_is_told():
    assert finding(Found(layered(), (CHANGED,)), 10.0, 60.0).verdict == "same_recording_modified"


def test_a_piece_in_other_material_is_a_sample_and_the_rest_is_told_as_unmatched():
    piece = replace(WHOLE, query_start_s=10.0, query_end_s=20.0, whole=False)
    one = finding(Found(layered(), (piece,)), 40.0, 60.0)
    assert one.verdict == "sample"
    assert one.unmatched_s == ((0.0, 10.0), (20.0, 40.0))


def test_pieces_that_together_make_up_a_track_are_an_edit_of_it():
    first = replace(WHOLE, query_end_s=14.0, candidate_start_s=5.0, candidate_end_s=19.0, whole=False)
    second = replace(first, query_start_s=14.2, query_end_s=29.9, candidate_start_s=60.0, candidate_end_s=75.7)
    assert finding(Found(layered(), (first,)), 30.0, 120.0).verdict == "sample"
    assert finding(Found(layered(), (first, second)), 30.0, 120.0).verdict == "same_recording_modified"


def test_a_repeat_that_is_aligned_again_makes_no_edit():
    first = replace(WHOLE, query_start_s=10.0, query_end_s=20.0, whole=False)
    again = replace(first, candidate_start_s=5.0, candidate_end_s=15.0)
    assert finding(Found(layered(), (first, again)), 40.0, 60.0).verdict == "sample"


def test_the_same_notes_at_the_same_times_all_through_are_a_composition_and_no_recording():
    in_step = replace(CHANGED, share=0.3)
    one = finding(Found(layered(), (in_step,)), 10.0, 60.0)
    assert (one.verdict, one.layer, one.proven) == ("same_composition", "fingerprint", ())
    assert (one.score, one.metric) == (0.3, "landmarks"), "a recording stands before it"
    assert one.unmatched_s == (), "what they have in common is no gap"
    by_windows = finding(Found(layered("same_composition", 0.7), (in_step,)), 10.0, 60.0)
    assert (by_windows.verdict, by_windows.layer, by_windows.score) == ("same_composition", "full_audio", 0.7)


@pytest.mark.parametrize(
    ("windows", "melodies", "verdict"),
    [
        ("no_relation", (), "sample"),
        ("style_only", (replace(MELODY, p_chance=0.3),), "sample"),
        ("no_relation", (MELODY,), "shared_motif"),
        ("same_composition", (), "style_only"),
        ("no_relation", None, "style_only"),
    ],
    ids=["nothing shared", "hardly a melody", "a melody", "harmony", "nobody looked for a melody"],
)
def test_few_common_peaks_are_the_same_sound_only_where_no_shared_notes_explain_them(windows, melodies, verdict):
    assert finding(Found(layered(windows), (IN_STEP,), melodies), 40.0, 60.0).verdict == verdict


def test_a_weak_alignment_of_a_part_proves_nothing_by_itself():
    one = finding(Found(layered(), (replace(IN_STEP, score=60.0),), ()), 40.0, 60.0)
    assert (one.verdict, one.layer, one.proven) == ("style_only", "full_audio", ())
    assert "8 s" in one.why


def test_a_melody_proves_a_motif_and_no_more():
    one = finding(Found(layered(), (), (MELODY,)), 30.0, 60.0)
    assert (one.verdict, one.layer, one.shared) == ("shared_motif", "motif", (MELODY,))
    assert one.unmatched_s == ((0.0, 2.0), (8.0, 30.0))


def test_harmony_alone_is_never_more_than_style():
    alike = layered("same_composition", 0.7, 1e-6)
    assert finding(Found(alike), 30.0, 60.0).verdict == "same_composition", "nobody looked for a melody"
    for melodies in ((), (replace(MELODY, p_chance=0.2),)):
        one = finding(Found(alike, (), melodies), 30.0, 60.0)
        assert (one.verdict, one.layer) == ("style_only", "full_audio")
        assert "no melody" in one.why


def test_windows_that_chance_hardly_gives_are_a_composition_with_a_melody_that_it_may_give():
    likely = replace(MELODY, p_chance=0.05)
    one = finding(Found(layered("same_composition", 0.7, 1e-5), (), (likely,)), 30.0, 60.0)
    assert (one.verdict, one.layer, one.shared) == ("same_composition", "full_audio", ())
    assert finding(Found(layered("same_composition", 0.7, 1e-3), (), (likely,)), 30.0, 60.0).verdict == "style_only"


@pytest.mark.parametrize("windows", ["style_only", "same_composition"])
def test_a_melody_is_a_composition_where_it_lasts_for_most_of_the_shorter_track(windows):
    def told_with(seconds: float) -> str:
        match = replace(MELODY.match, query_end_s=2.0 + seconds, candidate_end_s=40.0 + seconds)
        return finding(Found(layered(windows, 0.7, 1e-3), (), (replace(MELODY, match=match),)), 30.0, 60.0).verdict

    assert (told_with(10.0), told_with(24.0)) == ("shared_motif", "same_composition")


def test_a_long_melody_without_windows_that_are_alike_stays_a_motif():
    match = replace(MELODY.match, query_end_s=28.0, candidate_end_s=66.0)
    assert finding(Found(layered(), (), (replace(MELODY, match=match),)), 30.0, 60.0).verdict == "shared_motif"


def test_of_effects_only_recordings_are_claimed():
    effects = THRESHOLDS["effects"]
    found = Found(layered("same_composition", 0.7, 1e-6), (), (MELODY,))
    assert finding(found, 30.0, 60.0, thresholds=effects).verdict == "style_only"
    assert finding(Found(layered(), (replace(CHANGED, share=0.3),)), 10.0, 60.0, thresholds=effects).verdict == (
        "style_only"
    )
    assert finding(replace(found, recordings=(WHOLE,)), 10.0, 60.0, thresholds=effects).verdict == "same_recording"


def test_thresholds_are_those_that_are_given():
    strict = thresholds("music", {"melody_chance": 1e-9})
    assert finding(Found(layered(), (), (MELODY,)), 30.0, 60.0, thresholds=strict).verdict == "no_relation"
    lax = thresholds("music", {"least_share": 0.2})
    assert finding(Found(layered(), (IN_STEP,)), 40.0, 60.0, thresholds=lax).verdict == "sample"


def test_a_melody_that_everybody_has_is_style():
    common = replace(MELODY, commonness=0.2)
    one = finding(Found(layered(), (), (common,)), 30.0, 60.0, tracks=100)
    assert (one.verdict, one.shared) == ("style_only", ())
    assert "20%" in one.why
    few = finding(Found(layered(), (), (common,)), 30.0, 60.0, tracks=10)
    assert few.verdict == "shared_motif", "two of ten may well be one tune and its cover"


def test_among_more_tracks_a_melody_must_be_less_likely_by_chance():
    doubtful = replace(MELODY, p_chance=0.005)
    assert finding(Found(layered(), (), (doubtful,)), 30.0, 60.0, tracks=1).verdict == "shared_motif"
    assert finding(Found(layered(), (), (doubtful,)), 30.0, 60.0, tracks=1_000).verdict == "no_relation"


def test_where_only_melodies_were_compared_they_give_the_score():
    alone = finding(Found(None, (), (MELODY,)), 30.0, 60.0)
    assert (alone.verdict, alone.metric) == ("shared_motif", "contour")
    assert 0.5 < alone.score < 1
    nothing = finding(Found(None, (), ()), 30.0, 60.0)
    assert (nothing.score, nothing.verdict, nothing.p_chance) == (0.0, "no_relation", 1.0)
    assert nothing.why


def test_who_looks_in_several_ways_finds_something_by_chance_more_often():
    assert 0.2 < finding(Found(layered(p_chance=0.2), (), ()), 30.0, 60.0).p_chance < 0.4
    assert finding(Found(layered(p_chance=1.0), (), ()), 30.0, 60.0).p_chance == 1.0
    assert finding(Found(layered(p_chance=0.2)), 30.0, 60.0).p_chance == 0.2, "only windows were looked at"


def test_the_verdicts_are_those_of_the_contract_from_weak_to_strong():
    assert told.VERDICTS == (
        "no_relation", "style_only", "shared_motif", "same_composition", "sample", "same_recording_modified",
        "same_recording",
    )  # fmt: skip
