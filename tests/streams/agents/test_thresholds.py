"""Thresholds on their way: a dataset, or a track's own upload, says what kind of sound it is, and is judged so."""

from __future__ import annotations

import json

import pytest

from streams.records import Job, Upload, now


async def best(way, name):
    (result,) = await way.search("1:n", query_uri=way.uri(name), candidate_dataset_name="demo")
    return json.loads(await way.resources.blobs.get(result.details_uri))["matches"][0]


async def made(way, **content):
    await way.resources.catalogue.create_dataset("acme", "demo", **content)
    await way.ingest("first")


@pytest.mark.usefixtures("unrecognised")
async def test_effects_are_no_compositions(way):
    await made(way, content_type="effects")
    found = await best(way, "first-higher")
    assert found["verdict"] in {"style_only", "no_relation"}
    assert found["score"] > 0.5, "what was compared is told all the same"


@pytest.mark.usefixtures("unrecognised")
async def test_music_is(way):
    await made(way)
    assert (await best(way, "first-higher"))["verdict"] == "same_composition"


@pytest.mark.usefixtures("unrecognised")
async def test_what_an_upload_says_of_itself_counts_more_than_its_dataset(way):
    await way.resources.catalogue.create_dataset("acme", "demo", content_type="effects")
    job = Job(id="job", index=0, size=1)
    upload = Upload(
        event_id="event", tenant="acme", dataset_name="demo", blob_uri=way.uri("first"), job=job, requested_at=now(),
        metadata={"content_type": "music"},
    )  # fmt: skip
    await way.run(upload)
    assert (await best(way, "first-higher"))["verdict"] == "same_composition"


async def test_a_dataset_may_ask_for_more_than_its_content_type_does(way):
    await made(way, thresholds={"least_landmarks": 1_000})
    found = await best(way, "first-higher")
    assert found["payload"]["layer"] != "fingerprint"


async def test_and_without_it_a_recording_is_known_again(way):
    await made(way)
    found = await best(way, "first-higher")
    assert found["payload"]["layer"] == "fingerprint"
