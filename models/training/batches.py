"""Batches: windows around the same place of the same composition, each from another performance, mixed anew each time.

Mixing happens where the network hears: powers of stems on the constant-Q axis, with random gains and drop-outs, so that
a melody alone, or an accompaniment alone, learns to find the full arrangement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.card import Hearing
from models.training.corpus import Shard
from models.training.performance import STEMS

LEAD, ACCOMPANIMENT, BASS, DRUMS = range(len(STEMS))
STRETCH = (0.75, 1.33)
JITTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Pool:
    """What batches are drawn from.

    Attributes:
        stems: of each shard, uint8 (performances, layers, bins, frames).
        spans: float32 (spans, 4): all score maps, one below the other.
        shard, row: int (spans,): whose performance a span is.
        first, last: int (compositions,): the spans of each composition.
    """

    stems: tuple[NDArray[np.uint8], ...]
    spans: NDArray[np.float32]
    shard: NDArray[np.int64]
    row: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


def pool(shards: Sequence[Shard]) -> Pool:
    """Put shards together. A composition that is in two shards counts as two: their views never meet as strangers."""
    spans, owners = [], []
    for number, shard in enumerate(shards):
        for row, (spread, composition) in enumerate(zip(shard.maps, shard.compositions, strict=True)):
            used = spread[spread[:, 1] > spread[:, 0]]
            spans.append(used)
            owners += [(composition, number, row)] * len(used)
    owner = np.array(owners, np.int64).reshape(-1, 3)
    order = np.lexsort((owner[:, 2], owner[:, 1], owner[:, 0]))
    owner = owner[order]
    _, first, count = np.unique(owner[:, 0], return_index=True, return_counts=True)
    return Pool(
        tuple(shard.stems for shard in shards),
        np.concatenate(spans)[order],
        owner[:, 1],
        owner[:, 2],
        first,
        first + count,
    )


def draw(
    pool: Pool, compositions: int, views: int, *, window_s: float, hearing: Hearing, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    """One batch, before it is mixed.

    Returns:
        uint8 (windows, layers, bins, frames); float32 (windows, layers), gains; int64 (windows,), compositions.
    """
    frames = round(window_s / hearing.frame_s)
    layers_most = max(stems.shape[1] for stems in pool.stems)
    chosen_ones = rng.choice(len(pool.first), compositions, replace=False)
    stems = np.zeros((compositions * views, layers_most, hearing.bins, frames), np.uint8)
    gains = np.zeros((compositions * views, layers_most), np.float32)
    for place, chosen in enumerate(chosen_ones):
        for view, (shard, row, centre_s) in enumerate(_places(pool, int(chosen), views, rng)):
            stretch = float(rng.uniform(*STRETCH)) if rng.random() < 0.7 else 1.0
            middle = (centre_s + float(rng.uniform(-JITTER_S, JITTER_S))) / hearing.frame_s
            layers = pool.stems[shard][row]
            length = layers.shape[2]
            half = frames * stretch / 2
            if 2 * half <= length:
                middle = float(np.clip(middle, half, length - half))
            at = (middle - half + (np.arange(frames) + 0.5) * stretch).astype(np.int64)
            inside = (at >= 0) & (at < length)
            window = layers[:, :, np.clip(at, 0, length - 1)]
            if not inside.all():
                window = window * inside
            mixed = _gains(len(layers), alone=view == 0, rng=rng)
            if not window[mixed > 0].any():  # an accompaniment that is not there
                mixed[: len(STEMS)] = 1.0
            stems[place * views + view, : len(layers)] = window
            gains[place * views + view, : len(layers)] = mixed
    return stems, gains, np.repeat(chosen_ones, views)


def _places(pool: Pool, chosen: int, views: int, rng: np.random.Generator) -> list[tuple[int, int, float]]:
    """(shard, row, seconds) of the same beat in different performances of a composition; in one, where there is one."""
    first, last = pool.first[chosen], pool.last[chosen]
    spans = pool.spans[first:last]
    anchor = spans[rng.integers(len(spans))]
    beat = float(rng.uniform(anchor[2], anchor[3]))
    holds = np.flatnonzero((spans[:, 2] <= beat) & (beat < spans[:, 3]))
    rng.shuffle(holds)
    performances = pool.shard[first + holds] * 100_000 + pool.row[first + holds]
    _, one_each = np.unique(performances, return_index=True)
    rng.shuffle(one_each)
    picked = [int(at) for at in holds[one_each][:views]]
    while len(picked) < views:  # the same performance again, mixed and heard otherwise
        picked.append(picked[int(rng.integers(len(picked)))])
    share = (beat - spans[picked, 2]) / (spans[picked, 3] - spans[picked, 2])
    at_s = spans[picked, 0] + share * (spans[picked, 1] - spans[picked, 0])
    return [
        (int(pool.shard[first + at]), int(pool.row[first + at]), float(s)) for at, s in zip(picked, at_s, strict=True)
    ]


def _gains(layers: int, alone: bool, rng: np.random.Generator) -> NDArray[np.float32]:
    """Amplitudes of the layers. `alone`: this view may be one stem, while its partners are mixes with the lead in."""
    gains = np.zeros(layers, np.float32)
    if layers > len(STEMS) and rng.random() < 0.5:
        gains[len(STEMS)] = 1.0  # the mix as it was produced
        return gains
    gains[: len(STEMS)] = np.exp(rng.normal(0, 0.5, len(STEMS)))
    kind = rng.random() if alone else 1.0
    if kind < 0.28:
        gains[[ACCOMPANIMENT, BASS, DRUMS]] = 0
    elif kind < 0.34:
        gains[[ACCOMPANIMENT, BASS]] = 0
    elif kind < 0.44:
        gains[LEAD] = 0
    elif kind < 0.48:
        gains[[LEAD, BASS, DRUMS]] = 0
    else:
        gains[[ACCOMPANIMENT, BASS, DRUMS]] *= rng.random(3) > (0.08, 0.12, 0.15)
    return gains


def mix(stems: NDArray[np.uint8], gains: NDArray[np.float32], hearing: Hearing, seed: int) -> Tensor:
    """Windows as the network hears them, with what recordings do to music: float32 (windows, bins, frames), 0..1."""
    made = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=made)

    def some(share: float) -> Tensor:
        return (torch.rand((count, 1, 1), generator=made) < share).float()

    scale = float(np.log1p(hearing.compression))
    values = torch.from_numpy(np.ascontiguousarray(stems)).float()
    magnitude = torch.expm1(values.mul_(scale / 255)).div_(hearing.compression)
    power = torch.einsum("wlbf,wl->wbf", magnitude.square_(), torch.from_numpy(gains).square())
    count, bins, frames = power.shape
    axis = torch.linspace(0, 3, bins)
    knots = uniform(-8, 8, count, 4)
    left = axis.long().clamp(max=2)
    tilt_db = knots[:, left] + (knots[:, left + 1] - knots[:, left]) * (axis - left)
    low, high = uniform(-40, 30, count, 1), uniform(50, 130, count, 1)  # cuts, in bins: often beyond both ends
    cut_db = 3.0 * ((torch.arange(bins) - low).clamp(max=0) + (high - torch.arange(bins)).clamp(max=0))
    power = power * torch.pow(10, (tilt_db + cut_db) / 10)[:, :, None]
    off = uniform(-0.5, 0.5, count, 1, 1) * some(0.4)  # out of tune: a note between two bins
    beside = torch.where(off > 0, power.roll(1, 1), power.roll(-1, 1))
    power = power * (1 - off.abs()) + beside * off.abs()
    decay = torch.pow(10, -6 * hearing.frame_s / uniform(0.3, 3.0, count, 1)) * some(0.6)[:, :, 0]
    wet, tail = uniform(0.02, 0.35, count, 1), torch.zeros(count, bins)
    sounding = []
    for frame in power.unbind(2):
        tail = (tail + frame) * decay
        sounding.append(frame + wet * tail)
    power = torch.stack(sounding, dim=2)
    level = power.mean(dim=(1, 2), keepdim=True)
    colour = torch.pow(10, uniform(-1, 1, count, 1, 1) * torch.linspace(-1, 1, bins)[None, :, None])
    hiss = level * torch.pow(10, uniform(-4.5, -0.3, count, 1, 1)) * colour * some(0.5)
    power = power + hiss * (0.5 + torch.rand(power.shape, generator=made))
    peak = power.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    loudness = torch.pow(10, uniform(-1.6, 0, count, 1, 1))  # a window is seldom the loudest of its track
    heard = torch.log1p(hearing.compression * (power / peak * loudness).sqrt()) / scale
    heard = (heard * 255).round() / 255
    starts, widths = uniform(0, frames, count, 1), uniform(0, 0.15, count, 1) * frames
    at = torch.arange(frames)
    heard = heard * (1 - ((at >= starts) & (at < starts + widths)).float() * some(0.5)[:, :, 0])[:, None, :]
    starts, widths = uniform(0, bins, count, 1), uniform(0, 10, count, 1)
    at = torch.arange(bins)
    return heard * (1 - ((at >= starts) & (at < starts + widths)).float() * some(0.5)[:, :, 0])[:, :, None]
