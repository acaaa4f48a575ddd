"""Singers, multitracks, and a few steps of the separator on them."""

from __future__ import annotations

import json
import shutil

import librosa
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.stems import STEMS
from models.training import kits, learn_stems, multitracks, singing, sound
from models.training.learn import curves_path
from models.training.songs import song
from tests import signals

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the program espeak-ng")
MELODY = np.array([(0.2, 0.8, 62, 100), (1.0, 0.9, 65, 90), (2.4, 1.4, 69, 110)], np.float32)


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    return tmp_path_factory.mktemp("voices")


@pytest.fixture(scope="module")
def sung(voices):
    """A melody, by a singer who neither slides nor wavers."""
    singer = singing.Singer("en-gb+m3", 1.0, 64.0, 0.0, 0.1, 5.5, 0.0, 0.3, 0.01, 0.0, 0.0, 0.0)
    spoken = singing.speaker(singer.speaker, voices)
    return singing.sing(MELODY, singer, spoken, 4.0, np.random.default_rng(0))


@needs_espeak
def test_what_is_sung_has_the_pitches_of_the_melody_and_is_silent_between_them(sung):
    assert (sung.dtype, sung.shape) == (np.float32, (4 * singing.RATE_HZ,))
    assert np.abs(sung[: round(0.15 * singing.RATE_HZ)]).max() < 0.01
    assert np.abs(sung[round(2.1 * singing.RATE_HZ) : round(2.3 * singing.RATE_HZ)]).max() < 0.02
    for start_s, length_s, pitch, _ in MELODY.tolist():
        inside = sung[round((start_s + 0.3) * singing.RATE_HZ) : round((start_s + length_s - 0.1) * singing.RATE_HZ)]
        found = librosa.yin(inside, fmin=80, fmax=900, sr=singing.RATE_HZ)
        assert np.median(12 * np.log2(found / 440) + 69) == pytest.approx(pitch, abs=0.5)


@needs_espeak
def test_a_speaker_is_analysed_once(voices, sung, monkeypatch):
    monkeypatch.setattr(singing, "_spoken", lambda _: pytest.fail("spoken again"))
    assert len(singing.speaker("en-gb+m3", voices).syllables) > 20


def test_singers_are_many_and_those_of_the_test_share_no_speaker_with_the_others():
    train, test = ({singing.singer(split, n).speaker.split("+")[1] for n in range(300)} for split in singing.SPEAKERS)
    assert len(train) > 40
    assert not train & test
    assert singing.singer("train", 1) != singing.singer("train", 2)
    assert singing.singer("train", 1) == singing.singer("train", 1)


def missing(split):
    """What of a split's instruments is missing here, and what would bring it; nothing where all are there."""
    learned = split == "train"
    try:
        for font in multitracks.FONTS_OF[split]:
            sound.soundfont_path(font)
        if learned:
            kits.hits()
    except FileNotFoundError as told:
        return str(told)
    programs = ("fluidsynth", "timidity") if learned else ("fluidsynth",)
    return next((f"needs {program}" for program in programs if not shutil.which(program)), "")


def made(split, seed, voices, kind):
    return multitracks.track(song(7), split, seed, voices, kind)


@needs_espeak
@pytest.mark.skipif(bool(missing("test")), reason=missing("test"))
@pytest.mark.parametrize("kind", multitracks.KINDS)
def test_a_track_is_made_again_the_same_and_its_mix_does_not_clip(voices, monkeypatch, kind):
    monkeypatch.setattr(multitracks, "DURATION_S", 4.0)
    one, again = (made("test", 3, voices, kind) for _ in range(2))
    assert np.array_equal(one, again)
    assert one.shape == (len(STEMS), round(4.0 * multitracks.RATE_HZ))
    assert np.abs(one.astype(np.int32).sum(axis=0)).max() <= 32_767
    assert bool(one[STEMS.index("vocals")].any()) == (kind != "played")
    assert not np.array_equal(one, made("test", 4, voices, kind))


@pytest.mark.skipif(bool(missing("train")), reason=missing("train"))
def test_of_the_training_every_font_is_heard_and_drums_are_recorded_ones(voices, monkeypatch):
    monkeypatch.setattr(multitracks, "DURATION_S", 4.0)
    monkeypatch.setitem(multitracks.SYNTHESISED_OF, "train", 0.0)
    monkeypatch.setitem(multitracks.RECORDED_OF, "train", 1.0)
    heard, play = [], sound.stem_waveforms
    monkeypatch.setattr(sound, "stem_waveforms", lambda it, *rest: heard.append(it) or play(it, *rest))
    drums = [made("train", seed, voices, "played")[STEMS.index("drums")].any() for seed in range(16)]
    assert any(drums)
    assert {it.soundfont for it in heard} == set(multitracks.FONTS_OF["train"])
    assert not [part for it in heard for part in it.parts if part.stem == "drums"]


@pytest.mark.skipif(bool(missing("validation")), reason=missing("validation"))
def test_a_validation_track_is_made_of_the_soundfont_that_nothing_is_learned_from(voices, monkeypatch):
    monkeypatch.setattr(multitracks, "DURATION_S", 4.0)
    tracks = [made("validation", seed, voices, "played") for seed in range(6)]
    assert np.any(tracks, axis=(0, 2)).tolist() == [True, True, True, False]
    assert not set(multitracks.FONTS_OF["validation"]) & {*multitracks.FONTS_OF["train"], *multitracks.FONTS_OF["test"]}


@needs_espeak
def test_what_is_spoken_in_the_test_is_spoken_by_voices_of_the_test(voices, monkeypatch):
    asked = []
    monkeypatch.setattr(multitracks, "_played", lambda *_, **__: {})
    monkeypatch.setattr(multitracks, "speech", lambda length, _, __, of: asked.append(of) or np.zeros(length))
    for split in multitracks.VOICES_OF:
        made(split, 3, voices, "spoken")
    train, validation, test = map(set, asked)
    assert train == validation
    assert train & test == set()
    assert test <= set(singing.SPEAKERS["test"])


def tones():
    """Eight tracks whose stems lie in four registers."""
    rng = np.random.default_rng(0)
    heights_hz = {"drums": 6_000, "bass": 80, "other": 400, "vocals": 1_500}
    tracks = [
        [0.1 * signals.tone(9.0, heights_hz[source] * rng.uniform(0.8, 1.2)) for source in STEMS] for _ in range(8)
    ]
    return np.asarray(np.rint(np.array(tracks) * 32_767), np.int16)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    multitracks.shard_path(folder, "train", 0).parent.mkdir()
    for split in ("train", "validation"):
        np.save(multitracks.shard_path(folder, split, 0), tones())
    return folder


def test_an_example_has_every_source_or_silence_in_its_place(shards):
    drawn = learn_stems.draw([multitracks.load_shard(shards, "train", 0)], 64, np.random.default_rng(1))
    assert drawn.shape == (64, len(STEMS), round(learn_stems.SEGMENT_S * multitracks.RATE_HZ))
    absent = ~drawn.any(axis=2)
    assert 0.02 < absent.mean() < 0.2
    heights = librosa.feature.spectral_centroid(y=drawn[~absent.any(axis=1)][0], sr=multitracks.RATE_HZ).mean(
        axis=(1, 2)
    )
    assert heights.argsort().tolist() == [1, 2, 3, 0]  # nobody was given another one's stem


def test_the_loss_of_a_network_that_knows_nothing_is_that_of_equal_shares():
    network = learn_stems.UNet(widths=(8, 16), segment=1.0)
    torch.nn.init.zeros_(network.mask.weight)
    torch.nn.init.zeros_(network.mask.bias)
    stems = torch.randn(2, len(STEMS), multitracks.RATE_HZ, generator=torch.Generator().manual_seed(0))
    loss = learn_stems.loss_of(network, learn_stems.spectra_of(stems, network.taper))
    quarters = stems.sum(dim=1, keepdim=True) / 4 - stems
    assert float(loss.detach()) == pytest.approx(float((quarters / stems.sum(dim=1).std()).std()), rel=0.05)


def test_colours_change_what_a_stem_sounds_like_and_neither_its_loudness_nor_what_is_silent():
    torch.manual_seed(0)
    stems = torch.randn(8, len(STEMS), multitracks.RATE_HZ)
    stems[:, 1] = 0
    spectra = learn_stems.spectra_of(stems, torch.hann_window(learn_stems.FFT_SAMPLES))
    changed = learn_stems.coloured(spectra)
    assert torch.isfinite(torch.view_as_real(changed)).all()
    before, after = (one.abs().square().mean(dim=(2, 3)) for one in (spectra, changed))
    assert torch.allclose(before, after, rtol=1e-3)
    gains_db = 20 * torch.log10(changed[:, 0, 1:].abs().mean(dim=2) / spectra[:, 0, 1:].abs().mean(dim=2))
    bins = [round(hz * learn_stems.FFT_SAMPLES / multitracks.RATE_HZ) for hz in learn_stems.KNOTS_HZ[:-1]]
    assert gains_db[:, bins].std(dim=1).max() > 3
    assert gains_db.diff(dim=1).abs().max() < 3, "from one band to the next it is smooth"


def test_one_step_moves_every_parameter():
    network = learn_stems.UNet(widths=(8, 16), segment=1.0)
    before = {name: one.detach().clone() for name, one in network.named_parameters()}
    stems = torch.randn(2, len(STEMS), multitracks.RATE_HZ, generator=torch.Generator().manual_seed(0))
    learn_stems.loss_of(network, learn_stems.spectra_of(stems, network.taper)).backward()
    learn_stems.Optimiser(network, 1e-2).step(1.0)
    assert [name for name, one in network.named_parameters() if torch.equal(one, before[name])] == []
    assert all(one.grad is None for one in network.parameters())


def test_a_step_of_a_matrix_is_muons():
    generator = torch.Generator().manual_seed(0)
    theirs = torch.nn.Parameter(torch.randn(24, 40, generator=generator))
    ours = torch.nn.Sequential(torch.nn.Linear(40, 24, bias=True))
    ours[0].weight.data.copy_(theirs.data)
    muon = torch.optim.Muon([theirs], 1e-2, weight_decay=learn_stems.WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw")
    optimiser = learn_stems.Optimiser(ours, 1e-2)
    before = theirs.detach().clone()
    for _ in range(3):
        theirs.grad = torch.randn(24, 40, generator=generator)
        ours[0].weight.grad = theirs.grad.clone()
        muon.step()
        optimiser.step(1.0)
    moved = (theirs.detach() - before).norm()
    assert (ours[0].weight.detach() - theirs.detach()).norm() < 0.02 * moved, "its own has 8 bits of mantissa"


def test_twenty_steps_tell_registers_apart_and_a_second_run_goes_on(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(learn_stems, "BATCH", 2)
    monkeypatch.setattr(learn_stems, "SEGMENT_S", 1.0)
    monkeypatch.setattr(learn_stems, "VALIDATED_S", 4.0)
    small = learn_stems.UNet
    monkeypatch.setattr(learn_stems, "UNet", lambda: small(widths=(8, 16), segment=1.0))
    first, second = learn_stems.Run(1, 20, 1, 1e-2), learn_stems.Run(2, 2, 1)
    learn_stems.learn(first, shards, tmp_path, validate_every=10)
    learn_stems.learn(second, shards, tmp_path, validate_every=2)
    one, two = json.loads(curves_path(tmp_path, learn_stems.NAME).read_text())["runs"]
    assert (one["steps"], two["steps"]) == (20, 2)
    found = [row["mean"] for _, row in (*one["validation"], *two["validation"])]
    assert found[1] > found[0]
    assert found[1] > 0, "the mix itself has -5 dB"
    assert found[2] > found[1] - 2, "it goes on from what was learned"
    state = load_file(tmp_path / f"{learn_stems.NAME}.safetensors")
    assert {str(value.dtype) for value in state.values() if value.is_floating_point()} == {"torch.float16"}
