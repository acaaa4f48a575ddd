"""From scores to probabilities: how likely two tracks are one composition, and how likely strangers score as much."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from models.card import Calibration, Null

LEAST_CHANCE = 1e-6  # what some ten thousand pairs of strangers cannot tell from never
LEAST_SD = 1e-3
# How often by chance the least of what several layers say is as small: as of so many that are independent. They hardly
# are: two layers of windows 1.1 (performances) and 1.6 (bands), melodies beside them 1.15 and 1.65, of 240 pairs of
# strangers each. Bonferroni's two and two would be 0.66 off the uniform distribution, this is 0.05 (2026-11-22).
LOOKS = 1.3


def standardised(score: float, query_units: int, candidate_units: int, null: Null) -> float:
    """How many standard deviations a score lies above the mean of strangers with as many windows; -inf without any."""
    if not query_units or not candidate_units:
        return -math.inf
    q, c = math.log(query_units), math.log(candidate_units)
    mean = null.mean + null.mean_query * q + null.mean_candidate * c
    return (score - mean) / max(null.sd * math.exp(null.sd_query * q + null.sd_candidate * c), LEAST_SD)


def p_match(z: float, calibration: Calibration) -> float:
    """Probability, 0..1, that two tracks of this standardised score are one composition, at the shipped prior.

    The prior is that of the pairs of the fit: `positives` of `n_pairs`.
    """
    if z == -math.inf:
        return 0.0
    return float(_logistic(np.array(calibration.slope * z + calibration.intercept)))


def p_chance(z: float) -> float:
    """Probability that a stranger scores at least this, 1e-6..1: the upper tail of a normal distribution."""
    return min(max(0.5 * math.erfc(z / math.sqrt(2.0)), LEAST_CHANCE), 1.0)


def p_least(chances: Sequence[float]) -> float:
    """The chance, 0..1, that the least of what several layers say of strangers is so small.

    Šidák 1967, "Rectangular confidence regions", with `LOOKS` for the number of layers.

    Args:
        chances: of each layer that was looked at, one at least; one alone stays as it is.
    """
    least = min(chances)
    if len(chances) == 1 or least >= 1:
        return least
    return -math.expm1(LOOKS * math.log1p(-least))


def fit_null(scores: ArrayLike, query_units: ArrayLike, candidate_units: ArrayLike) -> Null:
    """The spread of strangers' scores, by least squares on the logarithms of both sides' windows.

    Args:
        scores, query_units, candidate_units: of pairs of strangers, each (pairs,).
    """
    score = np.asarray(scores, np.float64)
    sizes = [np.log(np.asarray(units, np.float64)) for units in (query_units, candidate_units)]
    axes = np.stack([np.ones_like(score), *sizes], axis=1)
    mean = np.linalg.lstsq(axes, score, rcond=None)[0]
    off = np.abs(score - axes @ mean)
    spread = np.linalg.lstsq(axes, np.log(np.maximum(off, LEAST_SD)), rcond=None)[0]
    # What is left is a factor: so that the standardised scores have unit variance.
    factor = float(np.sqrt(np.mean((off / np.exp(axes @ spread)) ** 2)))
    return Null(
        mean=float(mean[0]),
        mean_query=float(mean[1]),
        mean_candidate=float(mean[2]),
        sd=float(np.exp(spread[0])) * factor,
        sd_query=float(spread[1]),
        sd_candidate=float(spread[2]),
        n_pairs=len(score),
    )


def fit(
    scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None, *, date: str = "", material: str = ""
) -> Calibration:
    """The logistic curve that fits best, with Platt's targets, so that separable pairs do not make it infinitely steep.

    Platt 1999, "Probabilistic outputs for support vector machines".

    Args:
        scores: standardised scores of pairs, (pairs,).
        labels: whether each is of one composition, (pairs,).
        weights: of how many pairs each is a sample, (pairs,); None: each stands for itself.
        date, material: kept on the calibration.
    Raises: ValueError unless there are pairs of both kinds.
    """
    score, same = np.asarray(scores, np.float64), np.asarray(labels, bool)
    n_pairs, positives = len(same), int(same.sum())
    if not 0 < positives < n_pairs:
        raise ValueError(f"{positives} of {n_pairs} pairs are of one composition: both kinds are needed")
    weight = np.ones(n_pairs) if weights is None else np.asarray(weights, np.float64)
    weight = weight / weight.sum()
    target = np.where(same, (positives + 1) / (positives + 2), 1 / (n_pairs - positives + 2))
    middle, spread = float(score.mean()), float(score.std()) or 1.0
    unit = (score - middle) / spread  # so that both parameters are of one size

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Mean negative log likelihood, and its gradient."""
        tilt = parameters[0] * unit + parameters[1]
        off = _logistic(tilt) - target
        gradient = np.array([(weight * off * unit).sum(), (weight * off).sum()])
        return float((weight * (np.logaddexp(0, tilt) - target * tilt)).sum()), gradient

    tilt, shift = minimize(loss, np.zeros(2), jac=True, method="BFGS").x
    slope, intercept = float(tilt / spread), float(shift - tilt * middle / spread)
    share = float((weight * same).sum())
    found = _logistic(slope * score + intercept)
    return Calibration(
        slope=slope,
        intercept=intercept,
        n_pairs=n_pairs,
        positives=positives,
        brier=float((weight * (found - same) ** 2).sum()),
        base_brier=share * (1 - share),
        date=date,
        material=material,
    )


def _logistic(tilt: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0.0, -tilt)))
