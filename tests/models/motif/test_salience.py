import numpy as np
import pytest

from models.motif import salience
from tests import signals
from tests.models.notes import melody, played

TIMES_S, PITCHES = melody(1, 40)


def heard(samples):
    return salience.unpacked(salience.events_and_contour(samples)[0])


def recall(samples, times_s=TIMES_S, pitches=PITCHES):
    """The share of the notes that an event of their pitch begins with, to 60 ms."""
    found_s, found, *_ = heard(samples)
    return np.mean(
        [(np.abs(found_s[found == p] - t - 0.02) <= 0.06).any() for t, p in zip(times_s, pitches, strict=True)]
    )


@pytest.mark.parametrize("timbre", signals.TIMBRES)
def test_notes_are_heard_when_they_begin_and_at_their_pitch(timbre):
    assert recall(played(TIMES_S, PITCHES, timbre)) >= 0.9


def test_notes_are_heard_over_chords():
    assert recall(played(TIMES_S, PITCHES, chords=True)) >= 0.85


@pytest.mark.parametrize("cents", [-45, -30, 20, 45])
def test_a_record_that_is_out_of_tune_has_the_notes_of_its_own_tuning(cents):
    detuned = played(TIMES_S, PITCHES, transposition=cents / 100, chords=True)
    assert max(recall(detuned, pitches=PITCHES + shift) for shift in (-1, 0, 1)) >= 0.85


@pytest.mark.parametrize("decibels", [-40, 6])
def test_gain_changes_nothing(decibels):
    samples = played(TIMES_S, PITCHES)
    louder = samples * np.float32(10 ** (decibels / 20))
    soft, loud = (salience.events_and_contour(x)[0] for x in (samples, louder))
    assert len(soft) == len(loud)
    assert (soft == loud).all(axis=1).mean() > 0.98  # a strength may be rounded to the other side


def test_events_come_in_order_with_their_rank_among_their_neighbours():
    times_s, pitches, strengths, ranks = heard(played(TIMES_S, PITCHES, chords=True))
    assert (np.diff(times_s) >= 0).all()
    assert ranks.max() < salience.RANKS
    assert strengths.max() == 1
    assert pitches.min() >= salience.FIRST_PITCH
    near = np.abs(times_s[:, None] - times_s) <= salience.RANKED_S - 0.02
    assert (ranks >= (near & (strengths > strengths[:, None])).sum(axis=1)).all()


def test_a_long_track_is_heard_block_by_block_as_it_is_at_once(monkeypatch):
    samples = played(*melody(2, 60), chords=True)
    whole = heard(samples)
    monkeypatch.setattr(salience, "BLOCK_FRAMES", 400)
    for at_once, in_blocks in zip(whole, heard(samples), strict=True):
        np.testing.assert_allclose(at_once, in_blocks, rtol=0.08)


def test_silence_and_no_samples_have_no_events_and_no_contour():
    for samples in (signals.silence(3.0), np.zeros(0, np.float32)):
        found, contour = salience.events_and_contour(samples)
        assert (found.shape, found.dtype) == ((0, 2), np.uint32)
        assert (contour.shape, contour.dtype) == ((0, 12), np.uint8)


@pytest.mark.parametrize("samples", [1, 100, 3_000, 22_051])
def test_the_shortest_sound_is_taken(samples):
    found, contour = salience.events_and_contour(signals.noise(samples / signals.RATE_HZ))
    assert found.shape[1:] == (2,)
    assert len(contour) >= 1


def test_a_steady_tone_begins_once():
    times_s, *_ = heard(np.concatenate([signals.silence(1.0), signals.tone(4.0)]))
    assert (np.abs(times_s - 1) < 0.1).all()
