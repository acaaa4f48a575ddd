"""The shipped encoder, through the functions that the pipeline calls: ranked by windows, the best compared in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.hear import encode_track
from models.verdict import Features, compare, compare_many, preliminary
from streams import cards
from streams.settings import Settings
from tests.quality import measures
from tests.quality.changes import RATE_HZ, Samples, wav
from tests.quality.peers import Place, Scores, System
from tests.quality.renditions import Rendition

CARD = cards.current("type2")
COMPARED_IN_FULL = Settings.model_fields["compared_in_full"].default


def features(samples: Samples) -> Features:
    encoded = encode_track(wav(samples), CARD)
    return Features(encoded.cqt, encoded.latents, len(samples) / RATE_HZ)


def scores(queries: Sequence[Features], candidates: Sequence[Features]) -> Scores:
    """As a search finds them. What is not compared in full stands behind, in the order of its windows."""
    ranked = preliminary(queries, candidates, CARD)
    found = ranked - 1.0
    for row, query in enumerate(queries):
        best = [int(at) for at in np.argsort(-ranked[row], kind="stable") if candidates[at] is not query]
        best = best[:COMPARED_IN_FULL]
        compared = compare_many(query, (candidates[at] for at in best), CARD)
        found[row, best] = [one.score for one in compared]
    return found


def windows(queries: Sequence[Features], candidates: Sequence[Features]) -> Scores:
    """By the windows alone, both directions."""
    return (preliminary(queries, candidates, CARD) + preliminary(candidates, queries, CARD).T) / 2


def place(query: Features, candidate: Features) -> Place | None:
    """The middle of the strongest evidence; None where the verdict says that there is none."""
    evidence = compare(query, candidate, CARD).evidence
    if not evidence:
        return None
    best = evidence[0]
    return (best.query_start_s + best.query_end_s) / 2, (best.candidate_start_s + best.candidate_end_s) / 2


def trust(every: Sequence[Rendition]) -> dict[str, Any]:
    """What verdicts and probabilities of all pairs of a set are worth: every pair is compared in full."""
    heard = [features(one.samples()) for one in every]
    works = np.array([one.work for one in every])
    p_match, p_chance, called = [np.zeros((len(heard), len(heard))) for _ in range(3)]
    for row, query in enumerate(heard):
        for column, found in enumerate(compare_many(query, heard, CARD)):
            p_match[row, column], p_chance[row, column] = found.p_match or 0.0, found.p_chance or 1.0
            called[row, column] = found.verdict == "same_composition"
    pairs = ~np.eye(len(heard), dtype=bool)
    same = (works[:, None] == works[None, :])[pairs]
    return {
        "pairs": int(pairs.sum()),
        "brier": measures.brier(p_match[pairs], same),
        "base_brier": measures.base_brier(same),
        "p_chance_ks_of_strangers": measures.ks_to_uniform(p_chance[pairs][~same]),
        "called_same_composition": float(called[pairs][same].mean()),
        "strangers_called_so": int(called[pairs][~same].sum()),
        "strangers": int((~same).sum()),
    }


SHIPPED = System(f"soundtrace, {CARD.model_version}", features, scores, place)
WINDOWS = System(f"{CARD.model_version}, windows alone", features, windows)
