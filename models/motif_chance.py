"""How likely strangers have as much in common: where a shared melody begins to be one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Layer = Literal["mix", "stem", "repeat"]


@dataclass(frozen=True, slots=True)
class Chance:
    """The evidence of strangers, a Gumbel distribution around `location` + `per_log` * log(minutes * minutes)."""

    location: float
    scale: float
    per_log: float


# PROVISIONAL
CHANCES: dict[Layer, Chance] = {
    "mix": Chance(5.0, 1.8, 0.0),
    "stem": Chance(6.0, 2.8, 0.0),
    "repeat": Chance(5.0, 1.8, 0.0),
}
SHARED_CHANCE = 0.01  # the greatest of what is called a shared motif


def p_chance(evidence: float, query_s: float, candidate_s: float, layer: Layer) -> float:
    """The chance, 0..1, that the best match of two strangers of these durations has at least this evidence.

    Args:
        evidence: of `motifs.MotifMatch`.
    """
    told = CHANCES[layer]
    expected = told.location + told.per_log * math.log(max(query_s * candidate_s / 3_600, 1e-3))
    return -math.expm1(-math.exp(min(-(evidence - expected) / told.scale, 50.0)))
