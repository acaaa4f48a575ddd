"""Motifs: melodies that a track repeats, and melodies that two tracks share in whatever key and tempo.

Found by chains of notes (`chains`, `voting`), judged by the contour of the highest line along the alignment that
they propose (`contour_align`), placed by the notes (`note_agreement`). What counts is a melody, not its harmony: a
contour alone makes a `shared_motif` and never a composition, and two songs on the same four chords share nothing here.
How common the shared passage is in a catalogue is told by `voting.commonness`: what a tenth of it holds is
nobody's in particular.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.motif import contour_align, note_agreement
from models.motif.chains import probes, rows
from models.motif.chance import p_chance
from models.motif.contour import FRAMES_PER_S
from models.motif.contour_align import Directions
from models.motif.note_agreement import Notes
from models.motif.salience import Events
from models.motif.voting import Hypothesis, by_window, distinct, hypotheses

LEAST_S = 2.5  # a shorter run is an interval or two, not a melody
SAME_SHARE = 0.5  # of the shorter of two ranges: then they are one
PROPOSED = 24  # repeats of a window that are looked at; many say again that the track is itself
MOST_REPEATS, MOST_MOTIFS = 1_000, 50  # of an hour; four minutes of a song have some dozens and a few
LEAST_CONFIDENCE = 0.99  # of a repeat that is told


@dataclass(frozen=True, slots=True)
class Heard:
    """One layer of a track, as `salience.events_and_contour` heard it."""

    events: Events
    contour: NDArray[np.uint8]
    duration_s: float


@dataclass(frozen=True, slots=True)
class MotifMatch:
    """A melody that two tracks share, or may share: `chance.p_chance` of its evidence tells.

    Attributes:
        tempo_ratio: candidate seconds per query second; > 1: the query is faster.
        transposition_semitones: -12..12; > 0: the query is higher. Octaves are told as far as they can be heard.
        similarity: 0..1, mean cosine of the contours.
        score: of the contours' alignment.
        chain_score: how much likelier the common notes of the highest line are than chance, in nats.
    """

    query_start_s: float
    query_end_s: float
    candidate_start_s: float
    candidate_end_s: float
    tempo_ratio: float
    transposition_semitones: int
    similarity: float
    score: float
    chain_score: float

    @property
    def evidence(self) -> float:
        """What decides: strangers whose contours run together by chance have few notes in common, and vice versa."""
        return math.sqrt(self.score * self.chain_score)


@dataclass(frozen=True, slots=True)
class Motif:
    """A melody that a track itself repeats.

    Attributes:
        start_s, end_s: of the occurrence that the others resemble most.
        confidence: 0..1, that no chance made its strongest repetition.
        occurrences: (start_s, end_s) of all of them, in order of time, in whatever key.
    """

    start_s: float
    end_s: float
    confidence: float
    occurrences: tuple[tuple[float, float], ...]


def match(query: Heard, reference: Heard, found: Sequence[Hypothesis]) -> tuple[MotifMatch, ...]:
    """What the hypotheses of one reference come to, the strongest first; of several that tell the same one is kept.

    Args:
        found: of this reference, best first, as `voting.hypotheses` gives them.
    """
    sides = _prepared(query), _prepared(reference)
    kept: list[MotifMatch] = []
    matches = [one for proposal in found if (one := _along(proposal, *sides, query, reference)) is not None]
    for one in sorted(matches, key=lambda one: -one.evidence):
        if not any(_same(one, other) for other in kept):
            # A contour has no octaves, and a note's overtones sound like notes: the chains tell those best.
            alike = (other for other in matches if _same(one, other) and _octaves(one, other))
            kept.append(replace(one, transposition_semitones=next(alike).transposition_semitones))
    return tuple(kept)


def compare(query: Heard, reference: Heard) -> tuple[MotifMatch, ...]:
    """What two tracks share, without a catalogue; the strongest first."""
    return match(query, reference, hypotheses(probes(query.events), *rows(reference.events), 1, candidates=1))


def motifs(found: Events, contour: NDArray[np.uint8]) -> tuple[Motif, ...]:
    """Melodies that a track repeats, the most confident first.

    Args:
        found, contour: of one layer, as `salience.events_and_contour` heard it.
    """
    heard = Heard(found, contour, len(contour) / FRAMES_PER_S)
    side = _prepared(heard)
    repeats: list[MotifMatch] = []
    for proposals in by_window(probes(found), *rows(found), 1, each=PROPOSED):
        other = [one for one in distinct(proposals) if abs(_place(one) - one.middle_s) >= LEAST_S]
        repeats += (one for proposal in other if (one := _along(proposal, side, side, heard, heard)) is not None)
    sure = {one: 1 - p_chance(one.evidence, heard.duration_s, heard.duration_s, "mix") for one in repeats}
    kept = [one for one in sorted(sure, key=lambda one: -one.evidence) if sure[one] >= LEAST_CONFIDENCE]
    return _grouped(kept[:MOST_REPEATS], sure)


def _place(proposal: Hypothesis) -> float:
    """The second of the reference that lies on the proposal's middle."""
    return proposal.tempo_ratio * proposal.middle_s + proposal.offset_s


def _prepared(heard: Heard) -> tuple[Notes, Directions]:
    return note_agreement.notes(heard.events, heard.contour), contour_align.directions(heard.contour)


def _along(
    proposal: Hypothesis,
    mine: tuple[Notes, Directions],
    theirs: tuple[Notes, Directions],
    query: Heard,
    reference: Heard,
) -> MotifMatch | None:
    """What the two share along one hypothesis; None where it is nothing, or shorter than `LEAST_S`."""
    semitones, middle_s = proposal.semitones, proposal.middle_s
    met = note_agreement.agreement(
        mine[0],
        theirs[0],
        tempo_ratio=proposal.tempo_ratio,
        offset_s=proposal.offset_s,
        semitones=semitones,
        middle_s=middle_s,
    )
    ratio, offset_s = met.tempo_ratio, met.offset_s
    run = contour_align.run(
        mine[1], theirs[1], tempo_ratio=ratio, offset_s=offset_s, semitones=semitones, middle_s=middle_s
    )
    begins_s, ends_s = ((s - offset_s) / ratio for s in (run.start_s, run.end_s))
    begins_s, ends_s = max(begins_s, 0.0), min(ends_s, query.duration_s)
    if not run.score * met.line_score or min(ends_s - begins_s, run.end_s - run.start_s) < LEAST_S:
        return None
    return MotifMatch(
        query_start_s=begins_s,
        query_end_s=ends_s,
        candidate_start_s=run.start_s,
        candidate_end_s=min(run.end_s, reference.duration_s),
        tempo_ratio=ratio,
        transposition_semitones=_within_octave(semitones),
        similarity=run.similarity,
        score=run.score,
        chain_score=met.line_score,
    )


def _within_octave(semitones: int) -> int:
    """The same pitch class distance within -12..12, octaves beyond taken off."""
    while abs(semitones) > 12:
        semitones -= 12 * int(np.sign(semitones))
    return semitones


def _same(one: MotifMatch, other: MotifMatch) -> bool:
    return all(
        _overlap(*sides) >= SAME_SHARE
        for sides in (
            ((one.query_start_s, one.query_end_s), (other.query_start_s, other.query_end_s)),
            ((one.candidate_start_s, one.candidate_end_s), (other.candidate_start_s, other.candidate_end_s)),
        )
    )


def _octaves(one: MotifMatch, other: MotifMatch) -> bool:
    return (one.transposition_semitones - other.transposition_semitones) % 12 == 0


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The common part of two ranges, as a share of the shorter."""
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0])) / max(
        min(one[1] - one[0], other[1] - other[0]), 1e-6
    )


def _grouped(repeats: Iterable[MotifMatch], sure: dict[MotifMatch, float]) -> tuple[Motif, ...]:
    """Repeats, the strongest first, as motifs with all places where each is heard."""
    left = list(repeats)
    found: list[Motif] = []
    while left and len(found) < MOST_MOTIFS:
        first = left[0]
        # What follows itself at once is a loop: of it one turn is the motif.
        lag_s = abs(first.candidate_start_s - first.query_start_s)
        start_s, end_s = first.query_start_s, min(first.query_end_s, first.query_start_s + lag_s)
        places = [(start_s, end_s)]
        for one in left:
            for mine, theirs in (("query", "candidate"), ("candidate", "query")):
                place = _carried((start_s, end_s), one, mine, theirs)
                if place is not None and not any(_overlap(place, other) > SAME_SHARE for other in places):
                    places.append(place)
        left = [one for one in left if not _explained(one, places)]
        found.append(Motif(start_s, end_s, sure[first], tuple(sorted(places))))
    return tuple(found)


def _carried(motif: tuple[float, float], one: MotifMatch, mine: str, theirs: str) -> tuple[float, float] | None:
    """Where a repeat, read from one of its sides to the other, takes a motif; None where it holds too little of it."""
    here = getattr(one, f"{mine}_start_s"), getattr(one, f"{mine}_end_s")
    there = getattr(one, f"{theirs}_start_s"), getattr(one, f"{theirs}_end_s")
    start_s, end_s = max(motif[0], here[0]), min(motif[1], here[1])
    if end_s - start_s < SAME_SHARE * (motif[1] - motif[0]):
        return None
    pace = (there[1] - there[0]) / (here[1] - here[0])
    return there[0] + (start_s - here[0]) * pace, there[0] + (end_s - here[0]) * pace


def _explained(one: MotifMatch, places: Sequence[tuple[float, float]]) -> bool:
    """Whether both sides of a repeat lie where a motif is heard already."""
    sides = (one.query_start_s, one.query_end_s), (one.candidate_start_s, one.candidate_end_s)
    return all(any(_overlap(side, place) > SAME_SHARE for place in places) for side in sides)
