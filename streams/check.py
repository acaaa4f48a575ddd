"""One pure check of a request against what the catalogue knows. The API and `accept` both call it.

`look_…` fetches what a request names, `check_…` decides. So HTTP and Kafka refuse the same things in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from models.content import CONTENT_TYPES, ContentType
from models.content import thresholds as thresholds_of
from streams import pipeline
from streams.errors import Invalid, NotFound
from streams.records import SearchRequest
from streams.settings import Settings
from streams.stores.catalogue import Blob, Catalogue, Dataset, TrackRow

TASKS = tuple(pipeline.TASKS)
DEPTHS = tuple(pipeline.DEPTHS)
STEM_TYPES = ("vocals", "bass", "drums", "other")
SEARCH_TYPES = ("1:1", "1:n", "m:n")
LIMIT_MAX = 1_000

# field: what each search type says to it (contract, A5)
FIELD_RULES: Mapping[str, tuple[str, str, str]] = {
    #                           1:1          1:n          m:n
    "query_uri":              ("required",  "required",  "forbidden"),
    "candidate_uri":          ("required",  "forbidden", "forbidden"),
    "candidate_dataset_name": ("forbidden", "required",  "required"),
    "query_dataset_name":     ("forbidden", "forbidden", "required"),
}  # fmt: skip

BLOB_NAME = re.compile(r"^dataset/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}_[^/\x00]{1,160}$")
Fault = dict[str, str]  # {"field", "detail"}


@dataclass(frozen=True, slots=True)
class SearchView:
    """What a search names, as the catalogue knows it; None for what it does not name or what does not exist."""

    query_dataset: Dataset | None
    candidate_dataset: Dataset | None
    queries: tuple[TrackRow, ...]  # usable tracks
    candidates: tuple[TrackRow, ...]
    queries_skipped: int
    candidates_skipped: int
    query_version: str | None = None  # the model versions that the datasets are pinned to
    candidate_version: str | None = None
    query_separator: str | None = None
    candidate_separator: str | None = None


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """An accepted search: m queries against n candidates, and what had to be left out."""

    lane: str
    m: int
    n: int
    queries_skipped: int
    candidates_skipped: int


def check_tasks(tasks: Iterable[str]) -> tuple[str, ...]:
    """The tasks without repeats, in the contract's order.

    Raises: `Invalid` `validation-failed`, every fault listed.
    """
    asked = tuple(tasks)
    faults = [] if asked else [_fault("tasks", "name at least one task")]
    unknown = (task for task in dict.fromkeys(asked) if task not in TASKS)
    faults += [_fault("tasks", f"'{task}' is no task; tasks are {', '.join(TASKS)}") for task in unknown]
    _refuse(faults)
    return tuple(task for task in TASKS if task in asked)


def check_content(content_type: str, thresholds: Mapping[str, float]) -> ContentType:
    """The content type of a dataset, when it is one and its thresholds can be set so.

    Raises: `Invalid` `validation-failed`.
    """
    for name in CONTENT_TYPES:
        if name == content_type:
            try:
                thresholds_of(name, thresholds)
            except ValueError as error:
                _refuse([_fault("thresholds", str(error))])
            return name
    known = ", ".join(CONTENT_TYPES)
    raise _refusal([_fault("content_type", f"'{content_type}' is no content type; content types are {known}")])


def check_search_fields(request: SearchRequest) -> SearchRequest:
    """The request with its search type in lower case, when its fields alone are in order.

    Raises: `Invalid` `field-not-allowed` for a field its search type forbids, else `validation-failed`.
    """
    request = request.model_copy(update={"search_type": request.search_type.lower()})
    faults: list[Fault] = []
    if request.profile not in pipeline.PROFILES:
        profiles = ", ".join(pipeline.PROFILES)
        faults.append(_fault("profile", f"'{request.profile}' is no profile; profiles are {profiles}"))
    faults += _depth_faults(request.depth, request.stem_types)
    if request.search_type != "1:1" and not 1 <= request.limit <= LIMIT_MAX:
        faults.append(_fault("limit", f"{request.limit} is not within 1..{LIMIT_MAX}"))
    if request.search_type not in SEARCH_TYPES:
        faults.append(_fault("search_type", f"'{request.search_type}' is not one of {', '.join(SEARCH_TYPES)}"))
    else:
        forbidden, required = _field_faults(request)
        if forbidden:
            _refuse(forbidden, code="field-not-allowed")
        faults += required
    _refuse(faults)
    return request


def check_depth(depth: str, stem_types: Collection[str]) -> None:
    """Raises: `Invalid` `validation-failed` for a depth or a stem that is none."""
    _refuse(_depth_faults(depth, stem_types))


async def look_for_search(request: SearchRequest, catalogue: Catalogue) -> SearchView:
    """What the catalogue knows about the datasets that a search names."""
    queries = await _look_at_dataset(request, request.query_dataset_name, catalogue)
    candidates = await _look_at_dataset(request, request.candidate_dataset_name, catalogue)
    versions = [
        None if side[0] is None else await catalogue.pinned_to(side[0].dataset_id, pinned)
        for pinned in (request.encoder_type, pipeline.SEPARATOR)
        for side in (queries, candidates)
    ]
    return SearchView(queries[0], candidates[0], queries[1], candidates[1], queries[2], candidates[2], *versions)


def check_search(request: SearchRequest, view: SearchView, limits: Settings) -> SearchPlan:
    """What the search comes to.

    Args:
        request: as `check_search_fields` gave it back.
    Raises: `NotFound` `dataset-not-found`; `Invalid` `dataset-empty`, `encoder-not-ingested`,
        `model-versions-differ`, `too-many-pairs`.
    """
    if request.search_type == "1:1":
        return SearchPlan("live", 1, 1, 0, 0)
    many = request.search_type == "m:n"
    sides = [(request.candidate_dataset_name, view.candidate_dataset, view.candidates, view.candidates_skipped)]
    if many:
        sides.insert(0, (request.query_dataset_name, view.query_dataset, view.queries, view.queries_skipped))
    for name, dataset, usable, skipped in sides:
        if dataset is None:
            remedy = "create it and ingest into it, or list your datasets"
            raise NotFound(f"there is no dataset named '{name}'", remedy, code="dataset-not-found")
        if not usable and not skipped:
            raise Invalid(f"dataset '{name}' has no tracks", "ingest audio into it first", code="dataset-empty")
        if not usable:
            raise _not_ingested(request, dataset)
    if many:
        _refuse_different(request, view)
    m, n = len(view.queries) if many else 1, len(view.candidates)
    if m * n > limits.pairs_max:
        fact = f"{m} queries x {n} candidates are {m * n} pairs, the limit is {limits.pairs_max}"
        raise Invalid(fact, "search in smaller datasets", code="too-many-pairs")
    return SearchPlan("bulk" if many else "live", m, n, view.queries_skipped, view.candidates_skipped)


def _refuse_different(request: SearchRequest, view: SearchView) -> None:
    """Windows of two encoders, or of the stems of two separators, mean different things."""
    names = f"dataset '{request.query_dataset_name}'", f"dataset '{request.candidate_dataset_name}'"
    compares_windows = pipeline.layers_of(_depth(request), request.stem_types)
    if compares_windows and view.query_version != view.candidate_version:
        fact = (
            f"{names[0]} is encoded by {request.encoder_type} '{view.query_version}', "
            f"{names[1]} by '{view.candidate_version}', which cannot be compared"
        )
        remedy = "move the older one with `soundtrace reindex NAME --switch`"
        raise Invalid(fact, remedy, code="model-versions-differ")
    if (
        pipeline.separates(pipeline.wanted_by_search(_depth(request), request.stem_types))
        and view.query_separator != view.candidate_separator
    ):
        fact = (
            f"{names[0]} is separated by '{view.query_separator}', {names[1]} by '{view.candidate_separator}', "
            "whose stems cannot be compared"
        )
        remedy = "search at depth 'track', or ingest one of them into a new dataset"
        raise Invalid(fact, remedy, code="model-versions-differ")


def check_blob_name(name: str) -> str:
    """The name, when it has the form `dataset/<uuid>_<name>`.

    Raises: `Invalid` `invalid-blob-name`; nothing was opened or fetched.
    """
    if not BLOB_NAME.match(name):
        shown = name[:80].encode("unicode_escape").decode()
        remedy = "use the blob_name that the upload returned: dataset/<uuid>_<name>"
        raise Invalid(f"'{shown}' is not a blob name", remedy, code="invalid-blob-name")
    return name


async def known_blob(tenant: str, name: str, catalogue: Catalogue) -> Blob:
    """The blob a caller names: an uploaded one by its blob name, one that came over Kafka by its URI.

    Raises: `NotFound` `blob-not-found`, `Invalid` `invalid-blob-name` when nothing of that name can exist.
    """
    try:
        return await catalogue.blob(tenant, name)
    except NotFound:
        check_blob_name(name)
        raise


async def _look_at_dataset(
    request: SearchRequest, name: str | None, catalogue: Catalogue
) -> tuple[Dataset | None, tuple[TrackRow, ...], int]:
    if name is None:
        return None, (), 0
    try:
        dataset = await catalogue.dataset_by_name(request.tenant, name)
    except NotFound:
        return None, (), 0
    needs = pipeline.needed_by_search(_depth(request), request.stem_types)
    usable = await catalogue.tracks(request.tenant, dataset.dataset_id, encoder_type=request.encoder_type, needs=needs)
    held = await catalogue.count_tracks(request.tenant, dataset.dataset_id)
    return dataset, tuple(usable), held - len(usable)


def _not_ingested(request: SearchRequest, dataset: Dataset) -> Invalid:
    needed = pipeline.needed_by_search(_depth(request), request.stem_types)
    tasks = ", ".join(" or ".join(sorted(either)) for either in needed)
    sought = request.profile if request.profile == "comprehensive1" else f"depth '{request.depth}'"
    fact = f"no track of dataset '{dataset.name}' has {request.encoder_type} features for {sought}"
    remedy = f"ingest its files with {request.encoder_type} and the tasks {tasks}"
    lacks_depth = request.encoder_type in dataset.encoder_types
    return Invalid(fact, remedy, code="depth-not-ingested" if lacks_depth else "encoder-not-ingested")


def _depth(request: SearchRequest) -> pipeline.Depth:
    return pipeline.depth_of(request.profile, request.depth)


def _depth_faults(depth: str, stem_types: Collection[str]) -> list[Fault]:
    faults = []
    if depth not in DEPTHS:
        faults.append(_fault("depth", f"'{depth}' is no depth; depths are {', '.join(DEPTHS)}"))
    elif depth == "stem_section" and "drums" in stem_types:
        faults.append(_fault("stem_types", "drums have no harmony that sections are told by: name other stems"))
    if not stem_types or not set(stem_types) <= set(STEM_TYPES):
        faults.append(_fault("stem_types", f"must name at least one of {', '.join(STEM_TYPES)}, and no other"))
    return faults


def _field_faults(request: SearchRequest) -> tuple[list[Fault], list[Fault]]:
    column = SEARCH_TYPES.index(request.search_type)
    forbidden, required = [], []
    for field, rules in FIELD_RULES.items():
        given = getattr(request, field) is not None
        if rules[column] == "forbidden" and given:
            forbidden.append(_fault(field, f"not allowed in a {request.search_type} search"))
        if rules[column] == "required" and not given:
            required.append(_fault(field, f"required in a {request.search_type} search"))
    return forbidden, required


def _fault(field: str, detail: str) -> Fault:
    return {"field": field, "detail": detail}


def _refuse(faults: list[Fault], code: str = "validation-failed") -> None:
    if faults:
        raise _refusal(faults, code)


def _refusal(faults: list[Fault], code: str = "validation-failed") -> Invalid:
    told = "; ".join(f"{fault['field']}: {fault['detail']}" for fault in faults)
    return Invalid(f"the request cannot be taken: {told}", "mend the named fields", code=code, errors=faults)
