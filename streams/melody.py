"""Melody: which candidates share a melody with a query, layer by layer, in whatever key and tempo.

Chains of notes are looked up in the dataset's postings; the contours of the candidates that share most of them decide.
A 1:1 search needs no postings.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from models.motif.chains import probes
from models.motif.melodies import LAYERS, SharedMelody, heard, shared
from models.motif.motifs import Heard
from models.motif.voting import Hypothesis, commonness, held, hypotheses
from streams.artifacts import unpack
from streams.matches import Candidate
from streams.posting import Where, find_listed
from streams.sides import Query
from streams.stage import ArtifactGone, StageContext

KINDS = ("motif", "contour")
CANDIDATES = 20  # of each layer whose contours are compared

Packed = Mapping[str, bytes]  # by kind


@dataclass(frozen=True, slots=True)
class Guesses:
    """What the postings of one layer let one guess, by track id."""

    layer: str
    by_track: Mapping[str, list[Hypothesis]]


async def shared_melodies(
    stage: StageContext, query: Query, candidates: Sequence[Candidate]
) -> dict[str, tuple[SharedMelody, ...]]:
    """What is shared with each candidate that shares anything, the strongest first, by its audio id."""
    mine = {kind: await stage.load(query.audio_id, kind) for kind in KINDS}
    if stage.work.dataset_id is None:
        (candidate,) = candidates
        found = await melodies_with(stage, query, candidate)
        return {} if found is None else {candidate.audio_id: found}
    listed = {candidate.track_id: candidate for candidate in candidates if candidate.track_id is not None}
    listed.pop(query.track_id or "", None)
    where = stage.posted("motif")
    guesses = await stage.heavy(look_up, mine, where, frozenset(listed), query.heard.duration_s)
    told: dict[str, tuple[SharedMelody, ...]] = {}
    for track_id in dict.fromkeys(track_id for guess in guesses for track_id in guess.by_track):
        theirs = await _packed_of(stage, listed[track_id].audio_id)
        if theirs is None:
            continue
        own = {guess.layer: guess.by_track[track_id] for guess in guesses if track_id in guess.by_track}
        found = await stage.heavy(share, mine, theirs, (query.heard.duration_s, listed[track_id].duration_s), own)
        if found:
            told[track_id] = found
    counted = await stage.heavy(count, mine, where, frozenset(listed), query.heard.duration_s, told)
    return {listed[track_id].audio_id: found for track_id, found in counted.items()}


async def melodies_with(stage: StageContext, query: Query, candidate: Candidate) -> tuple[SharedMelody, ...] | None:
    """What is shared with one candidate, whatever the postings say; None where a side's contours are not there."""
    mine, theirs = await _packed_of(stage, query.audio_id), await _packed_of(stage, candidate.audio_id)
    if mine is None or theirs is None:
        return None
    durations_s = query.heard.duration_s, candidate.duration_s
    return await stage.heavy(share, mine, theirs, durations_s, None)


async def with_melodies(stage: StageContext, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those whose melodies are stored, by today's `cards.MELODY` and the dataset's separator."""
    names = [[stage.name(candidate.audio_id, kind) for kind in KINDS] for candidate in candidates]
    there = await stage.blobs.existing([name for each in names for name in each])
    return [candidate for candidate, each in zip(candidates, names, strict=True) if there.issuperset(each)]


def look_up(query: Packed, where: Where, listed: Collection[str], query_s: float) -> list[Guesses]:
    """What the postings of the listed tracks let one guess, layer by layer. Runs in the heavy child."""
    found = []
    for layer in LAYERS:
        asked = probes(_heard(query, layer, query_s).events)
        rows = find_listed(where, f"motif_{layer}", asked.keys, listed)
        by_track: dict[str, list[Hypothesis]] = {}
        for guess in hypotheses(asked, rows.keys, rows.payloads, len(listed), candidates=CANDIDATES):
            by_track.setdefault(rows.tracks[guess.track], []).append(guess)
        found.append(Guesses(layer, by_track))
    return found


def share(
    query: Packed,
    candidate: Packed,
    durations_s: tuple[float, float],
    guesses: Mapping[str, list[Hypothesis]] | None,
) -> tuple[SharedMelody, ...]:
    """What two tracks share in the layers that were guessed, or in all, the best first. Runs in the heavy child."""
    told = [
        one
        for layer in (LAYERS if guesses is None else guesses)
        for one in shared(
            _heard(query, layer, durations_s[0]),
            _heard(candidate, layer, durations_s[1]),
            layer,
            None if guesses is None else guesses[layer],
        )
    ]
    return tuple(sorted(told, key=lambda one: one.p_chance))


def count(
    query: Packed,
    where: Where,
    listed: Collection[str],
    query_s: float,
    told: Mapping[str, tuple[SharedMelody, ...]],
) -> dict[str, tuple[SharedMelody, ...]]:
    """The same, told how common each passage is among the listed tracks. Runs in the heavy child."""
    counted: dict[str, list[SharedMelody]] = {track_id: [] for track_id in told}
    for layer in LAYERS:
        ours = [(track_id, one) for track_id, found in told.items() for one in found if one.layer == layer]
        if not ours:
            continue
        asked = probes(_heard(query, layer, query_s).events)
        rows = find_listed(where, f"motif_{layer}", asked.keys, listed)
        numbers = {track_id: number for number, track_id in rows.tracks.items()}
        for track_id, one in ours:
            holding = held(asked, rows.keys, rows.payloads, one.match.query_start_s, one.match.query_end_s)
            number = numbers.get(track_id)  # None: its postings were taken away meanwhile
            common = None if number is None else commonness(holding, number, len(listed))
            counted[track_id].append(replace(one, commonness=common))
    return {track_id: tuple(sorted(found, key=lambda one: one.p_chance)) for track_id, found in counted.items()}


def _heard(packed: Packed, layer: str, duration_s: float) -> Heard:
    return heard(unpack(packed["motif"]).array, unpack(packed["contour"]).array, layer, duration_s)


async def _packed_of(stage: StageContext, audio_id: str) -> Packed | None:
    try:
        return {kind: await stage.load(audio_id, kind) for kind in KINDS}
    except ArtifactGone as gone:
        if stage.makes_again(audio_id, gone.kind):
            raise
        return None
