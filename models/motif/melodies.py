"""The melodies of a track: of its mix, of the voice and of what accompanies it; and what two tracks share of them.

Of each layer the note events, the contour of the highest line, and the motifs that it repeats are kept. Layers are
compared like with like. What is shared is told with how likely strangers share as much, and how common it is among the
tracks that were searched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.motif.chance import CHANCES, Layer, p_chance
from models.motif.motifs import Heard, Motif, MotifMatch, compare, match, motifs
from models.motif.salience import events_and_contour
from models.motif.voting import Hypothesis
from models.stems import Samples

LAYERS = ("full_audio", "vocals", "accompaniment")
KINDS: Mapping[str, Layer] = {"full_audio": "mix", "vocals": "stem", "accompaniment": "accompaniment"}  # of strangers


@dataclass(frozen=True, slots=True)
class Melodies:
    """As they are kept.

    Attributes:
        events: uint32 (events, 3): place in `LAYERS`, and the two numbers of `models.motif.salience.Events`.
        contours: uint8 (3, frames, 12), at `models.motif.contour.FRAMES_PER_S`; zeros where a layer does not sound.
        motifs: what each layer repeats.
    """

    events: NDArray[np.uint32]
    contours: NDArray[np.uint8]
    motifs: Mapping[str, tuple[Motif, ...]]


@dataclass(frozen=True, slots=True)
class SharedMelody:
    """A melody that two tracks may share.

    Attributes:
        layer: one of `LAYERS`.
        match: where, and how well.
        p_chance: that two strangers of these durations share as much.
        commonness: share of the searched tracks, 0..1, that hold the passage as well; None of two files by themselves.
    """

    layer: str
    match: MotifMatch
    p_chance: float
    commonness: float | None


def melodies(sounds: Mapping[str, Samples]) -> Melodies:
    """Hear the melodies of each of `LAYERS`, mono float32 at `models.motif.salience.RATE_HZ`; silence has none."""
    found = [events_and_contour(sounds[layer]) for layer in LAYERS]
    frames = max(len(contour) for _, contour in found)
    events = [np.insert(heard, 0, place, axis=1) for place, (heard, _) in enumerate(found)]
    contours = np.stack([np.pad(contour, ((0, frames - len(contour)), (0, 0))) for _, contour in found])
    repeated = {layer: motifs(*heard) for layer, heard in zip(LAYERS, found, strict=True)}
    return Melodies(np.concatenate(events).astype(np.uint32), contours, repeated)


def heard(events: NDArray[np.uint32], contours: NDArray[np.uint8], layer: str, duration_s: float) -> Heard:
    """One layer of what was kept."""
    mine = events_of(events, layer)
    contour = contours[LAYERS.index(layer)]
    return Heard(mine, contour if len(mine) else contour[:0], duration_s)


def events_of(events: NDArray[np.uint32], layer: str) -> NDArray[np.uint32]:
    """One layer's `models.motif.salience.Events` of what was kept."""
    return np.ascontiguousarray(events[events[:, 0] == LAYERS.index(layer), 1:])


def shared(query: Heard, reference: Heard, layer: str, found: Sequence[Hypothesis] | None) -> tuple[SharedMelody, ...]:
    """What two tracks share in a layer, the strongest first; without hypotheses all of both is looked at."""
    matches = compare(query, reference) if found is None else match(query, reference, found)
    return tuple(
        SharedMelody(
            layer, told, p_chance(told.evidence, query.duration_s, reference.duration_s, KINDS[layer]), commonness=None
        )
        for told in matches
    )


def strength(told: SharedMelody, query_s: float, candidate_s: float) -> float:
    """A shared melody's evidence on a scale of 0..1: one half is what strangers of these durations reach as a rule."""
    chance = CHANCES[KINDS[told.layer]]
    expected = max(chance.location + chance.per_log * math.log(max(query_s * candidate_s / 3_600, 1e-3)), 1e-6)
    reached = max(0.0, told.match.evidence)
    return reached / (reached + expected)
