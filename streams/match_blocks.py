"""The blocks of a match that tell of melodies and of sections, in the contract's shape (A6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from models.motif.melodies import SharedMelody
from models.section.form import Form
from models.section.sections import Section

BLOCK_OF = {"vocals": "vocals_stem", "accompaniment": "other_stem", "full_audio": "full_audio"}


def motif_blocks(melodies: Iterable[SharedMelody]) -> dict[str, dict[str, Any]]:
    """What may be shared in each layer, the least likely by chance first: also what proves nothing."""
    told = tuple(melodies)
    blocks = {}
    for layer, name in BLOCK_OF.items():
        mine = [one for one in told if one.layer == layer]
        query = _numbered([(one.match.query_start_s, one.match.query_end_s) for one in mine])
        candidate = _numbered([(one.match.candidate_start_s, one.match.candidate_end_s) for one in mine])
        items = [_motif(one, *places) for one, *places in zip(mine, query, candidate, strict=True)]
        blocks[name] = {"total_matches": len(items), "matches": items}
    return blocks


def section_blocks(forms: Mapping[str, Form]) -> dict[str, Any]:
    """`section_matches` of the mix, or `stem_section_matches` of each stem."""
    blocks = {layer: _sections(form) for layer, form in forms.items()}
    if "full_audio" in blocks:
        return {"section_matches": blocks["full_audio"]}
    return {"stem_section_matches": blocks}


def _numbered(ranges: list[tuple[float, float]]) -> list[int]:
    """Which passage of its track each range is, in order of time: those of one number lie mostly upon each other."""
    passages: list[tuple[float, float]] = []
    numbers = [0] * len(ranges)
    for place in sorted(range(len(ranges)), key=ranges.__getitem__):
        start_s, end_s = ranges[place]
        common_s = min(end_s, passages[-1][1]) - start_s if passages else 0.0
        if common_s <= 0.5 * (end_s - start_s):
            passages.append((start_s, end_s))
        numbers[place] = len(passages) - 1
    return numbers


def _motif(found: SharedMelody, query_index: int, candidate_index: int) -> dict[str, Any]:
    told = found.match
    return {
        "similarity_score": round(told.similarity, 3),
        "query_index": query_index,
        "candidate_index": candidate_index,
        **_times(told.query_start_s, told.query_end_s, told.candidate_start_s, told.candidate_end_s),
        "transposition_semitones": told.transposition_semitones,
        "tempo_ratio": round(told.tempo_ratio, 3),
        "p_chance": float(f"{found.p_chance:.4g}"),
        "commonness": None if found.commonness is None else round(found.commonness, 3),
    }


def _sections(form: Form) -> dict[str, Any]:
    items = []
    for told in form.matches:
        mine, theirs = form.query[told.query_index], form.candidate[told.candidate_index]
        items.append(
            {
                "similarity_score": round(told.similarity, 3),
                "query_section": _section(told.query_index, mine),
                "candidate_section": _section(told.candidate_index, theirs),
                **_times(mine.start_s, mine.end_s, theirs.start_s, theirs.end_s),
                "transposition_semitones": told.transposition_semitones,
                "tempo_ratio": round(told.tempo_ratio, 3),
            }
        )
    scores = form.scores
    figures = {"max": scores.max, "max_then_mean": scores.max_then_mean, "hungarian_mean": scores.hungarian_mean}
    return {"total_matches": len(items), "matches": items} | {name: round(score, 3) for name, score in figures.items()}


def _section(index: int, section: Section) -> dict[str, Any]:
    """A letter, with how sure it is; what the part may be for is a guess, and says so."""
    guess = None
    if section.function is not None:
        guess = {"function": section.function, "confidence": round(section.function_confidence, 3)}
    return {
        "index": index,
        "label": section.label,
        "label_confidence": round(section.confidence, 3),
        "guess": guess,
        "start_s": round(section.start_s, 3),
        "end_s": round(section.end_s, 3),
    }


def _times(
    query_start_s: float, query_end_s: float, candidate_start_s: float, candidate_end_s: float
) -> dict[str, Any]:
    return {
        "query_audio_timestamps": [[round(query_start_s, 3)], [round(query_end_s, 3)]],
        "candidate_audio_timestamps": [[round(candidate_start_s, 3)], [round(candidate_end_s, 3)]],
    }
