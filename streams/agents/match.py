"""Match: every query of a work meets its candidates. Ends a search.

Up to `exact_candidates_max` candidates every pair is compared; above, a shortlist from the index and some random
strangers. A hit of the index counts only when the catalogue has a live row for it.
"""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from models.verdict import Comparison, identical
from streams.answers import Answer, say
from streams.artifacts import job_name, unpack
from streams.errors import Unavailable
from streams.matches import Candidate, Heard, compare_block, describe
from streams.records import Audio, Job, SearchRequest
from streams.stage import ArtifactGone, StageContext
from streams.stores.vectors import Collection

BLOCK = 100  # candidates that are read and compared at a time: bounds the memory of a work
HITS_PER_WINDOW = 100


@dataclass(slots=True)
class Query:
    """One query: what it is called, what was heard in it, and the best that was found for it so far."""

    index: int
    uri: str
    track_id: str | None
    audio_id: str
    health: dict[str, bool]
    heard: Heard
    best: list[tuple[Candidate, Comparison]] = field(default_factory=list)
    compared: int = 0
    skipped: int = 0


async def match(stage: StageContext) -> None:
    request = stage.request
    assert isinstance(request, SearchRequest)
    skipped = stage.work.candidates_skipped
    if request.search_type == "1:1":
        queries, candidates = [await _own_query(stage, 0)], [await _own_candidate(stage)]
    else:
        tracks = json.loads(await stage.blobs.get(job_name(stage.work.tenant, request.job_id, "tracks")))
        queries = await _queries(stage, request, tracks)
        candidates = await _live(stage, request, tracks["candidates"])
        skipped += len(tracks["candidates"]) - len(candidates)
    if len(candidates) <= stage.settings.exact_candidates_max:
        await _compare(stage, request, queries, candidates)
    else:
        for query in queries:
            await _compare(stage, request, [query], await _shortlist(stage, request, query, candidates))
    for query in queries:
        answer = Answer(
            "completed",
            stage.work.model_version,
            query_audio_id=query.uri,
            query_sha256=query.audio_id,
            health=query.health,
            matches=tuple(describe(rank, *pair) for rank, pair in enumerate(query.best, 1)),
            candidates_compared=query.compared,
            candidates_skipped=skipped + query.skipped,
            seconds_taken=time.monotonic() - stage.began,
        )
        await say(stage, request, Job(id=request.job_id, index=query.index, size=stage.work.job.size), answer)


async def _compare(
    stage: StageContext, request: SearchRequest, queries: list[Query], candidates: list[Candidate]
) -> None:
    """Every query with every candidate, a block at a time; of each query's matches the best are kept."""
    for first in range(0, len(candidates), BLOCK):
        block = [(candidate, await _hear(stage, candidate)) for candidate in candidates[first : first + BLOCK]]
        usable = [(candidate, heard) for candidate, heard in block if heard is not None]
        found = await stage.heavy(
            compare_block,
            [query.heard for query in queries],
            [heard for _, heard in usable],
            stage.card,
            request.verbose_output,
        )
        for query, row in zip(queries, found, strict=True):
            others = [
                (candidate, _same_bytes(query, candidate, comparison))
                for (candidate, _), comparison in zip(usable, row, strict=True)
                if candidate.track_id is None or candidate.track_id != query.track_id
            ]
            query.compared += len(others)
            query.skipped += len(block) - len(usable)
            query.best += others
            query.best.sort(key=lambda pair: (-round(pair[1].score, 3), pair[0].uri))
            del query.best[request.limit :]


def _same_bytes(query: Query, candidate: Candidate, found: Comparison) -> Comparison:
    """A clip too short or too steady to be aligned is still the same as itself; silence is nothing to silence."""
    if candidate.audio_id != query.audio_id or query.health["silent"] or found.score >= 0.999:
        return found
    return identical(found, query.heard.duration_s)


async def _shortlist(
    stage: StageContext, request: SearchRequest, query: Query, candidates: list[Candidate]
) -> list[Candidate]:
    """The candidates that most of the query's windows find, and strangers drawn by the job's own seed."""
    if (mark := await stage.vectors.unclean()) is not None:
        raise Unavailable(f"the index is being compared with the catalogue (unclean stop {mark})", "wait for it")
    latents = unpack(query.heard.latents).array
    version, dataset_id = stage.work.model_version, stage.work.dataset_id
    assert dataset_id is not None
    collection = Collection(stage.work.tenant, dataset_id, "full_audio_latent", version, latents.shape[1])
    hits = await stage.vectors.search(collection, latents, HITS_PER_WINDOW)
    votes: defaultdict[str, float] = defaultdict(float)
    for hit in hits:
        votes[hit.track_id] += hit.score
    listed = {candidate.track_id: candidate for candidate in candidates if candidate.track_id is not None}
    ranked = [listed[track_id] for track_id in sorted(votes, key=votes.__getitem__, reverse=True) if track_id in listed]
    shortlist = ranked[: max(stage.settings.shortlist_size, request.limit)]
    rest = sorted(set(listed) - {candidate.track_id for candidate in shortlist})
    strangers = random.Random(f"{request.job_id}/{query.index}").sample(rest, min(stage.settings.strangers, len(rest)))
    return shortlist + [listed[track_id] for track_id in strangers]


async def _queries(stage: StageContext, request: SearchRequest, tracks: dict[str, Any]) -> list[Query]:
    if request.search_type == "1:n":
        return [await _own_query(stage, 0)]
    first = stage.work.first_query
    listed = tracks["queries"][first : first + stage.work.queries]
    return [
        Query(
            index=index,
            uri=row["blob_uri"],
            track_id=row["track_id"],
            audio_id=row["audio_id"],
            health=row["health"],
            heard=await _heard(stage, row["audio_id"], row["duration_s"]),
        )
        for index, row in enumerate(listed, first)
    ]


async def _live(stage: StageContext, request: SearchRequest, rows: list[dict[str, Any]]) -> list[Candidate]:
    """The candidates of the accepted list that are still there."""
    work = stage.work
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
        for row in rows
        if row["track_id"] in live
    ]


async def _own_query(stage: StageContext, index: int) -> Query:
    audio = _audio(stage, "query")
    facts = (await stage.load_array(audio.audio_id, "envelope")).meta
    heard = await _heard(stage, audio.audio_id, facts["duration_s"])
    health = {name: facts["health"][name] for name in ("silent", "clipped", "truncated")}
    return Query(index, audio.blob_uri, None, audio.audio_id, health, heard)


async def _own_candidate(stage: StageContext) -> Candidate:
    audio = _audio(stage, "candidate")
    facts = (await stage.load_array(audio.audio_id, "envelope")).meta
    return Candidate(audio.blob_uri, None, audio.audio_id, audio.filename, None, None, facts["duration_s"], {})


def _audio(stage: StageContext, role: str) -> Audio:
    return next(audio for audio in stage.work.audios if audio.role == role)


async def _heard(stage: StageContext, audio_id: str, duration_s: float) -> Heard:
    cqt = await stage.load(audio_id, "cqt")
    return Heard(cqt, await stage.load(audio_id, "full_audio_latent"), duration_s)


async def _hear(stage: StageContext, candidate: Candidate) -> Heard | None:
    """What was heard in a candidate; None when its artifacts are gone, which the result counts as skipped."""
    try:
        return await _heard(stage, candidate.audio_id, candidate.duration_s)
    except ArtifactGone:
        return None
