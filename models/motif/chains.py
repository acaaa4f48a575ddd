"""Chains of notes: five events in a row as one key, the same in every transposition and at every tempo.

Of a mix nobody can say which notes are the melody, so every plausible path through the events is taken: a key is a few
notes that follow each other, by their steps in semitones and by where the inner ones fall between first and last. Among
them are those of the melody, and the same of another arrangement that plays it. A track is found by the keys that it
shares with a query in one transposition, at one tempo and place (`voting`), as landmarks find recordings.

Keys of two or three steps are held by most tracks, keys of seven lose more to missed notes than they tell (118 tracks,
2026-11-21).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.motif.salience import Events, unpacked

NOTES = 5
LEAST_GAP_S, MOST_GAP_S = 0.07, 2.0  # from one note to the next
MOST_STEP = 9  # semitones from one note to the next; the same pitch again is no step
POSITIONS = 12  # where an inner note falls, in parts of the chain

REFERENCE_RANKS, REFERENCE_FOLLOWERS = 8, 2
QUERIES = (
    # up to s   ranks   followers   unsure positions, the least sure: of each both keys are asked
    (60.0,      12,     3,          2),  # some 2,000 keys a second
    (600.0,     12,     2,          2),  # 350
    (np.inf,     8,     2,          0),  # 100: an hour must not ask for millions, and needs not
)  # fmt: skip
UNSURE = 0.2  # of a part: so near to the next one a position is unsure
NEAR_S, NEAR_SEMITONES = 1.0, 12.0  # followers that are nearer count for more

TICKS_PER_S = 100  # of times and spans in payloads
TIME_BITS, PITCH_BITS, SPAN_BITS = 20, 8, 12  # of payloads, from the highest; the track's number comes above
_STEPS = 2 * MOST_STEP + 1


@dataclass(frozen=True, slots=True)
class Probes:
    """What a query looks up, and how each answer relates to it.

    Attributes:
        keys: int64 (keys,), unique and sorted.
        places: int32 (probes,), of each probe's key in `keys`. Probes are in order of `times_s`.
        anchors: int32 (probes,), the number of the event that a chain begins with.
        times_s, spans_s: float32 (probes,), when it begins, and from its first note to its last.
        pitches: int16 (probes,), MIDI pitch of its first note.
    """

    keys: NDArray[np.int64]
    places: NDArray[np.int32]
    anchors: NDArray[np.int32]
    times_s: NDArray[np.float32]
    spans_s: NDArray[np.float32]
    pitches: NDArray[np.int16]


def rows(found: Events) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What a reference is found by.

    Returns:
        Keys, below 2**31, and payloads: time of the chain's first note in 10 ms << 20 | its MIDI pitch << 12 | the
        chain's span in 10 ms. Sorted by key, then by payload; no row twice. About 75 a second of a mix.
    """
    times_s, pitches, _, _ = unpacked(found)
    heads, steps, positions, spans_s = _chains(followers(found, REFERENCE_RANKS, REFERENCE_FOLLOWERS), times_s, pitches)
    keys = _keys(steps, np.rint(positions).astype(np.int64))
    ticks = np.rint(times_s[heads] * TICKS_PER_S).astype(np.int64) & ((1 << TIME_BITS) - 1)
    spans = np.minimum(np.rint(spans_s * TICKS_PER_S).astype(np.int64), (1 << SPAN_BITS) - 1)
    payloads = ticks << (PITCH_BITS + SPAN_BITS) | pitches[heads] << SPAN_BITS | spans
    both = np.unique(np.stack([keys, payloads], axis=1), axis=0)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def probes(found: Events) -> Probes:
    """What a query looks up: more chains than a reference keeps, and of unsure positions both keys."""
    times_s, pitches, _, _ = unpacked(found)
    lasts_s = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
    _, ranks, most, unsure = next(row for row in QUERIES if lasts_s <= row[0])
    heads, steps, positions, spans_s = _chains(followers(found, ranks, most), times_s, pitches)
    asked, chains = _unsure_keys(steps, positions, unsure)
    keys, places = np.unique(asked, return_inverse=True)
    return Probes(
        keys=keys,
        places=places.astype(np.int32),
        anchors=heads[chains].astype(np.int32),
        times_s=times_s[heads[chains]].astype(np.float32),
        spans_s=spans_s[chains].astype(np.float32),
        pitches=pitches[heads[chains]].astype(np.int16),
    )


def _keys(steps: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """(chains, 4) steps and (chains, 3) whole positions as one number each, below 2**31."""
    keys = np.zeros(len(steps), np.int64)
    for column in (steps + MOST_STEP).T:
        keys = keys * _STEPS + column
    for column in np.clip(positions, 0, POSITIONS).T:
        keys = keys * (POSITIONS + 1) + column
    return keys


def _unsure_keys(
    steps: NDArray[np.int64], positions: NDArray[np.float64], unsure: int
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """All keys of every chain, of which up to `unsure` positions are, and the chain of each; in order of the chains."""
    whole = np.rint(positions)
    off = positions - whole
    least_sure = np.argsort(-np.abs(off), axis=1)[:, :unsure]
    columns = np.arange(len(steps))
    asked, chains = [], []
    for variant in range(1 << unsure):
        moved = whole.astype(np.int64)
        wanted = np.ones(len(steps), bool)
        for place in range(unsure):
            if variant >> place & 1:
                at = columns, least_sure[:, place]
                wanted &= np.abs(off[at]) > UNSURE
                moved[at] += np.sign(off[at]).astype(np.int64)
        asked.append(_keys(steps, moved)[wanted])
        chains.append(columns[wanted])
    of_chain = np.concatenate(chains)
    order = np.argsort(of_chain, kind="stable")
    return np.concatenate(asked)[order], of_chain[order]


def followers(found: Events, ranks: int, most: int) -> NDArray[np.int32]:
    """The events that may come next after each, int32 (events, most), best first, -1 where there is none.

    Events of rank `ranks` and above neither have followers nor are any.
    """
    times_s, pitches, strengths, rank_of = unpacked(found)
    return np.asarray(_followers(times_s, pitches, np.where(rank_of < ranks, strengths, 0.0), most), np.int32)


@njit(cache=True)
def _followers(
    times_s: NDArray[np.float64], pitches: NDArray[np.int64], strengths: NDArray[np.float64], most: int
) -> NDArray[np.int32]:
    after = np.full((len(times_s), most), -1, np.int32)
    worth = np.zeros(most)
    for event in range(len(times_s)):
        if strengths[event] <= 0:
            continue
        worth[:] = 0
        for other in range(event + 1, len(times_s)):
            gap_s = times_s[other] - times_s[event]
            if gap_s > MOST_GAP_S:
                break
            step = abs(pitches[other] - pitches[event])
            if gap_s < LEAST_GAP_S or step == 0 or step > MOST_STEP:
                continue
            score = strengths[other] * np.exp(-gap_s / NEAR_S - step / NEAR_SEMITONES)
            place = most
            while place > 0 and worth[place - 1] < score:
                place -= 1
            for moved in range(most - 1, place, -1):
                worth[moved], after[event, moved] = worth[moved - 1], after[event, moved - 1]
            if place < most:
                worth[place], after[event, place] = score, other
    return after


@njit(cache=True)
def _chains(
    after: NDArray[np.int32], times_s: NDArray[np.float64], pitches: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """All paths of `NOTES` events, in order of their first.

    Returns: their first events (chains,), steps in semitones (chains, 4), positions of the inner notes in `POSITIONS`
    (chains, 3), and spans in s (chains,).
    """
    most = after.shape[1] ** (NOTES - 1)
    path = np.zeros(NOTES, np.int64)
    count = 0
    paths = np.zeros((max(16, 8 * len(after)), NOTES), np.int32)
    for head in range(len(after)):
        for code in range(most):
            path[0] = head
            rest, last = code, head
            for place in range(1, NOTES):
                last = after[last, rest % after.shape[1]]
                rest //= after.shape[1]
                path[place] = last
                if last < 0:
                    break
            if last < 0:
                continue
            if count == len(paths):
                grown = np.zeros((2 * count, NOTES), np.int32)
                grown[:count] = paths
                paths = grown
            paths[count] = path
            count += 1
    heads = paths[:count, 0].astype(np.int64)
    steps = np.zeros((count, NOTES - 1), np.int64)
    positions = np.zeros((count, NOTES - 2))
    spans_s = np.zeros(count)
    for chain in range(count):
        first, end = paths[chain, 0], paths[chain, NOTES - 1]
        spans_s[chain] = times_s[end] - times_s[first]
        for place in range(NOTES - 1):
            steps[chain, place] = pitches[paths[chain, place + 1]] - pitches[paths[chain, place]]
        for place in range(NOTES - 2):
            inner_s = times_s[paths[chain, place + 1]] - times_s[first]
            positions[chain, place] = inner_s / spans_s[chain] * POSITIONS
    return heads, steps, positions, spans_s
