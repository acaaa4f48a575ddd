"""A small network that tells stems apart: which share of every band of the mix belongs to which source.

The magnitudes of a mix go down and up a U-Net (Ronneberger et al. 2015; for stems Jansson et al. 2017) whose blocks
see the whole frequency axis at once, too, through a narrow linear layer (Choi et al. 2020, "Investigating U-Nets with
various intermediate blocks for spectrogram-based singing voice separation"). Its masks sum to one, so the stems sum to
the mix.

It is one of demucs' models: `demucs.hf.load_safetensors_model` loads it, `demucs.apply.apply_model` runs it.
"""

from __future__ import annotations

import itertools

import torch
from demucs.states import capture_init
from torch import Tensor, nn

from models.stems import STEMS

FFT_SAMPLES, HOP_SAMPLES = 4_096, 1_024  # 186 ms, every 46 ms at 22.05 kHz: ideal masks reach 0.4 dB more than at half
FINE_BANDS = 384  # up to 2.1 kHz every bin is its own band
BANDS = 640
EXPONENT = 0.3  # what magnitudes are raised to: quiet partials are seen beside loud ones
PATCH_BANDS = 4  # that the first layer takes together: the finest maps cost most of the time


class UNet(nn.Module):
    """Masks for `models.stems.STEMS`.

    Args:
        widths: channels of each level; frequency and time are halved from one to the next.
        narrow: how many times narrower than the frequency axis its linear layers are.
        samplerate: Hz, of what it takes and gives.
        segment: seconds at once that demucs should hand it.
    """

    band_of_bin: Tensor
    bins_in_band: Tensor
    taper: Tensor

    @capture_init  # type: ignore[untyped-decorator]
    def __init__(
        self,
        widths: tuple[int, ...] = (32, 64, 160, 320),
        narrow: int = 8,
        samplerate: int = 22_050,
        segment: float = 12.0,
    ) -> None:
        super().__init__()
        self.sources, self.audio_channels = list(STEMS), 1
        self.samplerate, self.segment = samplerate, segment
        sizes = band_edges().diff()
        self.register_buffer("band_of_bin", torch.repeat_interleave(torch.arange(BANDS), sizes), persistent=False)
        self.register_buffer("bins_in_band", sizes.float(), persistent=False)
        self.register_buffer("taper", torch.hann_window(FFT_SAMPLES), persistent=False)
        tall = [BANDS // PATCH_BANDS // 2**level for level in range(len(widths))]
        levels = list(itertools.pairwise(widths))
        self.first = _Block(PATCH_BANDS, widths[0], tall[0], narrow, convolutions=2)
        self.down = nn.ModuleList(nn.Conv2d(above, below, 2, stride=2) for above, below in levels)
        self.deeper = nn.ModuleList(
            _Block(width, width, bands, narrow, convolutions=2)
            for width, bands in zip(widths[1:], tall[1:], strict=True)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, stride=2) for above, below in levels)
        self.join = nn.ModuleList(
            _Block(2 * width, width, bands, narrow, convolutions=1)
            for width, bands in zip(widths[:-1], tall[:-1], strict=True)
        )
        self.mask = nn.Conv2d(widths[0], len(STEMS) * PATCH_BANDS, 1)

    def valid_length(self, samples: int) -> int:
        """What demucs fills a shorter segment up to: less than a frame of the spectrum has none."""
        return max(samples, FFT_SAMPLES)

    def forward(self, mix: Tensor) -> Tensor:
        """The stems of mixes, float (batch, 1, samples) of about unit variance: float (batch, 4, 1, samples)."""
        waveform = mix[:, 0]
        spectrum = torch.stft(waveform, FFT_SAMPLES, HOP_SAMPLES, window=self.taper, return_complex=True)
        shares = self.masks(spectrum.abs())[:, :-1, self.band_of_bin]
        parts = (shares * spectrum[:, None]).flatten(0, 1)
        back = torch.istft(parts, FFT_SAMPLES, HOP_SAMPLES, window=self.taper, length=waveform.shape[1])
        stems = back.view(len(mix), len(STEMS) - 1, -1)
        rest = waveform[:, None] - stems.sum(dim=1, keepdim=True)  # shares sum to one: nothing has to be made of it
        return torch.cat([stems, rest], dim=1)[:, :, None]

    def masks(self, magnitude: Tensor) -> Tensor:
        """Shares of the sources, which sum to one: (batch, bins, frames) to float (batch, 4, `BANDS`, frames)."""
        power = magnitude.new_zeros(len(magnitude), BANDS, magnitude.shape[2])
        power.index_add_(1, self.band_of_bin, magnitude.square())
        level = (power / self.bins_in_band[:, None] + 1e-8) ** (EXPONENT / 2)
        frames = level.shape[2]
        padded = nn.functional.pad(level, (0, -frames % 2 ** len(self.down)))
        patches = padded.view(len(padded), BANDS // PATCH_BANDS, PATCH_BANDS, -1).transpose(1, 2)
        # With channels last it all takes three quarters of the time on a CPU (in turns in one process, 2026-11-29).
        kept = [self.first(patches.contiguous(memory_format=torch.channels_last))]
        for down, deeper in zip(self.down, self.deeper, strict=True):
            kept.append(deeper(down(kept[-1])))
        maps = kept.pop()
        for up, join in zip(reversed(self.up), reversed(self.join), strict=True):
            maps = join(torch.cat([kept.pop(), up(maps)], dim=1))
        votes: Tensor = self.mask(maps).float()
        shares = votes.reshape(len(votes), len(STEMS), PATCH_BANDS, BANDS // PATCH_BANDS, -1).softmax(dim=1)
        return shares.transpose(2, 3).flatten(2, 3)[..., :frames]


def band_edges() -> Tensor:
    """First bin of each band, and the one behind the last: int (BANDS + 1,). Over `FINE_BANDS` bands widen evenly."""
    coarse, bins = BANDS - FINE_BANDS, FFT_SAMPLES // 2 + 1 - FINE_BANDS
    growth = 2 * (bins - coarse) / coarse / (coarse - 1)  # 1 + 1 + growth + 1 + 2 growth ... are all bins
    widths = 1 + growth * torch.arange(coarse, dtype=torch.float64)
    return torch.cat([torch.arange(FINE_BANDS + 1), torch.round(FINE_BANDS + torch.cumsum(widths, 0)).long()])


class _Norm(nn.BatchNorm2d):
    """Batch normalisation; once learned, a factor and a summand, which torch's own takes four times as long for."""

    def forward(self, maps: Tensor) -> Tensor:
        if self.training:
            return super().forward(maps)
        assert self.running_mean is not None
        assert self.running_var is not None
        factor = self.weight * torch.rsqrt(self.running_var + self.eps)
        summand = self.bias - self.running_mean * factor
        return torch.addcmul(summand[:, None, None], maps, factor[:, None, None])


class _Block(nn.Module):
    """Convolutions, and on top what the whole frequency axis says."""

    def __init__(self, ins: int, outs: int, bands: int, narrow: int, *, convolutions: int) -> None:
        super().__init__()
        sizes = [ins, *[outs] * convolutions]
        layers = [
            [nn.Conv2d(a, b, 3, padding=1, bias=False), _Norm(b), nn.ReLU(inplace=True)]
            for a, b in itertools.pairwise(sizes)
        ]
        self.near = nn.Sequential(*[layer for group in layers for layer in group])
        slim = max(bands // narrow, 8)
        self.squeeze = nn.Parameter(torch.randn(slim, bands) / bands**0.5)
        self.spread = nn.Parameter(torch.randn(bands, slim) / slim**0.5)
        self.between, self.after = _Norm(outs), _Norm(outs)

    def forward(self, maps: Tensor) -> Tensor:
        near = self.near(maps)
        far = self.between(_along_bands(self.squeeze, near)).relu_()
        return near + self.after(_along_bands(self.spread, far)).relu_()  # type: ignore[no-any-return]


def _along_bands(weights: Tensor, maps: Tensor) -> Tensor:
    """`weights` @ each map, (outs, bands) and (batch, channels, bands, frames), whose channels are last in memory.

    One product for each example, by `bmm`: `matmul` would fold them into one and turn all maps over for that.
    """
    batch, channels, bands, frames = maps.shape
    rows = maps.permute(0, 2, 3, 1).reshape(batch, bands, frames * channels)
    found = torch.bmm(weights.expand(batch, -1, -1), rows)
    return found.view(batch, -1, frames, channels).permute(0, 3, 1, 2)
