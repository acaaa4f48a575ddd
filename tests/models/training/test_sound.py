import shutil
from dataclasses import replace
from itertools import pairwise

import mido
import numpy as np
import pytest

from models import card
from models.cqt import pooled_cqt, pooled_magnitude
from models.training import sound
from models.training.performance import STEMS, Part, Performance, Production
from models.training.production import CODECS, produce, speed
from models.training.sound import performance_cqts, produced_score_map, stem_waveforms

HEARING = card.load("classical").hearing
RATE_HZ = HEARING.rate_hz
FONT = "TimGM6mb"
PIANO, FLUTE, ORGAN, BASS = 0, 73, 19, 33
BITS_PER_S = {"mp3": 64_000, "aac": 64_000, "opus": 32_000, "amr": 12_200}


def played(test):
    """Needs FluidSynth and its smallest soundfont."""
    there = shutil.which("fluidsynth") and any((folder / f"{FONT}.sf2").is_file() for folder in sound.FOLDERS)
    return pytest.mark.skipif(not there, reason="apt-get install fluidsynth timgm6mb-soundfont")(test)


def patched(test):
    """Needs TiMidity++ and FreePats."""
    there = shutil.which("timidity") and any((folder / "freepats.cfg").is_file() for folder in sound.FOLDERS)
    return pytest.mark.skipif(not there, reason="apt-get install timidity freepats")(test)


def part(stem, program, *notes):
    return Part(stem, program, np.array(notes, np.float32).reshape(-1, 4))


def performance(*parts, duration_s=2.0, production=None):
    score_map = np.array([[0.0, duration_s, 0.0, 2 * duration_s]])
    return Performance(parts, FONT, production or Production(), score_map, duration_s)


LEAD = part("lead", FLUTE, (0.0, 0.9, 72, 100), (1.0, 0.9, 76, 100))
CHORD = part("accompaniment", ORGAN, (0.0, 1.5, 60, 60), (0.0, 1.5, 64, 60))
LOW = part("bass", BASS, (0.5, 1.0, 40, 90))
DRUMS = part("drums", 0, (0.0, 0.1, 36, 100), (0.5, 0.1, 38, 100))
BAND = performance(LEAD, CHORD, LOW, DRUMS)
CHIME = performance(part("lead", PIANO, (1.0, 0.8, 72, 120)))  # a note one second in


def onset_s(samples):
    """When the first fifth of the peak is reached."""
    return np.flatnonzero(np.abs(samples) > 0.2 * np.abs(samples).max())[0] / RATE_HZ


@played
def test_there_is_a_waveform_for_each_stem_that_has_notes():
    stems = stem_waveforms(performance(DRUMS, LEAD, part("bass", BASS)))
    assert list(stems) == ["lead", "drums"]
    assert {((2 * RATE_HZ,), np.dtype(np.float32))} == {(samples.shape, samples.dtype) for samples in stems.values()}


@played
def test_the_stems_sum_to_what_sounds_when_all_play_together():
    apart = sum(stem_waveforms(performance(LEAD, CHORD, LOW)).values())
    together = [replace(one, stem="lead") for one in (LEAD, CHORD, LOW)]
    np.testing.assert_allclose(apart, stem_waveforms(performance(*together))["lead"], atol=1e-4)
    assert np.abs(apart).max() == pytest.approx(sound.PEAK)


@played
def test_more_parts_than_midi_has_channels_are_all_heard():
    crowd = [part("lead", FLUTE, (0.1 * at, 0.05, 60 + at, 100)) for at in range(20)]
    samples = stem_waveforms(performance(*crowd, duration_s=2.1))["lead"]
    last = samples[round(1.9 * RATE_HZ) : round(1.95 * RATE_HZ)]
    assert np.abs(last).max() > 0.1 * sound.PEAK


@patched
def test_patches_play_in_the_same_time_as_a_soundfont():
    stems = stem_waveforms(replace(performance(part("bass", BASS, (1.0, 0.8, 40, 100)), DRUMS), soundfont="freepats"))
    assert {samples.shape for samples in stems.values()} == {(2 * RATE_HZ,)}
    assert onset_s(stems["bass"]) == pytest.approx(1.0, abs=0.02)
    assert onset_s(stems["drums"]) == pytest.approx(0.0, abs=0.02)


@patched
def test_what_the_patches_lack_their_neighbours_play():
    lacking = 43  # a contrabass; the nearest is a cello
    assert stem_waveforms(replace(performance(part("bass", lacking, (0.0, 1.0, 40, 100))), soundfont="freepats"))[
        "bass"
    ].any()


@played
def test_the_end_is_cut_with_a_fade_and_a_short_one_is_padded():
    cut = stem_waveforms(performance(part("lead", ORGAN, (0.0, 5.0, 60, 100)), duration_s=1.005))["lead"]
    assert round(1.005 * RATE_HZ) == len(cut)
    assert np.abs(cut[-20:]).max() < 1e-3 < np.abs(cut[-2_000:-1_500]).max()
    padded = stem_waveforms(performance(part("drums", 0, (0.0, 0.1, 37, 100)), duration_s=8.0))["drums"]
    assert len(padded) == 8 * RATE_HZ
    assert not padded[-RATE_HZ:].any()


@played
@pytest.mark.parametrize("codec", [None, *CODECS])
def test_a_note_sounds_at_its_time_after_any_codec(codec):
    dry = stem_waveforms(CHIME)["lead"]
    heard = produce(dry, Production(codec=codec and (codec, BITS_PER_S[codec])), RATE_HZ, seed=0)
    assert len(dry) == len(heard)
    assert onset_s(heard) == pytest.approx(1.0, abs=0.03)
    assert onset_s(heard) == pytest.approx(onset_s(dry), abs=0.01)


@played
@pytest.mark.parametrize("cents", [-80.0, 60.0])
def test_a_detuned_note_sounds_where_the_produced_map_has_its_beat(cents):
    detuned = replace(CHIME, production=Production(detune_cents=cents), score_map=np.array([[1.0, 2.0, 8.0, 10.0]]))
    heard = produce(stem_waveforms(detuned)["lead"], detuned.production, RATE_HZ, seed=0)
    start_s, end_s, start_beat, end_beat = produced_score_map(detuned)[0]
    assert onset_s(heard) == pytest.approx(start_s, abs=0.03)
    assert len(heard) / RATE_HZ == pytest.approx(end_s, abs=1e-4)
    assert (1.0 / speed(cents), 8.0, 10.0) == (start_s, start_beat, end_beat)


@played
def test_the_stems_layers_have_one_scale_and_the_fifth_is_the_mix():
    production = Production(reverb_s=0.5, reverb_wet=0.3, noise_db=30.0, codec=("mp3", 64_000))
    layers, scale = performance_cqts(replace(BAND, production=production), HEARING, seed=3)
    stems = stem_waveforms(BAND)
    for layer, stem in zip(layers, STEMS, strict=False):
        magnitude = scale * np.expm1(layer / 255 * np.log1p(HEARING.compression)) / HEARING.compression
        np.testing.assert_allclose(magnitude, pooled_magnitude(stems[stem], HEARING), rtol=0.02, atol=1e-4 * scale)
    heard = produce(sum(stems.values()), production, RATE_HZ, seed=3)
    assert np.array_equal(pooled_cqt(heard, HEARING), layers[4])
    assert layers[:4].max() == layers[4].max() == 255


@played
def test_an_absent_stem_is_zeros_and_so_is_a_performance_without_notes():
    layers, _ = performance_cqts(performance(LEAD), HEARING, seed=0)
    assert layers.any(axis=(1, 2)).tolist() == [True, False, False, False, True]
    nothing, scale = performance_cqts(performance(part("lead", FLUTE)), HEARING, seed=0)
    assert (nothing.shape, scale, bool(nothing.any())) == ((5, 84, 18), 0.0, False)


@played
def test_the_detune_is_in_every_layer():
    detuned = replace(CHIME, production=Production(detune_cents=100.0))
    layers, _ = performance_cqts(detuned, HEARING, seed=0)
    first = int(1.0 / speed(100.0) / HEARING.frame_s)
    assert {72 + 1 - 24} == {int(layers[layer, :, first + 2].argmax()) for layer in (0, 4)}
    assert not layers[0, :, : first - 2].any()


@played
def test_the_same_seed_gives_the_same_bytes():
    noisy = replace(BAND, production=Production(reverb_s=1.0, reverb_wet=0.3, noise_db=10.0, codec=("opus", 24_000)))
    first, again, other = (performance_cqts(noisy, HEARING, seed)[0] for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert np.array_equal(first[:4], other[:4])
    assert not np.array_equal(first[4], other[4])


def test_a_key_struck_again_is_let_go_first(tmp_path):
    notes = [(0.0, 2.0, 60, 80), (1.0, 0.5, 60, 80), (1.0, 0.7, 60, 90), (1.7, 0.0, 60, 80)]
    sound.write_midi([part("lead", PIANO, *notes)], tmp_path / "again.mid")
    track = mido.MidiFile(tmp_path / "again.mid").tracks[0]
    strokes = [message.type for message in track if message.type.startswith("note")]
    assert strokes == ["note_on", "note_off"] * 3
    assert all(before != after for before, after in pairwise(strokes))


def test_a_missing_font_names_its_package(tmp_path, monkeypatch):
    monkeypatch.setattr(sound, "FOLDERS", (tmp_path,))
    with pytest.raises(FileNotFoundError, match="apt-get install timgm6mb-soundfont"):
        stem_waveforms(BAND)
    with pytest.raises(FileNotFoundError, match=r"'Nobodys' is not in .*known are FluidR3_GM"):
        stem_waveforms(replace(BAND, soundfont="Nobodys"))


def test_a_missing_synthesiser_names_its_package(tmp_path, monkeypatch):
    (tmp_path / f"{FONT}.sf2").touch()
    monkeypatch.setattr(sound, "FOLDERS", (tmp_path,))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="apt-get install fluidsynth"):
        stem_waveforms(BAND)
