"""The two sides of a search: its queries and its candidates, and what was heard in each layer of them.

Ranking reads latents alone where the card is of a network; what is said of the best matches needs their constant-Q
transforms besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from models.fingerprint.recognise import Recording
from models.motif.melodies import SharedMelody
from streams import pipeline
from streams.matches import Candidate, Heard
from streams.records import Audio, SearchRequest
from streams.stage import ArtifactGone, StageContext


@dataclass(slots=True)
class Query:
    """One query: what it is called, what was heard in it, by each layer the best that was found for it so far, and by
    audio id which candidates are the same recording or share a melody; None where melodies are not compared."""

    index: int
    uri: str
    track_id: str | None
    audio_id: str
    health: dict[str, bool]
    heard: Heard
    best: dict[str, list[tuple[float, Candidate]]] = field(default_factory=dict)
    recordings: Mapping[str, tuple[Recording, ...]] = field(default_factory=dict)
    melodies: Mapping[str, tuple[SharedMelody, ...]] | None = None
    compared: int = 0
    skipped: int = 0


OPTIONAL = ("accompaniment",)  # layers of a dataset's track that are compared where there are any (contract, A5)


def layers_of(request: SearchRequest) -> tuple[str, ...]:
    return pipeline.layers_of(depth_of(request), request.stem_types)


def depth_of(request: SearchRequest) -> pipeline.Depth:
    return pipeline.depth_of(request.profile, request.depth)


async def queries_of(stage: StageContext, request: SearchRequest, tracks: dict[str, Any]) -> list[Query]:
    """The queries that a work stands for, of the accepted list `tracks` where the search is m:n."""
    if request.search_type != "m:n":
        return [await _own_query(stage, layers_of(request))]
    first = stage.work.first_query
    listed = tracks["queries"][first : first + stage.work.queries]
    return [
        Query(
            index=index,
            uri=row["blob_uri"],
            track_id=row["track_id"],
            audio_id=row["audio_id"],
            health=row["health"],
            heard=await _heard(stage, row["audio_id"], row["duration_s"], layers_of(request), OPTIONAL),
        )
        for index, row in enumerate(listed, first)
    ]


async def candidates_of(stage: StageContext, request: SearchRequest, tracks: dict[str, Any]) -> list[Candidate]:
    """The candidates of the accepted list that are still there; of a 1:1 search, its own."""
    work = stage.work
    if request.search_type == "1:1":
        return [await _own_candidate(stage)]
    assert work.dataset_id is not None
    live = {track.track_id for track in await stage.catalogue.tracks(work.tenant, work.dataset_id)}
    return [
        Candidate(
            uri=row["blob_uri"],
            track_id=row["track_id"],
            audio_id=row["audio_id"],
            filename=row["filename"],
            dataset_id=work.dataset_id,
            dataset_name=request.candidate_dataset_name,
            duration_s=row["duration_s"],
            metadata=row["metadata"],
        )
        for row in tracks["candidates"]
        if row["track_id"] in live
    ]


async def hear(stage: StageContext, candidate: Candidate, layers: tuple[str, ...]) -> Heard | None:
    """What ranking reads of a candidate; None when its artifacts are gone, which the result counts as skipped."""
    try:
        return await _heard(stage, candidate.audio_id, candidate.duration_s, layers, OPTIONAL)
    except ArtifactGone:
        return None


async def with_transforms(stage: StageContext, heard: Heard, sections: str) -> Heard:
    """The same with what comparing in full reads besides.

    Without its transforms, where they are gone, a network's match lacks what harmony tells; without its voice, which
    an ingest of an earlier version did not make, how alike the singers are.
    """
    voice = ("voice",) if "vocals" in heard.latents else ()
    form = {"": (), "mix": ("section",), "stems": ("section", "stem_cqt")}[sections]
    found = dict(heard.transforms)
    for kind in (*_transforms(heard.latents), *voice, *form):
        if kind not in found:
            try:
                found[kind] = await stage.load(heard.audio_id, kind)
            except ArtifactGone:
                continue
    return replace(heard, transforms=found)


async def _own_query(stage: StageContext, layers: tuple[str, ...]) -> Query:
    audio = _audio(stage, "query")
    facts = (await stage.load_array(audio.audio_id, "envelope")).meta
    heard = await _heard(stage, audio.audio_id, facts["duration_s"], layers)
    health = {name: facts["health"][name] for name in ("silent", "clipped", "truncated")}
    return Query(0, audio.blob_uri, None, audio.audio_id, health, heard)


async def _own_candidate(stage: StageContext) -> Candidate:
    audio = _audio(stage, "candidate")
    facts = (await stage.load_array(audio.audio_id, "envelope")).meta
    return Candidate(audio.blob_uri, None, audio.audio_id, audio.filename, None, None, facts["duration_s"], {})


def _audio(stage: StageContext, role: str) -> Audio:
    return next(audio for audio in stage.work.audios if audio.role == role)


async def _heard(
    stage: StageContext, audio_id: str, duration_s: float, layers: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Heard:
    latents: dict[str, bytes] = {}
    for layer in layers:
        try:
            latents[layer] = await stage.load(audio_id, pipeline.LAYERS[layer])
        except ArtifactGone:
            if layer not in optional:
                raise
    read = _transforms(latents) if stage.card.latent_matching is None else ()
    return Heard(audio_id, latents, {kind: await stage.load(audio_id, kind) for kind in read}, duration_s)


def _transforms(layers: Iterable[str]) -> tuple[str, ...]:
    """The kinds that hold the transforms of these layers."""
    return tuple(sorted({"cqt" if layer == "full_audio" else "stem_cqt" for layer in layers if layer != "drums"}))
