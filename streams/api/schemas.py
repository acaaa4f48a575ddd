"""What goes in and what comes out, field by field as in the contract. /openapi.json is generated from these models."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, RootModel, model_serializer

from models.content import CONTENT_TYPES
from streams import check
from streams.api.reading import Body
from streams.errors import Invalid
from streams.records import SearchRequest

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
JobStatus = Literal["pending", "running", "completed", "failed", "cancelled"]


def _one_of(*values: str) -> Any:
    return Field(json_schema_extra={"enum": list(values)})  # documented here, refused by check.py


def rfc3339(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def maybe_rfc3339(epoch_ms: int | None) -> str | None:
    return None if epoch_ms is None else rfc3339(epoch_ms)


def _dataset_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= 255:
        raise ValueError(f"{len(name)} characters are not within 1..255")
    if name != name.strip() or any(unicodedata.category(sign) == "Cc" for sign in name):
        raise ValueError("must have no outer blanks and no control characters")
    return name


def _faults(check_them: Callable[[], object]) -> list[check.Fault]:
    try:
        check_them()
    except Invalid as refusal:
        found: list[check.Fault] = refusal.facts["errors"]
        return found
    return []


# ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class NewDataset(Body):
    name: Annotated[str, AfterValidator(_dataset_name)] = Field(examples=["my_music"])
    description: str = Field("", max_length=4_096)
    content_type: Annotated[str, _one_of(*CONTENT_TYPES)] = "music"
    thresholds: dict[str, float] = Field({}, examples=[{"least_recording_s": 0.8}])

    @classmethod
    def rules_broken(cls, sound: Mapping[str, Any]) -> list[check.Fault]:
        return _faults(lambda: check.check_content(sound.get("content_type", "music"), sound.get("thresholds", {})))


class NewIngest(Body):
    dataset_name: str = Field(examples=["my_music"])
    audio_blobs: list[str] = Field(min_length=1, examples=[["dataset/3f8a…_song.wav"]])
    tasks: list[Annotated[str, _one_of(*check.TASKS)]] = Field(["full_audio_latent"])
    webhook_url: str | None = None

    @classmethod
    def rules_broken(cls, sound: Mapping[str, Any]) -> list[check.Fault]:
        return _faults(lambda: check.check_tasks(sound.get("tasks", ["full_audio_latent"])))


class NewComprehensiveSearch(Body):
    search_type: Annotated[str, _one_of(*check.SEARCH_TYPES)]
    query_url: str | None = None
    candidate_url: str | None = None
    candidate_dataset_name: str | None = None
    query_dataset_name: str | None = None
    limit: int = Field(10, description=f"1..{check.LIMIT_MAX}, matches per query")
    verbose_output: bool = False
    webhook_url: str | None = None

    def asked(self) -> dict[str, Any]:
        """The same in the words of a `SearchRequest`. The limit of a 1:1 search is ignored, whatever it says."""
        return {
            "search_type": self.search_type,
            "query_uri": self.query_url,
            "candidate_uri": self.candidate_url,
            "query_dataset_name": self.query_dataset_name,
            "candidate_dataset_name": self.candidate_dataset_name,
            "verbose_output": self.verbose_output,
            **({} if self.search_type == "1:1" else {"limit": self.limit}),
        }

    @classmethod
    def rules_broken(cls, sound: Mapping[str, Any]) -> list[check.Fault]:
        asked = cls.model_construct(**{"search_type": "", **sound}).asked()
        return _faults(lambda: check.check_search_fields(SearchRequest.model_construct(**asked)))


class NewSearch(NewComprehensiveSearch):
    depth: Annotated[str, _one_of(*check.DEPTHS)] = "track"
    stem_types: list[Annotated[str, _one_of(*check.STEM_TYPES)]] = Field(["vocals"])

    def asked(self) -> dict[str, Any]:
        return {**super().asked(), "depth": self.depth, "stem_types": tuple(self.stem_types)}


class FileForm(BaseModel):
    file: Annotated[str, Field(json_schema_extra={"format": "binary"})]


class DatasetsQuery(BaseModel):
    limit: int | None = Field(None, ge=1, le=500)
    cursor: str | None = None


class JobsQuery(BaseModel):
    kind: Literal["ingest", "search", "comprehensive1"] | None = None
    status: JobStatus | None = None
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = None


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Out(BaseModel):
    """An answer's object. `warnings` and `partial_results` are there only when there are any."""

    warnings: list[str] = []

    @model_serializer(mode="wrap")
    def _without_empty(self, serialize: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        said = serialize(self)
        return {name: value for name, value in said.items() if value or name not in ("warnings", "partial_results")}


class Dataset(Out):
    dataset_id: str
    user_id: str
    name: str
    description: str
    created_at: Time
    content_type: Annotated[str, _one_of(*CONTENT_TYPES)]
    thresholds: dict[str, float]
    ingested_tasks: list[str]
    encoder_types: list[str]


class Datasets(RootModel[list[Dataset]]):
    """Oldest first."""


D = TypeVar("D", bound=Out)


class Envelope(BaseModel):
    success: Literal[True] = True


class Uploaded(Out):
    blob_name: str
    sha256: str
    size_bytes: int
    duration_s: float | None
    rate_hz: int
    channels: int
    expires_at: Time | None


class UploadAnswer(Envelope):
    message: str = "Upload successful"
    data: Uploaded


class Ingesting(Out):
    job_id: str
    status: Literal["pending"] = "pending"
    cost_usd: float = 0.0


class IngestAnswer(Envelope):
    data: Ingesting


class Searching(Ingesting):
    usecase_id: str
    search_type: str
    depth: str
    n: int
    m: int


class SearchAnswer(Envelope):
    data: Searching


class Cancelled(Out):
    job_id: str
    status: Literal["cancelled"] = "cancelled"


class CancelAnswer(Envelope):
    data: Cancelled


class Fault(BaseModel):
    pointer: str
    detail: str


class Problem(BaseModel):
    """RFC 9457, with Soundverse's `success` and `message`."""

    type: str = Field(examples=["urn:soundtrace:problem:dataset-not-found"])
    title: str
    status: int
    detail: str
    instance: str
    code: str
    success: Literal[False]
    message: str
    request_id: str
    errors: list[Fault] = []
