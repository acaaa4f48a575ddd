import numpy as np
import pytest

from models.cqt import pooled_cqt
from models.section.sections import HEARING, RATE_HZ, harmony_of_cqt, structure
from tests import section_signals, signals

SECTION_S = 32 * 60 / 110


def labels(found):
    return "".join(section.label for section in found.sections)


def test_sections_begin_where_the_music_changes():
    found = structure(section_signals.song("ABACB"))
    starts = [section.start_s for section in found.sections]
    np.testing.assert_allclose(starts, SECTION_S * np.arange(5), atol=0.3)


@pytest.mark.parametrize("form", ["ABACB", "ABCBA"])
def test_sections_of_the_same_music_have_the_same_letter(form):
    assert labels(structure(section_signals.song(form))) == form


def test_bars_of_three_beats_are_heard_as_such():
    found = structure(section_signals.song("ABACB", beats_per_bar=3))
    starts = [section.start_s for section in found.sections]
    np.testing.assert_allclose(starts, 0.75 * SECTION_S * np.arange(5), atol=0.3)


def test_sections_are_without_gaps_and_begin_on_beats():
    samples = section_signals.song("ABACB")
    found = structure(samples)
    ends = [section.end_s for section in found.sections]
    assert [section.start_s for section in found.sections] == [0.0, *ends[:-1]]
    assert ends[-1] == len(samples) / RATE_HZ
    assert {section.start_s for section in found.sections} <= set(found.beats_s.tolist())
    assert (found.harmony.shape, found.harmony.dtype) == ((len(found.beats_s), 24), np.float16)


def test_letters_and_functions_say_how_sure_they_are():
    for section in structure(section_signals.song("ABACB")).sections:
        assert 0 <= section.confidence <= 1
        assert 0 <= section.function_confidence <= 0.5
        assert (section.function is None) == (section.function_confidence == 0)


@pytest.mark.parametrize("samples", [signals.silence(30.0), np.zeros(0, np.float32)])
def test_silence_has_no_sections(samples):
    found = structure(samples)
    assert (found.sections, found.beats_s.shape, found.harmony.shape) == ((), (0,), (0, 24))


@pytest.mark.parametrize("samples", [signals.noise(90.0), signals.tone(60.0), signals.clicks(60.0)])
def test_what_does_not_change_is_one_section(samples):
    assert labels(structure(samples)) == "A"


@pytest.mark.parametrize("length", [1, 100, 600, 11_025, 22_050, 60_000])
def test_a_very_short_track_is_one_section(length):
    found = structure(signals.noise(3.0)[:length])
    assert labels(found) == "A"
    assert np.isfinite(found.harmony).all()


def test_gain_changes_nothing():
    samples = section_signals.song("ABACB")
    quiet, loud = structure(samples * np.float32(0.05)), structure(samples)
    assert [(s.start_s, s.label) for s in quiet.sections] == [(s.start_s, s.label) for s in loud.sections]


def test_the_same_samples_give_the_same_result():
    samples = section_signals.song("ABCBA")
    first, again = structure(samples), structure(samples.copy())
    assert first.sections == again.sections
    assert first.harmony.tobytes() == again.harmony.tobytes()


def test_the_harmony_of_a_stem_lies_on_the_beats_of_its_mix():
    samples = section_signals.song("ABACB")
    mix = structure(samples)
    np.testing.assert_array_equal(harmony_of_cqt(pooled_cqt(samples, HEARING), mix.beats_s), mix.harmony)


def test_a_stored_cqt_saves_making_it_again():
    samples = section_signals.song("ABACB")
    stored = pooled_cqt(samples, HEARING)
    made = structure(samples)
    assert structure(samples, stored).sections == made.sections


def test_a_stem_that_is_silent_has_no_harmony():
    beats_s = np.arange(0, 10, 0.5, dtype=np.float32)
    assert not harmony_of_cqt(pooled_cqt(signals.silence(10.0), HEARING), beats_s).any()
    assert harmony_of_cqt(pooled_cqt(signals.tone(2.0), HEARING), np.zeros(0, np.float32)).shape == (0, 24)
