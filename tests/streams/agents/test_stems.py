"""Stems on their way: asked for, separated once, indexed, and searched by the layer that says most."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from models import hear, layers, separators
from models import separate as separation
from streams import cards, codec
from streams.mend import Stores, mend
from streams.records import Job, Upload, now
from streams.stores.vectors import Collection
from tests import signals

SEPARATE = separation.separate
VOICE_HZ, BASS_HZ = 600.0, 150.0  # the stand-in separator tells voice and bass by their height
BACKINGS = [tuple(np.random.default_rng(seed).integers(-7, 8, 16)) for seed in (1, 2)]


def band(samples, low_hz, high_hz, rate_hz=signals.RATE_HZ):
    spectrum = np.fft.rfft(samples)
    frequencies_hz = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    spectrum[(frequencies_hz < low_hz) | (frequencies_hz >= high_hz)] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def by_height(samples, rate_hz, card, folder):
    samples = samples.mean(axis=1) if samples.ndim == 2 else samples
    return {
        "drums": np.zeros(len(samples), np.float32),
        "bass": band(samples, 0, BASS_HZ, rate_hz),
        "other": band(samples, BASS_HZ, VOICE_HZ, rate_hz),
        "vocals": band(samples, VOICE_HZ, rate_hz, rate_hz),
    }


@pytest.fixture(autouse=True)
def songs(monkeypatch, inbox, unrecognised):
    """Two songs with one voice and different backings, one without any voice, and a separator that tells them apart."""
    monkeypatch.setattr(separation, "separate", by_height)
    voice = 0.25 * band(signals.tune(transposition=24, timbre="flute"), VOICE_HZ, 8_000)
    backings = [band(signals.tune(notes, timbre="string"), 0, VOICE_HZ) for notes in BACKINGS]
    for number, backing in enumerate(backings):
        (inbox / f"sung{number}.wav").write_bytes(signals.wav(voice + backing[: len(voice)]))
    (inbox / "played.wav").write_bytes(signals.wav(backings[0]))


async def ingest(way, name, *tasks, dataset="demo"):
    job = Job(id=f"{dataset}-{name}-{'-'.join(tasks)}", index=0, size=1)
    upload = Upload(
        event_id=job.id, tenant="acme", dataset_name=dataset, blob_uri=way.uri(name), tasks=tasks, job=job,
        requested_at=now(),
    )  # fmt: skip
    return await way.run(upload)


async def search(way, job_id, name, depth, **fields):
    asked = {"query_uri": way.uri(name), "candidate_dataset_name": "demo", "depth": depth}
    (result,) = await way.search("1:n", job_id, **asked, **fields)
    return result, json.loads(await way.resources.blobs.get(result.details_uri))["matches"]


async def test_a_track_with_stems_passes_the_separator_and_everything_of_it_is_indexed(way):
    features = await ingest(way, "sung0", "full_audio_latent", "light_stem")
    assert way.passed == [
        "uploads", "work.bulk.decode", "work.bulk.fingerprint", "work.bulk.separate", "work.bulk.encode",
        "work.bulk.index",
    ]  # fmt: skip
    kinds = [feature.kind for feature in features]
    assert kinds[:6] == ["waveform", "envelope", "fingerprint", "stems", "stem_cqt", "stem_fingerprint"]
    assert set(kinds[6:-1]) == {"cqt", "full_audio_latent", "stem_vocals", "stem_accompaniment", "voice"}
    assert features[-1].tasks_done == ("full_audio_latent", "light_stem")
    dataset = await way.resources.catalogue.dataset_by_name("acme", "demo")
    version = cards.current("type2").model_version
    for kind in ("full_audio_latent", "stem_vocals", "stem_accompaniment"):
        held = await way.resources.vectors.tracks(Collection("acme", dataset.dataset_id, kind, version, 128))
        assert list(held.values()) == [12], kind
    voices = cards.collection_of("acme", dataset.dataset_id, "voice", cards.current("type2"))
    assert list((await way.resources.vectors.tracks(voices)).values()) == [7]


async def test_a_track_tells_which_stems_it_has_and_how_loud_they_are(way):
    sung, played = [
        next(one.stems for one in await ingest(way, name, "full_audio_latent", "light_stem") if one.stems)
        for name in ("sung0", "played")
    ]
    layers = {"drums", "bass", "other", "vocals", "accompaniment"}
    assert sung.keys() == played.keys() == layers
    assert sung["vocals"].present
    assert not played["vocals"].present
    assert not sung["drums"].present
    assert -40 < sung["vocals"].loudness_dbfs < 0
    assert played["accompaniment"].relative_db == pytest.approx(0, abs=0.5)
    assert 0.5 < sung["accompaniment"].active_share <= 1


async def test_new_files_of_a_dataset_whose_separator_is_retired_are_refused_with_the_remedy(way, monkeypatch):
    await ingest(way, "sung0", "full_audio_latent", "light_stem")
    retired = replace(cards.current_separator("unet"), successor="unet-99")
    monkeypatch.setattr(cards, "separator", lambda _: retired)
    features = await ingest(way, "other", "full_audio_latent", "light_stem")
    failed = features[-1].tasks_failed["light_stem"]
    assert (features[-1].tasks_done, failed.code) == (("full_audio_latent",), "model-versions-differ")
    assert "'unet-99'" in failed.remedy
    asked = {"query_uri": way.uri("sung1"), "candidate_dataset_name": "demo", "depth": "light_stem"}
    (refused,) = await way.search("1:n", "new", **asked)
    assert (refused.status, refused.error.code) == ("failed", "model-versions-differ")
    _, (match,) = await search(way, "kept", "sung0", "light_stem")
    assert match["verdict"] == "same_recording", "what was separated before is searched as before"


async def test_weights_that_nobody_fetched_are_told_with_what_brings_them(way, monkeypatch, tmp_path):
    monkeypatch.setattr(separation, "separate", SEPARATE)
    way.set(separator="htdemucs", models_folder=tmp_path)
    features = await ingest(way, "sung0", "full_audio_latent", "light_stem", dataset="public")
    failed = features[-1].tasks_failed["light_stem"]
    assert features[-1].tasks_done == ("full_audio_latent",)
    assert "soundtrace separate --fetch" in failed.remedy
    assert "ingest the file with this task again" in failed.remedy


async def test_a_task_that_comes_later_makes_only_what_is_missing(way):
    await ingest(way, "sung0", "full_audio_latent")
    await ingest(way, "sung0", "full_audio_latent", "stem_vocals")
    assert way.passed == ["uploads", "work.bulk.separate", "work.bulk.encode", "work.bulk.index"]
    made = [codec.decode(out.value, "feature") for out in way.told if out.topic == "features"]
    assert {feature.kind for feature in made if not feature.reused} == {
        "stems", "stem_cqt", "stem_fingerprint", "stem_vocals", "voice", "index",
    }  # fmt: skip
    await ingest(way, "sung0", "stem_bass")
    assert way.passed == ["uploads", "work.bulk.encode", "work.bulk.index"], "it was separated before"


async def test_one_voice_over_other_music_is_found_by_its_layer(way):
    await ingest(way, "sung0", "full_audio_latent", "light_stem")
    await ingest(way, "other", "full_audio_latent", "light_stem")
    by_mix, _ = await search(way, "mix", "sung1", "track")
    result, (first, second) = await search(way, "stems", "sung1", "light_stem")
    assert (first["payload"]["filename"], first["payload"]["layer"]) == ("sung0.wav", "vocals")
    assert first["verdict"] == "same_composition"
    assert first["score"] > by_mix.matches[0].score
    assert {"full_audio_latent_scores", "vocal_latent_scores", "accompaniment_latent_scores"} <= set(first)
    assert first["vocal_latent_scores"]["max_then_mean"] > 0.9 > first["accompaniment_latent_scores"]["max_then_mean"]
    assert first["evidence"][0]["layer"] == first["evidence"][0]["stem"] == "vocals"
    assert second["verdict"] != "same_composition"
    match = result.matches[0]
    assert match.voice_similarity == first["vocal_latent_scores"]["voice_similarity"] > 0.9, "the same samples sing"
    assert (match.layer, set(match.layers)) == ("vocals", {"full_audio", "vocals", "accompaniment"})
    assert [evidence.model_dump() for evidence in match.evidence] == first["evidence"]


async def test_at_depth_track_nothing_is_separated(way):
    await ingest(way, "sung0", "full_audio_latent")
    _, (match,) = await search(way, "mix", "sung1", "track")
    assert "work.live.separate" not in way.passed
    assert match["payload"]["layer"] == "full_audio"
    assert "vocal_latent_scores" not in match


async def test_a_layer_that_a_side_does_not_have_is_told_and_never_matched(way):
    await ingest(way, "played", "full_audio_latent", "light_stem")
    _, (match,) = await search(way, "stems", "sung0", "light_stem")
    assert match["missing_layers"] == {"query": [], "candidate": ["vocals"]}
    assert "vocal_latent_scores" not in match
    assert "accompaniment_latent_scores" in match
    _, (match,) = await search(way, "both", "played", "light_stem")
    assert match["missing_layers"] == {"query": ["vocals"], "candidate": ["vocals"]}


async def test_one_singer_in_two_songs_is_told_and_is_no_composition(way, inbox):
    for number, notes in enumerate((signals.FIRST_TUNE, signals.OTHER_TUNE)):
        voice = band(signals.tune(notes, transposition=24, timbre="flute"), VOICE_HZ, 8_000)
        backing = band(signals.tune(BACKINGS[number], timbre="string"), 0, VOICE_HZ)
        (inbox / f"solo{number}.wav").write_bytes(signals.wav(0.25 * voice + backing[: len(voice)]))
    await ingest(way, "solo0", "full_audio_latent", "light_stem")
    _, (match,) = await search(way, "stems", "solo1", "light_stem")
    assert match["vocal_latent_scores"]["voice_similarity"] > 0.5
    assert match["verdict"] != "same_composition"


async def test_vocals_alone_are_enough_for_a_light_search_and_their_accompaniment_is_then_not_compared(way):
    await ingest(way, "sung0", "full_audio_latent", "stem_vocals")
    _, (match,) = await search(way, "stems", "sung1", "light_stem")
    assert match["payload"]["layer"] == "vocals"
    assert match["missing_layers"] == {"query": [], "candidate": ["accompaniment"]}


async def test_a_track_that_lacks_a_depth_s_tasks_is_counted_as_skipped(way):
    await ingest(way, "sung0", "full_audio_latent", "stem_bass")
    await ingest(way, "other", "full_audio_latent")
    result, (match,) = await search(way, "stems", "sung1", "stem", stem_types=("bass",))
    assert (result.candidates_compared, result.candidates_skipped) == (1, 1)
    assert "bass_latent_scores" in match


async def test_drums_are_compared_by_rhythm_and_speak_for_nothing(way, monkeypatch, inbox):
    def all_drums(samples, rate_hz, card, folder):
        return {**by_height(np.zeros_like(samples), rate_hz, card, folder), "drums": samples}

    monkeypatch.setattr(separation, "separate", all_drums)
    for name, per_s in (("slow", 2.0), ("slow-again", 2.0)):
        hits = signals.clicks(20.0, per_s) + 0.001 * signals.noise(20.0, seed=len(name))
        (inbox / f"{name}.wav").write_bytes(signals.wav(hits.astype(np.float32)))
    await ingest(way, "slow", "full_audio_latent", "stem_drums")
    _, (match,) = await search(way, "drums", "slow-again", "stem", stem_types=("drums",))
    assert match["drums_latent_scores"]["max"] > 0.9
    assert match["payload"]["layer"] == "full_audio"


async def test_a_separator_that_breaks_down_takes_no_other_task_with_it(way, monkeypatch):
    def broken(samples, rate_hz, card, folder):
        raise MemoryError("no room")

    monkeypatch.setattr(separation, "separate", broken)
    features = await ingest(way, "sung0", "full_audio_latent", "light_stem")
    assert features[-1].tasks_done == ("full_audio_latent",)
    assert set(features[-1].tasks_failed) == {"light_stem"}
    assert "no room" in features[-1].tasks_failed["light_stem"].message
    assert not [out for out in way.told if out.topic == "dead-letters"]
    _, (match,) = await search(way, "mix", "sung1", "track")
    assert match["payload"]["filename"] == "sung0.wav"


async def test_what_a_stage_made_before_it_broke_down_stays_made(way, monkeypatch):
    monkeypatch.setattr(hear, "rhythm", lambda *_: 1 / 0)
    features = await ingest(way, "sung0", "full_audio_latent", "stem_vocals", "stem_drums")
    assert features[-1].tasks_done == ("full_audio_latent", "stem_vocals")
    assert set(features[-1].tasks_failed) == {"stem_drums"}


async def test_where_nothing_else_was_asked_for_the_breakdown_ends_the_file_with_a_letter(way, monkeypatch):
    monkeypatch.setattr(separation, "separate", lambda *_: 1 / 0)
    (*_, letter) = await ingest(way, "sung0", "light_stem")
    assert (letter.stage, letter.job.id) == ("separate", "demo-sung0-light_stem")


async def test_what_was_complete_before_stays_so_when_a_later_task_cannot_be_made(way, monkeypatch):
    await ingest(way, "sung0", "full_audio_latent", "stem_vocals")
    blobs = way.resources.blobs
    for name in [name async for name in blobs.list("artifacts/") if "/stems-" in name or "/waveform-" in name]:
        await blobs.delete(name)
    monkeypatch.setattr(separation, "separate", lambda *_: 1 / 0)
    features = await ingest(way, "sung0", "full_audio_latent", "stem_vocals", "stem_drums")
    assert features[-1].tasks_done == ("full_audio_latent", "stem_vocals")
    assert set(features[-1].tasks_failed) == {"stem_drums"}


async def test_a_swept_transform_of_an_own_query_is_made_again(way):
    await ingest(way, "sung0", "full_audio_latent", "light_stem")
    (_, (first,)), blobs = await search(way, "one", "sung1", "light_stem"), way.resources.blobs
    for name in [name async for name in blobs.list("artifacts/") if "/stem_cqt-" in name]:
        await blobs.delete(name)
    _, (again,) = await search(way, "two", "sung1", "light_stem")
    assert "work.live.separate" in way.passed
    assert again["payload"]["layer"] == first["payload"]["layer"]


async def test_a_voice_that_is_gone_takes_no_candidate_with_it(way):
    await ingest(way, "sung0", "full_audio_latent", "light_stem")
    blobs = way.resources.blobs
    for name in [name async for name in blobs.list("artifacts/") if "/voice-" in name]:
        await blobs.delete(name)
    result, (match,) = await search(way, "stems", "sung1", "light_stem")
    assert result.candidates_skipped == 0
    assert "voice_similarity" not in match["vocal_latent_scores"]


async def test_a_dataset_keeps_the_separator_of_its_first_stems(way):
    await ingest(way, "sung0", "full_audio_latent", "light_stem")
    way.set(separator="htdemucs")
    await ingest(way, "sung1", "full_audio_latent", "light_stem")
    dataset = await way.resources.catalogue.dataset_by_name("acme", "demo")
    assert (
        await way.resources.catalogue.pinned_to(dataset.dataset_id, "separator")
        == cards.current_separator("unet").model_version
    )
    await ingest(way, "sung1", "light_stem", dataset="newer")
    newer = await way.resources.catalogue.dataset_by_name("acme", "newer")
    assert await way.resources.catalogue.pinned_to(newer.dataset_id, "separator") == "htdemucs-955717e8"


async def test_a_separator_that_made_nothing_is_kept_by_no_dataset(way, monkeypatch):
    way.set(separator="htdemucs")
    monkeypatch.setattr(
        separation,
        "separate",
        lambda *_: separators.verified(separators.load("htdemucs"), way.resources.settings.models_folder),
    )
    failed = (await ingest(way, "sung0", "full_audio_latent", "light_stem"))[-1]
    assert "no part of soundtrace" in failed.tasks_failed["light_stem"].message
    way.set(separator="unet")
    monkeypatch.setattr(separation, "separate", by_height)
    assert (await ingest(way, "sung0", "light_stem"))[-1].tasks_done == ("light_stem",)


async def test_a_track_on_its_way_follows_its_dataset_to_another_separator(way):
    """Its stems were made by the one that was pinned first, and another was, before any of them could be found."""
    way.set(separator="htdemucs")
    pin = way.resources.catalogue.pin

    async def moves(dataset_id, what, version, **how):
        held = await pin(dataset_id, what, version, **how)
        if what == "separator":
            await pin(dataset_id, what, cards.current_separator("unet").model_version, **how)
        return held

    way.resources.catalogue.pin = moves
    last = (await ingest(way, "sung0", "full_audio_latent", "light_stem"))[-1]
    assert last.tasks_done == ("full_audio_latent", "light_stem")
    assert way.passed.count("work.bulk.separate") == 2
    way.resources.catalogue.pin = pin
    result, (match,) = await search(way, "stems", "sung1", "light_stem")
    assert (result.candidates_skipped, match["payload"]["layer"]) == (0, "vocals")


async def test_a_voice_that_cannot_be_heard_takes_nothing_else_with_it(way, monkeypatch):
    monkeypatch.setattr(hear, "voice", lambda *_: 1 / 0)
    last = (await ingest(way, "sung0", "full_audio_latent", "light_stem", "stem_drums"))[-1]
    assert last.tasks_done == ("full_audio_latent", "light_stem", "stem_drums")
    assert set(last.tasks_failed) == {"voice"}
    result, (match,) = await search(way, "stems", "sung1", "light_stem")
    assert (result.status, match["payload"]["layer"]) == ("completed", "vocals")
    assert "voice_similarity" not in match["vocal_latent_scores"]
    resources = way.resources
    stores = Stores(resources.catalogue, resources.vectors, resources.postings, resources.blobs)
    assert (await mend(stores)).lost == ()


async def test_a_layer_that_is_heard_seldom_is_named_and_gives_no_evidence(way, monkeypatch):
    await ingest(way, "sung0", "full_audio_latent", "light_stem")
    _, (judged,) = await search(way, "judged", "sung1", "light_stem")
    assert "unjudged_layers" not in judged
    assert {one["layer"] for one in judged["evidence"]} >= {"vocals"}
    monkeypatch.setattr(layers, "_heard", lambda _, layer: float(layer == "full_audio"))
    _, (told,) = await search(way, "seldom", "sung1", "light_stem")
    assert told["unjudged_layers"] == ["vocals", "accompaniment"]
    assert not {one["layer"] for one in told["evidence"]} & {"vocals", "accompaniment"}


async def test_stems_of_two_separators_are_not_compared(way):
    await ingest(way, "sung0", "full_audio_latent", "light_stem")
    way.set(separator="htdemucs")
    await ingest(way, "sung1", "full_audio_latent", "light_stem", dataset="newer")
    fields = {"query_dataset_name": "demo", "candidate_dataset_name": "newer"}
    (refused,) = await way.search("m:n", "stems", depth="light_stem", **fields)
    assert (refused.status, refused.error.code) == ("failed", "model-versions-differ")
    (taken,) = await way.search("m:n", "mix", depth="track", **fields)
    assert taken.status == "completed"
