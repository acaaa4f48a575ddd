"""The records on the wire, typed: field for field as in `schemas/*.avsc` (tests/schemas holds them together).

The rules a publisher must keep (lengths, alphabets) stand here too, so that a record which decodes but breaks one is
refused with every fault named. Times are UTC; Avro keeps milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from models.content import CONTENT_TYPES
from streams.errors import Invalid, SoundtraceError
from streams.pipeline import EncoderType

EventId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
TenantName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
JobId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
METADATA_ENTRIES_MAX, METADATA_BYTES_MAX = 64, 4_096


def now() -> datetime:
    """The present, at the millisecond that Avro keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class Record(BaseModel):
    """A frozen record; `schema_name` is its file under `schemas/`."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    schema_name: ClassVar[str] = ""


class Job(Record):
    id: JobId
    index: int = Field(ge=0)
    size: int = Field(ge=1)


class Problem(Record):
    code: str
    message: str
    remedy: str

    @classmethod
    def of(cls, error: SoundtraceError) -> Problem:
        return cls(code=error.code, message=error.message, remedy=error.remedy)


class Upload(Record):
    schema_name = "upload"

    event_id: EventId
    tenant: TenantName
    dataset_name: str = Field(min_length=1, max_length=255)
    dataset_id: str | None = None
    blob_uri: str = Field(min_length=1, max_length=4_096)
    filename: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    encoder_type: EncoderType = "type2"
    tasks: tuple[str, ...] = ("full_audio_latent",)
    job: Job
    webhook_url: str | None = None
    metadata: dict[str, str] = {}
    requested_at: AwareDatetime

    @field_validator("metadata")
    @classmethod
    def _small(cls, metadata: dict[str, str]) -> dict[str, str]:
        size_bytes = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
        if len(metadata) > METADATA_ENTRIES_MAX or size_bytes > METADATA_BYTES_MAX:
            raise ValueError(f"metadata may have {METADATA_ENTRIES_MAX} entries and {METADATA_BYTES_MAX} bytes")
        content_type = metadata.get("content_type", "music")
        if content_type not in CONTENT_TYPES:
            known = ", ".join(CONTENT_TYPES)
            raise ValueError(f"'{content_type}' is no content type; content types are {known}")
        return metadata


class SearchRequest(Record):
    schema_name = "search_request"

    event_id: EventId
    tenant: TenantName
    requested_at: AwareDatetime
    job_id: JobId
    profile: str = "search"
    search_type: str
    encoder_type: EncoderType = "type2"
    depth: str = "track"
    stem_types: tuple[str, ...] = ("vocals",)
    limit: int = 10
    verbose_output: bool = False
    query_uri: str | None = None
    candidate_uri: str | None = None
    query_dataset_name: str | None = None
    candidate_dataset_name: str | None = None
    webhook_url: str | None = None


class Audio(Record):
    role: Literal["track", "query", "candidate"]
    audio_id: str
    blob_uri: str
    filename: str
    present: tuple[str, ...] = ()
    failed: dict[str, Problem] = {}


class Work(Record):
    schema_name = "work"

    event_id: str
    tenant: str
    job: Job
    lane: str
    request: bytes
    dataset_id: str | None = None
    encoder_type: EncoderType = "type2"
    model_version: str
    separator: str = "unet-1"
    audios: tuple[Audio, ...]
    wanted: tuple[str, ...]
    first_query: int = 0
    queries: int = 1
    candidates_skipped: int = 0
    queries_skipped: int = 0
    accepted_at: AwareDatetime


class Progress(Record):
    schema_name = "progress"

    event_id: str
    tenant: str
    job: Job
    stage: str
    status: Literal["running", "cancelled"] = "running"
    queries_total: int | None = None
    pairs_total: int | None = None
    candidates_total: int | None = None
    candidates_skipped: int = 0
    queries_skipped: int = 0
    warnings: tuple[str, ...] = ()
    at: AwareDatetime


class Health(Record):
    silent: bool = False
    clipped: bool = False
    truncated: bool = False


class Track(Record):
    track_id: str
    blob_name: str
    filename: str
    sha256: str
    duration_s: float
    rate_hz: int
    channels: int
    encoder_types: tuple[str, ...]
    tasks: tuple[str, ...]
    health: Health
    metadata: dict[str, str]
    ingested_at: AwareDatetime
    expires_at: AwareDatetime | None = None


class StemPresence(Record):
    present: bool
    loudness_dbfs: float
    relative_db: float
    active_share: float


class Feature(Record):
    schema_name = "feature"

    event_id: str
    tenant: str
    created_at: AwareDatetime
    job: Job
    dataset_name: str | None = None
    audio_id: str
    blob_uri: str
    track_id: str | None = None
    kind: str
    uri: str | None = None
    shape: tuple[int, ...] = ()
    dtype: str | None = None
    hop_s: float | None = None
    window_s: float | None = None
    start_s: float | None = None
    stems: dict[str, StemPresence] = {}
    encoder_type: EncoderType
    model_version: str
    params_hash: str
    seconds_taken: float
    reused: bool = False
    track: Track | None = None
    tasks_done: tuple[str, ...] = ()
    tasks_failed: dict[str, Problem] = {}


class Evidence(Record):
    query_start_s: float
    query_end_s: float
    candidate_start_s: float
    candidate_end_s: float
    layer: str
    stem: str | None = None
    score: float
    tempo_ratio: float
    transposition_semitones: int
    landmarks: int | None = None
    detune_cents: float | None = None
    time_error_s: float | None = None
    tempo_error: float | None = None
    transposition_error_cents: float | None = None


class LayerScores(Record):
    max: float
    max_then_mean: float
    hungarian_mean: float


class Match(Record):
    id: str
    track_id: str | None
    filename: str | None
    dataset_id: str | None
    dataset_name: str | None
    rank: int
    score: float
    metric: str
    layer: str
    verdict: str
    p_chance: float | None = None
    p_match: float | None = None
    agreement: float | None = None
    qmax: float | None = None
    voice_similarity: float | None = None
    commonness: float | None = None
    layers: dict[str, LayerScores]
    evidence: tuple[Evidence, ...]
    motifs: tuple[Evidence, ...] = ()
    sections: tuple[Evidence, ...] = ()
    metadata: dict[str, str] = {}


class SearchResult(Record):
    schema_name = "search_result"

    event_id: str
    tenant: str
    completed_at: AwareDatetime
    job: Job
    status: Literal["completed", "failed", "cancelled"]
    error: Problem | None = None
    profile: str
    search_type: str
    depth: str
    encoder_type: EncoderType
    query_audio_id: str | None = None
    query_sha256: str | None = None
    candidates_compared: int = 0
    candidates_skipped: int = 0
    matches: tuple[Match, ...] = ()
    details_uri: str
    model_version: str
    seconds_taken: float


class Header(Record):
    name: str
    value: bytes


class DeadLetter(Record):
    schema_name = "dead_letter"

    event_id: str
    failed_at: AwareDatetime
    topic: str
    partition: int
    offset: int
    timestamp: AwareDatetime
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[Header, ...] = ()
    stage: str
    error_code: str
    message: str
    remedy: str
    attempts: int
    app_version: str
    tenant: str | None = None
    job: Job | None = None


RECORDS: dict[str, type[Record]] = {
    record.schema_name: record for record in (Upload, SearchRequest, Work, Progress, Feature, SearchResult, DeadLetter)
}


def build(name: str, fields: dict[str, Any]) -> Record:
    """The typed record of decoded fields.

    Raises: `Invalid` (`validation-failed`) naming every fault, when the fields break the contract's rules;
        its `facts["fields"]` are the fields, so that whoever published them can still be told.
    """
    try:
        return RECORDS[name].model_validate(fields)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        remedy = "mend the named fields and publish again"
        raise Invalid(f"the {name} breaks the contract: {faults}", remedy, fields=fields) from None
