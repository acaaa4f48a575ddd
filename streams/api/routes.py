"""The whole HTTP surface on one screen: method, path, handler, status, and the codes it may refuse with.

Bodies, queries and answers are the handlers' annotations. What every call may answer (401, 403, 406, 429, 500, 503)
and what every JSON body may (400, 413, 415) is not repeated here.
"""

from __future__ import annotations

from streams.api import datasets, docs, health, ingests, jobs, searches, uploads
from streams.api.routing import Route
from streams.api.schemas import FileForm

NO_DATASET, NO_BLOB, NO_JOB = "dataset-not-found", "blob-not-found", "job-not-found"
HOOK = "webhook-url-not-allowed"
BAD_FILE = ("empty-file", "audio-too-short", "audio-too-long", "audio-undecodable", "unsupported-audio-format")
BAD_FORM = (*BAD_FILE, "validation-failed", "upload-too-large", "unsupported-media-type")
BAD_INGEST = ("too-many-blobs", "invalid-blob-name", HOOK, NO_DATASET, NO_BLOB)
BAD_SEARCH = (
    "field-not-allowed", "invalid-blob-name", "encoder-not-ingested", "depth-not-ingested", "dataset-empty",
    "too-many-pairs", "model-versions-differ", HOOK, NO_DATASET, NO_BLOB,
)  # fmt: skip
BAD_CANCEL = (NO_JOB, "job-finished")
BAD_PAGE = ("validation-failed", "invalid-cursor")

ROUTES = (
    Route("POST",   "/trace/v1/dataset",                      datasets.create,              201, ("dataset-exists",)),
    Route("GET",    "/trace/v1/dataset",                      datasets.show_all,            200, BAD_PAGE),
    Route("GET",    "/trace/v1/dataset/{dataset_id}",         datasets.show,                200, (NO_DATASET,)),
    Route("POST",   "/trace/v1/upload",                       uploads.upload,               200, BAD_FORM, FileForm),
    Route("POST",   "/trace/v1/ingest/type1",                 ingests.type1,                202, BAD_INGEST),
    Route("POST",   "/trace/v1/ingest/type2",                 ingests.type2,                202, BAD_INGEST),
    Route("GET",    "/trace/v1/ingest/{job_id}",              jobs.show_ingested,           200, (NO_JOB,)),
    Route("POST",   "/trace/v1/search/type1",                 searches.search_type1,        202, BAD_SEARCH),
    Route("POST",   "/trace/v1/search/type2",                 searches.search_type2,        202, BAD_SEARCH),
    Route("POST",   "/trace/v1/comprehensive1/type1",         searches.comprehensive_type1, 202, BAD_SEARCH),
    Route("POST",   "/trace/v1/comprehensive1/type2",         searches.comprehensive_type2, 202, BAD_SEARCH),
    Route("GET",    "/trace/v1/comprehensive1/jobs/{job_id}", jobs.show_comprehensive,      200, (NO_JOB,)),
    Route("GET",    "/trace/v1/jobs",                         jobs.show_all,                200, BAD_PAGE),
    Route("GET",    "/trace/v1/jobs/{job_id}",                jobs.show,                    200, (NO_JOB,)),
    Route("DELETE", "/trace/v1/jobs/{job_id}",                jobs.cancel,                  200, BAD_CANCEL),
)  # fmt: skip

OPEN = {  # need no key
    "/livez": health.livez,
    "/readyz": health.readyz,
    "/metrics": health.metrics,
    "/docs": docs.page,
    "/openapi.json": docs.openapi,
    "/asyncapi.json": docs.asyncapi,
}
