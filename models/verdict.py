"""Compare: everything that one match says about a pair of tracks, and the verdict that the figures can carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models import align
from models.align import Alignment, Harmony
from models.card import Card, Matching
from models.chroma import chroma
from models.latents import window_range_s
from models.score import Similarities, WindowScores, matched_windows, similarities, window_scores

Verdict = Literal["same_composition", "style_only", "no_relation"]

SHOWN_WINDOWS = 10  # contract, A6


@dataclass(frozen=True, slots=True)
class Features:
    """What matching needs of one track: the stored artifacts and its length.

    Attributes:
        cqt: uint8 (bins, frames).
        latents: float32 (windows, latent_dim).
        duration_s: of the decoded track.
    """

    cqt: NDArray[np.uint8]
    latents: NDArray[np.float32]
    duration_s: float


@dataclass(frozen=True, slots=True)
class MatchedWindow:
    """A pair of similar windows and their seconds, (start, end), in both tracks."""

    query_index: int
    candidate_index: int
    similarity_score: float
    query_range_s: tuple[float, float]
    candidate_range_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One match at depth `track`, unrounded.

    Attributes:
        score: 0..1, the alignment's: it separates better than the windows' (`measured` on the card).
        metric: name of what `score` is.
        verdict: see `verdict_of`.
        why: a sentence where there is no evidence, else None.
        evidence: alignments that carry the verdict, strongest first; empty unless same_composition.
        windows: the latent figures of the full mix.
        matched_windows: the best ten pairs, all when verbose.
        window_similarities: when verbose the whole matrix, float32 (query windows, candidate windows), else None.
    """

    score: float
    metric: Literal["qmax"]
    verdict: Verdict
    why: str | None
    evidence: tuple[Alignment, ...]
    windows: WindowScores
    matched_windows: tuple[MatchedWindow, ...]
    window_similarities: NDArray[np.float32] | None


def compare(query: Features, candidate: Features, card: Card, verbose: bool = False) -> Comparison:
    """Compare one query with one candidate. The figures are one-sided: how much of the query the candidate holds."""
    return next(compare_many(query, (candidate,), card, verbose))


def identical(found: Comparison, duration_s: float) -> Comparison:
    """The comparison of a track with its own bytes: the same from end to end, even where nothing can be aligned."""
    whole = Alignment(1.0, 0.0, 0.0, 0, 1.0, 0.0, duration_s, 0.0, duration_s)
    return replace(found, score=1.0, verdict="same_composition", why=None, evidence=(whole,))


def compare_many(
    query: Features, candidates: Iterable[Features], card: Card, verbose: bool = False
) -> Iterator[Comparison]:
    """Compare one query with many candidates, in their order; what concerns only the query is computed once."""
    heard = _harmony(query, card)
    raised = align.transposed(heard, card.matching)
    for candidate in candidates:
        found = align.align(heard, raised, _harmony(candidate, card), card)
        yield _comparison(query, candidate, found, card, verbose)


def compare_all(
    queries: Sequence[Features], candidates: Sequence[Features], card: Card, verbose: bool = False
) -> list[list[Comparison]]:
    """Compare every query with every candidate, in their orders; each track is prepared once."""
    prepared = [_harmony(candidate, card) for candidate in candidates]
    answers = []
    for query in queries:
        heard = _harmony(query, card)
        raised = align.transposed(heard, card.matching)
        found = [align.align(heard, raised, harmony, card) for harmony in prepared]
        pairs = zip(candidates, found, strict=True)
        answers.append([_comparison(query, candidate, run, card, verbose) for candidate, run in pairs])
    return answers


def _comparison(query: Features, candidate: Features, found: Alignment | None, card: Card, verbose: bool) -> Comparison:
    verdict = verdict_of(found, card.matching)
    alike = similarities(query.latents, candidate.latents)
    evidence = (found,) if found is not None and verdict == "same_composition" else ()
    return Comparison(
        score=0.0 if found is None else found.score,
        metric="qmax",
        verdict=verdict,
        why=None if evidence else _why(query, candidate, found),
        evidence=evidence,
        windows=window_scores(alike),
        matched_windows=_matched_windows(alike, query, candidate, card, verbose),
        window_similarities=alike if verbose else None,
    )


def verdict_of(alignment: Alignment | None, matching: Matching) -> Verdict:
    """What the alignment proves.

    The same composition is either a run that outweighs by far what strangers of these lengths reach, or, for a short
    query, a weighty run which holds nearly all of it. The thresholds are on the card, with the strangers measured.
    """
    if alignment is None:
        return "no_relation"
    nearly_all = alignment.score >= matching.composition_share and alignment.qmax >= matching.composition_weight
    if nearly_all or alignment.qmax >= matching.composition_ratio * alignment.chance:
        return "same_composition"
    return "style_only" if alignment.qmax >= matching.style_ratio * alignment.chance else "no_relation"


def _harmony(track: Features, card: Card) -> Harmony:
    return align.harmony(chroma(track.cqt, card.hearing), track.duration_s, card.matching)


def _matched_windows(
    alike: Similarities, query: Features, candidate: Features, card: Card, verbose: bool
) -> tuple[MatchedWindow, ...]:
    return tuple(
        MatchedWindow(
            match.query_index,
            match.candidate_index,
            match.similarity,
            window_range_s(match.query_index, query.duration_s, card.hearing),
            window_range_s(match.candidate_index, candidate.duration_s, card.hearing),
        )
        for match in matched_windows(alike, None if verbose else SHOWN_WINDOWS)
    )


def _why(query: Features, candidate: Features, alignment: Alignment | None) -> str:
    for side, track in (("query", query), ("candidate", candidate)):
        if not track.cqt.any():
            return f"The {side} is silent."
    if alignment is None:
        return "One side is too short, or has no changing pitch, so nothing can be aligned."
    shared_s = alignment.query_end_s - alignment.query_start_s
    return f"The longest stretch of like harmony, {shared_s:.0f} s, is no stronger than unrelated music reaches."
