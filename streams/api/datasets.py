"""Datasets: made, listed, read (contract, A1)."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from aiohttp import web
from yarl import URL

from streams import check
from streams.api.routing import Answer
from streams.api.schemas import Dataset, Datasets, DatasetsQuery, NewDataset, rfc3339
from streams.api.state import CATALOGUE, tenant_of
from streams.errors import Invalid, NotFound
from streams.stores import catalogue


async def create(request: web.Request, body: NewDataset) -> Answer[Dataset]:
    """Make a dataset."""
    content_type = check.check_content(body.content_type, body.thresholds)
    made = await request.app[CATALOGUE].create_dataset(
        tenant_of(request), body.name, body.description, content_type=content_type, thresholds=body.thresholds
    )
    return Answer(_shown(made), {"Location": f"/trace/v1/dataset/{made.dataset_id}"})


async def show_all(request: web.Request, query: DatasetsQuery) -> Answer[Datasets]:
    """All datasets, oldest first; with `limit`, a page of them and a `Link` to the next."""
    after = None if query.cursor is None else read_cursor(query.cursor)
    wanted = None if query.limit is None else query.limit + 1
    found = await request.app[CATALOGUE].datasets(tenant_of(request), after=after, limit=wanted)
    headers = {}
    if query.limit is not None and len(found) > query.limit:
        found = found[: query.limit]
        following = {"limit": str(query.limit), "cursor": make_cursor(found[-1].dataset_id)}
        headers["Link"] = f'<{URL(request.path).with_query(following)}>; rel="next"'
    return Answer(Datasets([_shown(dataset) for dataset in found]), headers)


async def show(request: web.Request, dataset_id: str) -> Answer[Dataset]:
    """One dataset."""
    try:
        known = str(UUID(dataset_id)) == dataset_id
    except ValueError:
        known = False
    if not known:
        raise NotFound("there is no such dataset", "list your datasets", code="dataset-not-found")
    return Answer(_shown(await request.app[CATALOGUE].dataset(tenant_of(request), dataset_id)))


def make_cursor(position: str) -> str:
    """Where a page ended; opaque to whoever gets it."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """Raises: `Invalid` `invalid-cursor` when it is none that we gave."""
    try:
        position = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        position = ""
    if not position.isprintable() or make_cursor(position) != cursor or not cursor:
        raise Invalid("the cursor is not one of ours", "take it from the page before, unchanged", code="invalid-cursor")
    return position


def _shown(dataset: catalogue.Dataset) -> Dataset:
    return Dataset(
        dataset_id=dataset.dataset_id,
        user_id=dataset.tenant,
        name=dataset.name,
        description=dataset.description,
        created_at=rfc3339(dataset.created_at_ms),
        content_type=dataset.content_type,
        thresholds=dict(dataset.thresholds),
        ingested_tasks=[task for task in check.TASKS if task in dataset.ingested_tasks],
        encoder_types=sorted(dataset.encoder_types),
    )
