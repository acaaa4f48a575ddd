from functools import cache

import numpy as np
import pytest
from scipy.signal import fftconvolve, lfilter

from models import rhythm, rhythm_card
from models.score import agreements
from tests import signals

CARD = rhythm_card.load()
HEARING = CARD.hearing
RATE_HZ, DIM = HEARING.rate_hz, CARD.architecture.latent_dim

# Sixteenths of one bar, or eighths of 7/8: kick, snare, hat.
BACKBEAT = ("x.......x.x.....", "....x.......x...", "x.x.x.x.x.x.x.x.")
DEMBOW = ("x...x...x...x...", "...x..x....x..x.", "x.x.x.x.x.x.x.x.")
SEVEN = ("x...x..", "..x...x", "xxxxxxx")
WITHOUT_HATS = (*BACKBEAT[:2], "." * 16)


def drum(number, other_kit):
    """A kick that falls in pitch, or filtered noise; 0.25 s."""
    time_s = np.arange(RATE_HZ // 4) / RATE_HZ
    hiss = np.random.default_rng(number).normal(0, 1, len(time_s))
    if number == 0:
        return np.sin(2 * np.pi * (65 if other_kit else 52) * time_s) * np.exp(-time_s / (0.05 if other_kit else 0.08))
    if number == 1:
        warm = lfilter([0.15], [1, -0.85], hiss) if other_kit else lfilter([0.3], [1, -0.7], hiss)
        return 0.7 * warm * np.exp(-time_s / 0.06)
    return (0.1 if other_kit else 0.2) * np.diff(hiss, prepend=0) * np.exp(-time_s / 0.02)


@cache
def played(pattern, step_s=0.125, duration_s=16.0, other_kit=False):
    """A bar over and over, `step_s` from each of its steps to the next: at 0.125 s a sixteenth of 120 a minute."""
    samples = np.zeros(round((duration_s + 1) * RATE_HZ))
    for number, lane in enumerate(pattern):
        sound = drum(number, other_kit)
        for step in range(int(duration_s / step_s)):
            if lane[step % len(lane)] == "x":
                start = round(step * step_s * RATE_HZ)
                samples[start : start + len(sound)] += sound
    samples = samples[: round(duration_s * RATE_HZ)]
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def encoded(samples):
    return rhythm.rhythm(samples, CARD)


def alike(query, candidate):
    return float(agreements([encoded(query)], [encoded(candidate)])[0, 0])


@pytest.mark.parametrize("faster", [0.75, 0.9, 1.1, 1.33])
def test_another_tempo_is_nearer_than_another_groove_at_the_same_tempo(faster):
    original = played(BACKBEAT)
    others = [alike(original, played(groove)) for groove in (DEMBOW, SEVEN)]
    assert alike(original, played(BACKBEAT, 0.125 / faster)) > 0.1 + max(others)


def test_another_kit_in_a_room_with_noise_is_nearer_than_another_groove_on_the_same_kit():
    tail = np.random.default_rng(0).normal(0, 0.02, RATE_HZ // 2) * 10 ** (-3 * np.linspace(0, 1, RATE_HZ // 2))
    dry = played(BACKBEAT, other_kit=True)
    worn = dry + fftconvolve(dry, tail)[: len(dry)] + signals.noise(16.0, peak=0.01)
    original = played(BACKBEAT)
    assert alike(original, worn.astype(np.float32)) > 0.1 + max(alike(original, played(g)) for g in (DEMBOW, SEVEN))


def test_cymbals_may_be_left_out():
    original = played(BACKBEAT)
    assert alike(original, played(WITHOUT_HATS)) > 0.1 + alike(original, played(DEMBOW))


def test_which_drum_plays_what_matters_and_not_only_when_something_is_struck():
    kick, snare, hat = DEMBOW
    original = played(DEMBOW)
    assert alike(original, played((snare, kick, hat))) < alike(original, played(DEMBOW, other_kit=True)) - 0.1


@pytest.mark.parametrize("decibels", [-40, 6])
def test_gain_changes_nothing(decibels):
    samples = played(BACKBEAT)
    louder = samples * np.float32(10 ** (decibels / 20))
    np.testing.assert_allclose(encoded(louder), encoded(samples), atol=1e-4)


def test_windows_begin_every_two_seconds_and_are_of_unit_length():
    made = encoded(played(BACKBEAT))
    assert (made.shape, made.dtype) == ((4, DIM), np.float32)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    later = encoded(played(BACKBEAT)[round(2 * HEARING.window_hop_s * RATE_HZ) :])
    assert float(made[2] @ later[0]) > 0.95  # what is loud in a stem is told by all of it


@pytest.mark.parametrize("duration_s", [0.01, 0.5, 3.0, 9.9])
def test_a_stem_shorter_than_a_window_is_one_window(duration_s):
    made = encoded(played(BACKBEAT)[: round(duration_s * RATE_HZ)])
    assert made.shape == (1, DIM)
    assert np.isfinite(made).all()


def test_six_seconds_of_a_groove_find_it():
    short = played(BACKBEAT)[: 6 * RATE_HZ]
    assert alike(short, played(BACKBEAT, 0.11)) > max(alike(short, played(groove)) for groove in (DEMBOW, SEVEN))


@pytest.mark.parametrize("frames", range(40, 2_400, 173))
def test_no_more_than_half_a_hop_of_a_stem_is_in_no_window(frames):
    places = rhythm.windows(frames, HEARING)
    assert places[0][0] == 0
    assert frames - HEARING.window_hop_s * HEARING.frames_per_s / 2 <= places[-1][1] <= frames


def test_a_silent_or_an_empty_stem_has_no_windows():
    assert encoded(signals.silence(20.0)).shape == (0, DIM)
    assert encoded(np.zeros(0, np.float32)).shape == (0, DIM)


def test_a_silent_window_is_zeros_even_where_a_separator_left_a_trace():
    trace = signals.noise(20.0, peak=1e-4)
    made = encoded(np.concatenate([played(BACKBEAT), trace]))
    assert not made[-1].any()
    assert made[0].any()


def test_onsets_come_when_their_band_is_struck():
    strengths = rhythm.onsets(played(BACKBEAT), HEARING)[
        :, round(1.9 * HEARING.frames_per_s) : round(3.9 * HEARING.frames_per_s)
    ]
    for strength, lane in zip(strengths, BACKBEAT, strict=True):  # the second bar: nothing can rise at a stem's start
        frames = np.flatnonzero(strength > strength.max() / 3)
        steps = {round((frame / HEARING.frames_per_s - 0.1) / 0.125) for frame in frames}
        assert steps == {step for step, mark in enumerate(lane) if mark == "x"}


def test_correlations_say_which_band_follows_which():
    strengths = np.zeros((3, 400), np.float32)
    strengths[0, ::40] = 1
    strengths[1, 10::40] = 1
    found = rhythm.correlations(strengths)
    assert int(found[0, 1, :40].argmax()) == 10
    assert int(found[1, 0, :40].argmax()) == 30
    assert found[0, 0, 0] == pytest.approx(1, abs=1e-5)
    assert not found[2].any()


def test_the_same_samples_give_the_same_bytes():
    assert encoded(played(SEVEN)).tobytes() == encoded(played(SEVEN).copy()).tobytes()
