import hashlib
import json
import pickle
import subprocess
import sys
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from demucs.api import Separator
from demucs.apply import apply_model
from demucs.hf import load_safetensors_model
from demucs.htdemucs import HTDemucs
from demucs.states import get_state
from safetensors.torch import save_file

from models import separate as module
from models import separators
from models.audio.flac import mono
from models.errors import FetchFailed, MissingWeights, WrongWeights
from models.presence import LEAST_SHARE, SILENT_DBFS, presence
from models.separate import separate
from models.separators import SeparatorCard, fetch, load_model
from models.stems import STEMS
from models.unet import UNet
from tests import signals

SIGNATURE = "0abc1def"
OWN_HZ, HYBRID_HZ = 22_050, 44_100
STRIDE = 19_845  # of our own: nine tenths of its segment of a second
PUBLISHED = separators.load("htdemucs")


def card_of(file, rate_hz, channels, **otherwise):
    told = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "summary": "tiny", "limits": ("tiny",)}
    told |= {"sources": {}, "measured": {}, "data": {}} | otherwise
    return SeparatorCard("tiny", 1, "tiny-1", rate_hz=rate_hz, channels=channels, weights=file.name, **told)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A network of ours that has learned nothing, in half precision, and its card."""
    torch.manual_seed(1)
    network = UNet(widths=(4, 8), segment=1.0)
    args, kwargs = network._init_args_kwargs
    told = {"klass": "models.unet.UNet", "args": json.dumps(args), "kwargs": json.dumps(kwargs)}
    state = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    file = tmp_path_factory.mktemp("own") / "tiny.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, file, metadata=told)
    return card_of(file, OWN_HZ, 1), file.parent


def published(folder, model):
    """A model as demucs publishes its own: a pickle whose name ends in its checksum, and a bag of that alone."""
    args, kwargs = model._init_args_kwargs
    package = {"klass": type(model), "args": args, "kwargs": kwargs, "state": get_state(model, None, half=True)}
    torch.save({**package, "training_args": {}}, folder / "made")
    digits = hashlib.sha256((folder / "made").read_bytes()).hexdigest()[:8]
    (folder / "tiny.yaml").write_text(yaml.safe_dump({"models": [SIGNATURE]}))
    return (folder / "made").rename(folder / f"{SIGNATURE}-{digits}.th")


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory):
    """The class of the published model, tiny, and nothing learned."""
    torch.manual_seed(2)
    sizes = {"channels": 8, "t_layers": 1, "t_heads": 2, "nfft": 1_024, "depth": 4}
    model = HTDemucs(list(STEMS), samplerate=HYBRID_HZ, segment=Fraction(3, 2), **sizes)
    file = published(tmp_path_factory.mktemp("hybrid"), model)
    return card_of(file, HYBRID_HZ, 2, sha256=file.stem[-8:], address="http://127.0.0.1:9/tiny.th"), file.parent


def mix(duration_s=5.0, rate_hz=OWN_HZ, seed=0):
    return signals.noise(duration_s, rate_hz, seed, 0.1) + signals.tone(duration_s, 330.0, rate_hz, 0.3)


def stereo(duration_s=5.0, rate_hz=HYBRID_HZ):
    return np.stack([mix(duration_s, rate_hz), 0.5 * mix(duration_s, rate_hz, 3)], axis=1)


# --- what is done to a mix


def test_the_same_samples_give_the_same_stems(own):
    first, second = (separate(mix(), OWN_HZ, *own) for _ in range(2))
    assert list(first) == ["drums", "bass", "other", "vocals"]
    for name in STEMS:
        assert (first[name].dtype, first[name].shape) == (np.float32, mix().shape)
        assert np.array_equal(first[name], second[name])


def test_the_callers_samples_stay_as_they_are(own):
    samples = mix(2.0)
    samples.flags.writeable = False
    separate(samples, OWN_HZ, *own)
    assert np.array_equal(samples, mix(2.0))


def test_the_stems_of_our_own_network_sum_to_the_mix(own):
    samples = mix()
    stems = separate(samples, OWN_HZ, *own)
    error = sum(stems.values()) - (samples - samples.mean())
    assert np.sqrt((error**2).mean()) < 1e-3 * samples.std()
    assert min(np.abs(stem).max() for stem in stems.values()) > 0.01  # nor is one of them all of it


@pytest.mark.parametrize("block_s", [0.1, 1.6, 3.0, 60.0])
def test_nobody_finds_the_borders_of_the_blocks(own, monkeypatch, block_s):
    samples = mix(8.3)
    expected = separate(samples, OWN_HZ, *own)
    monkeypatch.setattr(module, "BLOCK_S", block_s)
    stems = separate(samples, OWN_HZ, *own)
    for name in STEMS:
        assert np.abs(stems[name] - expected[name]).max() < 1e-6


@pytest.mark.parametrize("duration_s", [4.51, 4.75, 5.0])  # the last segments lack little, more, most
def test_nor_in_stereo_with_a_model_that_fills_its_segments_up(hybrid, monkeypatch, duration_s):
    samples = stereo(duration_s)
    expected = separate(samples, HYBRID_HZ, *hybrid)
    monkeypatch.setattr(module, "BLOCK_S", 1.0)
    stems = separate(samples, HYBRID_HZ, *hybrid)
    for name in STEMS:
        assert np.abs(stems[name] - expected[name]).max() < 1e-6


class Shares(torch.nn.Module):
    """Gives each source a fixed share of the mix, and counts what it is handed."""

    def __init__(self):
        super().__init__()
        self.sources, self.samplerate, self.audio_channels, self.segment = list(STEMS), 1_000, 1, 2.0
        self.shares = torch.nn.Parameter(torch.tensor([0.1, 0.2, 0.3, 0.4]))
        self.longest = 0

    def forward(self, heard):
        self.longest = max(self.longest, heard.shape[-1])
        return self.shares[:, None, None] * heard[:, None]


def test_forty_minutes_are_whole_and_no_more_than_a_block_is_worked_on_at_once(own, monkeypatch):
    model, handed = Shares(), []

    def applied(model, batch, **how):
        handed.append(batch.shape[-1])
        return apply_model(model, batch, **how)

    monkeypatch.setattr(module, "load_model", lambda *_: model)
    monkeypatch.setattr(module, "apply_model", applied)
    samples = mix(40 * 60 + 0.123, 1_000)
    stems = separate(samples, 1_000, replace(own[0], rate_hz=1_000))
    for share, name in zip((0.1, 0.2, 0.3, 0.4), STEMS, strict=True):
        assert np.abs(stems[name] - share * (samples - samples.mean())).max() < 1e-5
    assert len(handed) == 8
    assert max(handed) <= (module.BLOCK_S + 3 * model.segment) * 1_000
    assert model.longest == 2_000


def test_level_is_put_back_and_a_constant_offset_left_out(own):
    stems, quiet = (separate(gain * mix() + offset, OWN_HZ, *own) for gain, offset in [(1, 0), (0.01, 0.2)])
    for name in STEMS:
        assert np.abs(100 * quiet[name] - stems[name]).max() < 2e-3


@pytest.mark.parametrize("frames", [0, 1, 2, 300, 1_024, STRIDE, STRIDE + 1, STRIDE + 1_000, 2 * STRIDE - 1])
def test_stems_are_as_long_as_the_mix_however_short_it_is(own, frames):
    stems = separate(mix()[:frames], OWN_HZ, *own)
    assert {stem.shape for stem in stems.values()} == {(frames,)}
    assert all(np.isfinite(stem).all() for stem in stems.values())


@pytest.mark.parametrize("samples", [np.zeros(30_000, np.float32), np.full(30_000, 0.25, np.float32)])
def test_silence_has_silent_stems(own, hybrid, samples):
    for stems in (separate(samples, OWN_HZ, *own), separate(samples, HYBRID_HZ, *hybrid)):
        assert max(np.abs(stem).max() for stem in stems.values()) < 1e-6


def test_channels_that_cancel_each_other_are_no_silence(hybrid):
    samples = np.stack([mix(2.0, HYBRID_HZ), -mix(2.0, HYBRID_HZ)], axis=1)
    stems = separate(samples, HYBRID_HZ, *hybrid)
    assert max(float(np.abs(stem).max()) for stem in stems.values()) > 0.01


def test_nothing_at_all_has_stems_of_nothing(hybrid):
    stems = separate(np.zeros((0, 2), np.float32), OWN_HZ, *hybrid)
    assert {stem.shape for stem in stems.values()} == {(0, 2)}


def test_a_separator_of_one_channel_hears_the_mean_of_two(own):
    samples = stereo(2.0, OWN_HZ)
    expected = separate(mono(samples), OWN_HZ, *own)
    stems = separate(samples, OWN_HZ, *own)
    assert all(np.array_equal(stems[name], expected[name]) for name in STEMS)


def test_a_separator_of_two_channels_hears_a_mono_mix_twice(hybrid):
    samples = mix(2.0, HYBRID_HZ)
    expected = separate(np.stack([samples, samples], axis=1), HYBRID_HZ, *hybrid)
    stems = separate(samples, HYBRID_HZ, *hybrid)
    assert all(stem.shape == (len(samples), 2) for stem in stems.values())
    assert all(np.array_equal(stems[name], expected[name]) for name in STEMS)


def test_a_mix_of_another_rate_is_resampled_first(own):
    stems = separate(mix(3.0, 44_100), 44_100, *own)
    assert {stem.shape for stem in stems.values()} == {(3 * OWN_HZ,)}
    assert sum(stems.values())[5_000:-5_000].std() == pytest.approx(mix(3.0, 44_100).std(), rel=0.1)


# --- it is demucs that does it


def test_the_published_kind_gives_what_demucs_own_call_gives(hybrid):
    card, folder = hybrid
    samples = stereo(4.0)
    samples -= samples.mean()
    _, expected = Separator("tiny", folder, shifts=0, overlap=module.OVERLAP).separate_tensor(
        torch.from_numpy(samples.T.copy()), HYBRID_HZ
    )
    stems = separate(samples, HYBRID_HZ, card, folder)
    assert list(stems) == list(expected)
    for name in STEMS:
        assert np.abs(stems[name].T - expected[name].numpy()).max() < 1e-5


def test_our_own_file_is_one_that_demucs_loads_and_applies(own):
    card, folder = own
    samples = mix()
    samples -= samples.mean()
    model = load_safetensors_model(folder / card.weights)
    batch = torch.from_numpy(samples / samples.std())[None, None]
    found = apply_model(model, batch, shifts=0, overlap=module.OVERLAP)[0, :, 0].numpy()
    stems = separate(samples, OWN_HZ, card, folder)
    for name, expected in zip(model.sources, found * samples.std(), strict=True):
        assert np.abs(stems[name] - expected).max() < 1e-5


def test_a_model_is_loaded_once_and_ready(own):
    model = load_model(*own)
    assert load_model(*own) is model
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


# --- cards and weights


def test_the_card_of_the_published_model_says_what_it_is():
    assert (PUBLISHED.rate_hz, PUBLISHED.channels, PUBLISHED.weights) == (44_100, 2, "955717e8-8726e21a.th")
    assert PUBLISHED.sha256.startswith("8726e21a")
    assert PUBLISHED.address.endswith(f"/hybrid_transformer/{PUBLISHED.weights}")
    assert PUBLISHED.summary
    assert any("Licence" in limit for limit in PUBLISHED.limits)
    assert len({PUBLISHED, separators.load("htdemucs"), replace(PUBLISHED, version=2)}) == 2


def test_a_card_is_read_from_the_folder_of_its_weights(own, tmp_path):
    (tmp_path / "unet.json").write_text(json.dumps(asdict(own[0])))
    assert separators.load("unet", tmp_path) == own[0]
    with pytest.raises(FileNotFoundError):
        separators.load("of-nobody", tmp_path)


def test_a_card_must_tell_its_file_from_others(own):
    with pytest.raises(ValueError, match="tells no file from another"):
        replace(own[0], sha256="")


def test_reading_a_card_does_not_load_torch():
    code = "import sys, models.separators; models.separators.load('htdemucs'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class Burglar:
    """Unpickled, it makes a file."""

    def __init__(self, made):
        self.made = made

    def __reduce__(self):
        return Path.touch, (self.made,)


def test_a_changed_pickle_is_refused_before_it_can_do_anything(hybrid, tmp_path):
    card = hybrid[0]
    torch.save({"klass": Burglar(tmp_path / "burgled")}, tmp_path / card.weights)
    with pytest.raises(WrongWeights) as refused:
        separate(mix(), OWN_HZ, card, tmp_path)
    found = hashlib.sha256((tmp_path / card.weights).read_bytes()).hexdigest()
    for told in (card.weights, found, card.sha256, card.address):
        assert told in str(refused.value)
    assert not (tmp_path / "burgled").exists()


def test_changed_weights_of_our_own_are_refused(own, tmp_path):
    card, folder = own
    (tmp_path / card.weights).write_bytes((folder / card.weights).read_bytes() + b" ")
    with pytest.raises(WrongWeights, match=f"{card.sha256}: install soundtrace again"):
        load_model(card, tmp_path)


def test_missing_weights_of_our_own_are_named(own, tmp_path):
    with pytest.raises(WrongWeights, match=r"tiny\.safetensors are missing: install soundtrace again") as refused:
        load_model(own[0], tmp_path)
    assert not isinstance(refused.value, MissingWeights)


def test_weights_that_nobody_fetched_are_told_of_and_not_fetched(monkeypatch, tmp_path):
    def never(*_):
        raise AssertionError("it was fetched")

    monkeypatch.setattr(torch.hub, "download_url_to_file", never)
    with pytest.raises(MissingWeights) as refused:
        separate(mix(), OWN_HZ, PUBLISHED, tmp_path / "nowhere")
    for told in ("htdemucs", PUBLISHED.address, str(tmp_path / "nowhere" / PUBLISHED.weights), "--fetch"):
        assert told in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # noqa: S301  our own bytes


def test_two_files_of_one_signature_are_refused(hybrid, tmp_path):
    card, folder = hybrid
    (tmp_path / card.weights).write_bytes((folder / card.weights).read_bytes())
    (tmp_path / f"{SIGNATURE}-00000000.th").touch()
    with pytest.raises(WrongWeights, match=SIGNATURE):
        load_model(card, tmp_path)


def test_a_card_that_says_otherwise_than_its_network_is_refused(own):
    with pytest.raises(WrongWeights, match="22050 Hz and 1 channels: mend the card 'tiny', which says 44100 Hz"):
        load_model(replace(own[0], rate_hz=44_100), own[1])


# --- fetching


def test_weights_are_fetched_once(hybrid, tmp_path):
    card, folder = hybrid
    there = replace(card, address=(folder / card.weights).as_uri())
    file = fetch(there, tmp_path / "new" / "folder")
    assert file.read_bytes() == (folder / card.weights).read_bytes()
    assert fetch(replace(card, address="file:///nowhere"), file.parent) == file
    assert isinstance(load_model(there, file.parent), HTDemucs)


def test_other_weights_than_the_cards_are_not_kept(hybrid, tmp_path):
    card, folder = hybrid
    wrong = replace(card, sha256="0" * 64, address=(folder / card.weights).as_uri())
    with pytest.raises(FetchFailed, match="invalid hash"):
        fetch(wrong, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/tiny.th", "file:///nowhere/tiny.th"])
def test_what_cannot_be_fetched_is_told_plainly(hybrid, tmp_path, monkeypatch, address):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(FetchFailed) as failed:
        fetch(replace(hybrid[0], address=address), tmp_path)
    for told in (address, str(tmp_path), hybrid[0].weights, "try again"):
        assert told in str(failed.value)
    assert list(tmp_path.iterdir()) == []


def test_what_comes_with_soundtrace_is_not_fetched(own, tmp_path):
    with pytest.raises(ValueError, match="come with soundtrace"):
        fetch(own[0], tmp_path)


# --- how much there is of each stem


def stems_of(**vocals):
    """Ten seconds of two stems at a steady level, none of a third, and of the voice what is said."""
    steady = {"drums": signals.noise(10.0, peak=0.3), "bass": signals.tone(10.0, 80.0, peak=0.5)}
    return {**steady, "other": signals.silence(10.0), **vocals}


def sung(start_s=0.0, end_s=10.0, peak=0.5):
    voice = signals.tone(10.0, 500.0, peak=peak)
    voice[: round(start_s * OWN_HZ)] = voice[round(end_s * OWN_HZ) :] = 0
    return voice


def test_a_stem_is_as_loud_as_it_sounds():
    found = presence(stems_of(vocals=sung()), OWN_HZ)
    assert found["vocals"].loudness_dbfs == pytest.approx(10 * np.log10(0.5**2 / 2), abs=0.01)
    mixed = 10 * np.log10(0.5**2 / 2 * 2 + 0.3**2 / 3)
    assert found["vocals"].relative_db == pytest.approx(10 * np.log10(0.5**2 / 2) - mixed, abs=0.05)
    assert found["vocals"].active_share == 1.0
    assert [name for name in found if found[name].present] == ["drums", "bass", "vocals"]


def test_a_silent_stem_is_absent():
    other = presence(stems_of(vocals=sung()), OWN_HZ)["other"]
    assert (other.present, other.active_share, other.loudness_dbfs) == (False, 0.0, SILENT_DBFS)
    assert other.relative_db < -100


def test_pauses_make_a_stem_rarer_and_not_softer():
    always, seldom = (presence(stems_of(vocals=sung(0.0, end)), OWN_HZ)["vocals"] for end in (10.0, 2.0))
    assert seldom.loudness_dbfs == pytest.approx(always.loudness_dbfs, abs=0.01)
    assert seldom.active_share == pytest.approx(0.2, abs=0.01)
    assert seldom.present


def test_what_a_mask_lets_through_is_no_stem():
    stems = stems_of(vocals=signals.silence(10.0))
    stems["vocals"] = 0.03 * sum(stems.values())
    assert not presence(stems, OWN_HZ)["vocals"].present


def test_shares_of_what_is_hardly_there_mean_nothing():
    """The residue in a long fade is as strong as the mix, and yet nobody hears it."""
    stems = {name: stem * (np.arange(len(stem)) < OWN_HZ) for name, stem in stems_of(vocals=sung(peak=0.0)).items()}
    stems["vocals"] = signals.noise(10.0, peak=0.001)
    assert presence(stems, OWN_HZ)["vocals"].active_share == 0.0


def test_one_short_cry_in_a_long_track_is_too_little():
    tenfold = {name: np.tile(stem, 10) for name, stem in stems_of(vocals=signals.silence(10.0)).items()}
    tenfold["vocals"][OWN_HZ : OWN_HZ + OWN_HZ // 2] = sung()[: OWN_HZ // 2]
    cry = presence(tenfold, OWN_HZ)["vocals"]
    assert 0 < cry.active_share < LEAST_SHARE
    assert not cry.present


def test_presence_does_not_depend_on_the_number_of_channels():
    stems = stems_of(vocals=sung(2.0, 5.0))
    both = {name: np.stack([stem, stem], axis=1) for name, stem in stems.items()}
    one, two = presence(stems, OWN_HZ), presence(both, OWN_HZ)
    for name in stems:
        assert asdict(one[name]) == pytest.approx(asdict(two[name]), abs=1e-4)


@pytest.mark.parametrize("frames", [0, 1, 30_000])
def test_of_silence_nothing_is_there(frames):
    found = presence({name: np.zeros(frames, np.float32) for name in STEMS}, OWN_HZ)
    assert {(one.present, one.active_share, one.relative_db) for one in found.values()} == {(False, 0.0, 0.0)}
