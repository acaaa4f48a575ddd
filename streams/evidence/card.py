"""The evidence card: one match as one HTML file, for who must decide about it and an expert beside them.

The file needs nothing else: pictures and sounds are in it, it runs no script, and its policy forbids the browser to
load anything. Equal matches give equal bytes. What is heavy (`models.audition`) takes about a second for each clip:
servers call this in their heavy child.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.audition import CLIP_S, Audition, Passage, audition
from models.card import Card
from models.chroma import chroma
from models.score import similarities
from streams.evidence import drawings, tables, words
from streams.evidence.rows import Row, leading, plain, rows

AUDITIONS = 5  # of the strongest evidence
NOTHING_PROVEN = "<p>No passage of A was matched with one of B.</p>"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tracks.

    Attributes:
        name: of the file, as it is shown; it may hold anything.
        flac: the stored waveform (`models.hear.decode_track`).
        envelope: int8 (points, 2), `models.audio.envelope.POINTS_PER_S` of them a second.
        cqt: the pooled CQT, uint8 (bins, frames); None where it was not kept.
        latents: float32 (windows, dim), of the full mix.
        duration_s: of the track, more than 0.
    """

    name: str
    flac: bytes
    envelope: NDArray[np.int8]
    cqt: NDArray[np.uint8] | None
    latents: NDArray[np.float32]
    duration_s: float


def evidence_card(query: Side, candidate: Side, match: Mapping[str, Any], card: Card) -> str:
    """The card as an HTML document.

    Args:
        query, candidate: the tracks.
        match: the contract's JSON (A6, B4), as `streams.matches.describe` gives it; any member may be null or lack.
        card: the encoder of the latents.
    """
    told = rows(match, query.duration_s, candidate.duration_s)
    headline = words.headline(match, told)
    lead = " ".join(filter(None, (words.where(match, told), words.chance(match))))
    why = f"<p>{escape(plain(match['why']))}</p>" if match.get("why") else ""
    sections = (
        _tracks(query, candidate, told),
        _evidence(query, candidate, told),
        _matrix(query, candidate, told, card),
        _pitches(query, candidate, leading(match, told), card),
        tables.counter_evidence(match),
        tables.small_print(match, card),
    )
    template = Template(files("streams.evidence").joinpath("card.html").read_text("utf-8"))
    return template.substitute(
        title=escape(plain(f"{query.name} and {candidate.name}: {headline}")),
        headline=f"{escape(plain(headline))}.",
        lead=(f'<p class="lead">{escape(lead)}</p>' if lead else "") + why,
        names=tables.names((query.name, query.duration_s), (candidate.name, candidate.duration_s), match),
        facts=tables.facts(match),
        sections="\n".join(filter(None, sections)),
    )


def _tracks(query: Side, candidate: Side, told: tuple[Row, ...]) -> str:
    durations_s = (query.duration_s, candidate.duration_s)
    drawn = drawings.tracks(query.envelope, candidate.envelope, durations_s, told)
    key = tables.key(dict.fromkeys(row.layer for row in told))
    caption = "Each track is as wide as the picture, and as tall as its own loudest moment."
    if told:
        caption += " A ribbon leads from a passage of A to the passage of B that matches it; its number is the table’s."
    return _section("Where they match" if told else "The two tracks", f"{_figure(drawn, caption)}{key}")


def _evidence(query: Side, candidate: Side, told: tuple[Row, ...]) -> str:
    if not told:
        return _section("The evidence", NOTHING_PROVEN)
    heard = [(row, audition(query.flac, candidate.flac, _passage(row))) for row in told[:AUDITIONS]]
    clips = [_clips(row, clip) for row, clip in heard if clip is not None]
    playable = {row.number for row, clip in heard if clip is not None}
    if not clips:
        return _section("The evidence", tables.evidence(told, playable))
    about = (
        f"Up to {CLIP_S:.0f} seconds of each passage, cut from the whole mixes where both agree best. B was moved to "
        "A’s tempo, key and loudness, so that both lie on the same beat and key; that changes how it sounds, not what "
        "is played. The third clip has A in the left ear and B in the right."
    )
    listen = (
        f'<section aria-labelledby="listen"><h2 id="listen">Listen</h2><p class="quiet">{about}</p>'
        f'<div class="listen">{"".join(clips)}</div>'
        '<p class="print-only">The clips are in the file that this was printed from.</p></section>'
    )
    return _section("The evidence", tables.evidence(told, playable)) + listen


def _passage(row: Row) -> Passage:
    return Passage(*row.query_s, *row.candidate_s, row.ratio, row.raised, exact=row.landmarks is not None)


def _clips(row: Row, clip: Audition) -> str:
    mine, theirs = (words.span(range_s) for range_s in (clip.query_range_s, clip.candidate_range_s))
    moves = " and ".join(_undone(row, clip)) or "as it is"
    sounds = (
        (f"A {mine}, as it is", clip.query),
        (f"B {theirs}, {moves}", clip.candidate),
        ("Both: A left, B right", clip.both),
    )
    players = "".join(_player(f"Evidence {row.number}: {title}", title, sound) for title, sound in sounds)
    title = f"{row.number}. {words.layer_name(row.layer)}"
    return f'<div class="clips" id="listen-{row.number}"><h3>{escape(title)}</h3><div>{players}</div></div>'


def _undone(row: Row, clip: Audition) -> Iterable[str]:
    """What was done to B: the opposite of how it differs from A."""
    if abs(row.raised) >= words.LEAST_CENTS / 100:
        yield f"moved {words.interval(abs(row.raised))} {'up' if row.raised > 0 else 'down'}"
    if abs(clip.tempo_ratio - 1) >= words.LEAST_PACE:
        yield f"played ×{clip.tempo_ratio:.2f} as fast"


def _player(label: str, words: str, mp3: bytes) -> str:
    data = base64.b64encode(mp3).decode()
    return (
        f"<label>{escape(words)}"
        f'<audio controls preload="metadata" aria-label="{escape(label)}" src="data:audio/mpeg;base64,{data}"></audio>'
        "</label>"
    )


def _matrix(query: Side, candidate: Side, told: tuple[Row, ...], card: Card) -> str:
    if not len(query.latents) or not len(candidate.latents):
        return _section(
            "Every moment of A with every moment of B", "<p>One side is silent: there is nothing to compare.</p>"
        )
    alike = similarities(query.latents, candidate.latents)
    drawn = drawings.matrix(alike, card.hearing, (query.duration_s, candidate.duration_s), told)
    caption = (
        f"How alike the harmony and melody of each {card.hearing.window_s:.0f} seconds of A are to those of B, "
        "whatever their key: shared music is a dark slanting stripe. Lines are the evidence. "
        f"0 {tables.ramp()} 1"
    )
    return _section("Every moment of A with every moment of B", _figure(drawn, caption))


def _pitches(query: Side, candidate: Side, row: Row | None, card: Card) -> str:
    if row is None or query.cqt is None or candidate.cqt is None:
        return ""
    mine, theirs = chroma(query.cqt, card.hearing), chroma(candidate.cqt, card.hearing)
    drawn = drawings.pitches(mine, theirs, card.hearing.frame_s, row)
    caption = (
        f"Which notes sound when, in evidence {row.number}: A as it is; B in A’s key and stretched to A’s length. "
        f"Where both show the same pattern, the same notes are played. Weakest {tables.ramp()} strongest note"
    )
    return _section("The notes, in the same key", _figure(drawn, caption))


def _section(title: str, content: str) -> str:
    name = "-".join(title.lower().replace(",", "").split())
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{content}</section>'


def _figure(drawn: str, caption: str) -> str:
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"
