"""What is judged of sections: a track with its structure and its truth, and the figures of one, of two, of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from models.section import novelty
from models.section.align import aligned
from models.section.sections import Section, Structure
from tests.quality import section_measures as measures
from tests.quality.section_songs import Played

GRID_S = 20.0
PEAK, PEAKS_APART_BEATS = 0.3, 8
FUNCTIONS = {"I": "intro", "A": "verse", "B": "chorus", "C": "bridge", "O": "outro"}

Truth = NDArray[np.bool_]  # (query sections, candidate sections): which are the same music


@dataclass(frozen=True, slots=True)
class Song:
    """A performance and what was found in it."""

    played: Played
    found: Structure

    @property
    def truth(self) -> measures.Labelled:
        return [(span.start_s, span.end_s, span.label) for span in self.played.spans]

    @property
    def true_structure(self) -> Structure:
        """What would have been found had every section been cut where it begins."""
        starts_s = [
            self.found.beats_s[np.abs(self.found.beats_s - span.start_s).argmin()] for span in self.played.spans
        ]
        edges_s = [0.0, *map(float, starts_s[1:]), self.found.sections[-1].end_s]
        sections = [
            Section(edges_s[at], edges_s[at + 1], span.label, 1.0, None, 0.0)
            for at, span in enumerate(self.played.spans)
        ]
        return replace(self.found, sections=tuple(sections))


def labelled(found: Structure) -> measures.Labelled:
    return [(section.start_s, section.end_s, section.label) for section in found.sections]


# --- boundaries and letters


def cut_evenly(song: Song) -> list[float]:
    end_s = song.found.sections[-1].end_s
    return [*np.arange(0.0, end_s, GRID_S).tolist(), end_s]


def cut_by_harmony(song: Song) -> list[float]:
    """Peaks of Foote's novelty of harmony alone."""
    halves = song.found.harmony.astype(np.float64).reshape(-1, 2, 12)
    halves -= halves.mean(axis=2, keepdims=True)
    halves /= np.maximum(np.linalg.norm(halves, axis=2, keepdims=True), 1e-6)
    rise = novelty.checkerboard(novelty.stacked(halves.reshape(-1, 24) / np.sqrt(2)), novelty.LONG_BEATS)
    peaks = find_peaks(rise / rise.max(), height=PEAK, distance=PEAKS_APART_BEATS)[0]
    return [0.0, *song.found.beats_s[peaks].tolist(), song.found.sections[-1].end_s]


def cut_by_us(song: Song) -> list[float]:
    return [*(section.start_s for section in song.found.sections), song.found.sections[-1].end_s]


def boundary_figures(songs: Sequence[Song], cut: Callable[[Song], list[float]]) -> dict[str, float]:
    rows = []
    for song in songs:
        truth_s = [*(start_s for start_s, *_ in song.truth), song.truth[-1][1]]
        found_s = cut(song)
        rows.append([measures.hits(truth_s, found_s, 0.5)[2], *measures.hits(truth_s, found_s, 3.0)])
    f_half, precision, recall, f_three = np.mean(rows, axis=0)
    without = float(np.mean([row[0] == 0 for row in rows]))
    return {"hr.5f": f_half, "hr3f": f_three, "precision_3": precision, "recall_3": recall, "none_within_.5": without}


def letter_figures(songs: Sequence[Song]) -> dict[str, Any]:
    """Letters against labels, how sure they are against whether they are right, and functions against names."""
    right, sure, named, guessed = [], [], [], []
    for song in songs:
        names = measures.matched_labels(song.truth, labelled(song.found))
        for section in song.found.sections:
            label = _longest(song.played, section, "label")
            right.append(names.get(section.label) == label)
            sure.append(section.confidence)
            if section.function is not None:
                named.append(FUNCTIONS.get(label) == section.function)
                guessed.append(section.function_confidence)
    one = [[(0.0, song.truth[-1][1], "A")] for song in songs]
    return {
        "pairwise_f": float(np.mean([measures.pairwise(song.truth, labelled(song.found)) for song in songs])),
        "label_error": float(np.mean([measures.mislabelled(song.truth, labelled(song.found)) for song in songs])),
        "one_letter": {
            "pairwise_f": float(np.mean([measures.pairwise(s.truth, o) for s, o in zip(songs, one, strict=True)])),
            "label_error": float(np.mean([measures.mislabelled(s.truth, o) for s, o in zip(songs, one, strict=True)])),
        },
        "sections_right": float(np.mean(right)),
        "confidence_mean": float(np.mean(sure)),
        "confidence_brier": float(np.mean((np.array(sure) - np.array(right)) ** 2)),
        "confidence_base_brier": float(np.mean(right) * (1 - np.mean(right))),
        "functions_named": len(named) / len(right),
        "functions_right": float(np.mean(named)),
        "functions_said": float(np.mean(guessed)),
    }


def _longest(played: Played, section: Section, attribute: str) -> str:
    """The label, or material, that most of a section has."""
    shared: dict[str, float] = {}
    for span in played.spans:
        both_s = min(section.end_s, span.end_s) - max(section.start_s, span.start_s)
        shared[getattr(span, attribute)] = shared.get(getattr(span, attribute), 0.0) + max(0.0, both_s)
    return max(shared, key=lambda name: shared[name])


# --- section with section


def same_material(query: Song, candidate: Song, structures: tuple[Structure, Structure]) -> Truth:
    """Sections mostly made of the same material; an intro's is the verse's, an outro's the chorus's."""
    mine, theirs = (
        np.array([_longest(song.played, section, "material") for section in structure.sections])
        for song, structure in zip((query, candidate), structures, strict=True)
    )
    return np.asarray(mine[:, None] == theirs)


def pair_figures(pairs: Sequence[tuple[Structure, Structure, Truth]]) -> dict[str, Any]:
    """What is said of pairs of the same music.

    Args:
        pairs: query, candidate, and which of their sections are the same music.
    """
    best, chance, told, some, told_right, likeness = [], [], [], [], [], []
    for query, candidate, truth in pairs:
        alike, _ = aligned(query, candidate)
        first = truth[np.arange(len(truth)), alike.argmax(axis=1)]
        best.append(float(first.mean()))
        chance.append(float(truth.mean()))
        likeness += alike.max(axis=1)[first].tolist()
        matches = aligned(query, candidate)[1]
        some.append(bool(matches))
        told.append(len(matches) / len(query.sections))
        told_right += [bool(truth[match.query_index, match.candidate_index]) for match in matches]
    return {
        "pairs": len(pairs),
        "best_is_right": float(np.mean(best)),
        "chance": float(np.mean(chance)),
        "any_told": float(np.mean(some)),
        "sections_told": float(np.mean(told)),
        "told_right": float(np.mean(told_right)) if told_right else None,
        "similarity_of_right": spread(likeness),
    }


def stranger_figures(pairs: Sequence[tuple[Structure, Structure]]) -> dict[str, Any]:
    """What is said of pairs of unrelated music: everything told is wrong."""
    some, told, likeness = [], [], []
    for query, candidate in pairs:
        matches = aligned(query, candidate)[1]
        some.append(bool(matches))
        told.append(len(matches) / len(query.sections))
        likeness += aligned(query, candidate)[0].max(axis=1).tolist()
    return {
        "pairs": len(pairs),
        "any_told": float(np.mean(some)),
        "sections_told": float(np.mean(told)),
        "similarity_of_best": spread(likeness),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Percentiles, by their names."""
    return {f"{percent}": float(np.percentile(values, percent)) for percent in (1, 5, 25, 50, 75, 95, 99)}
