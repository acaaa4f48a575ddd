import numpy as np

from models.motif import contour, salience
from tests import signals
from tests.models.notes import melody, played


def contour_of(samples):
    return salience.events_and_contour(samples)[1]


def test_the_contour_follows_the_highest_line_over_chords():
    times_s, pitches = melody(3, 40, step_s=0.4)
    found = contour_of(played(times_s, pitches, "flute", chords=True))
    middles = ((times_s + 0.2) * contour.FRAMES_PER_S).astype(int)
    assert np.mean(found[middles].argmax(axis=1) == pitches % 12) >= 0.85


def test_frames_come_five_a_second_and_end_with_the_track():
    found = contour_of(signals.tone(7.3))
    assert (found.shape, found.dtype) == ((37, 12), np.uint8)


def test_each_frame_is_told_relative_to_its_own_strongest_pitch():
    found = contour_of(signals.tone(4.0))
    assert (found[2:-2].max(axis=1) == 255).all()
    assert (found[2:-2].argmax(axis=1) == 9).all()  # A


def test_a_pause_has_no_contour():
    found = contour_of(np.concatenate([signals.tone(3.0), signals.silence(3.0), signals.tone(3.0)]))
    assert not found[20:28].any()
    assert found[5].any()
