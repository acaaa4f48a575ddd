"""Match: every query of a work meets its candidates. Ends a search.

All candidates are ranked by their windows, by each layer that was asked for; then the best of each are compared in
full and ranked anew: where they match, in which key and tempo, and what that proves, seen against the dataset's own
strangers where there are enough of them. Up to `exact_candidates_max` candidates all are ranked; above, a shortlist
from the index and some random strangers. A hit of the index counts only when the catalogue has a live row for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from models.content import Thresholds
from models.finding import VERDICTS, Finding, Found, finding, identical
from models.layers import Layered
from models.library import Cohort
from models.motif.melodies import SharedMelody
from models.section.form import Form
from streams.answers import Answer, say
from streams.artifacts import job_name
from streams.cohort import cohort_of
from streams.matches import Candidate, compare_block, compare_sections, describe, score_block
from streams.melody import melodies_with, shared_melodies, with_melodies
from streams.recognition import recognised
from streams.records import Job, Match, SearchRequest
from streams.shortlist import shortlist
from streams.sides import Query, candidates_of, depth_of, hear, layers_of, queries_of, with_transforms
from streams.stage import StageContext
from streams.thresholds import thresholds_of

BLOCK = 100  # candidates that are read and compared at a time: bounds the memory of a work


async def match(stage: StageContext) -> None:
    request, tracks = stage.request, dict[str, Any]()
    assert isinstance(request, SearchRequest)
    if request.search_type != "1:1":
        tracks = json.loads(await stage.blobs.get(job_name(stage.work.tenant, request.job_id, "tracks")))
    queries, candidates = await queries_of(stage, request, tracks), await candidates_of(stage, request, tracks)
    skipped = stage.work.candidates_skipped + len(tracks.get("candidates", candidates)) - len(candidates)
    if not layers_of(request):
        there = candidates if request.search_type == "1:1" else await with_melodies(stage, candidates)
        skipped, candidates = skipped + len(candidates) - len(there), there
        for query in queries:
            query.compared = sum(_is_other(query, candidate) for candidate in candidates)
    elif len(candidates) <= stage.settings.exact_candidates_max:
        await _rank(stage, request, queries, candidates)
    else:
        for query in queries:
            await _rank(stage, request, [query], await shortlist(stage, request, query, candidates))
    cohorts = {layer: await cohort_of(stage, candidates, layer) for layer in layers_of(request)}
    among = {layer: found for layer, found in cohorts.items() if found is not None}
    limits = await thresholds_of(stage, candidates)
    for query in queries:
        query.recordings = await recognised(stage, query, candidates, limits)
        if depth_of(request).melodies:
            query.melodies = await shared_melodies(stage, query, candidates)
        matches = await _described(stage, request, query, candidates, among=among, limits=limits)
        answer = Answer(
            "completed",
            stage.work.model_version,
            query_audio_id=query.uri,
            query_sha256=query.audio_id,
            health=query.health,
            matches=matches,
            candidates_compared=query.compared,
            candidates_skipped=skipped + query.skipped,
            seconds_taken=time.monotonic() - stage.began,
        )
        await say(stage, request, Job(id=request.job_id, index=query.index, size=stage.work.job.size), answer)


async def _rank(stage: StageContext, request: SearchRequest, queries: list[Query], candidates: list[Candidate]) -> None:
    """Rank every query's candidates, a block at a time; the best, which may come to be first, are kept."""
    kept, layers = max(request.limit, stage.settings.compared_in_full), layers_of(request)
    for first in range(0, len(candidates), BLOCK):
        block = [(candidate, await hear(stage, candidate, layers)) for candidate in candidates[first : first + BLOCK]]
        usable = [(candidate, heard) for candidate, heard in block if heard is not None]
        for query in queries:
            query.compared += sum(_is_other(query, candidate) for candidate, _ in usable)
            query.skipped += len(block) - len(usable)
        for layer in layers:
            mine, theirs = [query.heard for query in queries], [heard for _, heard in usable]
            scores = await stage.heavy(score_block, mine, theirs, layer, stage.card)
            for query, row in zip(queries, scores, strict=True):
                others = [
                    (1.0 if _is_same(query, candidate) else score, candidate)
                    for score, (candidate, _) in zip(row, usable, strict=True)
                    if _is_other(query, candidate)
                ]
                ranked = sorted(query.best.get(layer, []) + others, key=lambda pair: (-round(pair[0], 3), pair[1].uri))
                query.best[layer] = ranked[:kept]


async def _described(
    stage: StageContext,
    request: SearchRequest,
    query: Query,
    candidates: list[Candidate],
    *,
    among: Mapping[str, Cohort],
    limits: Mapping[str, Thresholds],
) -> tuple[tuple[Match, dict[str, Any]], ...]:
    """All that is told of a query's best candidates, as records and as JSON, best first, `limit` of them."""
    layers, sections, stem_types = layers_of(request), depth_of(request).sections, tuple(request.stem_types)
    mine = await with_transforms(stage, query.heard, sections)
    ranked, found = _chosen(query, candidates, layers, request.limit), list[tuple[Candidate, Finding]]()
    for first in range(0, len(ranked), BLOCK):
        block = [(candidate, await hear(stage, candidate, layers)) for candidate in ranked[first : first + BLOCK]]
        usable = [
            (candidate, await with_transforms(stage, heard, sections))
            for candidate, heard in block
            if heard is not None
        ]
        theirs, verbose = [heard for _, heard in usable], request.verbose_output
        layered: list[Layered | None] = [None] * len(usable)
        if layers:
            layered = list(
                await stage.heavy(compare_block, mine, theirs, layers, stage.card, verbose=verbose, among=among)
            )
        forms: list[dict[str, Form] | None] = [None] * len(usable)
        if sections:
            forms = list(await stage.heavy(compare_sections, mine, theirs, sections, stem_types))
        for (candidate, _), by_windows, by_sections in zip(usable, layered, forms, strict=True):
            heard = Found(
                layered=by_windows,
                recordings=query.recordings.get(candidate.audio_id, ()),
                melodies=await _melodies(stage, query, candidate, by_windows),
                forms=by_sections,
            )
            told = finding(
                heard,
                mine.duration_s,
                candidate.duration_s,
                tracks=len(candidates),
                thresholds=limits[candidate.audio_id],
            )
            found.append((candidate, identical(told, mine.duration_s) if _is_same(query, candidate) else told))
    found.sort(key=lambda pair: (-round(pair[1].score, 3), -VERDICTS.index(pair[1].verdict), pair[0].uri))
    told_of = 1 if request.search_type == "1:1" else request.limit
    ranks = enumerate(found[:told_of], 1)
    return tuple(describe(rank, candidate, told, stage.card) for rank, (candidate, told) in ranks)


async def _melodies(
    stage: StageContext, query: Query, candidate: Candidate, by_windows: Layered | None
) -> tuple[SharedMelody, ...] | None:
    """What a candidate shares with the query; None where nobody looked.

    Postings tell of the few that share most. Windows prove a composition only with a melody, so that it is looked for
    in the contours of every candidate of which they tell one.
    """
    if query.melodies is None:
        return None
    found = query.melodies.get(candidate.audio_id)
    if found is None and by_windows is not None and by_windows.verdict == "same_composition":
        return await melodies_with(stage, query, candidate)
    return found or (() if await with_melodies(stage, [candidate]) else None)


def _chosen(query: Query, candidates: list[Candidate], layers: tuple[str, ...], limit: int) -> list[Candidate]:
    """The candidates that are worth being compared in full: by whichever layer, each once.

    Of those that windows rank alike the first found counts. Where nothing else ranks them, the rest has no score.
    """
    best = [candidate for layer in layers for _, candidate in query.best.get(layer, [])]
    known = query.recordings.keys() | (query.melodies or {}).keys()
    best += [candidate for candidate in candidates if candidate.audio_id in known]
    if not layers:
        best += sorted(candidates, key=lambda candidate: candidate.uri)[: limit + 1]
    return list({candidate.audio_id: candidate for candidate in best if _is_other(query, candidate)}.values())


def _is_same(query: Query, candidate: Candidate) -> bool:
    """A clip too short or too steady to be aligned is still the same as itself; silence is nothing to silence."""
    return candidate.audio_id == query.audio_id and not query.health["silent"]


def _is_other(query: Query, candidate: Candidate) -> bool:
    return candidate.track_id is None or candidate.track_id != query.track_id
