"""Which thresholds judge a candidate: of the content type that its upload named, else of its dataset's."""

from __future__ import annotations

from collections.abc import Iterable

from models.content import THRESHOLDS, ContentType, Thresholds, thresholds
from streams.matches import Candidate
from streams.stage import StageContext


async def thresholds_of(stage: StageContext, candidates: Iterable[Candidate]) -> dict[str, Thresholds]:
    """By audio id. What the dataset sets otherwise holds for each of its tracks; a 1:1 search has no dataset."""
    if stage.work.dataset_id is None:
        return {candidate.audio_id: THRESHOLDS["music"] for candidate in candidates}
    dataset = await stage.catalogue.dataset(stage.work.tenant, stage.work.dataset_id)
    table = {name: thresholds(name, dataset.thresholds) for name in THRESHOLDS}
    return {candidate.audio_id: table[_type(candidate, dataset.content_type)] for candidate in candidates}


def _type(candidate: Candidate, otherwise: ContentType) -> ContentType:
    named = candidate.metadata.get("content_type")
    return next((name for name in THRESHOLDS if name == named), otherwise)
