"""What becomes of a record that a stage gives up on: a dead letter, a failed result, or both.

A dead letter carries the record byte for byte, with the reason and the remedy. Whoever asked for a search looks at
`results`, so a search gets its failed result there; a search that only asked wrongly gets no letter besides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import ValidationError

import streams
from streams import answers, codec
from streams.errors import InputError, SoundtraceError
from streams.ids import derived_id
from streams.publish import RECORD_BYTES_MAX, outgoing
from streams.records import DeadLetter, Header, Job, Record, SearchRequest, Upload, Work, now
from streams.stage import StageContext, request_of

log = structlog.get_logger()
VALUE_BYTES_MAX = RECORD_BYTES_MAX - (1 << 20)  # of a record in a letter, which has to get through itself
BESIDE_BYTES_MAX = 1 << 16  # of its key and headers, which the letter has twice
LATEST_S = 253_370_764_800.0  # the year 9999: a publisher's clock may say anything


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka record as it came: nothing decoded yet. `topic` is named without the prefix."""

    topic: str
    partition: int
    offset: int
    timestamp_s: float
    key: bytes | None
    value: bytes | None
    headers: codec.Headers


async def give_up(
    context: StageContext, message: Message, record: Record, error: SoundtraceError, attempts: int
) -> None:
    """Say what a record that decodes ends with; whatever was to be said of it before is forgotten."""
    context.outbox.clear()
    log.warning("given up", stage=context.row.name, code=error.code, reason=str(error))
    request = request_of(record) if isinstance(record, Work) else record
    own = error.code != "job-inconsistent"  # else the results of that job are somebody else's
    if isinstance(request, SearchRequest) and own:
        await answers.say_failed(context, record, request, error)
    asked_wrongly = isinstance(record, SearchRequest) and isinstance(error, InputError) and own
    if not asked_wrongly:
        job = record.job if isinstance(record, (Work, Upload)) else None
        say_letter(context, message, error, attempts, (getattr(request, "tenant", None), job))


async def give_up_undecodable(context: StageContext, message: Message, error: InputError) -> None:
    """Whoever published it is told as far as the record lets us know who that is."""
    context.outbox.clear()
    log.warning("given up", stage=context.row.name, code=error.code, reason=str(error))
    fields = error.facts.get("fields", {})
    if "search_type" in fields and (request := _salvage_search(fields)) is not None:
        await answers.say_failed(context, request, request, error)
    else:
        say_letter(context, message, error, 1, _salvage_upload(fields))


def say_letter(
    context: StageContext,
    message: Message,
    error: SoundtraceError,
    attempts: int,
    whose: tuple[str | None, Job | None] = (None, None),
) -> None:
    """The letter alone. Needs no store, so it can be said of whatever came."""
    tenant, job = whose
    key, value, headers, remark = message.key, message.value, message.headers, ""
    if value is not None and len(value) > VALUE_BYTES_MAX:
        remark = f" (of its {len(value)} bytes the first {VALUE_BYTES_MAX} are kept)"
        value = value[:VALUE_BYTES_MAX]
    if len(key or b"") + sum(len(name.encode()) + len(content or b"") for name, content in headers) > BESIDE_BYTES_MAX:
        remark += " (its key and its headers are too long to be kept)"
        key, headers = None, []
    letter = DeadLetter(
        event_id=derived_id("letter", message.topic, message.partition, message.offset),
        failed_at=now(),
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp=datetime.fromtimestamp(min(max(message.timestamp_s, 0.0), LATEST_S), UTC),
        key=key,
        value=value,
        headers=tuple(Header(name=name, value=content) for name, content in headers),
        stage=context.row.name,
        error_code=error.code,
        message=error.message + remark,
        remedy=error.remedy,
        attempts=attempts,
        app_version=streams.__version__,
        tenant=tenant,
        job=job,
    )
    context.outbox.append(replace(outgoing(letter, "dead-letters", headers), key=key))


def _salvage_search(fields: dict[str, Any]) -> SearchRequest | None:
    """A search request that breaks a rule, as far as it can be answered: its tenant and its job id are sound."""
    sound = {name: fields.get(name) for name in ("tenant", "job_id", "search_type")}
    try:
        return SearchRequest.model_validate(sound | {"event_id": "salvaged", "requested_at": now()})
    except ValidationError:
        return None


def _salvage_upload(fields: dict[str, Any]) -> tuple[str | None, Job | None]:
    """Whose upload it was, and which of their job, when both are sound."""
    sound = {name: fields.get(name) for name in ("tenant", "job")}
    rest = {"event_id": "salvaged", "dataset_name": "-", "blob_uri": "-", "requested_at": now()}
    try:
        upload = Upload.model_validate(sound | rest)
    except ValidationError:
        return None, None
    return upload.tenant, upload.job
