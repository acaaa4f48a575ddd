"""What is promised about every record, once, for all stages: at least once, with idempotent effects.

- A record is acknowledged only after the broker has confirmed everything that came of it.
- Bad input is dead-lettered at once. What we depend on (broker, index, store, database) is retried in place for ever.
  What nobody foresaw gets three attempts. The tenth start of one record is its last: it kills whoever touches it.
- Starts and failures are counted durably, before the work begins and before the next try.
- A dead letter carries the record byte for byte; a search that is given up also gets its failed result.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from prometheus_client import Counter, Gauge, Histogram
from pydantic import ValidationError

import streams
from streams import answers, codec, pipeline
from streams.errors import Defect, InputError, SoundtraceError, Unavailable
from streams.ids import derived_id, event_id
from streams.publish import Outgoing, Publisher, outgoing
from streams.records import Audio, DeadLetter, Header, Job, Problem, Progress, Record, SearchRequest, Upload, Work, now
from streams.stage import ArtifactGone, Resources, StageContext, request_of, with_present

log = structlog.get_logger()
T = TypeVar("T")

EVENTS = Counter("soundtrace_stage_events_total", "Records a stage has finished", ["stage", "lane", "outcome"])
RETRIES = Counter("soundtrace_stage_retries_total", "Tries again because something did not answer", ["stage", "lane"])
SECONDS = Histogram(
    "soundtrace_stage_duration_seconds",
    "From a record's arrival at a stage to the broker's word for what came of it",
    ["stage", "lane"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600),
)
SPENT = Counter("soundtrace_stage_spent_seconds_total", "Where a stage's time went", ["stage", "lane", "on"])
IN_FLIGHT = Gauge("soundtrace_stage_in_flight", "Records being worked on", ["stage", "lane"])


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka record as it came: nothing decoded yet."""

    topic: str
    partition: int
    offset: int
    timestamp_s: float
    key: bytes | None
    value: bytes | None
    headers: codec.Headers


class Delivery:
    """One stage on one lane: `handle` takes a message to its end, whatever happens."""

    def __init__(self, consumer: pipeline.Consumer, resources: Resources, publisher: Publisher) -> None:
        self.consumer = consumer
        self.row = consumer.stage
        self._resources = resources
        self._publisher = publisher
        self._agent = getattr(importlib.import_module(f"streams.agents.{self.row.name}"), self.row.name)
        self._labels = (self.row.name, consumer.lane)

    async def handle(self, message: Message) -> None:
        """Returns when everything that came of the message is confirmed by the broker."""
        began = time.monotonic()
        with IN_FLIGHT.labels(*self._labels).track_inprogress():
            outcome = await self._handle(message)
        SECONDS.labels(*self._labels).observe(time.monotonic() - began)
        EVENTS.labels(*self._labels, outcome).inc()

    async def _handle(self, message: Message) -> str:
        context = StageContext(self.row, self.consumer.lane, self._resources, message.headers)
        try:
            record = self._decode(message)
        except InputError as error:
            undecodable = error
            await self._persist("blobs", lambda: self._give_up_undecodable(context, message, undecodable), context)
            await self._publish(context)
            return undecodable.code
        tenant, event = _tenant(record), _event_id(record)
        group, key = self.consumer.group, f"{tenant}/{event}"
        catalogue = self._resources.catalogue
        if self.row.each == "request" and await self._persist(
            "accepted", lambda: catalogue.was_accepted(tenant, event)
        ):
            return "repeated"
        if isinstance(record, Work):
            if await self._persist("cancels", lambda: catalogue.is_cancelled(record.tenant, record.job.id)):
                context.say(self._progress(record, "cancelled"), "progress")
                await self._publish(context)
                return "cancelled"
            await self._publish_now([outgoing(self._progress(record, "running"), "progress", message.headers)])
        starts, failures = await self._persist("attempts", lambda: catalogue.begin_attempt(group, key))
        if starts >= self._resources.settings.starts_max:
            fact = f"{self.row.name} was started {starts} times on this record and never came to an end"
            outcome = "too-many-starts"
            worn_out = Defect(fact, "look at the worker's log, then replay the letter", code=outcome)
            await self._persist("blobs", lambda: self._give_up(context, message, record, worn_out, starts), context)
        else:
            outcome = await self._attempt(context, message, record, group, key, failures)
        await self._publish(context)
        if self.row.each == "request":  # only now: a crash before this repeats the request, with the same ids
            await self._persist("accepted", lambda: catalogue.mark_accepted(tenant, event))
        await self._persist("attempts", lambda: catalogue.forget_attempts(group, key))
        for on, seconds in context.spent_s.items():
            SPENT.labels(*self._labels, on).inc(seconds)
        return outcome

    async def _attempt(
        self, context: StageContext, message: Message, record: Record, group: str, key: str, failures: int
    ) -> str:
        """Run the agent until it succeeds or is given up. What a failed try said is forgotten."""
        while True:
            context.outbox.clear()
            try:
                await self._persist("stage", lambda: self._run(context, record), context)
                return "done"
            except InputError as error:
                problem: SoundtraceError = error
            except Exception as error:
                problem = error if isinstance(error, Defect) else _defect(self.row.name, error)
                catalogue = self._resources.catalogue
                failures = await self._persist("attempts", lambda: catalogue.fail_attempt(group, key))
                log.error("attempt failed", stage=self.row.name, failures=failures, reason=str(problem))
                if failures < self._resources.settings.attempts_max:
                    continue
            given_up, tries = problem, max(failures, 1)
            await self._persist("blobs", lambda: self._give_up(context, message, record, given_up, tries), context)
            return given_up.code

    async def _run(self, context: StageContext, record: Record) -> None:
        match self.row.each:
            case "request":
                await self._agent(record, context)
            case "work":
                assert isinstance(record, Work)
                try:
                    await self._agent(context.of(record))
                except ArtifactGone as gone:
                    self._send_back(context, record, gone)
            case "audio":
                assert isinstance(record, Work)
                await self._run_each_audio(context, record)

    async def _run_each_audio(self, context: StageContext, work: Work) -> None:
        """Make of each audio what this stage can; one that cannot be heard fails alone."""
        audios = list(work.audios)
        for index, audio in enumerate(audios):
            todo = set(pipeline.made_by(self.row.name)) & pipeline.missing(work.wanted, audio.present, audio.failed)
            if not todo:
                continue
            at_work = context.of(work)
            try:
                if not await at_work.reuse(audio, todo):
                    await self._agent(audio, at_work)
            except ArtifactGone as gone:
                self._send_back(context, work, gone)
                return
            except InputError as error:
                spoiled = set().union(*(pipeline.spoiled_by(kind) for kind in todo)) - pipeline.OUTCOMES
                failed = {**audio.failed, **dict.fromkeys(spoiled, Problem.of(error))}
                audios[index] = audio.model_copy(update={"failed": failed})
                if self._is_lost(work, audios[index]):
                    raise
            else:
                audios[index] = with_present(audio, todo)
        context.send_on(work.model_copy(update={"audios": tuple(audios)}))

    @staticmethod
    def _is_lost(work: Work, audio: Audio) -> bool:
        """Whether nothing that was asked of this audio can be had any more."""
        request = request_of(work)
        if isinstance(request, SearchRequest):
            return True  # a query or a candidate that cannot be heard ends its search
        return all(set(pipeline.TASKS[task]) & set(audio.failed) for task in request.tasks)

    def _send_back(self, context: StageContext, work: Work, gone: ArtifactGone) -> None:
        log.info("an artifact is gone, back to its maker", kind=gone.kind, job=work.job.id)
        audios = tuple(
            audio.model_copy(update={"present": tuple(kind for kind in audio.present if kind != gone.kind)})
            for audio in work.audios
        )
        context.outbox.clear()
        context.send_on(work.model_copy(update={"audios": audios}))

    # ── giving up ──

    async def _give_up(
        self, context: StageContext, message: Message, record: Record, error: SoundtraceError, attempts: int
    ) -> None:
        context.outbox.clear()
        request = request_of(record) if isinstance(record, Work) else record
        log.warning("given up", stage=self.row.name, code=error.code, reason=str(error))
        if isinstance(request, SearchRequest):
            await answers.say_failed(context, record, request, error)
        if isinstance(request, Upload) or isinstance(record, Work) or not isinstance(error, InputError):
            job = record.job if isinstance(record, (Work, Upload)) else None
            self._dead_letter(context, message, error, attempts, _tenant(record), job)

    async def _give_up_undecodable(self, context: StageContext, message: Message, error: InputError) -> None:
        """Whoever published it is told as far as the record lets us know who that is."""
        context.outbox.clear()
        fields = error.facts.get("fields", {})
        log.warning("given up", stage=self.row.name, code=error.code, reason=str(error))
        if "search_type" in fields and (request := _salvage(fields)) is not None:
            await answers.say_failed(context, request, request, error)
            return
        tenant, job = _salvage_upload(fields)
        self._dead_letter(context, message, error, 1, tenant, job)

    def _dead_letter(
        self,
        context: StageContext,
        message: Message,
        error: SoundtraceError,
        attempts: int,
        tenant: str | None,
        job: Job | None,
    ) -> None:
        letter = DeadLetter(
            event_id=derived_id("letter", message.topic, message.partition, message.offset),
            failed_at=now(),
            topic=message.topic.removeprefix(self._resources.settings.topic_prefix),
            partition=message.partition,
            offset=message.offset,
            timestamp=datetime.fromtimestamp(message.timestamp_s, UTC),
            key=message.key,
            value=message.value,
            headers=tuple(Header(name=name, value=value) for name, value in message.headers),
            stage=self.row.name,
            error_code=error.code,
            message=error.message,
            remedy=error.remedy,
            attempts=attempts,
            app_version=streams.__version__,
            tenant=tenant,
            job=job,
        )
        context.outbox.append(outgoing(letter, "dead-letters", message.headers, key=message.key or b"\x00"))

    # ── plumbing ──

    def _decode(self, message: Message) -> Record:
        if self.row.each == "request":
            return codec.decode(message.value, "upload" if self.consumer.lane == "bulk" else "search_request")
        return codec.decode(message.value, "work")

    def _progress(self, work: Work, status: str) -> Progress:
        what = event_id(work.tenant, work.job.id, work.job.index, self.row.name, status)
        fields: dict[str, Any] = {"event_id": what, "tenant": work.tenant, "job": work.job, "stage": self.row.name}
        return Progress(**fields, status=status, at=now())

    async def _publish(self, context: StageContext) -> None:
        await self._publish_now(context.outbox)

    async def _publish_now(self, records: list[Outgoing]) -> None:
        if records:
            await self._persist("broker", lambda: self._publisher.publish(records))

    async def _persist(self, on: str, act: Callable[[], Awaitable[T]], forget: StageContext | None = None) -> T:
        """`act`, again and again while something we depend on does not answer: for ever, and loudly."""
        pause_s, tries = 0.1, 0
        while True:
            try:
                return await act()
            except Unavailable as error:
                tries += 1
                RETRIES.labels(*self._labels).inc()
                level = log.error if tries % 10 == 0 else log.warning
                level("waiting", stage=self.row.name, lane=self.consumer.lane, on=on, tries=tries, reason=str(error))
                if forget is not None:
                    forget.outbox.clear()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self._resources.settings.retry_cap_s)


def _defect(stage: str, error: Exception) -> Defect:
    trace = "".join(traceback.format_exception(error))
    digest = hashlib.sha256(trace.encode()).hexdigest()[:12]
    log.error("unforeseen", stage=stage, digest=digest, traceback=trace)
    fact = f"{stage} raised {type(error).__name__}: {error} (traceback {digest})"
    return Defect(fact, "look the traceback up in the worker's log and report it")


def _tenant(record: Record) -> str:
    assert isinstance(record, (Upload, SearchRequest, Work))
    return record.tenant


def _event_id(record: Record) -> str:
    assert isinstance(record, (Upload, SearchRequest, Work))
    return record.event_id


def _salvage(fields: dict[str, Any]) -> SearchRequest | None:
    """A search request that breaks a rule, as far as it can be answered: its tenant and its job id are sound."""
    known = {name: fields.get(name) for name in ("event_id", "tenant", "job_id", "requested_at", "search_type")}
    try:
        return SearchRequest.model_validate(known)
    except ValidationError:
        return None


def _salvage_upload(fields: dict[str, Any]) -> tuple[str | None, Job | None]:
    try:
        sound = Upload.model_validate(
            {
                "event_id": "salvage",
                "dataset_name": "salvage",
                "blob_uri": "salvage",
                "requested_at": now(),
                "tenant": fields.get("tenant"),
                "job": fields.get("job"),
            }
        )
    except ValidationError:
        return None, None
    return sound.tenant, sound.job
