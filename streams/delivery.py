"""What is promised about every record, once, for all stages: at least once, with idempotent effects.

- A record is acknowledged only after the broker has confirmed everything that came of it.
- Bad input is dead-lettered at once. What we depend on (broker, index, store, database) is retried in place for ever.
  What nobody foresaw gets three attempts. The tenth start of one record is its last: it kills whoever touches it.
- Starts and failures are counted durably, before the work begins and before the next try.
- A request whose `event_id` was handled before makes nothing new; a cancelled job's works are dropped.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import structlog
from prometheus_client import Counter, Gauge, Histogram

from streams import codec, pipeline
from streams.answers import say_cancelled
from streams.errors import Defect, InputError, SoundtraceError, TooLarge, Unavailable
from streams.giving_up import Message, give_up, give_up_undecodable, say_letter
from streams.ids import event_id
from streams.publish import Outgoing, Publisher, outgoing
from streams.records import Audio, Problem, Progress, Record, SearchRequest, Upload, Work, now
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
class Case:
    """A record at a stage, and under which key its attempts are counted."""

    context: StageContext
    message: Message
    record: Upload | SearchRequest | Work
    group: str
    key: str


class Delivery:
    """One stage on one lane: `handle` takes a message to its end, whatever happens."""

    def __init__(self, consumer: pipeline.Consumer, resources: Resources, publisher: Publisher) -> None:
        self.consumer = consumer
        self.row = consumer.stage
        self._resources = resources
        self._ledger = resources.ledger
        self._publisher = publisher
        self._agent = getattr(importlib.import_module(f"streams.agents.{self.row.name}"), self.row.name)
        self._labels = (self.row.name, consumer.lane)

    async def handle(self, message: Message) -> None:
        """Returns when everything that came of the message is confirmed by the broker."""
        began = time.monotonic()
        context = StageContext(self.row, self.consumer.lane, self._resources, message.headers)
        context.spent_s["hop"] = max(0.0, time.time() - message.timestamp_s)  # from its publisher: way and wait
        with IN_FLIGHT.labels(*self._labels).track_inprogress():
            try:
                record = self._decode(message)
            except InputError as error:
                outcome = await self._refuse(context, message, error)
            else:
                key = f"{record.tenant}/{record.event_id}"
                outcome = await self._handle(Case(context, message, record, self.consumer.group, key))
        SECONDS.labels(*self._labels).observe(time.monotonic() - began)
        EVENTS.labels(*self._labels, outcome).inc()
        for on, seconds in context.spent_s.items():
            SPENT.labels(*self._labels, on).inc(seconds)

    async def _handle(self, case: Case) -> str:
        record, context = case.record, case.context
        if isinstance(record, Work):
            if await self._ask(context, lambda: self._ledger.is_cancelled(record.tenant, record.job.id)):
                context.say(self._progress(record, "cancelled"), "progress")
                request = request_of(record)
                if isinstance(request, SearchRequest):
                    await self._persist(lambda: say_cancelled(context, record, request))
                await self._publish(context, context.outbox)
                return "cancelled"
            running = outgoing(self._progress(record, "running"), "progress", case.message.headers)
            await self._publish(context, [running])
        elif await self._ask(context, lambda: self._ledger.was_accepted(record.tenant, record.event_id)):
            return "repeated"
        outcome = await self._attempt(case)
        try:
            await self._publish(context, context.outbox)
        except TooLarge as error:
            told = partial(give_up, context, case.message, record, error, 1)
            outcome = await self._tell(context, case.message, error, 1, told)
            await self._publish(context, context.outbox)
        if not isinstance(record, Work):  # only now: a crash before this repeats the request, with the same ids
            await self._ask(context, lambda: self._ledger.mark_accepted(record.tenant, record.event_id))
        await self._ask(context, lambda: self._ledger.forget_attempts(case.group, case.key))
        return outcome

    async def _attempt(self, case: Case) -> str:
        """Run the agent until it succeeds or is given up."""
        context = case.context
        starts, failures = await self._ask(context, lambda: self._ledger.begin_attempt(case.group, case.key))
        if starts >= self._resources.settings.starts_max:
            fact = f"{self.row.name} was started {starts} times on this record and never came to an end"
            remedy = "look at the worker's log, then replay the letter"
            return await self._give_up(case, Defect(fact, remedy, code="too-many-starts"), starts)
        while True:
            problem = await self._try(case)
            if problem is None:
                return "done"
            if isinstance(problem, InputError):
                return await self._give_up(case, problem, failures + 1)
            failures = await self._ask(context, lambda: self._ledger.fail_attempt(case.group, case.key))
            log.error("attempt failed", stage=self.row.name, failures=failures, reason=str(problem))
            if failures >= self._resources.settings.attempts_max:
                return await self._give_up(case, problem, failures)

    async def _try(self, case: Case) -> SoundtraceError | None:
        """One attempt. What an earlier one wanted to say is forgotten."""

        async def run() -> None:
            case.context.outbox.clear()
            await self._run(case.context, case.record)

        try:
            await self._persist(run)
        except (InputError, Defect) as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the worker
            return _defect(self.row.name, error)
        return None

    async def _run(self, context: StageContext, record: Record) -> None:
        if not isinstance(record, Work):
            await self._agent(record, context)
            return
        try:
            if self.row.each == "work":
                await self._agent(context.of(record))
            else:
                await self._run_each_audio(context, record)
        except ArtifactGone as gone:
            self._send_back(context, record, gone)

    async def _run_each_audio(self, context: StageContext, work: Work) -> None:
        """Make of each audio what this stage can; one that cannot be heard fails alone."""
        audios = list(work.audios)
        for index, audio in enumerate(audios):
            todo = set(pipeline.made_by(self.row.name)) & pipeline.missing(work.wanted, audio.present, audio.failed)
            if not todo:
                continue
            at_work = context.of(work, todo)
            try:
                if not await at_work.reuse(audio, todo):
                    await self._agent(audio, at_work)
            except InputError as error:
                audios[index] = _failed(audio, todo, error)
                if _is_lost(work, audios[index]):
                    raise
            else:
                audios[index] = with_present(audio, todo)
        context.send_on(work.model_copy(update={"audios": tuple(audios)}))

    def _send_back(self, context: StageContext, work: Work, gone: ArtifactGone) -> None:
        log.info("an artifact is gone, back to its maker", kind=gone.kind, job=work.job.id)
        audios = tuple(
            audio.model_copy(update={"present": tuple(kind for kind in audio.present if kind != gone.kind)})
            for audio in work.audios
        )
        if audios == work.audios:  # a track of the dataset: nobody on this work's way would make it again
            raise Defect(f"a track's {gone.kind} is not stored any more", "ingest the dataset's files again")
        context.outbox.clear()
        context.send_on(work.model_copy(update={"audios": audios}))

    async def _give_up(self, case: Case, error: SoundtraceError, attempts: int) -> str:
        again = "ingest the file with this task again once that is mended"
        remedy = f"{error.remedy}; then {again}" if error.remedy else again
        alone = Defect(error.message, remedy, code=error.code)
        rest = await self._persist(lambda: self._rest(case, alone))
        if rest is not None:  # one failed task never takes the other tasks of its file with it
            log.error("given up, for these tasks", stage=self.row.name, code=error.code, reason=str(error))
            case.context.outbox.clear()
            case.context.of(rest).send_on(rest)
            return error.code
        told = partial(give_up, case.context, case.message, case.record, error, attempts)
        return await self._tell(case.context, case.message, error, attempts, told)

    async def _rest(self, case: Case, error: SoundtraceError) -> Work | None:
        """The work without what this stage could not make of its audio; None where nothing of it would be left."""
        record = case.record
        if not isinstance(record, Work) or self.row.each != "audio":
            return None
        context, audios = case.context.of(record), []
        for audio in record.audios:
            todo = set(pipeline.made_by(self.row.name)) & pipeline.missing(record.wanted, audio.present, audio.failed)
            made = {kind for kind in todo if await context.blobs.exists(context.name(audio.audio_id, kind))}
            audios.append(_failed(with_present(audio, made), todo - made, error))
            if _is_lost(record, audios[-1]):
                return None
        return record.model_copy(update={"audios": tuple(audios)})

    async def _refuse(self, context: StageContext, message: Message, error: InputError) -> str:
        told = partial(give_up_undecodable, context, message, error)
        outcome = await self._tell(context, message, error, 1, told)
        await self._publish(context, context.outbox)
        return outcome

    async def _tell(
        self,
        context: StageContext,
        message: Message,
        error: SoundtraceError,
        attempts: int,
        told: Callable[[], Awaitable[None]],
    ) -> str:
        """Say what a record ends with; where even that fails, the letter alone: nothing may come round for ever."""
        try:
            await self._persist(told)
        except Exception as fault:  # noqa: BLE001 - see above
            log.error("only a letter could be said", stage=self.row.name, fault=repr(fault))
            context.outbox.clear()
            say_letter(context, message, error, attempts)
        return error.code

    def _decode(self, message: Message) -> Upload | SearchRequest | Work:
        expected = "work"
        if self.row.each == "request":
            expected = "upload" if self.consumer.lane == "bulk" else "search_request"
        record = codec.decode(message.value, expected)
        assert isinstance(record, (Upload, SearchRequest, Work))
        return record

    def _progress(self, work: Work, status: Literal["running", "cancelled"]) -> Progress:
        return Progress(
            event_id=event_id(work.tenant, work.job.id, work.job.index, self.row.name, status),
            tenant=work.tenant,
            job=work.job,
            stage=self.row.name,
            status=status,
            at=now(),
        )

    # ── what we depend on ──

    async def _publish(self, context: StageContext, records: list[Outgoing]) -> None:
        if records:
            began = time.monotonic()
            await self._persist(lambda: self._publisher.publish(records))
            context.spent("broker", began)

    async def _ask(self, context: StageContext, question: Callable[[], Awaitable[T]]) -> T:
        """The ledger's answer."""
        began = time.monotonic()
        answer = await self._persist(question)
        context.spent("sql", began)
        return answer

    async def _persist(self, act: Callable[[], Awaitable[T]]) -> T:
        """`act`, again and again while something we depend on does not answer: for ever, and loudly."""
        pause_s, tries = 0.1, 0
        while True:
            try:
                return await act()
            except Unavailable as error:
                tries += 1
                RETRIES.labels(*self._labels).inc()
                level = log.error if tries % 10 == 0 else log.warning
                level("waiting", stage=self.row.name, lane=self.consumer.lane, tries=tries, reason=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self._resources.settings.retry_cap_s)


def _failed(audio: Audio, todo: set[str], error: SoundtraceError) -> Audio:
    """The audio with these kinds, and all that is made from them, told as failed."""
    spoiled = set[str]().union(*(pipeline.spoiled_by(kind) for kind in todo)).difference(audio.present)
    return audio.model_copy(update={"failed": {**audio.failed, **dict.fromkeys(spoiled, Problem.of(error))}})


def _is_lost(work: Work, audio: Audio) -> bool:
    """Whether nothing that was asked of this audio can be had any more."""
    request = request_of(work)
    if isinstance(request, SearchRequest):  # a query or a candidate that cannot be heard ends its search
        return bool(audio.failed.keys() - pipeline.AUXILIARY)
    lost = audio.failed.keys() - pipeline.AUXILIARY
    return all(lost.intersection(pipeline.TASKS[task]) for task in request.tasks)


def _defect(stage: str, error: Exception) -> Defect:
    trace = "".join(traceback.format_exception(error))
    digest = hashlib.sha256(trace.encode()).hexdigest()[:12]
    log.error("unforeseen", stage=stage, digest=digest, traceback=trace)
    fact = f"{stage} raised {type(error).__name__}: {error} (traceback {digest})"
    return Defect(fact, "look the traceback up in the worker's log and report it")
