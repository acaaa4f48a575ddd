"""Who sings: songs go in by Kafka, a search tells over HTTP whose voice is alike, and which of them nobody sings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.records import Feature
from tests import signals
from tests.live import publisher
from tests.live.test_upkeep import polled
from tests.sung import needs_espeak, song

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import RunningHome

pytestmark = pytest.mark.live

DATASET, TASKS = "voices", ("full_audio_latent", "light_stem")
SINGER, ANOTHER = 3, 11
UNRELATED = ("no_relation", "style_only")


@needs_espeak
async def test_the_singer_of_another_song_is_told_and_who_does_not_sing_is_missing(
    home: RunningHome, tmp_path: Path
) -> None:
    def written(name: str, samples: Any) -> str:
        path = home.path / "inbox" / name
        path.write_bytes(signals.wav(samples))
        return path.as_uri()

    (voice, backing), other = song(SINGER, 0, tmp_path), song(ANOTHER, 0, tmp_path)
    written_as = {"hers": voice + backing, "anothers": sum(other), "nobodys": backing}
    uploads = [publisher.upload(written(f"{name}.wav", it), DATASET, tasks=TASKS) for name, it in written_as.items()]
    for records in (await publisher.run(home.kafka_bootstrap, uploads)).values():
        assert isinstance(records[-1], Feature)
        assert (records[-1].tasks_done, records[-1].tasks_failed) == (TASKS, {})
    query = written("query.wav", sum(song(SINGER, 1, tmp_path)))
    request = publisher.search("1:n", query_uri=query, candidate_dataset_name=DATASET, depth="light_stem", limit=3)
    await publisher.send(home.kafka_bootstrap, [request])
    (entry,) = (await polled(home, request.job_id))["results"]["results"]
    told = {match["payload"]["filename"].removesuffix(".wav"): match for match in entry["matches"]}
    alike = {name: told[name]["vocal_latent_scores"]["voice_similarity"] for name in ("hers", "anothers")}
    assert alike["hers"] > alike["anothers"] + 0.2
    assert told["nobodys"]["missing_layers"]["candidate"] == ["vocals"]
    assert told["hers"]["verdict"] in UNRELATED, "a voice by itself proves no composition"
