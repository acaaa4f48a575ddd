"""Every kind of search at every depth, on real audio: asked over Kafka and over HTTP, answered alike.

`SOUNDTRACE_WRITE_DEPTHS=1 ops/test tests/live/test_depths.py` writes what was seen to ops/depths.md.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from streams import pipeline
from streams.records import Feature, Record, SearchRequest, SearchResult
from tests.live import publisher
from tests.live.conftest import CLIPS
from tests.live.test_upkeep import NAMES, polled

if TYPE_CHECKING:
    from tests.live.conftest import RunningHome

pytestmark = pytest.mark.live

DOCUMENT = Path(__file__).resolve().parents[2] / "ops" / "depths.md"
DATASET, QUERY = "depths", (CLIPS / "canon-in-d--three-violins.m4a").as_uri()
TYPES = ("1:1", "1:n", "m:n")
DEPTHS = (*pipeline.DEPTHS, "comprehensive1")
BLOCKS = {
    "track": {"full_audio_latent_scores"},
    "stem": {"full_audio_latent_scores", "vocal_latent_scores"},
    "light_stem": {"full_audio_latent_scores", "vocal_latent_scores", "accompaniment_latent_scores"},
    "section": {"full_audio_latent_scores", "section_matches"},
    "stem_section": {"full_audio_latent_scores", "stem_section_matches"},
    "motif": {"motif_matches"},
    "comprehensive1": {
        "full_audio_latent_scores", "vocal_latent_scores", "accompaniment_latent_scores", "motif_matches",
    },
}  # fmt: skip
OPTIONAL = {"vocal_latent_scores", "accompaniment_latent_scores"}  # told in `missing_layers` where a side has none


def named(search_type: str) -> dict[str, str]:
    if search_type == "m:n":
        return {"query_dataset_name": DATASET, "candidate_dataset_name": DATASET}
    if search_type == "1:n":
        return {"query_uri": QUERY, "candidate_dataset_name": DATASET}
    return {"query_uri": QUERY, "candidate_uri": (CLIPS / NAMES[0]).as_uri()}


def asked_over_kafka(search_type: str, depth: str) -> SearchRequest:
    wanted = {"profile": depth} if depth == "comprehensive1" else {"depth": depth}
    return publisher.search(search_type, **named(search_type), **wanted)


async def asked_over_http(home: RunningHome, search_type: str, depth: str) -> str:
    """The job's id."""
    words = {"query_uri": "query_url", "candidate_uri": "candidate_url"}
    body: dict[str, Any] = {words.get(name, name): value for name, value in named(search_type).items()}
    path = "comprehensive1" if depth == "comprehensive1" else "search"
    body |= {"search_type": search_type} | ({} if depth == "comprehensive1" else {"depth": depth})
    headers = {"Authorization": f"Bearer {home.api_key}"}
    url = f"{home.api_url}/trace/v1/{path}/type2"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as answer:
        told = await answer.json()
        assert answer.status == 202, told
        job_id: str = told["data"]["job_id"]
        return job_id


async def published(
    home: RunningHome, requests: dict[tuple[str, str], SearchRequest]
) -> dict[tuple[str, str], list[SearchResult]]:
    """The results of every request, once all queries of all are answered."""

    def of(told: list[Record], request: SearchRequest) -> list[SearchResult]:
        return [one for one in told if isinstance(one, SearchResult) and one.job.id == request.job_id]

    def all_answered(told: list[Record]) -> bool:
        return all((found := of(told, one)) and len(found) == found[0].job.size for one in requests.values())

    told = await publisher.outcomes(home.kafka_bootstrap, all_answered)
    return {cell: of(told, request) for cell, request in requests.items()}


async def test_every_search_at_every_depth_is_answered_alike_over_kafka_and_http(home: RunningHome) -> None:
    tasks = tuple(pipeline.TASKS)
    uploads = [publisher.upload((CLIPS / name).as_uri(), DATASET, tasks=tasks) for name in NAMES]
    for records in (await publisher.run(home.kafka_bootstrap, uploads)).values():
        assert isinstance(records[-1], Feature)
        assert (records[-1].tasks_done, records[-1].tasks_failed) == (tasks, {})
    cells = list(itertools.product(TYPES, DEPTHS))
    requests = {cell: asked_over_kafka(*cell) for cell in cells}
    await publisher.send(home.kafka_bootstrap, requests.values())
    told = await published(home, requests)  # from now on the query's file is known to HTTP too, by its URI
    jobs = dict(zip(cells, await asyncio.gather(*(asked_over_http(home, *cell) for cell in cells)), strict=True))
    seen = {}
    for cell in cells:
        results = told[cell]
        job = await polled(home, jobs[cell])
        assert (job["status"], {result.status for result in results}) == ("completed", {"completed"}), cell
        entries = job["results"]["results"]
        assert len(entries) == len(results) == (3 if cell[0] == "m:n" else 1), cell
        by_query = {result.job.index: result for result in results}
        for entry in entries:
            heard = [(match.id, match.score, match.verdict) for match in by_query[entry["query_index"]].matches]
            assert heard == [(match["id"], match["score"], match["verdict"]) for match in entry["matches"]], cell
            for match in entry["matches"]:
                assert BLOCKS[cell[1]] - OPTIONAL <= set(match), cell
        seen[cell] = entries
    best = {depth: seen["1:n", depth][0]["matches"][0] for depth in DEPTHS}
    assert {depth: match["payload"]["filename"] for depth, match in best.items()} == dict.fromkeys(DEPTHS, NAMES[0])
    if os.environ.get("SOUNDTRACE_WRITE_DEPTHS"):
        DOCUMENT.write_text(written(seen), "utf-8")


def written(seen: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    """The matrix, for readers: what the best match said in each cell."""
    lines = [
        "# Every search at every depth",
        "",
        "Written by `SOUNDTRACE_WRITE_DEPTHS=1 ops/test tests/live/test_depths.py` from its own run: three",
        "shipped clips, the real broker and Milvus, each cell asked over Kafka and over HTTP, with one answer. Told is",
        f"the best match of `{QUERY.rpartition('/')[2]}` (m:n: of the first track): score, verdict, layer, blocks.",
        "",
        "| depth | " + " | ".join(TYPES) + " |",
        "|---" * (len(TYPES) + 1) + "|",
    ]
    for depth in DEPTHS:
        cells = []
        for search_type in TYPES:
            match = seen[search_type, depth][0]["matches"][0]
            blocks = ", ".join(f"`{name}`" for name in sorted(set.union(*BLOCKS.values()) & set(match)))
            cells.append(f"{match['score']:.3f} {match['verdict']} ({match['payload']['layer']}): {blocks}")
        lines.append(f"| `{depth}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
