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

SOURCES = ("drums", "bass", "other", "vocals")  # in demucs' order
FFT_SAMPLES, HOP_SAMPLES = 2_048, 512  # 93 ms, every 23 ms at 22.05 kHz
FINE_BANDS = 192  # up to 2.1 kHz every bin is its own band
BANDS = 352
EXPONENT = 0.3  # what magnitudes are raised to: quiet partials are seen beside loud ones
PATCH = 2  # bands by frames that the first layer takes together: 3 times as fast as one by one (2026-11-21)


class UNet(nn.Module):
    """Masks for `SOURCES`.

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
        widths: tuple[int, ...] = (32, 64, 128, 256),
        narrow: int = 8,
        samplerate: int = 22_050,
        segment: float = 12.0,
    ) -> None:
        super().__init__()
        self.sources, self.audio_channels = list(SOURCES), 1
        self.samplerate, self.segment = samplerate, segment
        sizes = band_edges().diff()
        self.register_buffer("band_of_bin", torch.repeat_interleave(torch.arange(BANDS), sizes), persistent=False)
        self.register_buffer("bins_in_band", sizes.float(), persistent=False)
        self.register_buffer("taper", torch.hann_window(FFT_SAMPLES), persistent=False)
        tall = [BANDS // PATCH // 2**level for level in range(len(widths))]
        levels = list(itertools.pairwise(widths))
        self.first = _Block(PATCH**2, widths[0], tall[0], narrow, convolutions=2)
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
        self.mask = nn.Conv2d(widths[0], len(SOURCES) * PATCH**2, 1)

    def valid_length(self, samples: int) -> int:
        """What demucs fills a shorter segment up to: less than a frame of the spectrum has none."""
        return max(samples, FFT_SAMPLES)

    def forward(self, mix: Tensor) -> Tensor:
        """The stems of mixes, float (batch, 1, samples) of about unit variance: float (batch, 4, 1, samples)."""
        waveform = mix[:, 0]
        spectrum = torch.stft(waveform, FFT_SAMPLES, HOP_SAMPLES, window=self.taper, return_complex=True)
        stems = (self.masks(spectrum.abs())[:, :, self.band_of_bin] * spectrum[:, None]).flatten(0, 1)
        back = torch.istft(stems, FFT_SAMPLES, HOP_SAMPLES, window=self.taper, length=waveform.shape[1])
        return back.view(len(mix), len(SOURCES), 1, -1)

    def masks(self, magnitude: Tensor) -> Tensor:
        """Shares of the sources, which sum to one: (batch, bins, frames) to float (batch, 4, `BANDS`, frames)."""
        power = magnitude.new_zeros(len(magnitude), BANDS, magnitude.shape[2])
        power.index_add_(1, self.band_of_bin, magnitude.square())
        level = (power / self.bins_in_band[:, None] + 1e-8) ** (EXPONENT / 2)
        frames = level.shape[2]
        padded = nn.functional.pad(level, (0, -frames % (PATCH * 2 ** len(self.down))))
        kept = [self.first(nn.functional.pixel_unshuffle(padded[:, None], PATCH))]
        for down, deeper in zip(self.down, self.deeper, strict=True):
            kept.append(deeper(down(kept[-1])))
        maps = kept.pop()
        for up, join in zip(reversed(self.up), reversed(self.join), strict=True):
            maps = join(torch.cat([kept.pop(), up(maps)], dim=1))
        votes = nn.functional.pixel_shuffle(self.mask(maps).float(), PATCH)
        return votes.softmax(dim=1)[..., :frames]


def band_edges() -> Tensor:
    """First bin of each band, and the one behind the last: int (BANDS + 1,). Over `FINE_BANDS` bands widen evenly."""
    coarse, bins = BANDS - FINE_BANDS, FFT_SAMPLES // 2 + 1 - FINE_BANDS
    growth = 2 * (bins - coarse) / coarse / (coarse - 1)  # 1 + 1 + growth + 1 + 2 growth ... are all bins
    widths = 1 + growth * torch.arange(coarse, dtype=torch.float64)
    return torch.cat([torch.arange(FINE_BANDS + 1), torch.round(FINE_BANDS + torch.cumsum(widths, 0)).long()])


class _Block(nn.Module):
    """Convolutions, and on top what the whole frequency axis says."""

    def __init__(self, ins: int, outs: int, bands: int, narrow: int, *, convolutions: int) -> None:
        super().__init__()
        sizes = [ins, *[outs] * convolutions]
        layers = [
            [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
            for a, b in itertools.pairwise(sizes)
        ]
        self.near = nn.Sequential(*[layer for group in layers for layer in group])
        slim = max(bands // narrow, 8)
        self.squeeze = nn.Parameter(torch.randn(slim, bands) / bands**0.5)
        self.spread = nn.Parameter(torch.randn(bands, slim) / slim**0.5)
        self.between, self.after = nn.BatchNorm2d(outs), nn.BatchNorm2d(outs)

    def forward(self, maps: Tensor) -> Tensor:
        near = self.near(maps)
        far = nn.functional.relu(self.between(_along_bands(self.squeeze, near)))
        return near + nn.functional.relu(self.after(_along_bands(self.spread, far)))  # type: ignore[no-any-return]


def _along_bands(weights: Tensor, maps: Tensor) -> Tensor:
    """`weights` @ each map, (outs, bands) and (batch, channels, bands, frames).

    In one batch of products, where `torch.matmul` turns all maps over before and behind: an eighth of all time on a
    CPU (2026-11-22).
    """
    flat = maps.flatten(0, 1)
    return torch.bmm(weights.expand(len(flat), -1, -1), flat).view(*maps.shape[:2], -1, maps.shape[3])
