"""As much of the HTTP contract as the command line uses: jobs are running at the first look, ended at the second."""

from __future__ import annotations

import uuid
from typing import Any

from aiohttp import web

EVIDENCE = {
    "query_start_s": 1.0,
    "query_end_s": 11.5,
    "candidate_start_s": 3.25,
    "candidate_end_s": 15.0,
    "layer": "full_audio",
    "stem": None,
    "score": 0.81,
    "tempo_ratio": 1.1,
    "transposition_semitones": 3,
    "landmarks": None,
}


def problem(status: int, code: str, message: str, detail: str, **facts: str) -> web.Response:
    body = {"type": f"urn:soundtrace:problem:{code}", "status": status, "code": code, "success": False}
    return web.json_response({**body, **facts, "message": message, "detail": detail}, status=status)


def match(name: str, rank: int, evidence: list[dict[str, Any]]) -> dict[str, Any]:
    payload = {"filename": name, "dataset_id": None, "metric": "qmax", "layer": "full_audio"}
    verdict = "same_composition" if evidence else "no_relation"
    score = 0.9 / rank
    return {"id": name, "score": score, "payload": payload, "rank": rank, "verdict": verdict, "evidence": evidence}


class FakeApi:
    """A file called `silent…` fails when it is heard, `text…` when it is uploaded; `busy` answers 429 so often."""

    def __init__(self) -> None:
        self.key = "st_fake"
        self.datasets: list[str] = []
        self.contents: dict[str, dict[str, Any]] = {}
        self.uploads: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        self.looks: dict[str, int] = {}
        self.busy = 0
        self.search_fails = False
        self.failing_task = ""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.authenticate])
        app.router.add_post("/trace/v1/dataset", self.dataset)
        app.router.add_get("/trace/v1/dataset/{dataset_id}", self.held)
        app.router.add_post("/trace/v1/upload", self.upload)
        app.router.add_post("/trace/v1/ingest/type2", self.ingest)
        app.router.add_post("/trace/v1/search/type2", self.search)
        app.router.add_get("/trace/v1/jobs", self.list)
        app.router.add_get("/trace/v1/jobs/{job_id}", self.show)
        app.router.add_delete("/trace/v1/jobs/{job_id}", self.cancel)
        return app

    @web.middleware
    async def authenticate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return problem(401, "unauthorized", "the key is unknown", "make one")
        if self.busy:
            self.busy -= 1
            await request.read()
            return web.json_response({}, status=429, headers={"Retry-After": "0"})
        answer: web.StreamResponse = await handler(request)
        return answer

    async def dataset(self, request: web.Request) -> web.Response:
        body = await request.json()
        name = body["name"]
        if name in self.datasets:
            return problem(409, "dataset-exists", "the name is taken", "choose another", existing_dataset_id=name)
        self.datasets.append(name)
        self.contents[name] = {"content_type": "music", "thresholds": {}, **body}
        return web.json_response({"dataset_id": str(uuid.uuid4()), "name": name}, status=201)

    async def held(self, request: web.Request) -> web.Response:
        return web.json_response(self.contents[request.match_info["dataset_id"]])

    async def upload(self, request: web.Request) -> web.Response:
        part = await (await request.multipart()).next()
        assert part.name == "file"
        name = part.filename
        await part.read()
        if name.startswith("text"):
            return problem(400, "unsupported-audio-format", "Unsupported audio format.", "convert it")
        self.uploads.append(f"dataset/{uuid.uuid4()}_{name}")
        return web.json_response({"success": True, "data": {"blob_name": self.uploads[-1], "duration_s": 30.0}})

    async def ingest(self, request: web.Request) -> web.Response:
        body = await request.json()
        if len(body["audio_blobs"]) > 10:
            return problem(400, "too-many-blobs", "more than 10 blobs", "send fewer")
        files = [self._file(blob) for blob in body["audio_blobs"]]
        failure = {"code": "defect", "message": "it ended its process", "remedy": "replay the letter"}
        artifacts = [
            {"blob_name": blob, "artifact_type": task, "error": failure if task == self.failing_task else None}
            | {"status": "failed" if task == self.failing_task else "complete"}
            for blob in body["audio_blobs"]
            for task in body["tasks"]
        ]
        return self._started(body, "ingest", {"files": files, "artifacts": artifacts})

    async def search(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.search_fails:
            return self._started(body, "search", {"status": "failed", "error": "the query is silent", "results": None})
        matches = [match("found.wav", 1, [EVIDENCE, {**EVIDENCE, "score": 0.5}]), match("other.wav", 2, [])]
        entry = {"query_audio_id": body.get("query_url", "dataset/x_y.wav"), "error": None, "matches": matches}
        return self._started(body, "search", {"results": {"results": [entry]}})

    async def list(self, _request: web.Request) -> web.Response:
        jobs = [{**job, "created_at": "2026-01-01T00:00:00Z"} for job in self.jobs.values()]
        return web.json_response({"success": True, "data": {"jobs": jobs, "next_cursor": None}})

    async def show(self, request: web.Request) -> web.Response:
        job_id = request.match_info["job_id"]
        if job_id not in self.jobs:
            return problem(404, "job-not-found", "there is no such job", "list yours")
        self.looks[job_id] = self.looks.get(job_id, 0) + 1
        ended = self.jobs[job_id] if self.looks[job_id] > 1 else {**self.jobs[job_id], "status": "running"}
        return web.json_response({"success": True, "data": ended}, headers={"Retry-After": "1"})

    async def cancel(self, request: web.Request) -> web.Response:
        return web.json_response({"data": {"job_id": request.match_info["job_id"], "status": "cancelled"}})

    def _file(self, blob: str) -> dict[str, Any]:
        failed = "_silent" in blob
        error = (
            {"code": "audio-too-short", "message": "it is 0.2 s long", "remedy": "send a second"} if failed else None
        )
        status = "failed" if failed else "completed"
        track_id = None if failed else str(uuid.uuid4())
        facts = {"track_id": track_id, "reused": False, "health": None}
        return {"blob_name": blob, "filename": blob, "status": status, "error": error, **facts}

    def _started(self, body: dict[str, Any], kind: str, told: dict[str, Any]) -> web.Response:
        self.bodies.append(body)
        job_id = f"{kind}_job_{len(self.jobs)}"
        progress = {"files_total": 2, "files_done": 1} if kind == "ingest" else {"queries_total": 1, "queries_done": 1}
        facts = {"job_id": job_id, "kind": kind, "status": "completed", "error": None, "progress": progress}
        self.jobs[job_id] = {**facts, **told}
        return web.json_response({"success": True, "data": {"job_id": job_id, "status": "pending"}}, status=202)
