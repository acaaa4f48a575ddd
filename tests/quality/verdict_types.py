"""Content types: what their thresholds find that those of music do not, and what they accept of strangers.

Sound marks are those of `verdict_jingles`; speech is laid over 20 s of a recording, 0, 6 and 12 dB louder than it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from models.content import ContentType, thresholds
from models.fingerprint.landmarks import places, probes, rows_together
from models.fingerprint.peaks import Peaks, peaks
from models.fingerprint.recognise import HYPOTHESES, recognise
from models.fingerprint.voting import hypotheses
from models.training.speech import speech
from tests.quality import verdict_figures as figures_of
from tests.quality import verdict_jingles, verdict_pairs
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.damages import Damage, faster
from tests.quality.recognisers import heard
from tests.quality.renditions import Map, folder_of, kept, seeded
from tests.quality.verdict_figures import NAMED, share
from tests.quality.verdict_pairs import MODIFIED_S, Pair, Sources, drawn, loudness

VERSION = "1"
LOUDER_DB = (0.0, 6.0, 12.0)
SPOKEN = {"as it is": Damage(()), "tempo ×1.1": Damage((faster(1.1),), 1.1)}
EACH = 9
MARKS, PROGRAMMES, LIBRARY = 360, 300, 54  # each query of strangers among so many


def measure(of: Sources) -> dict[str, Any]:
    marks, spoken = list(verdict_jingles.jingles(of.recorded, of.seed)), list(under_speech(of))
    return {
        "sound_mark": {name: _told(marks, name) for name in ("music", "sound_mark")},
        "speech_over_music": {name: _told(spoken, name) for name in ("music", "speech_over_music")},
        "strangers": among_strangers(of),
    }


def under_speech(of: Sources) -> Iterator[Pair]:
    """9 recordings as they are and 9 faster ones under speech, each with its own track and with another."""
    rng = seeded(of.seed, "under speech", 0)
    for way, damage in SPOKEN.items():
        for at, track in enumerate(drawn([*of.recorded, *of.pieces], EACH, rng)):
            louder_db = LOUDER_DB[at % len(LOUDER_DB)]

            def make(track=track, by=damage, louder_db=louder_db) -> tuple[Samples, Map]:
                bed, places = verdict_pairs.cut(track, MODIFIED_S, of.seed, by)
                talk = speech(len(bed), RATE_HZ, seeded(of.seed, track.work, 3))
                level = loudness(bed) / loudness(talk[talk != 0]) * 10 ** (louder_db / 20)
                return bed + talk * np.float32(level), places

            name = f"{track.work.replace('/', '-')}-{damage.tempo:g}"
            made = kept(folder_of("under-speech", VERSION, of.seed), name, 0, make)
            yield Pair("under speech", way, made.flac, track.flac, made.seconds, made.beats)
            others = [one for one in of.recorded if one.work != track.work]
            yield Pair("no_relation", "under speech", made.flac, others[int(rng.integers(len(others)))].flac)


def among_strangers(of: Sources) -> dict[str, dict[str, Any]]:
    """Marks among programmes that hold none, and programmes among marks: which share of the queries is answered."""
    marks = [
        peaks(heard(verdict_jingles.mark(_seconds(at), seeded(of.seed, "unheard mark", at)))) for at in range(MARKS)
    ]
    programmes = [
        peaks(heard(verdict_jingles.programme(of.recorded, of.seed, 1_000 + at, spoken=at % 3 == 0)))
        for at in range(PROGRAMMES)
    ]
    return {
        name: {
            "marks among programmes": share(_answered(marks, programmes[:LIBRARY], name)),
            "programmes among marks": share(_answered(programmes, marks[:LIBRARY], name)),
        }
        for name in ("music", "sound_mark")
    }


def _seconds(at: int) -> float:
    return verdict_jingles.SECONDS[at % len(verdict_jingles.SECONDS)]


def _answered(queries: Iterable[Peaks], library: Sequence[Peaks], content_type: ContentType) -> Iterator[bool]:
    numbered = dict(enumerate(library))
    keys, payloads = rows_together(numbered)
    for query in queries:
        asked = probes(query)
        matched = places(keys, asked.keys)
        guesses = hypotheses(asked, keys[matched], payloads[matched], pairs=HYPOTHESES, quads=HYPOTHESES)
        yield bool(recognise(query, numbered, guesses, thresholds=thresholds(content_type)))


def _told(pairs: Sequence[Pair], content_type: ContentType) -> dict[str, Mapping[str, Any]]:
    every = [figures_of.row(pair, content_type) for pair in pairs]
    keys = dict.fromkeys((one.pair.truth, one.pair.made) for one in every)
    found = {}
    for truth, made in keys:
        some = [one for one in every if (one.pair.truth, one.pair.made) == (truth, made)]
        found[f"{truth}: {made}"] = {
            "told": figures_of.tally(some),
            "found": sum(bool(one.found) for one in some),
            "named": share(one.verdict in NAMED for one in some),
        }
    return found
