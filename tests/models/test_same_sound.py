"""Same sound: which common landmarks prove a recording, and what kind of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.content import THRESHOLDS
from models.fingerprint.recognise import ERRING_TOGETHER, Recording
from models.same_sound import MOST_SCATTER_S, chance, covered_s, gaps, kind, landmark_score, same_sound

MUSIC = THRESHOLDS["music"]
EXACT = Recording(
    query_start_s=0.1,
    query_end_s=9.9,
    candidate_start_s=20.1,
    candidate_end_s=29.9,
    tempo_ratio=1.0,
    tempo_error=1e-4,
    transposition_semitones=0.0,
    transposition_error_semitones=0.01,
    time_error_s=0.0005,
    landmarks=400,
    share=0.8,
    score=500.0,
    whole=True,
    exact=True,
)
CHANGED = replace(EXACT, tempo_ratio=1.1, candidate_end_s=30.9, exact=False)
HIDDEN = replace(CHANGED, query_end_s=8.0, share=0.3, score=100.0, whole=False)


def scattered(scatter_s: float) -> Recording:
    return replace(EXACT, time_error_s=ERRING_TOGETHER * scatter_s / np.sqrt(EXACT.landmarks))


def test_the_scatter_is_what_the_error_was_told_by():
    assert scattered(0.012).scatter_s == pytest.approx(0.012)


def test_common_peaks_of_other_notes_by_the_same_instruments_are_met_less_closely():
    close, far = scattered(MOST_SCATTER_S - 1e-3), scattered(MOST_SCATTER_S + 1e-3)
    assert same_sound((close, far), MUSIC, explained=False) == (close,)


def test_a_piece_of_a_stronger_alignment_that_proves_nothing_proves_nothing():
    far = scattered(MOST_SCATTER_S + 1e-3)
    piece = replace(CHANGED, query_start_s=2.0, query_end_s=4.0, candidate_start_s=22.0, candidate_end_s=24.1)
    elsewhere = replace(piece, candidate_start_s=42.0, candidate_end_s=44.1)
    assert same_sound((far, piece), MUSIC, explained=True) == ()
    assert same_sound((far, elsewhere), MUSIC, explained=True) == (elsewhere,)


def test_of_a_changed_recording_enough_peaks_are_left():
    few = replace(CHANGED, share=0.3)
    assert same_sound((CHANGED, few), MUSIC, explained=True) == (CHANGED,)
    assert same_sound((few,), replace(MUSIC, least_share=0.25), explained=True) == (few,)


def test_a_changed_recording_may_be_hidden_under_another_sound_where_no_shared_notes_explain_it():
    weak, thin = replace(HIDDEN, score=60.0), replace(HIDDEN, share=0.2)
    assert same_sound((HIDDEN, weak, thin), MUSIC, explained=False) == (HIDDEN,)
    assert same_sound((HIDDEN,), MUSIC, explained=True) == ()


def test_a_recording_with_another_sound_on_top_of_it_is_modified():
    mixed = replace(EXACT, share=0.45)
    assert kind((EXACT,), (10.0, 60.0), MUSIC) == "same_recording"
    assert kind((mixed,), (10.0, 60.0), MUSIC) == "same_recording_modified"
    assert kind((mixed,), (40.0, 60.0), MUSIC) == "sample", "in other material it is a sample all the same"
    speech = THRESHOLDS["speech_over_music"]
    assert kind((mixed,), (10.0, 60.0), speech) == "same_recording", "that something lies on top goes without saying"


def test_a_recording_whose_accompaniment_alone_is_left_is_modified():
    backing = replace(EXACT, stem="accompaniment", mix_share=0.45)
    assert kind((backing,), (10.0, 60.0), MUSIC) == "same_recording_modified"
    assert kind((replace(backing, mix_share=0.0),), (10.0, 60.0), MUSIC) == "same_recording_modified"
    assert kind((replace(backing, mix_share=0.7),), (10.0, 60.0), MUSIC) == "same_recording"


def test_a_change_of_tempo_within_the_error_of_a_short_alignment_is_none():
    drifting = replace(CHANGED, tempo_ratio=1.01, tempo_error=0.006)
    assert kind((drifting,), (10.0, 60.0), MUSIC) == "same_recording"
    assert kind((replace(drifting, tempo_error=0.004),), (10.0, 60.0), MUSIC) == "same_recording_modified"
    higher = replace(drifting, transposition_semitones=0.5)
    assert kind((higher,), (10.0, 60.0), MUSIC) == "same_recording_modified"


def test_less_landmarks_are_likelier_by_chance_and_no_chance_is_nought():
    chances = [chance(replace(EXACT, score=score)) for score in (-100.0, 26.0, 40.0, 100.0, 10_000.0)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == 1.0
    assert chances[-1] > 0
    assert np.all(np.diff(chances[:-1]) < 0)


def test_a_proven_recording_scores_above_everything_that_is_none():
    assert landmark_score(EXACT, proven=True) > 0.999 > landmark_score(EXACT, proven=False)


def test_what_no_range_covers_is_a_gap_and_overlaps_count_once():
    ranges = [(5.0, 8.0), (1.0, 3.0), (2.0, 4.0)]
    assert list(gaps(ranges, 10.0)) == [(0.0, 1.0), (4.0, 5.0), (8.0, 10.0)]
    assert covered_s(ranges, 10.0) == 6.0
