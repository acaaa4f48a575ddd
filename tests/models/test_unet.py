"""The separator's network: what it promises before it has learned anything."""

import json

import pytest
import torch
from demucs.apply import apply_model
from demucs.hf import load_safetensors_model

from models.stems import STEMS
from models.training.learn_stems import keep
from models.unet import BANDS, FFT_SAMPLES, UNet, band_edges


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return UNet(widths=(4, 8, 16), segment=1.0).eval()


def noise(samples, seed=0):
    return torch.randn(2, 1, samples, generator=torch.Generator().manual_seed(seed))


def test_every_bin_is_in_one_band_and_low_bins_are_bands_of_their_own():
    edges = band_edges()
    assert (int(edges[0]), int(edges[-1]), len(edges)) == (0, FFT_SAMPLES // 2 + 1, BANDS + 1)
    sizes = edges.diff()
    assert int(sizes.min()) == 1
    assert (sizes[:100] == 1).all()
    assert (sizes[1:] - sizes[:-1] >= -1).all(), "they widen upwards, but for rounding"


@pytest.mark.parametrize("samples", [FFT_SAMPLES, 22_050, 30_001])
def test_the_stems_are_as_long_as_the_mix_and_sum_to_it(network, samples):
    mix = noise(samples)
    with torch.inference_mode():
        stems = network(mix)
    assert stems.shape == (2, len(STEMS), 1, samples)
    assert torch.allclose(stems.sum(dim=1), mix, atol=1e-4)


def test_one_example_does_not_change_another(network):
    mix = noise(22_050)
    with torch.inference_mode():
        assert torch.allclose(network(mix)[:1], network(mix[:1]), atol=1e-5)


def test_demucs_reads_what_is_kept_and_runs_it_down_to_the_last_sample(network, tmp_path):
    keep(network, tmp_path / "unet.safetensors")
    read = load_safetensors_model(tmp_path / "unet.safetensors").eval()
    assert json.loads(json.dumps(read._init_args_kwargs[1])) == {"widths": [4, 8, 16], "segment": 1.0}
    mix = noise(22_050)
    with torch.inference_mode():
        assert torch.allclose(read(mix), network(mix), atol=2e-2)  # half precision on the way
    left_over = 3 * 16_537 + 100  # a last segment that is shorter than one frame of the spectrum
    assert apply_model(read, noise(left_over), shifts=0).shape == (2, len(STEMS), 1, left_over)
