"""Matches in the contract's shape (A6, B4): as the record `Match` and as its JSON, from one comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.align import Alignment
from models.card import Card
from models.finding import FINGERPRINT, MOTIF, SECTION, UNPROVEN, Finding
from models.fingerprint.recognise import Recording
from models.layers import DRUMS, Layered, compare_layers
from models.library import Cohort
from models.motif.melodies import SharedMelody
from models.same_sound import landmark_score
from models.score import agreements
from models.section.form import Form, compare_forms
from models.section.sections import Structure
from models.stems import PITCHED
from models.verdict import Comparison, Features, preliminary
from models.voice import similarity
from streams.artifacts import unpack, unpack_structure
from streams.match_blocks import motif_blocks, section_blocks
from streams.records import Evidence, LayerScores, Match

BLOCKS = {"vocals": "vocal"}  # how the contract's block of a layer begins, where not with the layer's own name
WINDOW_SIMILARITIES_MAX = 250_000  # entries that a verbose answer may hold (contract, A6)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a comparison reads of one track.

    Attributes:
        audio_id: SHA-256 of its bytes.
        latents: packed windows, by layer; a layer that was not ingested is not there.
        transforms: where they are needed, packed: `cqt` of the mix, `stem_cqt` of the stems, the `voice`, and what
            there is of its sections.
        duration_s: of the track.
    """

    audio_id: str
    latents: Mapping[str, bytes]
    transforms: Mapping[str, bytes]
    duration_s: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a match says about the track it found; no dataset in a 1:1 search."""

    uri: str
    track_id: str | None
    audio_id: str
    filename: str
    dataset_id: str | None
    dataset_name: str | None
    duration_s: float
    metadata: Mapping[str, str]


def score_block(queries: list[Heard], candidates: list[Heard], layer: str, card: Card) -> list[list[float]]:
    """The preliminary score of every query's layer with every candidate's, in order. Runs in the heavy child."""
    mine, theirs = ([_layer(heard, layer) for heard in side] for side in (queries, candidates))
    if layer == DRUMS:
        drums: list[list[float]] = agreements([one.latents for one in mine], [one.latents for one in theirs]).tolist()
        return drums
    found: list[list[float]] = preliminary(mine, theirs, card).tolist()
    return found


def compare_block(
    query: Heard,
    candidates: list[Heard],
    layers: tuple[str, ...],
    card: Card,
    *,
    verbose: bool,
    among: Mapping[str, Cohort],
) -> list[Layered]:
    """All that is told of a query and each of the candidates, in their order. Runs in the heavy child."""
    mine, theirs = _layers(query), [_layers(heard) for heard in candidates]
    told = compare_layers(mine, theirs, layers, card, verbose=verbose, among=among)
    return [
        replace(one, voice_similarity=_voices(query, candidate)) if "vocals" in one.found else one
        for one, candidate in zip(told, candidates, strict=True)
    ]


def compare_sections(
    query: Heard, candidates: list[Heard], sections: str, stem_types: tuple[str, ...]
) -> list[dict[str, Form]]:
    """Sections upon sections, of the mix or of stems; none where a side has none. Runs in the heavy child."""
    layers = ("full_audio",) if sections == "mix" else tuple(name for name in stem_types if name in PITCHED)
    mine, found = {layer: _structure(query, layer) for layer in layers}, []
    for candidate in candidates:
        theirs = {layer: _structure(candidate, layer) for layer in layers}
        pairs = ((layer, mine[layer], theirs[layer]) for layer in layers)
        found.append({layer: compare_forms(a, b) for layer, a, b in pairs if a is not None and b is not None})
    return found


def describe(rank: int, candidate: Candidate, told: Finding, card: Card) -> tuple[Match, dict[str, Any]]:
    """The same match as a record and as the contract's JSON: rounded once, so that both say the same numbers."""
    score, p_chance = round(told.score, 3), _short(told.p_chance)
    layered, forms = told.found.layered, told.found.forms or {}
    found = None if layered is None else layered.best
    by_windows = _by_windows(found)
    voice = None if layered is None else _rounded(layered.voice_similarity)
    latents = {} if layered is None else {layer: _scores(one) for layer, one in layered.found.items()}
    evidence = _evidences(told)
    common = max((one.commonness for one in told.shared if one.commonness is not None), default=None)
    match = Match(
        id=candidate.uri,
        track_id=candidate.track_id,
        filename=candidate.filename,
        dataset_id=candidate.dataset_id,
        dataset_name=candidate.dataset_name,
        rank=rank,
        score=score,
        metric=told.metric,
        layer=told.layer,
        verdict=told.verdict,
        p_chance=p_chance,
        **by_windows,
        voice_similarity=voice,
        commonness=_rounded(common),
        layers=latents,
        evidence=evidence,
        motifs=tuple(_melody(one) for one in told.found.melodies or ()),
        sections=tuple(item for layer, form in forms.items() for item in _sections(layer, form)),
        metadata=dict(candidate.metadata),
    )
    blocks = {} if layered is None else _window_blocks(layered, latents)
    if voice is not None:
        blocks[_block("vocals")]["voice_similarity"] = voice
    if told.found.melodies is not None:
        blocks["motif_matches"] = motif_blocks(told.found.melodies)
    if forms:
        blocks |= section_blocks(forms)
    missing = {} if layered is None or not any(layered.missing.values()) else dict(layered.missing)
    unjudged = [] if layered is None else [layer for layer in layered.found if layer not in layered.judged]
    document = {
        "id": candidate.uri,
        "score": score,
        "percentage": round(score * 100, 1),
        "payload": {
            "filename": candidate.filename,
            "dataset_id": candidate.dataset_id,
            "metric": told.metric,
            "layer": told.layer,
        },
        "track_id": candidate.track_id,
        "rank": rank,
        "verdict": told.verdict,
        **by_windows,
        "p_chance": p_chance,
        "commonness": match.commonness,
        "calibration": None if found is None else _calibration(found, card),
        "evidence": [item.model_dump() for item in evidence],
        "counter_evidence": [_unmatched(first, last) for first, last in told.unmatched_s],
        **({"why": told.why} if told.why else {}),
        **({"missing_layers": missing} if missing else {}),
        **({"unjudged_layers": unjudged} if unjudged else {}),
        "metadata": dict(candidate.metadata),
        **blocks,
    }
    return match, document


def _by_windows(found: Comparison | None) -> dict[str, float | None]:
    if found is None:
        return {"p_match": None, "agreement": None, "qmax": None}
    return {
        "p_match": _short(found.p_match),
        "agreement": round(found.agreement, 3),
        "qmax": _rounded(found.qmax),
    }


def _window_blocks(layered: Layered, latents: Mapping[str, LayerScores]) -> dict[str, dict[str, Any]]:
    return {_block(layer): latents[layer].model_dump() | _windows(one) for layer, one in layered.found.items()}


def _structure(heard: Heard, layer: str) -> Structure | None:
    """A track's sections, or one of its stems'; None where they are not stored."""
    packed, stems = heard.transforms.get("section"), heard.transforms.get("stem_cqt")
    if packed is None or (layer != "full_audio" and stems is None):
        return None
    if layer == "full_audio" or stems is None:
        return unpack_structure(packed)
    return unpack_structure(packed, unpack(stems).array[PITCHED.index(layer)])


def _voices(query: Heard, candidate: Heard) -> float | None:
    mine, theirs = query.transforms.get("voice"), candidate.transforms.get("voice")
    return None if mine is None or theirs is None else similarity(unpack(mine).array, unpack(theirs).array)


def _block(layer: str) -> str:
    return f"{BLOCKS.get(layer, layer)}_latent_scores"


def _scores(found: Comparison) -> LayerScores:
    return LayerScores(
        max=round(found.windows.max, 3),
        max_then_mean=round(found.windows.max_then_mean, 3),
        hungarian_mean=round(found.windows.hungarian_mean, 3),
    )


def _layers(heard: Heard) -> dict[str, Features]:
    return {layer: _layer(heard, layer) for layer in heard.latents}


def _layer(heard: Heard, layer: str) -> Features:
    """One layer of a track; of one that it does not have, nothing."""
    packed = heard.latents.get(layer)
    windows = np.zeros((0, 1), np.float32) if packed is None else unpack(packed).array
    return Features(_transform(heard, layer), windows, heard.duration_s, heard.audio_id)


def _transform(heard: Heard, layer: str) -> NDArray[np.uint8] | None:
    packed = heard.transforms.get("cqt" if layer == "full_audio" else "stem_cqt")
    if packed is None or layer == DRUMS:
        return None
    stored: NDArray[np.uint8] = unpack(packed).array
    return stored if layer == "full_audio" else stored[PITCHED.index(layer)]


def _evidences(told: Finding) -> tuple[Evidence, ...]:
    """Of every judged layer, strongest first; sections tell where, once something else has proven a relation."""
    by_windows = {} if told.found.layered is None else told.found.layered.judged
    found = [_evidence(layer, course) for layer, one in by_windows.items() for course in one.evidence]
    found += [_recording(one, proven=one in told.proven) for one in told.found.recordings]
    found += [_melody(one) for one in told.shared]
    if told.verdict not in UNPROVEN:
        found += [item for layer, form in (told.found.forms or {}).items() for item in _sections(layer, form)]
    return tuple(sorted(found, key=lambda evidence: -evidence.score))


def _calibration(found: Comparison, card: Card) -> dict[str, Any] | None:
    """By what `p_match` and `p_chance` were told: pairs of the card's fit, or the query and the dataset's strangers."""
    if card.calibration is None:
        return None
    of_dataset = found.strangers is not None
    source, pairs = ("dataset", found.strangers) if of_dataset else ("shipped", card.calibration.n_pairs)
    return {"source": source, "pairs": pairs, "model_version": card.model_version}


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 3)


def _short(probability: float | None) -> float | None:
    """A probability in four digits that count: the small ones are the telling ones."""
    return None if probability is None else float(f"{probability:.4g}")


def _evidence(layer: str, found: Alignment) -> Evidence:
    return Evidence(
        query_start_s=round(found.query_start_s, 3),
        query_end_s=round(found.query_end_s, 3),
        candidate_start_s=round(found.candidate_start_s, 3),
        candidate_end_s=round(found.candidate_end_s, 3),
        layer=layer,
        stem=_stem(layer),
        score=round(found.score, 3),
        tempo_ratio=round(found.tempo_ratio, 3),
        transposition_semitones=found.transposition_semitones,
    )


def _recording(found: Recording, *, proven: bool) -> Evidence:
    """An alignment of landmarks. What its transposition has beyond whole semitones is told in cents."""
    semitones = round(found.transposition_semitones)
    return Evidence(
        query_start_s=round(found.query_start_s, 3),
        query_end_s=round(found.query_end_s, 3),
        candidate_start_s=round(found.candidate_start_s, 3),
        candidate_end_s=round(found.candidate_end_s, 3),
        layer=FINGERPRINT,
        stem=found.stem,
        score=round(landmark_score(found, proven=proven), 3),
        tempo_ratio=round(found.tempo_ratio, 5),
        transposition_semitones=semitones,
        landmarks=found.landmarks,
        detune_cents=round(100 * (found.transposition_semitones - semitones), 1),
        time_error_s=round(found.time_error_s, 4),
        tempo_error=round(found.tempo_error, 6),
        transposition_error_cents=round(100 * found.transposition_error_semitones, 2),
    )


def _melody(found: SharedMelody) -> Evidence:
    told = found.match
    return Evidence(
        query_start_s=round(told.query_start_s, 3),
        query_end_s=round(told.query_end_s, 3),
        candidate_start_s=round(told.candidate_start_s, 3),
        candidate_end_s=round(told.candidate_end_s, 3),
        layer=MOTIF,
        stem=_stem(found.layer),
        score=round(told.similarity, 3),
        tempo_ratio=round(told.tempo_ratio, 3),
        transposition_semitones=told.transposition_semitones,
    )


def _sections(layer: str, form: Form) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            query_start_s=round(form.query[told.query_index].start_s, 3),
            query_end_s=round(form.query[told.query_index].end_s, 3),
            candidate_start_s=round(form.candidate[told.candidate_index].start_s, 3),
            candidate_end_s=round(form.candidate[told.candidate_index].end_s, 3),
            layer=SECTION,
            stem=_stem(layer),
            score=round(told.similarity, 3),
            tempo_ratio=round(told.tempo_ratio, 3),
            transposition_semitones=told.transposition_semitones,
        )
        for told in form.matches
    )


def _stem(layer: str) -> str | None:
    return None if layer == "full_audio" else layer


def _unmatched(first_s: float, last_s: float) -> dict[str, Any]:
    return {"query_start_s": round(first_s, 3), "query_end_s": round(last_s, 3), "reason": "no counterpart was found"}


def _windows(found: Comparison) -> dict[str, Any]:
    matched = [
        {
            "query_index": window.query_index,
            "candidate_index": window.candidate_index,
            "similarity_score": round(window.similarity_score, 3),
            "query_audio_timestamps": [[round(at_s, 3)] for at_s in window.query_range_s],
            "candidate_audio_timestamps": [[round(at_s, 3)] for at_s in window.candidate_range_s],
        }
        for window in found.matched_windows
    ]
    told: dict[str, Any] = {"matched_windows": matched}
    if found.window_similarities is not None and found.window_similarities.size <= WINDOW_SIMILARITIES_MAX:
        told["window_similarities"] = np.round(found.window_similarities.astype(float), 3).tolist()
    return told
