"""Accept: a request becomes works, checked, its bytes taken in, what is there already counted in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

from streams import cards, check, codec, pipeline
from streams.artifacts import job_name
from streams.errors import Invalid, NotFound
from streams.ids import event_id
from streams.intake import Named, take_in
from streams.records import Audio, Job, Progress, SearchRequest, Upload, Work, now
from streams.stage import StageContext, with_present
from streams.stores.catalogue import Blob, TrackRow

NO_WEBHOOKS = "webhook_url was dropped: this version delivers no webhooks; read the results topic or poll the job"


async def accept(request: Upload | SearchRequest, stage: StageContext) -> None:
    if isinstance(request, Upload):
        await accept_upload(request, stage)
    else:
        await accept_search(request, stage)


async def accept_upload(upload: Upload, stage: StageContext) -> None:
    await stage.ledger.agree_on_job(upload.tenant, upload.job.id, "ingest", upload.job.index, upload.job.size)
    tasks = check.check_tasks(upload.tasks)
    if upload.dataset_id is None:
        dataset = await stage.catalogue.ensure_dataset(upload.tenant, upload.dataset_name)
    else:
        try:
            dataset = await stage.catalogue.dataset(upload.tenant, upload.dataset_id)
        except NotFound:  # deleted since: nothing is to come of it
            stage.say(_progress(upload, upload.job, status="cancelled"), "progress")
            return
    named = Named(upload.tenant, upload.blob_uri, upload.filename, upload.sha256, upload.size_bytes)
    blob = await take_in(named, stage.catalogue, stage.blobs, stage.settings)
    current = cards.current(upload.encoder_type).model_version
    version = await stage.catalogue.pin(dataset.dataset_id, upload.encoder_type, current)
    separator = cards.current_separator(stage.settings.separator).model_version
    wanted = pipeline.wanted_by_ingest(tasks)
    if pipeline.separates(wanted):
        until = pipeline.tasks_with_stems()
        separator = await stage.catalogue.pin(dataset.dataset_id, pipeline.SEPARATOR, separator, until=until)
    if upload.webhook_url:
        stage.say(_progress(upload, upload.job, warnings=(NO_WEBHOOKS,)), "progress")
    work = _work(
        upload,
        upload.job,
        lane="bulk",
        dataset_id=dataset.dataset_id,
        model_version=version,
        separator=separator,
        audios=(_audio("track", blob, upload.filename),),
        wanted=wanted,
    )
    stage.send_on(await _counted_in(work, stage))


async def accept_search(request: SearchRequest, stage: StageContext) -> None:
    asked = check.check_search_fields(request)
    await stage.ledger.agree_on_job(asked.tenant, asked.job_id, "search", 0, 1)
    await _claim(asked, stage)
    view = await check.look_for_search(asked, stage.catalogue)
    plan = check.check_search(asked, view, stage.settings)
    audios = []
    roles: tuple[tuple[Literal["query", "candidate"], str | None], ...]
    roles = (("query", asked.query_uri), ("candidate", asked.candidate_uri))
    for role, uri in roles:
        if uri is not None:
            blob = await take_in(Named(asked.tenant, uri), stage.catalogue, stage.blobs, stage.settings)
            audios.append(_audio(role, blob, None))
    version = view.candidate_version or cards.current(asked.encoder_type).model_version
    separator = view.candidate_separator or cards.current_separator(stage.settings.separator).model_version
    m, n = plan.m, plan.n
    if plan.n > 1 or view.candidate_dataset is not None:
        # Create-only, then read back: a redelivery or a changed dataset cannot change m and n.
        name = job_name(asked.tenant, asked.job_id, "tracks")
        listed = {"queries": _listed(view.queries), "candidates": _listed(view.candidates)}
        await stage.blobs.put(name, json.dumps(listed).encode())
        tracks = json.loads(await stage.blobs.get(name))
        m, n = max(len(tracks["queries"]), 1), len(tracks["candidates"])
    wanted = pipeline.wanted_by_search(pipeline.depth_of(asked.profile, asked.depth), asked.stem_types)
    warnings = (NO_WEBHOOKS,) if asked.webhook_url else ()
    skipped = {"candidates_skipped": plan.candidates_skipped, "queries_skipped": plan.queries_skipped}
    totals = {"queries_total": m, "candidates_total": n, "pairs_total": m * n, **skipped}
    stage.say(_progress(asked, Job(id=asked.job_id, index=0, size=m), warnings=warnings, **totals), "progress")
    for first in range(0, m, stage.settings.queries_per_work):
        work = _work(
            asked,
            Job(id=asked.job_id, index=first, size=m),
            lane=plan.lane,
            dataset_id=view.candidate_dataset.dataset_id if view.candidate_dataset else None,
            model_version=version,
            separator=separator,
            audios=tuple(audios),
            wanted=wanted if audios else frozenset({"result"}),
            first_query=first,
            queries=min(stage.settings.queries_per_work, m - first),
            **skipped,
        )
        stage.send_on(await _counted_in(work, stage))


async def _claim(request: SearchRequest, stage: StageContext) -> None:
    """Hold a search to the request that its job is named by first. Raises: `Invalid` `job-inconsistent`."""
    name = job_name(request.tenant, request.job_id, "request")
    await stage.blobs.put(name, json.dumps({"event_id": request.event_id}).encode())
    if json.loads(await stage.blobs.get(name))["event_id"] != request.event_id:
        fact = f"job '{request.job_id}' is another request's already"
        raise Invalid(fact, "ask again with a new job id", code="job-inconsistent")


async def _counted_in(work: Work, stage: StageContext) -> Work:
    """The work, with what is stored already marked as present and told to `features`."""
    at_work = stage.of(work)
    audios = []
    for audio in work.audios:
        kinds = [artifact.kind for artifact in pipeline.ARTIFACTS if artifact.kind not in pipeline.OUTCOMES]
        found = [kind for kind in kinds if await stage.blobs.exists(at_work.name(audio.audio_id, kind))]
        await at_work.reuse(audio, set(found) & set(work.wanted))
        audios.append(with_present(audio, found))
    return work.model_copy(update={"audios": tuple(audios)})


def _audio(role: Literal["track", "query", "candidate"], blob: Blob, filename: str | None) -> Audio:
    return Audio(role=role, audio_id=blob.audio_id, blob_uri=blob.uri, filename=filename or blob.filename)


def _listed(tracks: Iterable[TrackRow]) -> list[dict[str, Any]]:
    kept = ("track_id", "audio_id", "blob_uri", "filename", "duration_s")
    return [
        {name: getattr(track, name) for name in kept}
        | {"metadata": dict(track.metadata), "health": track.health.model_dump()}
        for track in tracks
    ]


def _work(request: Upload | SearchRequest, job: Job, **fields: Any) -> Work:
    fields["wanted"] = tuple(sorted(fields["wanted"]))
    return Work(
        event_id=event_id(request.tenant, job.id, job.index, "work"),
        tenant=request.tenant,
        job=job,
        request=codec.encode(request),
        encoder_type=request.encoder_type,
        accepted_at=now(),
        **fields,
    )


def _progress(request: Upload | SearchRequest, job: Job, **fields: Any) -> Progress:
    what = event_id(request.tenant, job.id, job.index, "accept", fields.get("status", "running"))
    return Progress(event_id=what, tenant=request.tenant, job=job, stage="accept", at=now(), **fields)
