"""Which peaks are taken together: a peak and one that follows it, or a peak and three."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.fingerprint.peaks import Points

Members = NDArray[np.int32]  # (tuples, 2 or 4), numbers of points, the anchor first


class Choice(NamedTuple):
    """How many tuples are made.

    Attributes:
        anchor_rank, follower_rank: only points of a smaller rank are anchors, and followers.
        followers: of an anchor, the strongest.
        nearest_s, farthest_s: how long after the anchor they may come.
        reach_bands: how far above or below it they may lie.
        lead_s: how much later than the two others the last of three must come.
        span_s: how much later than the anchor.
    """

    anchor_rank: int
    follower_rank: int
    followers: int
    nearest_s: float
    farthest_s: float
    reach_bands: float
    lead_s: float = 0.0
    span_s: float = 0.0


def pairs(found: Points, choice: Choice) -> Members:
    """Anchor and follower, int32 (pairs, 2)."""
    return _pairs(_followers(found.times_s, found.bands, found.strengths_db, found.ranks, choice))


def quads(found: Points, choice: Choice) -> Members:
    """Anchor, the last of three followers, and the two between in order of time, int32 (quads, 4)."""
    followers = _followers(found.times_s, found.bands, found.strengths_db, found.ranks, choice)
    return _quads(followers, found.times_s, choice.lead_s, choice.span_s)


@njit(cache=True)
def _followers(
    times_s: NDArray[np.float64],
    bands: NDArray[np.float64],
    strengths_db: NDArray[np.float64],
    ranks: NDArray[np.int64],
    choice: Choice,
) -> NDArray[np.int32]:
    """Of each point its strongest followers in order of time, int32 (points, most), filled up with -1."""
    most = choice.followers
    found = np.full((len(times_s), most), -1, np.int32)
    strengths = np.empty(most)
    for i in range(len(times_s)):
        if ranks[i] >= choice.anchor_rank:
            continue
        count = 0
        for j in range(i + 1, len(times_s)):
            late_s = times_s[j] - times_s[i]
            if late_s > choice.farthest_s:
                break
            if late_s < choice.nearest_s or ranks[j] >= choice.follower_rank:
                continue
            if abs(bands[j] - bands[i]) > choice.reach_bands:
                continue
            if count == most and strengths_db[j] <= strengths[most - 1]:
                continue
            # Kept by strength while they are gathered: of equal ones the first stays.
            place = min(count, most - 1)
            while place > 0 and strengths[place - 1] < strengths_db[j]:
                found[i, place], strengths[place] = found[i, place - 1], strengths[place - 1]
                place -= 1
            found[i, place], strengths[place] = j, strengths_db[j]
            count = min(count + 1, most)
        found[i, :count].sort()
    return found


@njit(cache=True)
def _pairs(followers: NDArray[np.int32]) -> NDArray[np.int32]:
    made = np.empty(((followers >= 0).sum(), 2), np.int32)
    row = 0
    for i in range(len(followers)):
        for j in followers[i]:
            if j < 0:
                break
            made[row, 0], made[row, 1] = i, j
            row += 1
    return made


@njit(cache=True)
def _quads(
    followers: NDArray[np.int32], times_s: NDArray[np.float64], lead_s: float, span_s: float
) -> NDArray[np.int32]:
    """All three of each anchor's followers whose last comes late enough."""
    count = 0
    for times in range(2):  # first they are counted, then written
        made = np.empty((count if times else 0, 4), np.int32)
        count = 0
        for i in range(len(followers)):
            many = 0
            while many < followers.shape[1] and followers[i, many] >= 0:
                many += 1
            for last in range(2, many):
                b = followers[i, last]
                if times_s[b] - times_s[i] < span_s:
                    continue
                for second in range(1, last):
                    d = followers[i, second]
                    if times_s[b] - times_s[d] < lead_s:
                        break
                    for first in range(second):
                        if times:
                            made[count, 0], made[count, 1] = i, b
                            made[count, 2], made[count, 3] = followers[i, first], d
                        count += 1
    return made
