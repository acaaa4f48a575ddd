"""The tables of the catalogue and of the read model, in SQL that SQLite and PostgreSQL both speak.

Times are epoch milliseconds: a time zone does not survive SQLite. Every row belongs to a tenant.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData()

# ── The catalogue: truth, backed up ──────────────────────────────────────────────────────────────────────────────────

datasets = Table(
    "datasets",
    metadata,
    Column("dataset_id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("description", String, nullable=False, default=""),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("content_type", String, nullable=False, server_default="music"),
    Column("thresholds", JSON, nullable=False, server_default="{}"),  # those that it sets otherwise
    UniqueConstraint("tenant", "name"),
)
pins = Table(  # the model version a dataset keeps until a reindex switches it
    "pins",
    metadata,
    Column("dataset_id", String, primary_key=True),
    Column("encoder_type", String, primary_key=True),
    Column("model_version", String, nullable=False),
)
blobs = Table(  # what a tenant calls its audio, and which bytes that is
    "blobs",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("uri", String, primary_key=True),
    Column("audio_id", String, nullable=False),
    Column("filename", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
)
tracks = Table(
    "tracks",
    metadata,
    Column("dataset_id", String, primary_key=True),
    Column("track_id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("audio_id", String, nullable=False),
    Column("blob_uri", String, nullable=False),
    Column("filename", String, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("rate_hz", Integer, nullable=False),
    Column("channels", Integer, nullable=False),
    Column("health", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("ingested_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
)
track_tasks = Table(  # what of a track is searchable
    "track_tasks",
    metadata,
    Column("dataset_id", String, primary_key=True),
    Column("track_id", String, primary_key=True),
    Column("encoder_type", String, primary_key=True),
    Column("task", String, primary_key=True),
    Column("model_version", String, nullable=False),
)
keys = Table(
    "keys",
    metadata,
    Column("key_hash", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("revoked", Boolean, nullable=False, default=False),
)
accepted = Table(  # request events that were handled: a second one makes nothing new
    "accepted",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("accepted_at_ms", BigInteger, nullable=False),
)
job_sizes = Table(  # what the first record of a job said; later ones must agree
    "job_sizes",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("job_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("size", Integer, nullable=False),
)
cancels = Table(
    "cancels",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("job_id", String, primary_key=True),
    Column("cancelled_at_ms", BigInteger, nullable=False),
)
attempts = Table(  # of a work at a stage; the row goes when the work has passed
    "attempts",
    metadata,
    Column("consumer_group", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("starts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
)
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("topic", String, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("headers", JSON, nullable=False),
)

# ── The read model: rebuilt from topics ──────────────────────────────────────────────────────────────────────────────

jobs = Table(
    "jobs",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("job_id", String, primary_key=True),
    Column("kind", String),  # ingest, search; null until a record tells
    Column("status", String, nullable=False, default="pending"),
    Column("size", Integer),  # files, or queries once a search is accepted; null until a record tells
    Column("parts_done", Integer, nullable=False, default=0),
    Column("parts_failed", Integer, nullable=False, default=0),
    Column("asked", JSON, nullable=False, default=dict),  # what the request said and the polls give back
    Column("pairs_total", BigInteger),
    Column("candidates_total", Integer),
    Column("candidates_skipped", Integer, nullable=False, default=0),
    Column("queries_skipped", Integer, nullable=False, default=0),
    Column("warnings", JSON, nullable=False, default=list),
    Column("error", String),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("started_at_ms", BigInteger),
    Column("finished_at_ms", BigInteger),
    Column("expires_at_ms", BigInteger),
    Index("jobs_by_age", "tenant", "created_at_ms", "job_id"),
)
parts = Table(  # of a job: the files of an ingest, the queries of a search
    "parts",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("job_id", String, primary_key=True),
    Column("part_index", Integer, primary_key=True),
    Column("status", String, nullable=False, default="pending"),
    Column("stage", String),  # the furthest one reached
    Column("blob_name", String),  # of a file
    Column("filename", String),
    Column("error", JSON(none_as_null=True)),
    Column("outcome", JSON(none_as_null=True)),  # what only an ended part has: see FileView and QueryView
    Column("finished_at_ms", BigInteger),
    Column("finished_by", String),  # the event that ended it
)
artifacts = Table(  # of a file: what was made or found for it
    "artifacts",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("job_id", String, primary_key=True),
    Column("file_index", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("reused", Boolean, nullable=False),
    Column("seconds_taken", Float, nullable=False),
)
offsets = Table(  # how far the projector has read; written with the rows it made of it
    "offsets",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)
