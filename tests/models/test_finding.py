"""Findings: the strongest that any layer proves, told with the layer that proves it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models import finding as told
from models.finding import Found, finding
from models.fingerprint.recognise import Recording
from models.layers import Layered
from models.motif.melodies import SharedMelody
from models.motif.motifs import MotifMatch
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
CHANGED = replace(WHOLE, tempo_ratio=1.1, candidate_end_s=30.9, exact=False)
MELODY = SharedMelody(
    "vocals",
    MotifMatch(2.0, 8.0, 40.0, 46.0, 1.0, 3, similarity=0.8, score=30.0, chain_score=60.0),
    p_chance=1e-6,
    commonness=0.01,
)


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


def test_common_landmarks_are_a_recording_whatever_windows_say():
    one = finding(Found(layered(), (WHOLE,)), 10.0, 60.0)
    assert (one.verdict, one.layer, one.metric) == ("same_recording", "fingerprint", "landmarks")
    assert one.score >= 0.999
    assert one.why is None
    assert one.p_chance <= 2 * told.CHANCE_AT_LEAST


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


def test_the_same_notes_at_the_same_times_in_other_sounds_are_a_composition_and_no_recording():
    in_step = replace(CHANGED, share=0.3)
    one = finding(Found(layered(), (in_step,)), 10.0, 60.0)
    assert (one.verdict, one.layer) == ("same_composition", "fingerprint")
    assert (one.score, one.metric) == (0.3, "landmarks"), "a recording stands before it"
    assert one.unmatched_s == (), "what they have in common is no gap"
    by_windows = finding(Found(layered("same_composition", 0.7), (in_step,)), 10.0, 60.0)
    assert (by_windows.verdict, by_windows.layer, by_windows.score) == ("same_composition", "full_audio", 0.7)


def test_a_melody_proves_a_motif_and_no_more():
    one = finding(Found(layered(), (), (MELODY,)), 30.0, 60.0)
    assert (one.verdict, one.layer, one.shared) == ("shared_motif", "motif", (MELODY,))
    assert one.unmatched_s == ((0.0, 2.0), (8.0, 30.0))
    stronger = finding(Found(layered("same_composition", 0.7, 1e-4), (), (MELODY,)), 30.0, 60.0)
    assert (stronger.verdict, stronger.layer, stronger.shared) == ("same_composition", "full_audio", (MELODY,))


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
    assert finding(Found(layered(p_chance=0.2), (), ()), 30.0, 60.0).p_chance == pytest.approx(0.4)
    assert finding(Found(layered(p_chance=0.9), (), ()), 30.0, 60.0).p_chance == 1.0


def test_less_landmarks_are_likelier_by_chance_and_no_chance_is_nought():
    scores = [26.0, 40.0, 100.0, 10_000.0]
    chances = [told.chance(replace(WHOLE, score=score)) for score in scores]
    assert chances == sorted(chances, reverse=True)
    assert chances[-1] > 0
    assert np.all(np.diff(chances[:-1]) < 0)


def test_the_verdicts_are_those_of_the_contract_from_weak_to_strong():
    assert told.VERDICTS == (
        "no_relation", "style_only", "shared_motif", "same_composition", "sample", "same_recording_modified",
        "same_recording",
    )  # fmt: skip
