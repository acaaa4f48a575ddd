"""Content types: what is asked of the evidence in music, of sound marks, of speech over music and of effects.

`THRESHOLDS` is the one table, and a dataset may override single fields of a row (`thresholds`). All measurements are of
2026-11-22, on other marks, speech and excerpts than those by which `ops/quality verdicts` judges.

`music`: what everything else was measured with.

`sound_mark`: 1 to 5 s of a few notes. Less than 1.6 s may be enough, and under another sound a part has to beat the
beat by 12 nats: of 180 marks in speech and music 130 are found instead of 67, and 93 instead of 39 where the programme
is the query. None of 720 marks among 54 programmes that hold none is answered (0 to 0.5 %), and none of 570 programmes
among 54 marks (0 to 0.6 %). That something else sounds with a mark goes without saying.

`speech_over_music`: under speech up to 12 dB louder 0.20 to 0.60 of the peaks of 39 recordings of 40 are left, and 0.27
to 0.48 of 20 whose tempo is changed: all of these reach 0.25, 5 reach 0.4. Of 60 other tracks none is accepted. The
price: another arrangement that keeps every note's time has up to 0.40, and may be told as a changed recording.

`effects`: a noise has no melody and no harmony, so that only recordings are claimed. Reasoned, not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from models.motif.chance import SHARED_CHANCE

ContentType = Literal["music", "sound_mark", "speech_over_music", "effects"]
CONTENT_TYPES: tuple[ContentType, ...] = get_args(ContentType)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What evidence has to reach; what has no other date was set with `fingerprint.recognise` (2026-11-21).

    Attributes:
        least_landmarks: common peaks of an alignment that is accepted.
        least_recording_s: seconds of the query from its first to its last common peak.
        more_nats: over `models.fingerprint.recognise.LEAST_SCORES`; negative asks for less.
        whole_over_beat, part_over_beat: nats over what the coincidence of beats explains, where all of the query is
            aligned, and where a part of it is.
        over_beat_per_s: the same for each second that is aligned. Without these three 515 of 648 pairs of synthetic
            tunes on one grid were accepted, and 5 of 360 excerpts of strangers; with them 6 and none, and of 1,020
            known excerpts 17 fewer are found. A flat 20 would leave 4 pairs and lose 79 (2026-11-22).
        least_share: 0..1, of the query's peaks on the stretch, of a recording whose tempo or pitch is changed. Also in
            noise as loud 0.42 to 0.72 are left of one; another arrangement which keeps every note's time has 0.15 to
            0.40 (2026-11-22).
        alone_share: 0..1, the same of a recording by itself: under it something else sounds with it, and it is told as
            modified. Excerpts have 0.7 and more, in noise of 5 dB 0.6 and more, a backing under another melody 0.26 to
            0.50 (2026-11-22).
        melody_chance: 0..1, the greatest that strangers have of sharing as much, of what is called a shared melody.
        composition_melody_chance: 0..1, the same of the melody without which windows prove no composition: with 0.1
            none of 15 tunes on the same chords is told as one, and of 41 compositions two fewer (2026-11-22).
        claims_compositions: whether windows, harmony and landmarks in step may prove a composition.
        claims_melodies: whether contours may prove a shared melody.
    """

    least_landmarks: int
    least_recording_s: float
    more_nats: float
    whole_over_beat: float
    part_over_beat: float
    over_beat_per_s: float
    least_share: float
    alone_share: float
    melody_chance: float
    composition_melody_chance: float
    claims_compositions: bool
    claims_melodies: bool


# What a field may be set to: the least and the greatest.
RANGES: Mapping[str, tuple[float, float]] = {
    "least_landmarks": (4, 1_000),
    "least_recording_s": (0.2, 60.0),
    "more_nats": (-15.0, 1_000.0),
    "whole_over_beat": (0.0, 1_000.0),
    "part_over_beat": (0.0, 1_000.0),
    "over_beat_per_s": (0.0, 100.0),
    "least_share": (0.0, 1.0),
    "alone_share": (0.0, 1.0),
    "melody_chance": (0.0, 1.0),
    "composition_melody_chance": (0.0, 1.0),
    "claims_compositions": (0, 1),
    "claims_melodies": (0, 1),
}

_MUSIC = Thresholds(
    least_landmarks=10,
    least_recording_s=1.6,
    more_nats=0.0,
    whole_over_beat=5.0,
    part_over_beat=14.0,
    over_beat_per_s=1.5,
    least_share=0.4,
    alone_share=0.55,
    melody_chance=SHARED_CHANCE,
    composition_melody_chance=0.1,
    claims_compositions=True,
    claims_melodies=True,
)
THRESHOLDS: Mapping[ContentType, Thresholds] = {
    "music": _MUSIC,
    "sound_mark": replace(_MUSIC, least_landmarks=8, least_recording_s=0.4, part_over_beat=12.0, alone_share=0.0),
    "speech_over_music": replace(_MUSIC, least_share=0.25, alone_share=0.0),
    "effects": replace(_MUSIC, claims_compositions=False, claims_melodies=False),
}


def thresholds(content_type: ContentType, overrides: Mapping[str, float] = {}) -> Thresholds:
    """A row of `THRESHOLDS`, with some fields set otherwise.

    Raises:
        ValueError: names a content type or a field that there is not, or a value out of its range.
    """
    if content_type not in THRESHOLDS:
        raise ValueError(f"unknown content type '{content_type}': there are {', '.join(CONTENT_TYPES)}")
    checked: dict[str, Any] = {name: _checked(name, value) for name, value in overrides.items()}
    return replace(THRESHOLDS[content_type], **checked)


def _checked(name: str, value: float) -> float | bool:
    """A value as its field has it: `replace` would take any."""
    if name not in RANGES:
        raise ValueError(f"unknown threshold '{name}': there are {', '.join(RANGES)}")
    least, most = RANGES[name]
    kind: type[float | bool] = type(getattr(_MUSIC, name))
    if not least <= value <= most or kind(value) != value:
        whole = "" if kind is float else "a whole number, "
        raise ValueError(f"threshold '{name}' is {value:g}, must be {whole}{least:g} to {most:g}")
    return kind(value)
