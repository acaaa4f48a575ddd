"""Form: two tracks compared section by section, and what that comes to as a score."""

from __future__ import annotations

from dataclasses import dataclass

from models.score import WindowScores, window_scores
from models.section.align import SectionMatch, aligned
from models.section.sections import Section, Structure


@dataclass(frozen=True, slots=True)
class Form:
    """The sections of two tracks, or of one of their stems, upon each other.

    Attributes:
        query, candidate: their sections.
        matches: those that correspond, in the order of both tracks.
        scores: over the query's sections, each with the candidate's most similar one.
    """

    query: tuple[Section, ...]
    candidate: tuple[Section, ...]
    matches: tuple[SectionMatch, ...]
    scores: WindowScores


def compare_forms(query: Structure, candidate: Structure) -> Form:
    """Compare all sections with all. A track without sections, as silence is, has a score of 0 with everything."""
    if not query.sections or not candidate.sections:
        return Form(query.sections, candidate.sections, (), WindowScores(0.0, 0.0, 0.0))
    alike, matches = aligned(query, candidate)
    return Form(query.sections, candidate.sections, matches, window_scores(alike, len(query.sections)))
