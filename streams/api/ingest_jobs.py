"""How an ingest job is shown: every file, and every file x requested task from the first poll on (contract, A4)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from streams import check, pipeline
from streams.api.job_times import JobError, PolledJob, common
from streams.api.schemas import Envelope, JobStatus
from streams.records import Health, Problem
from streams.stores.readmodel import FileView, JobView


class Artifact(BaseModel):
    audio_id: str
    artifact_type: str
    status: Literal["pending", "running", "complete", "failed", "cancelled"]
    blob_name: str
    sha256: str | None
    reused: bool
    seconds_taken: float
    error: JobError | None


class File(BaseModel):
    blob_name: str
    filename: str
    track_id: str | None
    status: JobStatus
    stage: str | None
    reused: bool
    error: JobError | None
    health: Health | None


class FilesProgress(BaseModel):
    files_total: int
    files_done: int
    files_failed: int


class IngestProgress(FilesProgress):
    artifacts_total: int
    artifacts_done: int


class IngestJob(PolledJob):
    tasks_requested: list[str]
    artifacts: list[Artifact]
    dataset_name: str | None
    progress: IngestProgress
    files: list[File]


class IngestJobAnswer(Envelope):
    data: IngestJob


def files_progress(job: JobView) -> FilesProgress:
    return FilesProgress(files_total=job.size, files_done=job.parts_done, files_failed=job.parts_failed)


def show_ingest(job: JobView, files: list[FileView]) -> IngestJob:
    tasks = [task for task in check.TASKS if task in job.asked["tasks"]]
    artifacts = [_artifact(file, task) for file in files for task in tasks]
    progress = IngestProgress(
        **files_progress(job).model_dump(),
        artifacts_total=job.size * len(tasks),
        artifacts_done=sum(artifact.status == "complete" for artifact in artifacts),
    )
    return IngestJob(
        **common(job),
        tasks_requested=tasks,
        artifacts=artifacts,
        dataset_name=job.asked["dataset_name"],
        progress=progress,
        files=[_file(file) for file in files],
    )


def _artifact(file: FileView, task: str) -> Artifact:
    made = [artifact for artifact in file.artifacts if artifact.kind in pipeline.TASKS.get(task, ())]
    failed = file.tasks_failed.get(task)
    return Artifact(
        audio_id=file.filename,
        artifact_type=task,
        status=_artifact_status(file, task),
        blob_name=file.blob_name,
        sha256=file.sha256,
        reused=bool(made) and all(artifact.reused for artifact in made),
        seconds_taken=round(sum(artifact.seconds_taken for artifact in made), 3),
        error=_error(failed or (file.error if file.status == "failed" else None)),
    )


def _artifact_status(file: FileView, task: str) -> Literal["pending", "running", "complete", "failed", "cancelled"]:
    """`complete` only when it is indexed: an artifact never goes back from there."""
    if task in file.tasks_done:
        return "complete"
    if task in file.tasks_failed:
        return "failed"
    match file.status:
        case "completed":
            return "complete"
        case "pending" | "running" | "failed" | "cancelled" as status:
            return status
        case _:
            raise AssertionError(file.status)


def _file(file: FileView) -> File:
    return File.model_validate(
        {
            "blob_name": file.blob_name,
            "filename": file.filename,
            "track_id": file.track_id,
            "status": file.status,
            "stage": file.stage,
            "reused": bool(file.artifacts) and all(artifact.reused for artifact in file.artifacts),
            "error": _error(file.error),
            "health": file.health,
        }
    )


def _error(problem: Problem | None) -> JobError | None:
    return JobError(**problem.model_dump()) if problem else None
