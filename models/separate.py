"""Separate: a mix becomes its stems, by one of demucs' models, our own among them.

What is done is what `demucs.api.Separator` does, without its random shifts: the same samples give the same stems, bit
for bit on one processor and number of threads. Long tracks are taken in blocks whose borders nobody can find again:
each begins on the grid of demucs' segments, so every segment that counts is one that the whole track would have had.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
import torch
from demucs.apply import Model, apply_model
from numpy.typing import NDArray

from models.audio.flac import mono
from models.separators import WEIGHTS, SeparatorCard, load_model

Samples = NDArray[np.float32]  # (frames,) of one channel, (frames, channels) of more, as `from_flac` gives

OVERLAP = 0.1  # of two segments; demucs' own default, 0.25, costs a fifth more time
BLOCK_S = 300.0  # as long as a track may be by default; htdemucs' stems of that are 0.4 GB, thrice that while it works
LEAST_SEGMENT_S = 0.1  # a shorter last one is filled up with silence: a model's spectrum needs some samples
LEAST_DEVIATION = 1e-7  # -140 dBFS, below the last of 24 bits: less is silence, and is not raised to full level


def separate(samples: Samples, rate_hz: int, card: SeparatorCard, folder: Path = WEIGHTS) -> dict[str, Samples]:
    """The stems of a mix.

    Args:
        samples: float32, (frames,) or (frames, 2), -1..1, finite; they are not changed. A separator of one channel is
            given the mean (`flac.mono`), one of two a mono mix twice.
        rate_hz: theirs; what is not at the card's rate is resampled, as `flac.from_flac` would.
        card: of the separator.
        folder: where its weights are.
    Returns:
        By source, in the model's order (drums, bass, other, vocals): float32 at `card.rate_hz`, (frames,) of a
        separator of one channel, else (frames, channels). A mix at the card's rate keeps its number of frames. Silence
        gives silence. A constant offset is nobody's sound, and left out.
    Raises:
        `MissingWeights`, `WrongWeights`.
    """
    model = load_model(card, folder)
    mix = _fitted(samples, rate_hz, card)
    stems = np.zeros((len(model.sources), *mix.shape), np.float32)
    middle = mono(mix) if len(mix) else np.zeros(1, np.float32)
    mean, deviation = float(middle.mean()), float(middle.std())
    if deviation > LEAST_DEVIATION:
        _fill(stems, mix, mean, deviation, model)
    return {name: stem[:, 0] if card.channels == 1 else stem for name, stem in zip(model.sources, stems, strict=True)}


def _fitted(samples: Samples, rate_hz: int, card: SeparatorCard) -> Samples:
    """The mix as the card wants it, float32 (frames, channels); perhaps a view, not to be written to."""
    samples = np.asarray(samples, np.float32)
    if len(samples) == 0:
        return np.zeros((0, card.channels), np.float32)
    if samples.ndim == 2 and card.channels == 1:
        samples = mono(samples)
    if rate_hz != card.rate_hz:
        samples = np.asarray(soxr.resample(samples, rate_hz, card.rate_hz), np.float32)
    rows = samples[:, None] if samples.ndim == 1 else samples
    return np.broadcast_to(rows, (len(rows), card.channels))


def _fill(stems: Samples, mix: Samples, mean: float, deviation: float, model: Model) -> None:
    """Fill `stems` (sources, frames, channels) block by block: beside them no more is held than a block takes.

    A block hears the rest of its last segment behind what it keeps, and two strides before: one segment reaches into
    it, and at the end of a track `apply_model` begins such a segment earlier by half of what it lacks.
    """
    segment = int(model.samplerate * model.segment)
    stride = int((1 - OVERLAP) * segment)  # both as `apply_model` counts them
    block = max(1, round(BLOCK_S * model.samplerate / stride)) * stride
    whole = len(mix) + max(0, round(LEAST_SEGMENT_S * model.samplerate) - (len(mix) - 1) % stride - 1)
    device = next(model.parameters()).device
    for first in range(0, len(mix), block):
        start, end = max(0, first - 2 * stride), min(first + block - stride + segment, whole)
        heard = (mix[start:end] - mean) / deviation
        filled = np.pad(heard, ((0, end - start - len(heard)), (0, 0)))
        batch = torch.from_numpy(np.ascontiguousarray(filled.T))[None]
        with torch.inference_mode():
            found = apply_model(model, batch, shifts=0, overlap=OVERLAP, device=device)[0].numpy()
        kept = stems[:, first : first + block]
        made = found[:, :, first - start : first - start + kept.shape[1]].swapaxes(1, 2)
        np.multiply(made, np.float32(deviation), out=kept)
