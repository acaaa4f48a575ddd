"""Content types: what is asked of the evidence in music, of sound marks, of speech over music and of effects.

`THRESHOLDS` is the one table. Its first row is what everything was measured with; the others differ from it where
their docstring says so. A dataset may override single fields (`thresholds`).
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
    """What evidence has to reach.

    Attributes:
        least_landmarks: common peaks of an alignment that is accepted.
        least_recording_s: seconds of the query from its first to its last common peak.
        more_nats: over `models.fingerprint.recognise.LEAST_SCORES`; negative asks for less.
        whole_over_beat: nats over what the coincidence of beats explains, where all of the query is aligned.
        part_over_beat: the same where a part of it is.
        over_beat_per_s: the same, for each second that is aligned.
        least_share: 0..1, of the query's peaks on the stretch, of a recording whose tempo or pitch is changed.
        alone_share: 0..1, the same, under which something else sounds with a recording, so that it is modified.
        melody_chance: 0..1, the greatest that strangers have of sharing as much, of what is called a shared melody.
        composition_melody_chance: 0..1, the same of the melody without which windows prove no composition.
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
    "sound_mark": replace(_MUSIC, least_landmarks=8, least_recording_s=0.8, part_over_beat=8.0),
    "speech_over_music": replace(_MUSIC, least_share=0.3),
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
