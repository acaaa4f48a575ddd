"""Compare: everything that one match says about a pair of tracks, and the verdict that the figures can carry.

Where the card is of a network, the score is made of what its windows and the alignment of harmony give, which know
different things, and in a library also of what its strangers reach (`models.library`). The verdict is the stronger of
what a probability calibrated on that score, and the alignment by itself, prove. Without a network the alignment is
both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models import align, library, score
from models.align import Alignment, Harmony
from models.calibration import p_chance, p_match, standardised
from models.card import Card, LatentMatching, LibraryMatching, Matching
from models.chroma import chroma
from models.latent_align import align_latents
from models.latents import WindowAxis, window_range_s
from models.library import Cohort, Standing
from models.score import Similarities, WindowScores

Verdict = Literal["same_composition", "style_only", "no_relation"]
VERDICTS: tuple[Verdict, ...] = ("no_relation", "style_only", "same_composition")  # from weak to strong

SHOWN_WINDOWS = 10  # contract, A6


@dataclass(frozen=True, slots=True)
class Features:
    """What matching needs of one track: the stored artifacts and its length.

    Attributes:
        cqt: uint8 (bins, frames). None: there is no alignment of harmony, which only the score of a network can do
            without.
        latents: float32 (windows, latent_dim).
        duration_s: of the decoded track.
        name: what the library calls it, where there is one.
    """

    cqt: NDArray[np.uint8] | None
    latents: NDArray[np.float32]
    duration_s: float
    name: str = ""


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
        score: 0..1, see `metric`.
        metric: what `score` is. `agreement_qmax`: the mean of `agreement` and `qmax`. `library_normalised`: both as
            seen against the library's strangers, 0.5 where the same composition is as likely as not. `qmax`, which is
            one-sided, with the classical encoder. `agreement`: by itself, of drums, with which nothing is calibrated.
        verdict: see `verdict_of` and `verdict_of_p`.
        why: a sentence where it is not the same composition, else None.
        evidence: alignments, strongest first: what carries the verdict, and an alignment of harmony that would carry
            it alone; none where there is no relation.
        windows: the latent figures of the full mix.
        matched_windows: the best ten pairs, all when verbose.
        window_similarities: when verbose the whole matrix, float32 (query windows, candidate windows), else None.
        agreement: 0..1, how much of each other's windows both sides hold.
        qmax: 0..1, the score of the alignment of harmony; None where a side's CQT was not given.
        p_match: probability of the same composition; None where nothing is calibrated.
        p_chance: probability that a stranger scores at least this; None where nothing is calibrated.
        strangers: among how many of the library's tracks that was counted; None where the card tells it.
    """

    score: float
    metric: Literal["qmax", "agreement_qmax", "library_normalised", "agreement"]
    verdict: Verdict
    why: str | None
    evidence: tuple[Alignment, ...]
    windows: WindowScores
    matched_windows: tuple[MatchedWindow, ...]
    window_similarities: NDArray[np.float32] | None
    agreement: float
    qmax: float | None
    p_match: float | None = None
    p_chance: float | None = None
    strangers: int | None = None


def preliminary(queries: Sequence[Features], candidates: Sequence[Features], card: Card) -> NDArray[np.float64]:
    """By what the candidates are chosen which `compare` is worth while for, (queries, candidates).

    With a network it is how far the windows agree, one matrix product, and reads latents only; without, the score.
    """
    if card.latent_matching is not None:
        return score.agreements([query.latents for query in queries], [other.latents for other in candidates])
    prepared = [_harmony(candidate, card) for candidate in candidates]
    found = np.zeros((len(queries), len(candidates)))
    for row, query in enumerate(queries):
        heard = _harmony(query, card)
        raised = align.transposed(heard, card.matching)
        runs = (align.align(heard, raised, harmony, card) for harmony in prepared)
        found[row] = [0.0 if run is None else run.score for run in runs]
    return found


def compare(query: Features, candidate: Features, card: Card, verbose: bool = False) -> Comparison:
    """Compare one query with one candidate, without a library."""
    return next(compare_many(query, (candidate,), card, verbose))


def identical(found: Comparison, duration_s: float) -> Comparison:
    """The comparison of a track with its own bytes: the same from end to end, even where nothing can be aligned."""
    whole = Alignment(1.0, 0.0, 0.0, 0, 1.0, 0.0, duration_s, 0.0, duration_s)
    certain = None if found.p_match is None else 1.0
    return replace(found, score=1.0, verdict="same_composition", why=None, evidence=(whole,), qmax=1.0, p_match=certain)


def compare_many(
    query: Features, candidates: Iterable[Features], card: Card, verbose: bool = False, among: Cohort | None = None
) -> Iterator[Comparison]:
    """Compare one query with many candidates, in their order; what concerns only the query is computed once.

    `among`: the strangers of the library that the candidates are of, with which only a network's card does anything.
    """
    heard = _harmony(query, card)
    raised = align.transposed(heard, card.matching)
    normed = None
    if among is not None and card.library is not None:
        normed = library.standing(query.name, query.latents, among, card)
    for candidate in candidates:
        pair = _Pair(query, candidate, heard, _harmony(candidate, card))
        run = align.align(heard, raised, pair.against, card)
        alike = score.similarities(query.latents, candidate.latents)
        told = _by_harmony(pair, run, alike, card, verbose)
        yield told if card.latent_matching is None else _by_latents(told, pair, alike, normed, card)


def by_windows(query: Features, candidate: Features, hearing: WindowAxis, verbose: bool = False) -> Comparison:
    """Compare what is heard in windows alone, of which no verdict is calibrated: it ranks, and says where."""
    alike = score.similarities(query.latents, candidate.latents)
    units, others = score.sounding(query.latents), score.sounding(candidate.latents)
    agreed = score.agreement(alike, units, others)
    return Comparison(
        score=agreed,
        metric="agreement",
        verdict="no_relation",
        why=None,
        evidence=(),
        windows=score.window_scores(alike, units),
        matched_windows=_matched_windows(alike, query, candidate, hearing, verbose),
        window_similarities=alike if verbose else None,
        agreement=agreed,
        qmax=None,
    )


def verdict_of(alignment: Alignment | None, matching: Matching) -> Verdict:
    """What an alignment of harmony proves.

    The same composition is either a run that outweighs by far what strangers of these lengths reach, or, for a short
    query, a weighty run which holds nearly all of it. The thresholds are on the card, with the strangers measured.
    """
    if alignment is None:
        return "no_relation"
    nearly_all = alignment.score >= matching.composition_share and alignment.qmax >= matching.composition_weight
    if nearly_all or alignment.qmax >= matching.composition_ratio * alignment.chance:
        return "same_composition"
    return "style_only" if alignment.qmax >= matching.style_ratio * alignment.chance else "no_relation"


def verdict_of_p(probability: float, matching: LatentMatching | LibraryMatching) -> Verdict:
    """What a calibrated probability of the same composition is called."""
    if probability >= matching.same_composition_p:
        return "same_composition"
    return "style_only" if probability >= matching.style_only_p else "no_relation"


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two tracks, and the harmony of each."""

    query: Features
    candidate: Features
    heard: Harmony
    against: Harmony


def _by_harmony(pair: _Pair, run: Alignment | None, alike: Similarities, card: Card, verbose: bool) -> Comparison:
    """The comparison as the alignment of harmony has it."""
    verdict = verdict_of(run, card.matching)
    evidence = (run,) if run is not None and verdict == "same_composition" else ()
    reached = 0.0 if run is None else run.score
    units = score.sounding(pair.query.latents)
    unread = pair.query.cqt is None or pair.candidate.cqt is None
    return Comparison(
        score=reached,
        metric="qmax",
        verdict=verdict,
        why=None if evidence else _why_not_harmony(pair, run),
        evidence=evidence,
        windows=score.window_scores(alike, units),
        matched_windows=_matched_windows(alike, pair.query, pair.candidate, card.hearing, verbose),
        window_similarities=alike if verbose else None,
        agreement=score.agreement(alike, units, score.sounding(pair.candidate.latents)),
        qmax=None if unread else reached,
    )


def _by_latents(told: Comparison, pair: _Pair, alike: Similarities, normed: Standing | None, card: Card) -> Comparison:
    """The same comparison with a network's windows: the verdict is the stronger of what they and the harmony prove."""
    assert card.latent_matching is not None
    units = score.sounding(pair.query.latents)
    judged = _judged(told, pair, card) if normed is None else _judged_among(told, pair, normed, card)
    assert judged.p_match is not None
    thresholds = card.latent_matching if normed is None else card.library
    assert thresholds is not None
    verdict = max(told.verdict, verdict_of_p(judged.p_match, thresholds), key=VERDICTS.index)
    evidence = list(told.evidence)
    if verdict != "no_relation" and not evidence:  # harmony tells places more finely, where it tells them
        durations_s = (pair.query.duration_s, pair.candidate.duration_s)
        course = align_latents(alike, units, durations_s, card.hearing, card.latent_matching)
        if course is not None:
            semitones = align.transposition(pair.heard, pair.against, course, card)
            evidence.append(replace(course, transposition_semitones=semitones))
    return replace(
        judged,
        verdict=verdict,
        why=None if verdict == "same_composition" else _why_not_latents(pair, verdict),
        evidence=tuple(evidence),
    )


def _judged(told: Comparison, pair: _Pair, card: Card) -> Comparison:
    """By what the card says of strangers."""
    assert card.calibration is not None
    assert card.null is not None
    both = (told.agreement + (told.qmax or 0.0)) / 2
    units = score.sounding(pair.query.latents), score.sounding(pair.candidate.latents)
    z = standardised(both, *units, card.null)
    return replace(
        told, score=both, metric="agreement_qmax", p_match=p_match(z, card.calibration), p_chance=p_chance(z)
    )


def _judged_among(told: Comparison, pair: _Pair, normed: Standing, card: Card) -> Comparison:
    """By what the library's own strangers reach."""
    assert card.library is not None
    name, latents = pair.candidate.name, pair.candidate.latents
    z = -math.inf
    if score.sounding(pair.query.latents) and score.sounding(latents):
        norm = library.norm_of(name, latents, normed)
        z = library.standardised(told.agreement, told.qmax or 0.0, normed, norm, card)
    return replace(
        told,
        score=library.score(z, card),
        metric="library_normalised",
        p_match=p_match(z, card.library.calibration),
        p_chance=library.chance(name, z, normed),
        strangers=len(normed.strangers),
    )


def _harmony(track: Features, card: Card) -> Harmony:
    cqt = np.zeros((card.hearing.bins, 0), np.uint8) if track.cqt is None else track.cqt
    return align.harmony(chroma(cqt, card.hearing), track.duration_s, card.matching)


def _matched_windows(
    alike: Similarities, query: Features, candidate: Features, hearing: WindowAxis, verbose: bool
) -> tuple[MatchedWindow, ...]:
    return tuple(
        MatchedWindow(
            match.query_index,
            match.candidate_index,
            match.similarity,
            window_range_s(match.query_index, query.duration_s, hearing),
            window_range_s(match.candidate_index, candidate.duration_s, hearing),
        )
        for match in score.matched_windows(alike, None if verbose else SHOWN_WINDOWS)
    )


def _why_not_harmony(pair: _Pair, run: Alignment | None) -> str:
    for side, track in (("query", pair.query), ("candidate", pair.candidate)):
        if track.cqt is not None and not track.cqt.any():
            return f"The {side} is silent."
    if run is None:
        return "One side is too short, or has no changing pitch, so nothing can be aligned."
    shared_s = run.query_end_s - run.query_start_s
    return f"The longest stretch of like harmony, {shared_s:.0f} s, is no stronger than unrelated music reaches."


def _why_not_latents(pair: _Pair, verdict: Verdict) -> str:
    for side, track in (("query", pair.query), ("candidate", pair.candidate)):
        if not len(track.latents):
            return f"The {side} is silent."
    if verdict == "style_only":
        return "They are more alike than most unrelated music is, and too little for one composition."
    return "They are no more alike than unrelated music is."
