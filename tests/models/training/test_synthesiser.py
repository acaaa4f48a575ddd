"""Instruments and kits drawn at random play what is written, and no two sound alike."""

from __future__ import annotations

import itertools

import librosa
import numpy as np
import pytest

from models.training import synthesiser

RATE_HZ = 22_050
NOTES = np.array([(0.2, 0.6, 45, 100), (1.4, 0.6, 52, 60)], np.float32)
KICK, SNARE, HAT = 36, 38, 42


def heard(seed, notes=NOTES, duration_s=3.0):
    rng = np.random.default_rng(seed)
    return synthesiser.played(notes, synthesiser.patch(rng), duration_s, RATE_HZ, rng)


def additive():
    """Seeds of patches without modulation, whose voices are one."""
    patches = ((seed, synthesiser.patch(np.random.default_rng(seed))) for seed in itertools.count())
    return list(itertools.islice((at for at, one in patches if one.modulation is None and not one.voices_cents), 8))


@pytest.mark.parametrize("seed", additive())
def test_partials_stand_where_the_notes_are(seed):
    samples = heard(seed)
    for start_s, length_s, pitch, _ in NOTES.tolist():
        inside = samples[round((start_s + 0.1) * RATE_HZ) : round((start_s + length_s) * RATE_HZ)]
        spectrum = np.abs(np.fft.rfft(inside * np.hanning(len(inside)), 1 << 17))
        strongest_hz = np.argmax(spectrum) * RATE_HZ / (1 << 17)
        partial = strongest_hz / librosa.midi_to_hz(pitch)
        assert partial == pytest.approx(round(partial), rel=0.03)


@pytest.mark.parametrize("seed", range(12))
def test_a_part_peaks_at_one_and_is_silent_before_it_begins(seed):
    samples = heard(seed)
    assert (samples.dtype, samples.shape) == (np.float32, (3 * RATE_HZ,))
    assert np.abs(samples).max() == pytest.approx(1.0)
    assert not samples[: round(0.19 * RATE_HZ)].any()
    assert not samples[round((2.0 + 0.41) * RATE_HZ) :].any(), "no release is longer than 0.4 s"


def test_the_same_seed_gives_the_same_sound_and_another_seed_another():
    assert np.array_equal(heard(1), heard(1))
    spectra = [np.abs(np.fft.rfft(heard(seed))) for seed in range(6)]
    alike = np.corrcoef(spectra)[np.triu_indices(6, 1)]
    assert np.median(alike) < 0.9


def test_a_note_that_ends_after_the_part_is_cut_and_one_that_begins_after_it_is_left_out():
    late = np.array([(0.5, 5.0, 60, 90), (3.0, 1.0, 60, 90)], np.float32)
    assert heard(2, late, 1.0).shape == (RATE_HZ,)
    assert not heard(2, late[1:], 1.0).any()


def drummed(notes, duration_s, seed):
    rng = np.random.default_rng(seed)
    kit = synthesiser.kit(notes[:, 2].astype(int).tolist(), RATE_HZ, rng)
    return synthesiser.drummed(notes, kit, duration_s, RATE_HZ, rng)


@pytest.mark.parametrize("seed", range(12))
def test_of_a_kit_the_kick_is_low_and_the_hat_is_high(seed):
    centres_hz = []
    for key in (KICK, HAT):
        hit = np.array([(0.0, 0.1, key, 100)], np.float32)
        samples = drummed(hit, 1.0, seed)
        spectrum = np.abs(np.fft.rfft(samples)) ** 2
        centres_hz.append(float((spectrum * np.fft.rfftfreq(len(samples), 1 / RATE_HZ)).sum() / spectrum.sum()))
    assert centres_hz[0] < 1_000 < centres_hz[1]


def test_every_key_of_general_midi_sounds_in_every_kit():
    keys = np.array([(0.1 * at, 0.1, key, 100) for at, key in enumerate(range(27, 88))], np.float32)
    for seed in range(20):
        samples = drummed(keys, 8.0, seed)
        assert np.isfinite(samples).all()
        hits = samples[: round(6.1 * RATE_HZ)].reshape(61, -1)
        assert (np.abs(hits).max(axis=1) > 1e-3).all()


def test_a_drum_sounds_the_same_at_every_stroke_and_louder_when_it_is_struck_harder():
    strokes = np.array([(0.0, 0.1, SNARE, 60), (1.5, 0.1, SNARE, 120)], np.float32)
    soft, loud = drummed(strokes, 3.0, 4).reshape(2, -1)
    assert np.corrcoef(soft, loud)[0, 1] > 0.999
    assert np.abs(loud).max() > 1.3 * np.abs(soft).max()
