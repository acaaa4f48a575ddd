"""Which candidates of a large dataset are compared: those that the index finds for a query, and some strangers."""

from __future__ import annotations

import random
from collections import defaultdict

from streams import cards, pipeline
from streams.artifacts import unpack
from streams.errors import Unavailable
from streams.matches import Candidate
from streams.records import SearchRequest
from streams.sides import Query
from streams.stage import StageContext

HITS_PER_WINDOW = 100


async def shortlist(
    stage: StageContext, request: SearchRequest, query: Query, candidates: list[Candidate]
) -> list[Candidate]:
    """The candidates that most of the query's windows find, and strangers drawn by the job's own seed.

    Once the dataset was switched to another model version, the windows of this work's version may be gone from the
    index: then it is all candidates, whose artifacts stay.
    """
    if (mark := await stage.vectors.unclean()) is not None:
        raise Unavailable(f"the index is being compared with the catalogue (unclean stop {mark})", "wait for it")
    work, dataset_id = stage.work, stage.work.dataset_id
    assert dataset_id is not None
    listed = {candidate.track_id: candidate for candidate in candidates if candidate.track_id is not None}
    size = max(stage.settings.shortlist_size, request.limit)
    found = set[str]()
    for layer, packed in query.heard.latents.items():
        latents = unpack(packed).array
        collection = cards.collection_of(work.tenant, dataset_id, pipeline.LAYERS[layer], stage.card)
        votes: defaultdict[str, float] = defaultdict(float)
        for hit in await stage.vectors.search(collection, latents, HITS_PER_WINDOW):
            votes[hit.track_id] += hit.score
        ranked = sorted(votes.keys() & listed.keys(), key=votes.__getitem__, reverse=True)
        found.update(ranked[:size])
    if await stage.catalogue.pinned_to(dataset_id, work.encoder_type) != work.model_version:
        return candidates
    chosen = [listed[track_id] for track_id in sorted(found)]
    rest = sorted(set(listed) - found)
    strangers = random.Random(f"{request.job_id}/{query.index}").sample(rest, min(stage.settings.strangers, len(rest)))
    return chosen + [listed[track_id] for track_id in strangers]
