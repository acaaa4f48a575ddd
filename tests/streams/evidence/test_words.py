import pytest

from streams.evidence import words
from streams.evidence.rows import rows

TOLD = {"query_start_s": 12, "query_end_s": 48, "candidate_start_s": 30, "candidate_end_s": 62, "layer": "full_audio"}


def headline(verdict, **evidence):
    match = {"verdict": verdict, "evidence": [{**TOLD, **evidence}]}
    return words.headline(match, rows(match, 100.0, 100.0))


@pytest.mark.parametrize(
    ("verdict", "evidence", "said"),
    [
        (
            "same_composition",
            {"transposition_semitones": -3, "tempo_ratio": 1 / 1.1},
            "B is the same composition as A, three semitones higher and 10 % faster",
        ),
        (
            "same_composition",
            {"transposition_semitones": 0, "tempo_ratio": 1.0},
            "B is the same composition as A, in the same key and tempo",
        ),
        ("same_composition", {}, "B is the same composition as A"),
        ("same_recording", {"transposition_semitones": 0, "tempo_ratio": 1.0}, "B is the same recording as A"),
        (
            "same_recording_modified",
            {"transposition_semitones": 0, "detune_cents": 30.0, "tempo_ratio": 1.0},
            "B is the same recording as A, altered, 30 cents lower",
        ),
        (
            "sample",
            {"transposition_semitones": -12, "tempo_ratio": 2.0},
            "A passage of A’s recording is heard in B, among other material, one octave higher and 50 % slower",
        ),
        (
            "shared_motif",
            {"transposition_semitones": 1, "tempo_ratio": 1.0},
            "B shares a short motif with A, one semitone lower",
        ),
        ("style_only", {"transposition_semitones": 1}, "B resembles A in style; no shared passage is proven"),
        ("remix", {"transposition_semitones": 1}, "A and B were compared; the verdict is “remix”"),
        (None, {}, "A and B were compared"),
    ],
)
def test_a_headline_says_what_b_is_to_a(verdict, evidence, said):
    assert headline(verdict, **evidence) == said


def test_the_headline_is_of_the_layer_that_carries_the_verdict():
    stronger = {**TOLD, "layer": "vocals", "transposition_semitones": 7, "tempo_ratio": 1.0}
    mix = {**TOLD, "transposition_semitones": 2, "tempo_ratio": 1.0}
    match = {"verdict": "same_composition", "payload": {"layer": "full_audio"}, "evidence": [stronger, mix]}
    assert words.headline(match, rows(match, 100.0, 100.0)).endswith("two semitones lower")


@pytest.mark.parametrize(
    ("p_chance", "pairs", "layer", "said"),
    [
        (0.00025, 9_536, "full_audio", "One unrelated pair in 4,000 scores this high."),
        (1e-6, 9_536, "full_audio", "Fewer than one unrelated pair in 9,500 scores this high."),
        (1e-6, 9_536, "fingerprint", "One unrelated pair in 1,000,000 scores this high."),
        (0.0123, None, "full_audio", "One unrelated pair in 81 scores this high."),
        (0.4, 9_536, "full_audio", "About 40 % of unrelated pairs score this high or higher."),
        (None, 9_536, "full_audio", ""),
    ],
)
def test_no_rarer_is_said_than_the_pairs_that_were_tried_can_tell(p_chance, pairs, layer, said):
    match = {"p_chance": p_chance, "calibration": {"pairs": pairs}, "payload": {"layer": layer}}
    assert words.chance(match) == said


@pytest.mark.parametrize(
    ("semitones", "said"),
    [
        (0.3, "30 cents"),
        (0.97, "one semitone"),
        (1.5, "one semitone and 50 cents"),
        (12, "one octave"),
        (14, "14 semitones"),
    ],
)
def test_intervals_are_said_in_words(semitones, said):
    assert words.interval(semitones) == said


@pytest.mark.parametrize(
    ("at_s", "tenths", "said"),
    [
        (0, False, "0:00"),
        (59.6, False, "1:00"),
        (59.96, True, "1:00.0"),
        (12.34, True, "0:12.3"),
        (3_725, False, "1:02:05"),
    ],
)
def test_times_are_written_as_people_write_them(at_s, tenths, said):
    assert words.clock(at_s, tenths) == said
