"""The pipeline: two tables and one function. Read this first.

    uploads ─────────┐
                     ├─> accept ─> decode ─> fingerprint ─> separate ─> encode ─> motif ─> section ─┬─> index ─┐
    search-requests ─┘                                                                              └─> match ─┤
                                                                                             features, results <┘

A track comes in as an `Upload` on `uploads`, or as the query of a `SearchRequest` on `search-requests`.
`accept` checks it, copies its bytes into the blob store and makes a `Work` of it: what is wanted, what is there.
Each stage says the same sentence: take a work, make what is wanted and missing, store it, say so, publish it.
`next_stage` tells where to: it is a make-file for sound, and a work passes only where something is to be made of it.
`index` ends an ingest, `match` ends a search.
What a stage gives up on goes to `dead-letters`; every stage tells `features` what it made.
Ingests and m:n searches travel on the `bulk` lane, 1:1 and 1:n on `live`: same stages, own topics and groups.
Topics, consumer groups, workers, compose services and what a task or a depth needs are all derived from these rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

LANES = ("bulk", "live")

EncoderType = Literal["type1", "type2"]
Version = Literal[
    "decoder", "peaks", "separator", "stem peaks", "stem cqt", "cqt", "encoder", "stem encoder", "stem rhythm",
    "stem voice", "melody", "form",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something a stage makes of an audio, what it is made from, and what its name tells besides (`cards.version_of`).

    What does not depend on the encoder is shared by all encoders and their versions.
    """

    kind: str
    stage: str
    needs: tuple[str, ...]
    version: Version = "encoder"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step, one Faust app and consumer group per lane.

    `each` is what its agent is called with: a request, every audio of a work in turn, or the whole work.
    `partitions` are those of its (bulk, live) topic; 0 where the stage is not on that lane.
    """

    name: str
    each: Literal["request", "audio", "work"]
    heavy: bool
    time_limit_s: float
    partitions: tuple[int, int]


ARTIFACTS = (
    #        kind                 made by    from           version of the
    Artifact("waveform",           "decode",   (),            "decoder"),
    Artifact("envelope",           "decode",   (),            "decoder"),
    Artifact("fingerprint",        "fingerprint", ("waveform",), "peaks"),
    Artifact("stems",              "separate", ("waveform",), "separator"),
    Artifact("stem_cqt",           "separate", ("waveform",), "stem cqt"),
    Artifact("stem_fingerprint",   "separate", ("stems", "stem_cqt"), "stem peaks"),
    Artifact("cqt",                "encode",   ("waveform",), "cqt"),
    Artifact("full_audio_latent",  "encode",   ("cqt",),      "encoder"),
    Artifact("stem_vocals",        "encode",   ("stem_cqt",), "stem encoder"),
    Artifact("stem_accompaniment", "encode",   ("stem_cqt",), "stem encoder"),
    Artifact("stem_bass",          "encode",   ("stem_cqt",), "stem encoder"),
    Artifact("stem_other",         "encode",   ("stem_cqt",), "stem encoder"),
    Artifact("voice",              "encode",   ("stems", "stem_cqt"), "stem voice"),
    Artifact("stem_drums",         "encode",   ("stems", "stem_cqt"), "stem rhythm"),
    Artifact("motif",              "motif",    ("waveform", "stems", "stem_cqt"), "melody"),
    Artifact("contour",            "motif",    ("waveform", "stems", "stem_cqt"), "melody"),
    Artifact("section",            "section",  ("waveform", "cqt"), "form"),
    Artifact("index",              "index",    ()),
    Artifact("result",             "match",    ()),
)  # fmt: skip

STAGES = (
    #     name           called for each  heavy  time limit  partitions (bulk, live)
    Stage("accept",      "request",       False,      120.0, (8, 4)),
    Stage("decode",      "audio",         True,       120.0, (4, 2)),
    Stage("fingerprint", "audio",         True,       120.0, (4, 2)),
    Stage("separate",    "audio",         True,     1_800.0, (4, 2)),
    Stage("encode",      "audio",         True,       300.0, (4, 2)),
    Stage("motif",       "audio",         True,       600.0, (4, 2)),
    Stage("section",     "audio",         True,       300.0, (4, 2)),
    Stage("index",       "work",          True,       300.0, (4, 0)),
    Stage("match",       "work",          True,     1_800.0, (4, 2)),
)  # fmt: skip


def missing(wanted: Iterable[str], present: Iterable[str], failed: Iterable[str]) -> set[str]:
    """The kinds still to be made: what is wanted and, link by link, what that is made from."""
    needs = {artifact.kind: artifact.needs for artifact in ARTIFACTS}
    settled, todo, ahead = {*present, *failed}, set[str](), list(wanted)
    while ahead:
        kind = ahead.pop()
        if kind not in settled and kind not in todo:
            todo.add(kind)
            ahead.extend(needs[kind])
    return todo


def next_stage(wanted: Iterable[str], present: Iterable[str], failed: Iterable[str]) -> str:
    """The first stage, in the order of the table, that makes something still missing; "" when nothing is."""
    todo = missing(wanted, present, failed)
    makers = {artifact.stage for artifact in ARTIFACTS if artifact.kind in todo}
    return next((stage.name for stage in STAGES if stage.name in makers), "")


# ── What a caller may ask for ────────────────────────────────────────────────────────────────────────────────────────

TASKS: Mapping[str, tuple[str, ...]] = {  # task: kinds it stands for
    "full_audio_latent": ("cqt", "full_audio_latent"),
    "stem_vocals": ("stem_vocals", "voice"),
    "stem_bass": ("stem_bass",),
    "stem_drums": ("stem_drums",),
    "stem_other": ("stem_other",),
    "light_stem": ("stem_vocals", "stem_accompaniment", "voice"),
    "motif": ("motif", "contour"),
    "section": ("section",),
}
LAYERS: Mapping[str, str] = {  # what of a track is compared with what of another: the kind of its windows
    "full_audio": "full_audio_latent",
    "vocals": "stem_vocals",
    "accompaniment": "stem_accompaniment",
    "bass": "stem_bass",
    "drums": "stem_drums",
    "other": "stem_other",
}


@dataclass(frozen=True, slots=True)
class Depth:
    """What a search compares: windows of some layers and of the stems that are asked for, melodies, sections.

    Sections are those of the mix, or the same with the harmony of each of the stems that are asked for.
    """

    windows: tuple[str, ...]
    stem_windows: bool = False
    melodies: bool = False
    sections: Literal["", "mix", "stems"] = ""


DEPTHS: Mapping[str, Depth] = {
    "track": Depth(("full_audio",)),
    "stem": Depth(("full_audio",), stem_windows=True),
    "light_stem": Depth(("full_audio", "vocals", "accompaniment")),
    "section": Depth(("full_audio",), sections="mix"),
    "stem_section": Depth(("full_audio",), sections="stems"),
    "motif": Depth((), melodies=True),
}
COMPREHENSIVE = Depth(("full_audio", "vocals", "accompaniment"), melodies=True)  # of the profile `comprehensive1`
ENCODER_TYPES: tuple[EncoderType, ...] = get_args(EncoderType)
SEPARATOR = "separator"  # under which a dataset's separator is pinned, beside its encoder types
PROFILES = ("search", "comprehensive1")
INDEXED = (*LAYERS.values(), "voice")  # the kinds whose rows are vectors in the index
POSTED = ("fingerprint", "motif")  # the kinds of which postings are made
AUXILIARY = frozenset({"fingerprint", "stem_fingerprint", "voice"})  # without which there is something to compare
OUTCOMES = frozenset({"index", "result"})  # the kinds that end a work: not artifacts of an audio


def wanted_by_ingest(tasks: Iterable[str]) -> frozenset[str]:
    return _with_peaks({"envelope", "index"}.union(*(TASKS[task] for task in tasks)))


def depth_of(profile: str, depth: str) -> Depth:
    return COMPREHENSIVE if profile == "comprehensive1" else DEPTHS[depth]


def wanted_by_search(depth: Depth, stem_types: Iterable[str] = ()) -> frozenset[str]:
    layers = layers_of(depth, stem_types)
    wanted = {"envelope", "result"} | {LAYERS[layer] for layer in layers}
    wanted |= {"cqt"} if "full_audio" in layers else set()
    wanted |= {"voice"} if "vocals" in layers else set()
    wanted |= {"stem_cqt"} if set(layers) - {"full_audio", "drums"} else set()
    wanted |= {"motif", "contour"} if depth.melodies else set()
    wanted |= {"section"} if depth.sections else set()
    wanted |= {"stem_cqt"} if depth.sections == "stems" else set()
    return _with_peaks(wanted)


def _with_peaks(wanted: set[str]) -> frozenset[str]:
    """And the peaks of the mix, and of the accompaniment where a track is separated anyway."""
    return frozenset(wanted | {"fingerprint"} | ({"stem_fingerprint"} if separates(wanted) else set()))


def layers_of(depth: Depth, stem_types: Iterable[str]) -> tuple[str, ...]:
    """The layers whose windows a search compares, the full mix first."""
    return (*depth.windows, *dict.fromkeys(stem_types)) if depth.stem_windows else depth.windows


def needed_by_search(depth: Depth, stem_types: Iterable[str]) -> tuple[frozenset[str], ...]:
    """The tasks that a dataset's track must have: of each set at least one."""
    stems = stem_types if depth.stem_windows or depth.sections == "stems" else ()
    needed = [frozenset({LAYERS[layer]}) for layer in (*depth.windows[:1], *dict.fromkeys(stems))]
    needed += [bringing("stem_vocals")] if "vocals" in depth.windows else []  # the accompaniment where both have it
    needed += [frozenset({"motif"})] if depth.melodies else []
    needed += [frozenset({"section"})] if depth.sections else []
    return tuple(needed)


def separates(wanted: Iterable[str]) -> bool:
    """Whether a separator is needed for any of these kinds."""
    return bool(missing(wanted, (), ()) & set(made_by("separate")))


def tasks_with_stems() -> frozenset[str]:
    """The tasks that need a separator."""
    return frozenset(task for task, kinds in TASKS.items() if separates(kinds))


def bringing(kind: str) -> frozenset[str]:
    """The tasks that make this kind."""
    return frozenset(task for task, kinds in TASKS.items() if kind in kinds)


def spoiled_by(kind: str) -> set[str]:
    """The kinds that can no longer be made once `kind` failed: itself and all that is made from it."""
    spoiled = {kind}
    for artifact in ARTIFACTS:  # rows stand after what they need, so one pass is enough
        if spoiled.intersection(artifact.needs):
            spoiled.add(artifact.kind)
    return spoiled


def stage(name: str) -> Stage:
    return next(row for row in STAGES if row.name == name)


def made_by(stage_name: str) -> tuple[str, ...]:
    return tuple(artifact.kind for artifact in ARTIFACTS if artifact.stage == stage_name)


# ── Topics, groups, workers ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic as it is created. `flush_each` fsyncs every record: where its source cannot be asked again.

    What others publish may be as large as Kafka's producers send by default, an eighth of what the broker takes: the
    work and the letter that come of it carry it, and more.
    """

    name: str
    partitions: int
    retention_days: int
    flush_each: bool = False

    @property
    def config(self) -> dict[str, str]:
        requests = {"flush.messages": "1", "max.message.bytes": str(ASKED_BYTES_MAX)} if self.flush_each else {}
        return {"retention.ms": str(self.retention_days * 86_400_000), "cleanup.policy": "delete", **requests}


@dataclass(frozen=True, slots=True)
class Consumer:
    """A stage on a lane: where it reads, and as which consumer group."""

    stage: Stage
    lane: str
    topic: str
    group: str


@dataclass(frozen=True, slots=True)
class Worker:
    """A process with one Faust app per (stage, lane) and one heavy child; `child_nice` lowers the child's priority."""

    name: str
    stages: tuple[str, ...]
    lane: str
    child_nice: int = 0


ASKED_BYTES_MAX = 1_048_588  # of a request with its key and headers: what Kafka's producers send by default
REQUEST_TOPICS = {"bulk": "uploads", "live": "search-requests"}  # what `accept` reads on each lane

WORKERS = (
    Worker(
        "bulk",
        ("accept", "decode", "fingerprint", "separate", "encode", "motif", "section", "index", "match"),
        "bulk",
        child_nice=10,
    ),
    Worker("live", ("accept", "decode", "fingerprint", "separate", "encode", "motif", "section"), "live"),
    Worker("match", ("match",), "live"),  # of its own, so that an answer never waits behind a decoding
)


def topic(stage_name: str, lane: str) -> str:
    return REQUEST_TOPICS[lane] if stage_name == "accept" else f"work.{lane}.{stage_name}"


def consumers() -> Iterator[Consumer]:
    for row in STAGES:
        for lane, partitions in zip(LANES, row.partitions, strict=True):
            if partitions:
                yield Consumer(row, lane, topic(row.name, lane), f"soundtrace.{lane}.{row.name}")


def topics() -> tuple[Topic, ...]:
    """All topics: requests, work, what becomes of it."""
    read = tuple(
        Topic(c.topic, c.stage.partitions[LANES.index(c.lane)], 7, flush_each=c.stage.name == "accept")
        for c in consumers()
    )
    told = (Topic("progress", 4, 7), Topic("features", 8, 30), Topic("results", 4, 30), Topic("dead-letters", 1, 30))
    return read + told
