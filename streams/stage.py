"""What every agent is given: a way to load, to compute, to store, and to say so.

Agents hold no retry, no metric, no `if already_done` and no Kafka: `delivery.py` does these once for all stages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, cast

from models.card import Card
from models.separators import SeparatorCard
from streams import cards, codec, pipeline
from streams.artifacts import SOUND, Stored, artifact_name, unpack, upload_name
from streams.errors import NotFound
from streams.heavy import Heavy
from streams.ids import event_id
from streams.posting import Where
from streams.publish import Outgoing, outgoing
from streams.records import Audio, Feature, Record, SearchRequest, Upload, Work, now
from streams.settings import Settings
from streams.stores.blobs import BlobMissing, Blobs
from streams.stores.catalogue import Catalogue
from streams.stores.ledger import Ledger
from streams.stores.segments import SegmentPostings
from streams.stores.vectors import Vectors

P = ParamSpec("P")
T = TypeVar("T")


class ArtifactGone(Exception):
    """A cached artifact was swept: the work goes back to its maker."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Resources:
    """What a worker opened at its start and all its stages share."""

    settings: Settings
    catalogue: Catalogue
    ledger: Ledger
    blobs: Blobs
    vectors: Vectors
    postings: SegmentPostings
    heavy: Heavy


@dataclass(slots=True)
class StageContext:
    """One stage at one work: the only thing an agent sees of the machinery.

    `todo` is what it is to make of an audio; `outbox` is what it says, in order; `spent_s` is where its time went
    (child, blob, …).
    """

    row: pipeline.Stage
    lane: str
    resources: Resources
    headers: codec.Headers = field(default_factory=list)
    outbox: list[Outgoing] = field(default_factory=list)
    spent_s: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    todo: frozenset[str] = frozenset()
    _work: Work | None = None

    def of(self, work: Work, todo: Iterable[str] = ()) -> StageContext:
        """The same context at a (or another) work; what it says and spends is counted together."""
        return replace(self, _work=work, todo=frozenset(todo), began=time.monotonic())

    @property
    def work(self) -> Work:
        assert self._work is not None, "a context without a work: call of(work) first"
        return self._work

    @property
    def request(self) -> Upload | SearchRequest:
        """The request that the work was made of."""
        return request_of(self.work)

    @property
    def settings(self) -> Settings:
        return self.resources.settings

    @property
    def catalogue(self) -> Catalogue:
        return cast(Catalogue, _Timed(self.resources.catalogue, self, "sql"))

    @property
    def ledger(self) -> Ledger:
        return cast(Ledger, _Timed(self.resources.ledger, self, "sql"))

    @property
    def blobs(self) -> Blobs:
        return cast(Blobs, _Timed(self.resources.blobs, self, "blob"))

    @property
    def vectors(self) -> Vectors:
        return cast(Vectors, _Timed(self.resources.vectors, self, "milvus"))

    def posted(self, kind: str) -> Where:
        """Where the dataset's postings of a kind stand; to be handed to the heavy child, as its calls block."""
        work = self.work
        assert work.dataset_id is not None
        version = cards.version_of(kind, self.card, self.separator)
        return Where(self.resources.postings, work.tenant, work.dataset_id, kind, version)

    @property
    def card(self) -> Card:
        """The card of the model version that the work was pinned to when it was accepted."""
        return cards.pinned(self.work.encoder_type, self.work.model_version)

    @property
    def separator(self) -> SeparatorCard:
        """The card of the separator that the work was pinned to when it was accepted."""
        return cards.separator(self.work.separator)

    async def heavy(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(*args)` in the heavy child, within the stage's time limit."""
        began = time.monotonic()
        try:
            return await self.resources.heavy.call(self.row.time_limit_s, function, *args, **kwargs)
        finally:
            self.spent("child", began)

    async def upload(self, audio: Audio) -> bytes:
        """The bytes as they were sent. Raises: `NotFound` `blob-not-found` when they expired."""
        try:
            return await self.blobs.get(upload_name(self.work.tenant, audio.audio_id))
        except BlobMissing:
            fact = f"the bytes of '{audio.filename}' are no longer stored"
            raise NotFound(fact, "upload the file again", code="blob-not-found") from None

    def name(self, audio_id: str, kind: str) -> str:
        return artifact_name(self.work.tenant, audio_id, kind, cards.version_of(kind, self.card, self.separator))

    async def load(self, audio_id: str, kind: str) -> bytes:
        """An artifact's bytes. Raises: `ArtifactGone` when it is not there any more."""
        try:
            return await self.blobs.get(self.name(audio_id, kind))
        except BlobMissing:
            raise ArtifactGone(kind) from None

    async def load_array(self, audio_id: str, kind: str) -> Stored:
        return unpack(await self.load(audio_id, kind))

    def makes_again(self, audio_id: str, kind: str) -> bool:
        """Whether an artifact that is gone was made on this work's way, and can be made there again."""
        return any(audio.audio_id == audio_id and kind in audio.present for audio in self.work.audios)

    async def store(self, audio: Audio, kind: str, data: bytes) -> None:
        """Keep an artifact, and say on `features` that it was made and in how many seconds."""
        await self.blobs.put(self.name(audio.audio_id, kind), data)
        self.say_feature(audio, kind, data, seconds_taken=time.monotonic() - self.began)

    async def reuse(self, audio: Audio, kinds: Iterable[str]) -> bool:
        """Whether all of these are stored already; then `features` is told so. True after a crash or a duplicate."""
        found: dict[str, bytes] = {}
        for kind in sorted(kinds):
            try:
                found[kind] = await self.load(audio.audio_id, kind)
            except ArtifactGone:
                return False
        for kind, data in found.items():
            self.say_feature(audio, kind, data, seconds_taken=0.0, reused=True)
        return True

    def say_feature(self, audio: Audio, kind: str, data: bytes, *, seconds_taken: float, reused: bool = False) -> None:
        facts: dict[str, Any] = {}
        if kind not in SOUND:
            stored = unpack(data)
            facts = {"shape": stored.array.shape, "dtype": str(stored.array.dtype)}
            facts |= {key: stored.meta.get(key) for key in ("hop_s", "window_s", "start_s")}
            facts["stems"] = stored.meta.get("presence", {})
        uri = self.name(audio.audio_id, kind)
        self.say(self.feature(audio, kind, uri=uri, seconds_taken=seconds_taken, reused=reused, **facts), "features")

    def feature(self, audio: Audio, kind: str, **facts: Any) -> Feature:
        """A `Feature` of this work's audio; `facts` are the fields that its kind has beyond the common ones."""
        work, request = self.work, self.request
        return Feature(
            event_id=event_id(work.tenant, work.job.id, work.job.index, audio.audio_id, kind),
            tenant=work.tenant,
            created_at=now(),
            job=work.job,
            dataset_name=request.dataset_name if isinstance(request, Upload) else None,
            audio_id=audio.audio_id,
            blob_uri=audio.blob_uri,
            kind=kind,
            encoder_type=work.encoder_type,
            model_version=work.model_version,
            params_hash=self.card.params_hash,
            **facts,
        )

    def say(self, record: Record, topic: str) -> None:
        """Publish a record once the stage is done; nothing is acknowledged before the broker has it."""
        self.outbox.append(outgoing(record, topic, self.headers))

    def send_on(self, work: Work) -> None:
        """Publish a work to the stage that the least advanced of its audios needs next."""
        order = [row.name for row in pipeline.STAGES]
        kinds = [(audio.present, audio.failed) for audio in work.audios] or [((), {})]
        ahead = [pipeline.next_stage(work.wanted, present, failed) for present, failed in kinds]
        self.say(work, pipeline.topic(min(filter(None, ahead), key=order.index), work.lane))

    def spent(self, on: str, began: float) -> None:
        self.spent_s[on] = self.spent_s.get(on, 0.0) + time.monotonic() - began


class _Timed:
    """A store whose calls are counted as time spent by a stage."""

    def __init__(self, store: object, stage: StageContext, on: str) -> None:
        self._store, self._stage, self._on = store, stage, on

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not iscoroutinefunction(method):
            return method

        async def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            try:
                return await method(*args, **kwargs)
            finally:
                self._stage.spent(self._on, began)

        return timed


def request_of(work: Work) -> Upload | SearchRequest:
    """The request that a work carries, byte for byte as it was accepted."""
    request = codec.decode(work.request, "upload", "search_request")
    assert isinstance(request, (Upload, SearchRequest))
    return request


def with_present(audio: Audio, kinds: Iterable[str]) -> Audio:
    return audio.model_copy(update={"present": tuple(sorted({*audio.present, *kinds}))})
