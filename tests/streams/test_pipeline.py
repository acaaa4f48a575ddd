"""The tables and the one function: what follows from what."""

import pytest

from models.stems import PITCHED
from streams import pipeline
from streams.pipeline import Artifact, Stage, next_stage

INGEST = pipeline.wanted_by_ingest(["full_audio_latent"])
TRACK, STEM, LIGHT = (pipeline.DEPTHS[name] for name in ("track", "stem", "light_stem"))


def way(wanted, present=(), failed=(), limit=20):
    """The stages a work passes when every stage makes all it can."""
    present, passed = set(present), []
    while (stage := next_stage(wanted, present, failed)) and len(passed) < limit:
        passed.append(stage)
        todo = pipeline.missing(wanted, present, failed)
        present |= {kind for kind in pipeline.made_by(stage) if kind in todo}
    return passed


def test_a_new_track_passes_every_stage_of_an_ingest_in_order():
    assert way(INGEST) == ["decode", "fingerprint", "encode", "index"]


def test_a_query_is_heard_and_then_matched():
    assert way(pipeline.wanted_by_search(TRACK)) == ["decode", "fingerprint", "encode", "match"]


@pytest.mark.parametrize("task", [task for task in pipeline.TASKS if "stem" in task])
def test_a_task_that_needs_stems_brings_the_separator_and_no_other_does(task):
    assert way(pipeline.wanted_by_ingest([task])) == ["decode", "fingerprint", "separate", "encode", "index"]
    assert pipeline.separates(pipeline.wanted_by_ingest([task]))
    assert not pipeline.separates(INGEST)


def test_a_later_task_adds_only_what_is_missing():
    heard = {"envelope", "waveform", "fingerprint", "cqt", "full_audio_latent"}
    later = pipeline.wanted_by_ingest(["full_audio_latent", "stem_vocals"])
    stems = {"stems", "stem_cqt", "stem_fingerprint"}
    assert pipeline.missing(later, heard, ()) == {*stems, "stem_vocals", "voice", "index"}
    assert way(later, present=heard) == ["separate", "encode", "index"]
    assert way(pipeline.wanted_by_ingest(["stem_bass"]), present={*heard, *stems}) == ["encode", "index"]


def test_a_depth_names_its_layers_and_what_a_dataset_must_have():
    assert pipeline.layers_of(TRACK, ["bass"]) == ("full_audio",)
    assert pipeline.layers_of(LIGHT, ["bass"]) == ("full_audio", "vocals", "accompaniment")
    assert pipeline.layers_of(STEM, ["bass", "drums", "bass"]) == ("full_audio", "bass", "drums")
    assert pipeline.needed_by_search(STEM, ["bass"]) == ({"full_audio_latent"}, {"stem_bass"})
    assert pipeline.needed_by_search(LIGHT, ()) == ({"full_audio_latent"}, {"stem_vocals", "light_stem"})
    assert pipeline.wanted_by_search(STEM, ["drums"]) >= {"full_audio_latent", "stem_drums", "cqt"}
    assert not {"stem_vocals", "voice"} & pipeline.wanted_by_search(TRACK)
    assert "voice" in pipeline.wanted_by_search(LIGHT) - pipeline.wanted_by_search(STEM, ["bass"])


def test_peaks_of_the_accompaniment_are_made_wherever_a_track_is_separated_and_nowhere_else():
    for wanted in (
        *map(pipeline.wanted_by_search, pipeline.DEPTHS.values()),
        *(pipeline.wanted_by_ingest([task]) for task in pipeline.TASKS),
    ):
        assert ("stem_fingerprint" in wanted) == pipeline.separates(wanted)
        assert "fingerprint" in wanted
    assert way({"stem_fingerprint"}, present={"stems", "stem_cqt"}) == ["separate"], "nothing is separated again"


def test_melodies_and_sections_need_their_tasks_and_what_these_bring():
    motif, section, stem_section = (pipeline.DEPTHS[name] for name in ("motif", "section", "stem_section"))
    assert pipeline.needed_by_search(motif, ["bass"]) == ({"motif"},)
    assert pipeline.needed_by_search(section, ["bass"]) == ({"full_audio_latent"}, {"section"})
    assert pipeline.needed_by_search(stem_section, ["bass"]) == ({"full_audio_latent"}, {"stem_bass"}, {"section"})
    assert pipeline.needed_by_search(pipeline.COMPREHENSIVE, ()) == (
        {"full_audio_latent"}, {"stem_vocals", "light_stem"}, {"motif"},
    )  # fmt: skip
    assert way(pipeline.wanted_by_search(motif)) == ["decode", "fingerprint", "separate", "motif", "match"]
    assert way(pipeline.wanted_by_search(section)) == ["decode", "fingerprint", "encode", "section", "match"]
    assert not pipeline.separates(pipeline.wanted_by_search(section))
    assert pipeline.separates(pipeline.wanted_by_search(stem_section))
    assert way(pipeline.wanted_by_ingest(["motif"])) == ["decode", "fingerprint", "separate", "motif", "index"]
    assert way(pipeline.wanted_by_ingest(["section"])) == ["decode", "fingerprint", "encode", "section", "index"]


def test_a_track_that_was_heard_before_goes_straight_to_the_index():
    assert way(INGEST, present={"envelope", "fingerprint", "cqt", "full_audio_latent"}) == ["index"]


def test_a_swept_waveform_is_not_made_again_for_a_track_that_needs_it_no_more():
    assert "decode" not in way(INGEST, present={"envelope", "fingerprint", "cqt", "full_audio_latent"})


def test_a_later_stage_whose_input_was_swept_sends_the_work_back_to_its_maker():
    assert way(INGEST, present={"envelope"}) == ["decode", "fingerprint", "encode", "index"]


def test_what_failed_is_not_tried_again():
    assert next_stage({"cqt", "index"}, (), {"cqt"}) == "index"


def test_a_failure_spoils_all_that_is_made_from_it_and_nothing_else():
    assert pipeline.spoiled_by("full_audio_latent") == {"full_audio_latent"}
    assert pipeline.spoiled_by("cqt") == {"cqt", "full_audio_latent", "section"}
    stems = {f"stem_{name}" for name in (*PITCHED, "drums")}
    assert pipeline.spoiled_by("stem_cqt") == {"stem_cqt", "stem_fingerprint", *stems, "voice", "motif", "contour"}
    assert pipeline.spoiled_by("waveform") >= {"waveform", "cqt", "full_audio_latent", "stems", "stem_drums"}
    assert "envelope" not in pipeline.spoiled_by("waveform")


def test_a_toy_stage_is_a_row_in_each_table_and_nothing_else(monkeypatch):
    stages = list(pipeline.STAGES)
    stages.insert(5, Stage("whistle", "audio", True, 60.0, (2, 2)))
    artifacts = [*pipeline.ARTIFACTS, Artifact("whistled", "whistle", ("cqt",))]
    monkeypatch.setattr(pipeline, "STAGES", tuple(stages))
    monkeypatch.setattr(pipeline, "ARTIFACTS", tuple(artifacts))
    assert way(INGEST) == ["decode", "fingerprint", "encode", "index"], "who does not ask for it does not pass it"
    assert way(INGEST | {"whistled"}) == ["decode", "fingerprint", "encode", "whistle", "index"]
    heard = {"envelope", "fingerprint", "full_audio_latent", "cqt"}
    assert way(INGEST | {"whistled"}, present=heard) == ["whistle", "index"]
    assert "work.bulk.whistle" in {topic.name for topic in pipeline.topics()}
    assert "soundtrace.live.whistle" in {consumer.group for consumer in pipeline.consumers()}


@pytest.mark.parametrize("artifact", pipeline.ARTIFACTS, ids=lambda artifact: artifact.kind)
def test_every_artifact_is_made_by_a_stage_that_exists_from_artifacts_of_rows_above_it(artifact):
    above = [row.kind for row in pipeline.ARTIFACTS[: pipeline.ARTIFACTS.index(artifact)]]
    assert artifact.stage in {stage.name for stage in pipeline.STAGES}
    assert set(artifact.needs) <= set(above)


def test_every_consumer_is_run_by_exactly_one_worker():
    run = [(stage, worker.lane) for worker in pipeline.WORKERS for stage in worker.stages]
    assert sorted(run) == sorted((consumer.stage.name, consumer.lane) for consumer in pipeline.consumers())


def test_the_entry_topics_are_fsynced_because_their_sources_cannot_be_asked_again():
    assert {topic.name for topic in pipeline.topics() if topic.flush_each} == {"uploads", "search-requests"}
