"""Index: a heard track becomes searchable. Ends an ingest.

Row, vectors and postings, record, in this order. Whoever has seen `Feature(index)` finds the track; and whoever
rebuilds the index meanwhile either finds the row or comes before what is indexed, so that none is lost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from streams import cards, pipeline
from streams.ids import track_id
from streams.posting import post
from streams.records import Audio, Health, Problem, Track, Upload, Work
from streams.settings import Settings
from streams.stage import StageContext
from streams.stores.catalogue import TrackRow, epoch_ms


async def index(stage: StageContext) -> None:
    work, upload = stage.work, stage.request
    assert isinstance(upload, Upload)
    assert work.dataset_id is not None
    (audio,) = work.audios
    made = pipeline.AUXILIARY.union(audio.present)
    done = tuple(task for task in upload.tasks if made.issuperset(pipeline.TASKS[task]))
    failed = {task: _why(task, audio.failed) for task in upload.tasks if task not in done}
    unexplained = pipeline.AUXILIARY & {kind for kind, why in audio.failed.items() if why not in failed.values()}
    failed |= {kind: audio.failed[kind] for kind in unexplained}
    facts = (await stage.load_array(audio.audio_id, "envelope")).meta
    row = TrackRow(
        tenant=work.tenant,
        dataset_id=work.dataset_id,
        track_id=track_id(work.dataset_id, audio.audio_id),
        audio_id=audio.audio_id,
        blob_uri=audio.blob_uri,
        filename=audio.filename,
        duration_s=facts["duration_s"],
        rate_hz=facts["rate_hz"],
        channels=facts["channels"],
        health=Health.model_validate(facts["health"]),
        metadata=upload.metadata,
        expires_at_ms=_expiry_ms(stage.settings),
    )
    known = await stage.catalogue.has_tasks(row.dataset_id, row.track_id, work.encoder_type, done, work.model_version)
    versions: dict[str, str] = {work.encoder_type: work.model_version}
    if pipeline.tasks_with_stems().intersection(done):
        versions[pipeline.SEPARATOR] = work.separator
    pinned = await stage.catalogue.add_track(row, work.encoder_type, done, versions)
    if pinned != versions:
        stage.send_on(_for_versions(pinned, stage))
        return
    await _put_vectors(stage, row, audio)
    await _put_postings(stage, row, audio)
    live = await stage.catalogue.track(work.tenant, row.dataset_id, row.track_id)
    stage.say(
        stage.feature(
            audio,
            "index",
            track_id=live.track_id,
            seconds_taken=time.monotonic() - stage.began,
            reused=known,
            track=_track(live),
            tasks_done=done,
            tasks_failed=failed,
        ),
        "features",
    )


def _for_versions(pinned: Mapping[str, str], stage: StageContext) -> Work:
    """The same work, for a dataset that was moved to another encoder or separator while it was on its way."""
    work = stage.work
    moved = {"model_version": pinned[work.encoder_type], "separator": pinned.get(pipeline.SEPARATOR, work.separator)}
    anew = work.model_copy(update=moved)
    name, former = stage.of(anew).name, stage.name
    (audio,) = work.audios
    shared = tuple(kind for kind in audio.present if name(audio.audio_id, kind) == former(audio.audio_id, kind))
    return anew.model_copy(update={"audios": (audio.model_copy(update={"present": shared}),)})


async def _put_vectors(stage: StageContext, row: TrackRow, audio: Audio) -> None:
    for kind in pipeline.INDEXED:
        if kind in stage.work.wanted and kind in audio.present:
            latents = await stage.load_array(row.audio_id, kind)
            collection = cards.collection_of(row.tenant, row.dataset_id, kind, stage.card)
            await stage.vectors.upsert(collection, row.track_id, latents.array, latents.starts_s)


async def _put_postings(stage: StageContext, row: TrackRow, audio: Audio) -> None:
    for kind in pipeline.POSTED:
        if kind in stage.work.wanted and kind in audio.present:
            await stage.heavy(post, stage.posted(kind), row.track_id, await stage.load(row.audio_id, kind))


def _why(task: str, failed: dict[str, Problem]) -> Problem:
    return next(failed[kind] for kind in pipeline.TASKS[task] if kind in failed)


def _expiry_ms(settings: Settings) -> int | None:
    return epoch_ms() + settings.retention_days * 86_400_000 if settings.retention_days else None


def _track(row: TrackRow) -> Track:
    moments = {"ingested_at": row.ingested_at_ms, "expires_at": row.expires_at_ms}
    fields = {name: getattr(row, name) for name in ("track_id", "filename", "duration_s", "rate_hz", "channels")}
    return Track.model_validate(
        fields
        | {name: None if at_ms is None else at_ms / 1000 for name, at_ms in moments.items()}
        | {"blob_name": row.blob_uri, "sha256": row.audio_id, "health": row.health, "metadata": dict(row.metadata)}
        | {"encoder_types": row.encoder_types, "tasks": row.tasks}
    )
