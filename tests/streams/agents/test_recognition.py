"""Recordings on their way: fingerprinted before anything slow, posted, and known again in whatever was made of them."""

from __future__ import annotations

import json

import librosa
import numpy as np
import pytest
import soxr

from models import separate as separation
from streams import recognition
from streams.mend import Stores, mend
from streams.records import Job, Upload, now
from tests import signals
from tests.quality.clips import clips

PIECE_S = (10.0, 22.0)
UNDER = 0.2  # 14 dB under a voice


def voice():
    """What the stand-in separator takes for one: twelve seconds, as loud as is good for a file."""
    samples = clips()[20].samples()[: round((PIECE_S[1] - PIECE_S[0]) * signals.RATE_HZ)]
    return 0.5 * samples / np.abs(samples).max()


def knowing_the_voice(samples, rate_hz, card, folder):
    """Takes the voice out of what is just as long, and finds none in anything else."""
    mix = samples.mean(axis=1) if samples.ndim == 2 else samples
    nothing = np.zeros_like(mix)
    vocals = voice() if len(mix) == len(voice()) else nothing
    return {"drums": nothing, "bass": nothing, "other": mix - vocals, "vocals": vocals}


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    """Two recorded clips, and what people make of the first one."""
    folder = tmp_path_factory.mktemp("recordings")
    one, other = (clip.samples() for clip in (clips()[0], clips()[9]))
    first, last = (round(second * signals.RATE_HZ) for second in PIECE_S)
    made = {
        "one": one,
        "other": other,
        "piece": one[first:last],
        "faster": soxr.resample(one[first:last], signals.RATE_HZ, signals.RATE_HZ / 1.06),
        "higher": librosa.effects.pitch_shift(one[first:last], sr=signals.RATE_HZ, n_steps=2.0),
        "under": np.concatenate([other[: 5 * signals.RATE_HZ], one[first:last], other[-5 * signals.RATE_HZ :]]),
        "talked": voice() + UNDER * np.std(voice()) / np.std(one[first:last]) * one[first:last],
        "stranger": clips()[20].samples(),
        "silence": signals.silence(10.0),
    }
    for name, samples in made.items():
        (folder / f"{name}.wav").write_bytes(signals.wav(np.asarray(samples, np.float32)))
    return folder


async def search(way, name, **fields):
    asked = {"query_uri": way.uri(name), "candidate_dataset_name": "demo", **fields}
    (result,) = await way.search("1:n", f"find-{name}-{len(way.told)}", **asked)
    return result, json.loads(await way.resources.blobs.get(result.details_uri))["matches"]


async def test_a_piece_of_a_recording_is_the_same_recording_and_its_seconds_are_told(way):
    await way.ingest("one", "other")
    result, (best, second) = await search(way, "piece")
    assert (best["payload"]["filename"], best["verdict"]) == ("one.wav", "same_recording")
    assert (best["payload"]["layer"], best["payload"]["metric"]) == ("fingerprint", "landmarks")
    assert best["score"] >= 0.999
    evidence = best["evidence"][0]
    assert (evidence["layer"], evidence["transposition_semitones"]) == ("fingerprint", 0)
    assert evidence["candidate_start_s"] - evidence["query_start_s"] == pytest.approx(PIECE_S[0], abs=0.02)
    assert evidence["tempo_ratio"] == pytest.approx(1.0, abs=0.001)
    assert evidence["landmarks"] >= 10
    assert second["payload"]["layer"] != "fingerprint"
    assert [told.model_dump() for told in result.matches[0].evidence] == best["evidence"]


@pytest.mark.parametrize(("name", "tempo", "semitones", "cents"), [("faster", 1.06, 1, 0.9), ("higher", 1.0, 2, 0.0)])
async def test_a_changed_recording_is_told_as_changed_and_how(way, name, tempo, semitones, cents):
    await way.ingest("one", "other")
    _, (best, _) = await search(way, name)
    assert (best["payload"]["filename"], best["verdict"]) == ("one.wav", "same_recording_modified")
    evidence = best["evidence"][0]
    assert evidence["tempo_ratio"] == pytest.approx(tempo, abs=0.005)
    assert evidence["transposition_semitones"] == semitones
    assert evidence["detune_cents"] == pytest.approx(cents, abs=5)
    assert evidence["candidate_start_s"] == pytest.approx(PIECE_S[0] + tempo * evidence["query_start_s"], abs=0.1)


async def test_a_piece_among_other_music_is_a_sample_and_what_has_no_counterpart_is_told(way):
    await way.ingest("one")
    _, (best,) = await search(way, "under")
    assert (best["verdict"], best["payload"]["layer"]) == ("sample", "fingerprint")
    (before, after) = best["counter_evidence"]
    assert before["query_end_s"] == pytest.approx(5.0, abs=1.0)
    assert after["query_start_s"] == pytest.approx(17.0, abs=1.0)


async def test_a_track_and_all_that_was_made_of_it_are_found_together(way):
    await way.ingest("one", "piece", "faster", "higher", "under", "other")
    _, found = await search(way, "one")
    told = {match["payload"]["filename"]: match["verdict"] for match in found}
    assert told.pop("one.wav") == "same_recording"
    assert told.pop("other.wav") not in ("same_recording", "same_recording_modified")
    assert told == {
        "piece.wav": "same_recording",
        "faster.wav": "same_recording_modified",
        "higher.wav": "same_recording_modified",
        "under.wav": "sample",
    }


async def test_strangers_and_silence_are_not_recognised(way):
    await way.ingest("one", "other", "silence")
    for name in ("stranger", "silence"):
        _, found = await search(way, name)
        assert not [match for match in found if match["payload"]["layer"] == "fingerprint"]


async def test_two_files_are_compared_without_any_dataset(way):
    (result,) = await way.search("1:1", query_uri=way.uri("one"), candidate_uri=way.uri("piece"))
    assert (result.matches[0].verdict, result.matches[0].layer) == ("same_recording", "fingerprint")
    assert "work.live.fingerprint" in way.passed


async def test_in_a_dataset_searched_in_itself_nobody_recognises_itself(way):
    await way.ingest("one", "piece")
    results = await way.search("m:n", query_dataset_name="demo", candidate_dataset_name="demo")
    assert [len(result.matches) for result in results] == [1, 1]
    assert {result.matches[0].verdict for result in results} == {"same_recording"}


@pytest.mark.parametrize("search_type", ["1:1", "1:n"])
async def test_music_under_a_voice_is_known_by_its_accompaniment_and_the_stem_is_told(way, monkeypatch, search_type):
    monkeypatch.setattr(separation, "separate", knowing_the_voice)
    await way.ingest("one", "other", tasks=("full_audio_latent", "light_stem"))
    named = {"1:1": {"candidate_uri": way.uri("one")}, "1:n": {"candidate_dataset_name": "demo"}}[search_type]
    for depth, stem in (("track", None), ("light_stem", "accompaniment")):
        (result,) = await way.search(search_type, depth, query_uri=way.uri("talked"), depth=depth, **named)
        best = result.matches[0]
        assert (best.layer == "fingerprint") == (stem is not None), depth
    assert (best.filename, best.verdict) == ("one.wav", "same_recording_modified"), "somebody talks over it"
    found = [told for told in best.evidence if told.layer == "fingerprint"]
    assert {told.stem for told in found} == {"accompaniment"}
    evidence = found[0]
    assert evidence.candidate_start_s - evidence.query_start_s == pytest.approx(PIECE_S[0], abs=0.02)


async def test_what_the_first_look_misses_is_found_by_a_second_one_at_what_windows_rank_best(way, monkeypatch):
    await way.ingest("one", "other")
    for path in way.resources.settings.postings_folder.rglob("*.segment"):
        path.unlink()  # so that there are no votes
    _, (best, second) = await search(way, "faster")
    assert (best["payload"]["filename"], best["verdict"]) == ("one.wav", "same_recording_modified")
    assert second["payload"]["layer"] != "fingerprint"
    monkeypatch.setattr(recognition, "FEW_S", 20.0)
    _, (best, _) = await search(way, "faster")
    assert best["payload"]["layer"] != "fingerprint", "both tracks are longer than what is looked at"


async def test_lost_postings_are_written_again_from_the_peaks(way, monkeypatch):
    monkeypatch.setattr(recognition, "BY_WINDOWS", 0)  # whose second look would need none
    await way.ingest("one", "other")
    resources = way.resources
    stores = Stores(resources.catalogue, resources.vectors, resources.postings, resources.blobs)
    for path in resources.settings.postings_folder.rglob("*.segment"):
        path.unlink()
    _, (best, _) = await search(way, "faster")
    assert best["payload"]["layer"] != "fingerprint"
    assert (await mend(stores)).written == 2
    _, (best, _) = await search(way, "faster")
    assert best["payload"]["layer"] == "fingerprint"
    assert (await mend(stores)).written == 0
    assert (await mend(stores, rebuild=True)).written == 2


async def test_a_track_without_peaks_is_compared_by_its_other_layers(way):
    await way.ingest("one", "other")
    blobs = way.resources.blobs
    for name in [name async for name in blobs.list("artifacts/") if "/fingerprint-" in name]:
        await blobs.delete(name)
    result, found = await search(way, "piece")
    assert result.status == "completed"
    assert {match["payload"]["layer"] for match in found} == {"full_audio"}


async def test_peaks_that_cannot_be_found_are_told_and_take_no_task_with_them(way, monkeypatch):
    monkeypatch.setattr("models.hear.peaks", lambda *_: 1 / 0)
    job = Job(id="job", index=0, size=1)
    upload = Upload(
        event_id="event", tenant="acme", dataset_name="demo", blob_uri=way.uri("one"), job=job, requested_at=now()
    )
    indexed = (await way.run(upload))[-1]
    assert indexed.tasks_done == ("full_audio_latent",)
    assert "ZeroDivisionError" in indexed.tasks_failed["fingerprint"].message
