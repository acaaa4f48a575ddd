"""Same sound: which alignments of landmarks prove a recording, and which only that both play the same notes in step.

Who plays the same notes at the same times, by other instruments, has many of the same peaks too. Of the same sound more
of them are left, and they are met more closely; and where something lies on top of the sound, so that few are left,
neither the melody nor the harmony is shared.
"""

from __future__ import annotations

from collections.abc import Iterable

from models.content import Thresholds
from models.fingerprint.recognise import EXACT_SEMITONES, LEAST_SCORES, WHOLE_SHARE, Kind, Recording, kind_of

RECOGNISED = 0.9  # the least score of a pair with common landmarks (contract, A6)
# Of 1,182 excerpts of 3 to 10 s, each among 54 unrelated tracks, 1 had a score of 3 nats under the least one that is
# accepted, 2 one of 6 under it: half as many every 3 nats (2026-11-21).
CHANCE_AT_LEAST, HALVED_BY = 5e-4, 3.0
LEAST_CHANCE = 1e-12  # what no measurement bears out
# Without a change of tempo or pitch common peaks of one sound are 3 ms off (root mean square), in noise of 5 dB 12 ms,
# under another track 7 to 20; those of other tunes by the same instruments at the same tempo 20 to 23, those of the
# same notes by other instruments 21 to 29 (2026-11-22).
MOST_SCATTER_S = 0.0195
# Where too few peaks are left of a changed recording, but neither a melody nor harmony explains them: of ten samples
# found under a track as loud two have 0.4 of the peaks, the others 0.26 to 0.37 and 42 to 153 nats; six reach both of
# these. Unrelated tunes by one band reach 52 to 69 nats, other arrangements that share no melody 0.25 (2026-11-22).
HIDDEN_SCORE, HIDDEN_SHARE = 76.0, 0.26
OVERLAP_S = 1.0  # of pieces of an edit, whose ends are not told to the frame


def same_sound(found: Iterable[Recording], thresholds: Thresholds, *, explained: bool) -> tuple[Recording, ...]:
    """The alignments that prove a recording. A piece of a stronger one that does not is no proof either.

    Args:
        found: accepted ones, strongest first.
        thresholds: how many of the peaks are left of a changed recording.
        explained: whether a melody or harmony that both share may explain common peaks, or nobody has looked for them.
    """
    same, others = list[Recording](), list[Recording]()
    for one in found:
        if _is_same(one, thresholds) and not any(_is_piece(one, other) for other in others):
            same.append(one)
        else:
            others.append(one)
    return tuple(same) or tuple(one for one in others if not explained and _is_hidden(one))


def _is_same(one: Recording, thresholds: Thresholds) -> bool:
    return one.scatter_s <= MOST_SCATTER_S if one.exact else one.share >= thresholds.least_share


def _is_hidden(one: Recording) -> bool:
    return not one.exact and one.score >= HIDDEN_SCORE and one.share >= HIDDEN_SHARE


def kind(same: tuple[Recording, ...], durations_s: tuple[float, float], thresholds: Thresholds) -> Kind:
    """What alignments that prove a recording make of two tracks, of these durations.

    The strongest tells. Pieces that only together make up most of a track are one recording, edited; where so few peaks
    of the mix are left that something else sounds with it, such as another voice over the same backing, it is modified,
    whatever is left of the accompaniment alone.
    """
    if kind_of(same[0], *durations_s) == "sample":
        return "same_recording_modified" if _is_edit(same, durations_s) else "sample"
    alone = (same[0].share if same[0].stem is None else same[0].mix_share) >= thresholds.alone_share
    return "same_recording" if alone and _may_be_unchanged(same[0]) else "same_recording_modified"


def chance(found: Recording) -> float:
    """How likely it is that a query meets a stranger in its library which reaches such a score."""
    over = found.score - LEAST_SCORES[found.whole, found.exact]
    return float(min(1.0, max(LEAST_CHANCE, CHANCE_AT_LEAST * 0.5 ** (over / HALVED_BY))))


def landmark_score(found: Recording, *, proven: bool) -> float:
    """What common landmarks are worth on the scale of all scores: of a recording more than anything else can have."""
    return RECOGNISED + (1 - RECOGNISED) * (1 - chance(found)) if proven else found.share


def gaps(ranges: Iterable[tuple[float, float]], end: float) -> Iterable[tuple[float, float]]:
    """What of 0..`end` no range covers, in order."""
    reached = 0.0
    for first, last in sorted(ranges):
        if first > reached:
            yield reached, first
        reached = max(reached, last)
    if reached < end:
        yield reached, end


def covered_s(ranges: Iterable[tuple[float, float]], end: float) -> float:
    """How many seconds of 0..`end` ranges cover."""
    return end - sum(last - first for first, last in gaps(ranges, end))


def _may_be_unchanged(one: Recording) -> bool:
    """Whether neither tempo nor pitch is changed, as far as a short alignment can tell: by two standard errors."""
    same_tempo = abs(one.tempo_ratio - 1) <= 2 * one.tempo_error
    return one.exact or (same_tempo and abs(one.transposition_semitones) <= EXACT_SEMITONES)


def _is_edit(same: tuple[Recording, ...], durations_s: tuple[float, float]) -> bool:
    """Whether pieces make up most of a track together, and the strongest alone does not."""
    pieces: list[Recording] = []
    for told in same:  # what a repeat aligns a second time is no other piece
        if not any(_overlap(told, other) for other in pieces):
            pieces.append(told)
    query = [(told.query_start_s, told.query_end_s) for told in pieces]
    candidate = [(told.candidate_start_s, told.candidate_end_s) for told in pieces]
    return any(
        covered_s(ranges[:1], end) < WHOLE_SHARE * end <= covered_s(ranges, end)
        for ranges, end in zip((query, candidate), durations_s, strict=True)
    )


def _is_piece(one: Recording, other: Recording) -> bool:
    """Whether most of an alignment lies where another one does, in both tracks."""
    return min(_common_s(one, other)) > (one.query_end_s - one.query_start_s) / 2


def _overlap(one: Recording, other: Recording) -> bool:
    return max(_common_s(one, other)) > OVERLAP_S


def _common_s(one: Recording, other: Recording) -> tuple[float, float]:
    """Seconds of the query, and of the candidate, that both alignments hold; negative where they are apart."""
    query_s = min(one.query_end_s, other.query_end_s) - max(one.query_start_s, other.query_start_s)
    under_s = min(one.candidate_end_s, other.candidate_end_s) - max(one.candidate_start_s, other.candidate_start_s)
    return query_s, under_s
