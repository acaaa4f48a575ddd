"""Where two tracks play the same music: cross recurrence of their harmony, Qmax (Serra, Serra and Andrzejak 2009).

Harmony is sharpened and smoothed chroma, about three steps a second. Every instant, together with the seconds that
follow it, is compared with every instant of the other track in all twelve transpositions. Mutual nearest neighbours are
kept with their similarity as weight; the heaviest run of them, which may bend between half and double tempo and bridge
gaps, is the alignment.
"""

from __future__ import annotations

from dataclasses import dataclass

import librosa
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from models.card import Card, Matching
from models.chroma import Chroma, unit_columns

FloatArray = NDArray[np.float32]
SEMITONES = 12


@dataclass(frozen=True, slots=True)
class Harmony:
    """What alignment needs of one track, computed once.

    Attributes:
        steps: float32 (12, steps), columns without mean, of unit length; zeros where there is no pitch (silence,
            noise).
        stacks: float32 (instants, 12 * stack_steps): `stack_steps` successive steps a row, of unit length at most. No
            rows for a track that is silent, without pitch, steady (a tone, a drone) or shorter than `stack_steps` + 1
            steps: nothing can be told from those.
        duration_s: of the track.
    """

    steps: FloatArray
    stacks: FloatArray
    duration_s: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """The heaviest run of shared harmony; or of like windows (`latent_align`).

    Attributes:
        score: 0..1, the part of the query that the run holds, beyond what chance gives.
        qmax: weight of the run, at most its length in steps.
        chance: what strangers of these lengths reach on average; 0 for tracks of equal harmony, and for windows.
        transposition_semitones: -5..6; > 0: the query is higher.
        tempo_ratio: candidate seconds per query second; > 1: the query is faster.
        query_start_s, query_end_s, candidate_start_s, candidate_end_s: inside both tracks.
    """

    score: float
    qmax: float
    chance: float
    transposition_semitones: int
    tempo_ratio: float
    query_start_s: float
    query_end_s: float
    candidate_start_s: float
    candidate_end_s: float


def harmony(chroma: Chroma, duration_s: float, matching: Matching) -> Harmony:
    """Prepare one track for alignment. `chroma` is float32 (12, frames) of any gain; no frames are taken as silence."""
    contrast = _contrast(_notes(chroma), matching)
    # Noise has peaks of its own: whether there is pitch is told from the chroma as it was heard.
    pitched = np.linalg.norm(_contrast(chroma, matching), axis=0) >= matching.least_contrast
    steps = unit_columns(np.asarray(contrast * pitched, np.float32))
    change = 1.0 - float(np.linalg.norm(steps[:, pitched].mean(axis=1))) if pitched.any() else 0.0
    if steps.shape[1] <= matching.stack_steps or change < matching.least_change:
        return Harmony(steps, np.zeros((0, SEMITONES * matching.stack_steps), np.float32), duration_s)
    return Harmony(steps, _stacked(steps, matching.stack_steps), duration_s)


def transposed(query: Harmony, matching: Matching) -> list[FloatArray]:
    """The query's stacks raised by 0..11 semitones: computed once per query, however many candidates follow."""
    if not len(query.stacks):
        return []
    return [_stacked(np.roll(query.steps, shift, axis=0), matching.stack_steps) for shift in range(SEMITONES)]


def align(query: Harmony, raised: list[FloatArray], candidate: Harmony, card: Card) -> Alignment | None:
    """The best alignment of the query with the candidate, None where there is nothing to align.

    Tracks of equal harmony are aligned whole without further ado, so that the same bytes score 1 even if they are
    steady or shorter than a stack.

    Args:
        query, candidate: what `harmony` made.
        raised: what `transposed` made of the query.
        card: the encoder's numbers.
    """
    if query.steps.any() and np.array_equal(query.steps, candidate.steps):
        return _whole(query, candidate)
    if not raised or not len(candidate.stacks):
        return None
    matching = card.matching
    instants = (len(query.stacks), len(candidate.stacks))
    best: tuple[float, int, NDArray[np.intp]] = (0.0, 0, np.zeros((0, 2), np.intp))
    for shift, likeness in _likeliest(raised, candidate.stacks, matching.transpositions):
        weight, path = _heaviest_run(likeness, matching)
        if weight > best[0]:
            best = (weight, shift, path)
    qmax, shift, path = best
    if len(path) < 2:
        return None
    chance = matching.chance_offset + matching.chance_slope * float(np.log(instants[0] * instants[1]))
    chance = max(matching.least_chance, chance)
    score = float(np.clip((qmax - chance) / max(instants[0] - chance, 1.0), 0.0, 1.0))
    step_s = card.hearing.frame_s * matching.step_frames
    starts, ends = path[0] * step_s, (path[-1] + matching.stack_steps) * step_s
    return Alignment(
        score=score,
        qmax=qmax,
        chance=chance,
        transposition_semitones=_signed(shift),
        tempo_ratio=tempo_ratio(path),
        query_start_s=min(float(starts[0]), query.duration_s),
        query_end_s=min(float(ends[0]), query.duration_s),
        candidate_start_s=min(float(starts[1]), candidate.duration_s),
        candidate_end_s=min(float(ends[1]), candidate.duration_s),
    )


def transposition(query: Harmony, candidate: Harmony, found: Alignment, card: Card) -> int:
    """Semitones, -5..6, by which the query is higher where two tracks are aligned; 0 where nothing tells.

    It is the shift under which the steps that lie upon each other are most alike. The alignment may be a second off.
    """
    step_s = card.hearing.frame_s * card.matching.step_frames
    steps = np.arange(int(found.query_start_s / step_s), min(int(found.query_end_s / step_s), query.steps.shape[1]))
    stretch = (found.candidate_end_s - found.candidate_start_s) / (found.query_end_s - found.query_start_s)
    places = np.rint((found.candidate_start_s + (steps * step_s - found.query_start_s) * stretch) / step_s)
    reach = round(1.0 / step_s)
    alike = np.zeros(SEMITONES)
    for late in range(-reach, reach + 1):
        inside = (places + late >= 0) & (places + late < candidate.steps.shape[1])
        mine = query.steps[:, steps[inside]]
        theirs = candidate.steps[:, (places[inside] + late).astype(np.intp)]
        raised = [float((np.roll(mine, shift, axis=0) * theirs).sum()) for shift in range(SEMITONES)]
        alike = np.maximum(alike, raised)
    return _signed(int(alike.argmax()))


def heaviest_path(weights: FloatArray, gap_onset: float, gap_extend: float) -> tuple[float, NDArray[np.intp]]:
    """The heaviest run through a matrix of weights, which bends between half and double tempo and bridges zeros.

    Args:
        weights: float32 (query steps, candidate steps), non-negative, two or more of each.
        gap_onset, gap_extend: what a run loses at the first zero in a row, and at each one more.
    Returns:
        Its weight and its path, (points, 2), forward in both; no points where all weights are zero.
    """
    # An empty column in front: librosa 0.11 mislabels steps from the second column, and its path then runs out of the
    # matrix and in again at the other end. From an empty one there is no step.
    totals, path = librosa.sequence.rqa(
        np.pad(weights, ((0, 0), (1, 0))),
        gap_onset=gap_onset,
        gap_extend=gap_extend,
        knight_moves=True,
        backtrack=True,
    )
    return float(totals.max()), np.asarray(path, np.intp).reshape(-1, 2) - (0, 1)


def tempo_ratio(path: NDArray[np.integer | np.floating]) -> float:
    """Slope of a path, (points, 2): the median of it between points half a path apart. 1 for a single point.

    Single steps are coarse; gaps and bends are outvoted.
    """
    half = len(path) // 2
    if not half:
        return 1.0
    rise = path[half:] - path[: len(path) - half]
    return float(np.median(rise[:, 1] / np.maximum(rise[:, 0], 1)))


def _notes(chroma: Chroma) -> Chroma:
    """What stands out of the semitones beside it: every note also sounds in those, at half its strength or less.

    Not peaks alone: of a note between two semitones both must stay.
    """
    beside = np.maximum(np.roll(chroma, 1, axis=0), np.roll(chroma, -1, axis=0))
    return np.maximum(chroma - 0.5 * beside, 0)


def _contrast(chroma: Chroma, matching: Matching) -> FloatArray:
    """Chroma of equal loudness, smoothed, thinned out to steps, its mean over the pitch classes taken off."""
    if not chroma.size:
        return chroma
    window = np.hanning(matching.smooth_frames + 2)
    smooth = convolve1d(unit_columns(chroma), window / window.sum(), axis=1, mode="constant")
    steps = smooth[:, :: matching.step_frames]
    return np.asarray(steps - steps.mean(axis=0), np.float32)


def _stacked(steps: FloatArray, stack_steps: int) -> FloatArray:
    windows = sliding_window_view(steps, stack_steps, axis=1).transpose(1, 0, 2)
    return np.ascontiguousarray(windows.reshape(len(windows), -1)) / np.float32(np.sqrt(stack_steps))


def _likeliest(raised: list[FloatArray], candidate: FloatArray, count: int) -> list[tuple[int, FloatArray]]:
    """The `count` transpositions in which the query's instants find the most similar ones in the candidate.

    More reliable than comparing mean chroma (OTI): it is the harmony in its order that decides.
    """
    found: list[tuple[float, int, FloatArray]] = []
    for shift, stacks in enumerate(raised):
        likeness = stacks @ candidate.T
        found.append((float(likeness.max(axis=1).mean()), shift, likeness))
        # Only the best are kept: of two long tracks each of these is large.
        found = sorted(found, key=lambda item: -item[0])[:count]
    return [(shift, likeness) for _, shift, likeness in found]


def _heaviest_run(likeness: FloatArray, matching: Matching) -> tuple[float, NDArray[np.intp]]:
    """Weight and path, (points, 2) of instants, of the heaviest run through the mutual nearest neighbours."""
    neighbours = (likeness >= _threshold(likeness, 1, matching)) & (likeness >= _threshold(likeness, 0, matching))
    recurrence = np.where(neighbours & (likeness > 0), likeness, np.float32(0))
    return heaviest_path(recurrence, matching.gap_onset, matching.gap_extend)


def _threshold(likeness: FloatArray, axis: int, matching: Matching) -> FloatArray:
    """The similarity that `recurrence_share` of each row (axis 1) or column (axis 0) reach."""
    place = int((1 - matching.recurrence_share) * likeness.shape[axis])
    return np.asarray(np.partition(likeness, place, axis=axis).take([place], axis=axis), np.float32)


def _signed(shift: int) -> int:
    """Semitones by which a query is higher that must be raised by `shift`, 0..11, to fit: -5..6."""
    return (-shift + 5) % SEMITONES - 5


def _whole(query: Harmony, candidate: Harmony) -> Alignment:
    steps = float(query.steps.shape[1])
    return Alignment(1.0, steps, 0.0, 0, 1.0, 0.0, query.duration_s, 0.0, candidate.duration_s)
