"""Landmarks: what recordings are looked up by, numbers made of two peaks or of four.

A pair is told by the first peak's frequency, the interval to the second and the time between them: only the recording
itself, at its own pitch and speed, has it again, but two peaks are left of it under speech. A quad is told by its three
intervals in semitones and by how its times divide its span: no transposition and no tempo changes it, but all four
peaks must be left. (Landmark pairs: Wang 2003, "An industrial-strength audio search algorithm"; quads: Sonnleitner and
Widmer 2014, "Quad-based audio fingerprinting robust to time and frequency scaling". Here frequencies are logarithmic,
so a transposition is a shift and all three intervals stay in the key as they are.) Few tuples are stored, many asked.

Choices and residuals were measured on 2026-11-21: over 54 tracks and 27 ways to damage them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.peaks import BANDS_PER_SEMITONE, FRAMES_PER_S, Peaks, Points, points
from models.fingerprint.tuples import Choice, Members, pairs, quads

FIRST_QUAD = 1 << 28  # keys below are pairs'; all are below 2**31
STEPS_PER_S = 100  # of times and spans in a payload

TIME_BITS, BAND_BITS, SPAN_BITS = 20, 8, 12  # of a payload
TRACK_BIT = TIME_BITS + BAND_BITS + SPAN_BITS  # what stands above is the track's number

STORED_PAIRS = Choice(12, 12, 3, nearest_s=0.05, farthest_s=1.0, reach_bands=48)
STORED_QUADS = Choice(10, 12, 4, nearest_s=0.10, farthest_s=1.6, reach_bands=120, lead_s=0.06, span_s=0.4)
# The query's zones are wider by what tempo may do to them.
ASKED_PAIRS = STORED_PAIRS._replace(anchor_rank=30, follower_rank=30, followers=12, nearest_s=0.04)
ASKED_QUADS = Choice(20, 20, 9, nearest_s=0.07, farthest_s=2.1, reach_bands=120, lead_s=0.045, span_s=0.3)
# After a miss; the quads of short queries too (of the 84 hardest of 5 s that finds 92 %, not 87 %, 2026-11-22).
DENSE_PAIRS = ASKED_PAIRS._replace(anchor_rank=40, follower_rank=40, followers=16)
DENSE_QUADS = ASKED_QUADS._replace(anchor_rank=30, follower_rank=30, followers=12)
SHORT_S = 6.0
# Of longer queries fewer are asked, so that there are never more than about two million keys.
LONG_S = 20.0
LONG_PAIRS, LONG_QUADS = ASKED_PAIRS._replace(followers=6), ASKED_QUADS._replace(followers=6)
VERY_LONG_S = 1_500.0
VERY_LONG_PAIRS = ASKED_PAIRS._replace(anchor_rank=20, follower_rank=20, followers=4)
VERY_LONG_QUADS = ASKED_QUADS._replace(anchor_rank=15, follower_rank=15, followers=4)

_RATIO_STEPS = 24  # of a span: halves, thirds, quarters, sixths and eighths lie in the middle of a step
_PAIR_RESIDUALS = (0.25, 0.25, 0.25)  # a field that is rounded off by more is also asked beside
_QUAD_RESIDUALS = (0.33, 0.33, 0.33, 0.20, 0.20)
_PAIR_NEIGHBOURS, _QUAD_NEIGHBOURS = 2, 3  # fields that are, at most: four and eight keys

_TUPLE_BITS = 32  # beside a key, to sort both at once
_BAND_SHIFT = 14  # of the first band in a pair's key

_KeyOf = Callable[[NDArray[np.int64]], NDArray[np.int64]]  # rounded fields (tuples, fields) -> (tuples,)


@dataclass(frozen=True, slots=True)
class Probes:
    """What a query asks for, and what each answer will say.

    Attributes:
        keys: int64 (keys,), rising: what to look up.
        starts: int64 (keys + 1,): probes starts[i]..starts[i + 1] ask for keys[i].
        times_s: float64 (probes,), of the anchor in the query.
        bands: float64 (probes,), of the anchor.
        spans_s: float64 (probes,), from the anchor to the last of its tuple.
        anchors: int64 (probes,), which peak it is.
    """

    keys: NDArray[np.int64]
    starts: NDArray[np.int64]
    times_s: NDArray[np.float64]
    bands: NDArray[np.float64]
    spans_s: NDArray[np.float64]
    anchors: NDArray[np.int64]


def rows(found: Peaks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of a reference's index.

    Returns:
        keys, payloads: int64 (rows,), in order, no row twice; about 65 rows a second. A payload is the anchor's time in
        steps of 10 ms << 20 | its band << 12 | the tuple's span in steps of 10 ms.
    """
    heard = points(found, max(STORED_PAIRS.follower_rank, STORED_QUADS.follower_rank))
    keys, payloads = [], []
    for members, fields, key_of in (
        (made := pairs(heard, STORED_PAIRS), _pair_fields(heard, made), _pair_keys),
        (made := quads(heard, STORED_QUADS), _quad_fields(heard, made), _quad_keys),
    ):
        keys.append(key_of(_rounded(fields)))
        payloads.append(_payloads(heard, members))
    every_key, every_payload = np.concatenate(keys), np.concatenate(payloads)
    order = np.lexsort((every_payload, every_key))
    every_key, every_payload = every_key[order], every_payload[order]
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(every_key) != 0) | (np.diff(every_payload) != 0)
    return every_key[first], every_payload[first]


def rows_together(tracks: Mapping[int, Peaks]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of several tracks as a store would give them: keys rising, payloads with the track's number on top."""
    made = [(number, *rows(found)) for number, found in tracks.items()]
    keys = np.concatenate([np.zeros(0, np.int64), *(keys for _, keys, _ in made)])
    numbered = [payloads | number << TRACK_BIT for number, _, payloads in made]
    order = np.argsort(keys, kind="stable")
    return keys[order], np.concatenate([np.zeros(0, np.int64), *numbered])[order]


def places(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where any of the keys `wanted` stands among `keys`, which rise; int64."""
    first, behind = (np.searchsorted(keys, wanted, side) for side in ("left", "right"))
    counts = behind - first
    found: NDArray[np.int64] = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    return found


def probes(found: Peaks) -> Probes:
    """What a query of any length asks for."""
    heard = points(found)
    duration_s = heard.times_s[-1] - heard.times_s[0] if len(heard) else 0.0
    if duration_s > VERY_LONG_S:
        return probes_of(heard, VERY_LONG_PAIRS, VERY_LONG_QUADS)
    if duration_s > LONG_S:
        return probes_of(heard, LONG_PAIRS, LONG_QUADS)
    return probes_of(heard, ASKED_PAIRS, DENSE_QUADS if duration_s < SHORT_S else ASKED_QUADS)


def probes_of(heard: Points, pair_choice: Choice, quad_choice: Choice | None) -> Probes:
    """What these points ask for; without quads where `quad_choice` is None."""
    made = pairs(heard, pair_choice)
    keys, members = _asked(made, _pair_fields(heard, made), _PAIR_RESIDUALS, _PAIR_NEIGHBOURS, _pair_keys)
    if quad_choice is not None:
        made = quads(heard, quad_choice)
        more, others = _asked(made, _quad_fields(heard, made), _QUAD_RESIDUALS, _QUAD_NEIGHBOURS, _quad_keys)
        keys, members = np.concatenate([keys, more]), np.concatenate([members, others])
    order = np.argsort(keys, kind="stable")
    unique, starts = np.unique(keys[order], return_index=True)
    anchor, last = members[order].T
    return Probes(
        keys=unique,
        starts=np.append(starts, len(order)).astype(np.int64),
        times_s=heard.times_s[anchor],
        bands=heard.bands[anchor],
        spans_s=heard.times_s[last] - heard.times_s[anchor],
        anchors=anchor.astype(np.int64),
    )


def pairs_raised(asked: Probes, bands: int) -> Probes:
    """What a query without quads would ask for were it so much higher. A band that does not exist is nobody's."""
    return replace(asked, keys=asked.keys + (bands << _BAND_SHIFT), bands=asked.bands + bands)


def _asked(
    members: Members,
    fields: NDArray[np.float64],
    residuals: tuple[float, ...],
    neighbours: int,
    key_of: _KeyOf,
) -> tuple[NDArray[np.int64], Members]:
    """The keys of tuples, and of those beside them where a field lies near the border of its step.

    Args:
        members: (tuples, …).
        fields: float64 (tuples, fields).
        residuals: by how much each field may be rounded off.
        neighbours: how many fields, the most doubtful ones, are varied at most.
    Returns:
        int64 (keys,) and the tuple's first two members each, (keys, 2); no tuple asks for a key twice.
    """
    whole = _rounded(fields)
    off = fields - whole
    doubtful = np.abs(off) > residuals
    most = np.argsort(np.where(doubtful, -np.abs(off), 1.0), axis=1, kind="stable")[:, :neighbours]
    tuples = np.arange(len(members))
    keys, asking = [], []
    for varied in product((False, True), repeat=neighbours):
        slots = most[:, np.flatnonzero(varied)]
        possible = np.take_along_axis(doubtful, slots, axis=1).all(axis=1)
        moved = whole[possible]
        rows_of, fields_of = np.arange(len(moved))[:, None], slots[possible]
        moved[rows_of, fields_of] += np.where(off[possible][rows_of, fields_of] > 0, 1, -1)
        keys.append(key_of(moved))
        asking.append(tuples[possible])
    # Two neighbours may be one key where the two members in the middle change places.
    both = np.sort(np.concatenate(keys) << _TUPLE_BITS | np.concatenate(asking))
    both = both[np.diff(both, prepend=-1) != 0]
    return both >> _TUPLE_BITS, members[both & ((1 << _TUPLE_BITS) - 1), :2]


def _rounded(fields: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.floor(fields + 0.5).astype(np.int64)


def _pair_fields(heard: Points, made: Members) -> NDArray[np.float64]:
    """First band, interval in bands, time between in frames."""
    first, second = made.T
    intervals = heard.bands[second] - heard.bands[first]
    late = (heard.times_s[second] - heard.times_s[first]) * FRAMES_PER_S
    return np.stack([heard.bands[first], intervals, late], axis=1)


def _pair_keys(fields: NDArray[np.int64]) -> NDArray[np.int64]:
    first, interval, late = np.add(fields, (0, 128, 0)).T
    keys = np.clip(first, 0, 255) << _BAND_SHIFT | np.clip(interval, 0, 255) << 6 | np.clip(late, 0, 63)
    return np.asarray(keys, np.int64)


def _quad_fields(heard: Points, made: Members) -> NDArray[np.float64]:
    """Intervals from the anchor in semitones, of the last and of the two between, and where in the span these are."""
    anchor, *others = made.T
    intervals = [(heard.bands[other] - heard.bands[anchor]) / BANDS_PER_SEMITONE for other in others]
    late_s = [heard.times_s[other] - heard.times_s[anchor] for other in others]
    return np.stack([*intervals, *(_RATIO_STEPS * between / late_s[0] for between in late_s[1:])], axis=1)


def _quad_keys(fields: NDArray[np.int64]) -> NDArray[np.int64]:
    """The two between come in order of their rounded intervals: inside a chord that of time would flip."""
    last, *intervals = np.clip(fields[:, :3] + 32, 0, 63).T
    c, d = (interval << 5 | ratio for interval, ratio in zip(intervals, np.clip(fields[:, 3:], 0, 31).T, strict=True))
    return np.asarray(FIRST_QUAD + (last << 22 | np.minimum(c, d) << 11 | np.maximum(c, d)), np.int64)


def _payloads(heard: Points, made: Members) -> NDArray[np.int64]:
    anchor, last = made[:, :2].T
    times = _rounded(heard.times_s[anchor] * STEPS_PER_S)
    spans = _rounded((heard.times_s[last] - heard.times_s[anchor]) * STEPS_PER_S)
    return times << (BAND_BITS + SPAN_BITS) | _rounded(heard.bands[anchor]) << SPAN_BITS | spans
