"""How likely strangers have as much in common: where a shared melody begins to be one.

Fitted on pairs that share nothing, so that at most 1 % of any kind of them is called a shared motif (first seed of
`ops/quality motifs`, 2026-11-22; its second seed has other tunes). Evidence of 800 pairs of 30 s each, at its 90th and
99th percentile: mixes 7.9 and 13.8, melodies by themselves 9.9 and 17.3. Longer tracks have more of it by chance:
games' pieces 5.0 and 7.5 at 70 s, 8.8 and 17.5 at 280 s; orchestral ones 9.2 and 12.4, 10.1 and 16.4.

An accompaniment is judged by strangers that have their chords in common: figures over the same progression share many
notes (48 pairs of 30 s in other keys, tempos and styles: 22 and 50), and harmony alone is no melody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Layer = Literal["mix", "stem", "accompaniment"]


@dataclass(frozen=True, slots=True)
class Chance:
    """The evidence of strangers, a Gumbel distribution around `location` + `per_log` * log(minutes * minutes)."""

    location: float
    scale: float
    per_log: float


CHANCES: dict[Layer, Chance] = {
    "mix": Chance(3.9, 2.5, 1.2),
    "stem": Chance(4.5, 3.2, 1.2),
    "accompaniment": Chance(9.0, 8.0, 1.2),
}
SHARED_CHANCE = 0.01  # the greatest of what is called a shared motif


def p_chance(evidence: float, query_s: float, candidate_s: float, layer: Layer) -> float:
    """The chance, 0..1, that the best match of two strangers of these durations has at least this evidence.

    Args:
        evidence: of `motifs.MotifMatch`.
        layer: a mix; a stem that is a melody, such as the vocals; or what accompanies one.
    """
    told = CHANCES[layer]
    expected = told.location + told.per_log * math.log(max(query_s * candidate_s / 3_600, 1e-3))
    return -math.expm1(-math.exp(min(-(evidence - expected) / told.scale, 50.0)))
