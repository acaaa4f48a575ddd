"""A dataset's strangers: chosen once there are enough of them, kept, and what its matches are told by."""

import json

import numpy as np
import pytest

from models import library
from models import separate as separation
from models.stems import STEMS
from streams import cohort
from streams.records import SearchResult
from tests import signals

RANDOM = np.random.default_rng(1)
TUNES = {f"tune{number}": signals.tune(tuple(RANDOM.integers(-7, 13, 32)), repeats=1) for number in range(5)}


@pytest.fixture(autouse=True)
def small_libraries(monkeypatch, inbox, unrecognised):
    """A few tracks are a library; the rest of the numbers are as they are."""
    monkeypatch.setattr(library, "LEAST_TRACKS", 3)
    for name, samples in TUNES.items():
        (inbox / f"{name}.wav").write_bytes(signals.wav(samples))


async def search(way, job_id, **fields):
    (result,) = await way.search("1:n", job_id, query_uri=way.uri("first"), candidate_dataset_name="demo", **fields)
    assert isinstance(result, SearchResult)
    return result, json.loads(await way.resources.blobs.get(result.details_uri))["matches"]


async def cohorts(way):
    return sorted([name async for name in way.resources.blobs.list("cohorts/")])


async def test_a_small_dataset_is_judged_by_the_card(way):
    await way.ingest("other", "tune1")
    result, matches = await search(way, "search")
    assert {match.metric for match in result.matches} == {"agreement_qmax"}
    assert {match["calibration"]["source"] for match in matches} == {"shipped"}
    assert await cohorts(way) == []


async def test_a_larger_one_is_judged_by_its_own_strangers_which_are_kept(way):
    await way.ingest(*TUNES)
    result, matches = await search(way, "one")
    assert {match.metric for match in result.matches} == {"library_normalised"}
    assert {match["calibration"]["source"] for match in matches} == {"dataset"}
    assert 3 <= matches[0]["calibration"]["pairs"] <= 5
    scores = [match.score for match in result.matches]
    assert scores == sorted(scores, reverse=True)
    chances = [match.p_chance for match in result.matches]
    assert chances == sorted(chances)
    (name,) = await cohorts(way)
    kept = cohort.unpack_cohort(await way.resources.blobs.get(name))
    assert 3 <= len(kept.names) == len(kept.norms) == len(kept.latents) <= 5
    await search(way, "two")
    assert await cohorts(way) == [name]


async def test_layers_have_strangers_of_their_own_where_enough_tracks_have_them(way, monkeypatch):
    monkeypatch.setattr(separation, "separate", lambda samples, *_: dict.fromkeys(STEMS, samples / 4))
    await way.ingest("tune0", "tune1", "tune2", "tune3", tasks=("full_audio_latent", "stem_vocals"))
    await way.ingest("tune4", tasks=("full_audio_latent", "light_stem"))
    result, matches = await search(way, "search", depth="light_stem")
    assert result.status == "completed"
    assert {match.metric for match in result.matches} == {"library_normalised"}
    assert [name.split("/")[3].partition("-")[0] for name in await cohorts(way)] == [
        "full_audio_latent", "stem_accompaniment", "stem_vocals",
    ]  # fmt: skip
    (lonely,) = [match for match in matches if "accompaniment_latent_scores" in match]
    assert lonely["payload"]["layer"] in ("full_audio", "vocals"), "one accompaniment has no strangers to be judged by"


async def test_they_are_chosen_anew_once_the_dataset_has_grown_by_a_fifth(way):
    await way.ingest("tune0", "tune1", "tune2")
    await search(way, "one")
    await way.ingest("tune3")
    await search(way, "two")
    assert len(await cohorts(way)) == 2


async def test_of_two_that_choose_at_once_the_first_one_s_strangers_count(way, monkeypatch):
    await way.ingest(*TUNES)
    blobs, put = way.resources.blobs, way.resources.blobs.put

    async def late(name, data):
        if name.startswith("cohorts/"):
            await put(name, cohort.pack_cohort(None, 128))  # the other one found none
        await put(name, data)

    monkeypatch.setattr(blobs, "put", late)
    result, _ = await search(way, "search")
    assert {match.metric for match in result.matches} == {"agreement_qmax"}


async def test_a_dataset_of_one_song_s_versions_has_no_strangers(way):
    await way.ingest("first", "first-higher", "tone", "silence")
    _, matches = await search(way, "search")
    assert {match["calibration"]["source"] for match in matches} == {"shipped"}
    assert len(await cohorts(way)) == 1  # so that they are not looked for at every search


async def test_a_track_is_as_sure_of_itself_as_before(way):
    await way.ingest("first", *TUNES)
    results = await way.search("1:n", query_uri=way.uri("first"), candidate_dataset_name="demo")
    best = results[0].matches[0]
    assert (best.filename, best.verdict, best.p_match) == ("first.wav", "same_recording", 1.0)
    assert best.score >= 0.999


async def test_neither_the_classical_encoder_nor_a_pair_has_strangers(way, classical):
    await way.ingest(*TUNES)
    result, _ = await search(way, "search")
    assert {match.metric for match in result.matches} == {"qmax"}
    (pair,) = await way.search("1:1", "pair", query_uri=way.uri("first"), candidate_uri=way.uri("other"))
    assert pair.matches[0].metric == "qmax"
    assert await cohorts(way) == []
