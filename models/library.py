"""A library's own strangers: what a score is worth in one catalogue, told by the music that is in it.

How high unrelated music scores depends on the music: an orchestral library's tracks are all more alike than those of a
mixed one, and some tracks are a little like everything. So each side's score is seen against what that side reaches
with some two hundred fixed strangers of the same library: S-norm, as in speaker verification (Kenny 2010, "Bayesian
speaker verification with heavy-tailed priors"), with the median and the spread up to the 84 % quantile instead of mean
and deviation, which a few relatives among the strangers would spoil. The chance that a stranger scores as much is
counted among the query's own strangers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.calibration import LEAST_CHANCE, p_match
from models.card import Card, LibraryMatching
from models.score import Latents, agreements

LEAST_TRACKS = 50  # fewer strangers do not tell a median and a spread (research of 2026-11)
MOST_TRACKS = 200
LEAST_SPREAD = 0.02  # of agreements, however alike the strangers are
LEAST_EXCESS = 0.1  # of standardised scores over the nearest tenth's first
RELATED_P = 0.5  # a cohort's track this likely of the query's composition is no stranger to it
TAIL = 0.1  # the share of the strangers, the nearest ones, by which chances beyond all of them are told
SCORE_SLOPE = 0.25  # of the score's curve: flat enough that the same recording and its re-encoding stay apart


@dataclass(frozen=True, slots=True)
class Norm:
    """What a track's agreement with strangers is like: their median, and from there to the 84 % quantile."""

    median: float
    spread: float


@dataclass(frozen=True, slots=True)
class Cohort:
    """The fixed strangers of a library.

    Attributes:
        names: what the library calls them.
        latents: of each, float32 (windows, dim).
        norms: of each among the others.
    """

    names: tuple[str, ...]
    latents: tuple[Latents, ...]
    norms: tuple[Norm, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """A query among the strangers of a library.

    Attributes:
        norm: of the query.
        strangers: standardised scores of the cohort's tracks that are no relatives of the query, by name.
        norms: of the cohort's tracks, by name.
    """

    cohort: Cohort
    norm: Norm
    strangers: Mapping[str, float]
    norms: Mapping[str, Norm] = field(repr=False)


def cohort(tracks: Sequence[tuple[str, Latents]], card: Card) -> Cohort | None:
    """The strangers of a library: the first `MOST_TRACKS` of the tracks which are related to none before them.

    Args:
        tracks: names and latents, in an order that has nothing to do with the music.
    Returns:
        None where fewer than `LEAST_TRACKS` are unrelated.
    """
    least = _library(card).related_agreement
    alike = agreements([latents for _, latents in tracks], [latents for _, latents in tracks])
    chosen: list[int] = []
    for place, (_, latents) in enumerate(tracks):
        if len(chosen) < MOST_TRACKS and latents.any() and (alike[place, chosen] < least).all():
            chosen.append(place)
    if len(chosen) < LEAST_TRACKS:
        return None
    among = alike[np.ix_(chosen, chosen)]
    norms = tuple(_norm(np.delete(row, place)) for place, row in enumerate(among))
    return Cohort(tuple(tracks[place][0] for place in chosen), tuple(tracks[place][1] for place in chosen), norms)


def standing(name: str, latents: Latents, among: Cohort, card: Card) -> Standing:
    """Where a query stands among the strangers of a library, which may hold the query itself and its relatives."""
    library = _library(card)
    alike = agreements([latents], among.latents)[0]
    others = np.array([other != name for other in among.names])
    norm = _norm(alike[others])
    z = {
        other: _standardised(float(score), norm, theirs)
        for other, score, theirs in zip(among.names, alike, among.norms, strict=True)
        if other != name
    }
    strangers = {other: value for other, value in z.items() if p_match(value, library.calibration) < RELATED_P}
    return Standing(among, norm, strangers, dict(zip(among.names, among.norms, strict=True)))


def norm_of(name: str, latents: Latents, query: Standing) -> Norm:
    """The norm of a candidate among the same strangers: kept where it is one of them."""
    return query.norms.get(name) or _norm(agreements([latents], query.cohort.latents)[0])


def standardised(agreement: float, qmax: float, query: Standing, candidate: Norm, card: Card) -> float:
    """How many spreads a candidate lies above the strangers of both sides, neither of which is silent.

    Strangers' harmony reaches next to nothing above the floor, so that windows alone tell their median and spread.
    """
    library = _library(card)
    score = agreement + library.harmony_weight * max(0.0, qmax - library.harmony_floor)
    return _standardised(score, query.norm, candidate)


def chance(name: str, z: float, query: Standing) -> float:
    """How likely a stranger of this library scores at least this against the query: (k + 1) / (n + 1).

    Beyond all strangers it falls on as the nearest tenth of them does, exponentially (Pickands 1975, "Statistical
    inference using extreme order statistics"), down to 1e-6.
    """
    others = np.sort([value for other, value in query.strangers.items() if other != name])
    if z == -math.inf or not len(others):
        return 1.0
    chance = (1 + int((others >= z).sum())) / (len(others) + 1)
    if z > others[-1]:
        tail = others[-max(2, round(TAIL * len(others))) :]
        chance *= math.exp(-(z - float(tail[-1])) / max(float((tail - tail[0])[1:].mean()), LEAST_EXCESS))
    return max(chance, LEAST_CHANCE)


def score(z: float, card: Card) -> float:
    """A standardised score as 0..1: 0.5 where the same composition is as likely as not, and rising slowly from there.

    It orders as `p_match` does, of which most that is the same has 1.000.
    """
    calibration = _library(card).calibration
    return 0.0 if z == -math.inf else 1 / (1 + math.exp(-SCORE_SLOPE * (z + calibration.intercept / calibration.slope)))


def _norm(agreed: NDArray[np.float64]) -> Norm:
    median, upper = np.quantile(agreed, (0.5, 0.84))
    return Norm(float(median), max(float(upper - median), LEAST_SPREAD))


def _standardised(score: float, query: Norm, candidate: Norm) -> float:
    return ((score - query.median) / query.spread + (score - candidate.median) / candidate.spread) / 2


def _library(card: Card) -> LibraryMatching:
    if card.library is None:
        raise TypeError(f"card '{card.name}' has no windows that a library could normalise")
    return card.library
