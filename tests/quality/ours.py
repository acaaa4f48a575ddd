"""The shipped encoders, through the functions that the pipeline calls: ranked by windows, the best compared in full.

All renditions that are searched among are one library, as in a dataset: where it has fifty unrelated ones its own
strangers say what a score is worth.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from models import library
from models.card import Card
from models.hear import encode_track
from models.library import Cohort
from models.verdict import Features, compare_many, preliminary
from streams import cards
from streams.cohort import EXAMINED
from streams.settings import Settings
from tests.quality import measures
from tests.quality.changes import RATE_HZ, Samples, wav
from tests.quality.peers import Place, Scores, System
from tests.quality.renditions import Rendition

CARDS = tuple(cards.current(encoder_type) for encoder_type in ("type2", "type1"))
COMPARED_IN_FULL = Settings.model_fields["compared_in_full"].default


def features(samples: Samples, card: Card) -> Features:
    data = wav(samples)
    encoded = encode_track(data, card)
    return Features(encoded.cqt, encoded.latents, len(samples) / RATE_HZ, hashlib.sha256(data).hexdigest())


def strangers(heard: Sequence[Features], card: Card) -> Cohort | None:
    """As `streams.cohort` chooses them."""
    drawn = sorted({one.name: one.latents for one in heard}.items())[:EXAMINED]
    return library.cohort(drawn, card)


def shipped(card: Card, searched: Sequence[Features]) -> System:
    """As a search in the dataset of all that is `searched` finds."""
    among = strangers(searched, card)
    hear, place = partial(features, card=card), partial(_place, card=card, among=among)
    return System(f"soundtrace, {card.model_version}", hear, partial(_scores, card=card, among=among), place)


def pairs_alone(card: Card) -> System:
    """Each pair as if there were no library: as `soundtrace compare`, and a small dataset, tell it."""
    return System(
        f"{card.model_version}, no library", partial(features, card=card), partial(_scores, card=card, among=None)
    )


def windows(card: Card) -> System:
    """By the windows alone."""
    return System(f"{card.model_version}, windows alone", partial(features, card=card), partial(preliminary, card=card))


def trust(sets: dict[str, Sequence[Rendition]], card: Card) -> dict[str, Any]:
    """What verdicts and probabilities are worth: all pairs of all sets as one library, and of each set alone."""
    every = [one for some in sets.values() for one in some]
    heard = [features(one.samples(), card) for one in every]
    works = np.array([one.work for one in every])
    of_set = np.array([name for name, some in sets.items() for _ in some])
    told: dict[str, Any] = {}
    for way, among in (("library", strangers(heard, card)), ("no library", None)):
        p_match, p_chance, called = [np.zeros((len(heard), len(heard))) for _ in range(3)]
        for row, query in enumerate(heard):
            for column, found in enumerate(compare_many(query, heard, card, among=among)):
                p_match[row, column], p_chance[row, column] = found.p_match or 0.0, found.p_chance or 1.0
                called[row, column] = found.verdict == "same_composition"
        different, same = ~np.eye(len(heard), dtype=bool), works[:, None] == works[None, :]
        told[way] = {
            "cohort": 0 if among is None else len(among.names),
            "worth": {
                name: _worth(p_match[pairs], p_chance[pairs], called[pairs], same[pairs])
                for name, pairs in {
                    "both together": different,
                    **{name: different & (of_set == name)[:, None] & (of_set == name)[None, :] for name in sets},
                }.items()
            },
            "p_chance_quantiles": np.quantile(p_chance[~same], np.linspace(0, 1, 101)).round(5).tolist(),
        }
    return told


def _worth(p_match: Scores, p_chance: Scores, called: Scores, same: Scores) -> dict[str, float]:
    return {
        "pairs": len(same),
        "brier": measures.brier(p_match, same),
        "base_brier": measures.base_brier(same),
        "p_chance_ks_of_strangers": measures.ks_to_uniform(p_chance[~same]),
        "called_same_composition": float(called[same].mean()),
        "strangers_called_so": int(called[~same].sum()),
        "strangers": int((~same).sum()),
    }


def _scores(queries: Sequence[Features], candidates: Sequence[Features], card: Card, among: Cohort | None) -> Scores:
    """As a search finds them. What is not compared in full stands behind, in the order of its windows."""
    ranked = preliminary(queries, candidates, card)
    found = ranked - 1.0
    for row, query in enumerate(queries):
        best = [int(at) for at in np.argsort(-ranked[row], kind="stable") if candidates[at] is not query]
        best = best[:COMPARED_IN_FULL]
        compared = compare_many(query, (candidates[at] for at in best), card, among=among)
        found[row, best] = [one.score for one in compared]
    return found


def _place(query: Features, candidate: Features, card: Card, among: Cohort | None) -> Place | None:
    """The middle of the strongest evidence; None where the verdict says that there is none."""
    (found,) = compare_many(query, [candidate], card, among=among)
    if not found.evidence:
        return None
    best = found.evidence[0]
    return (best.query_start_s + best.query_end_s) / 2, (best.candidate_start_s + best.candidate_end_s) / 2
