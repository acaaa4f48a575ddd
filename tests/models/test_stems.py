"""Stems as they are kept."""

import numpy as np
import pytest

from models import card, stems
from models.presence import LOUDNESS_BLOCK_S, audible, presence
from tests import signals

HEARING = card.load("pitchclass_small").hearing


def four(vocals):
    return {
        "drums": signals.clicks(4.0) * np.float32(0.3),
        "bass": signals.tone(4.0, 55.0, peak=0.2),
        "other": signals.tone(4.0, 440.0, peak=0.2),
        "vocals": vocals,
    }


def test_what_is_stored_is_what_was_separated():
    apart = four(signals.tone(4.0, 700.0, peak=0.2))
    back = stems.stems_from_flac(stems.stems_to_flac(apart))
    assert list(back) == list(stems.STEMS)
    for name, samples in apart.items():
        assert np.abs(back[name] - samples).max() < 2 / 32_768


def test_too_loud_stems_are_turned_down_together():
    apart = {name: np.full(22_050, 2.0 if name == "drums" else 0.5, np.float32) for name in stems.STEMS}
    back = stems.stems_from_flac(stems.stems_to_flac(apart))
    assert back["drums"].max() == pytest.approx(1.0, abs=1e-3)
    assert back["vocals"].max() == pytest.approx(0.25, abs=1e-3)


def test_stems_of_another_rate_and_of_two_channels_become_mono_at_ours():
    tone = signals.tone(1.0, 440.0, rate_hz=44_100)
    (found,) = stems.at_rate({"other": np.stack([tone, tone], axis=1)}, 44_100).values()
    assert found.shape == (22_050,)
    assert np.abs(found[2_000:-2_000] - signals.tone(1.0, 440.0)[2_000:-2_000]).max() < 0.01


def test_the_accompaniment_is_all_but_the_vocals():
    apart = four(signals.tone(4.0, 700.0, peak=0.2))
    found = stems.layers(apart)["accompaniment"]
    assert np.allclose(found, apart["drums"] + apart["bass"] + apart["other"], atol=1e-6)


def test_the_transform_of_an_absent_stem_is_empty_and_of_another_is_not():
    sounds = stems.layers(four(signals.noise(4.0, peak=1e-4)))
    apart = {name: sounds[name] for name in stems.STEMS}
    found = {**presence(sounds, stems.RATE_HZ), **presence(apart, stems.RATE_HZ)}
    assert (found["vocals"].present, found["other"].present) == (False, True)
    cqts = stems.stem_cqts(sounds, found, audible(sounds, stems.RATE_HZ), HEARING)
    assert cqts.shape[:2] == (len(stems.PITCHED), HEARING.bins)
    heard = dict(zip(stems.PITCHED, cqts.any(axis=(1, 2)).tolist(), strict=True))
    assert heard == {"vocals": False, "accompaniment": True, "bass": True, "other": True}
    assert int(cqts[stems.PITCHED.index("bass")].mean(axis=1).argmax()) == pytest.approx(
        HEARING.bins_per_octave * np.log2(55.0 / HEARING.fmin_hz), abs=1
    )


def test_the_transform_of_a_stem_is_empty_where_others_mask_it():
    voice = signals.tone(4.0, 700.0, peak=0.2)
    voice[round(1.2 * stems.RATE_HZ) :] *= 1e-3
    sounds = stems.layers(four(voice))
    heard = audible({name: sounds[name] for name in stems.STEMS}, stems.RATE_HZ)
    found = presence(sounds, stems.RATE_HZ)
    vocals = stems.stem_cqts(sounds, found, {**heard, "accompaniment": heard["other"]}, HEARING)[0]
    sounding = np.flatnonzero(vocals.any(axis=0)) * HEARING.frame_s
    assert sounding.max() == pytest.approx(1.2 + LOUDNESS_BLOCK_S, abs=2 * HEARING.frame_s)
    assert sounding.min() < HEARING.frame_s
