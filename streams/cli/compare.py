"""`soundtrace compare`: two files, here and now; no server, no broker, no index."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.content import ContentTypeName, SetThresholds, thresholds_set
from streams.cli.matches import show
from streams.cli.output import AsJson, Depth, Encoder, Stems, document, table, tell
from streams.errors import Defect, Invalid
from streams.pipeline import DEPTHS, layers_of

if TYPE_CHECKING:
    from models.hear import Decoded


def compare(
    query: Annotated[Path, typer.Argument(metavar="A", help="An audio file: the query.")],
    candidate: Annotated[Path, typer.Argument(metavar="B", help="An audio file: the candidate.")],
    encoder: Encoder = "type2",
    depth: Depth = "track",
    stem: Stems = ["vocals"],  # noqa: B006  typer copies it
    *,
    drums: Annotated[bool, typer.Option("--drums", help="Both are drum stems: compare how they are played.")] = False,
    content_type: ContentTypeName = "music",
    threshold: SetThresholds = [],  # noqa: B006
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the evidence as one page to look at and listen to.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two files on this machine, without a server."""
    if drums and html is not None:
        raise Invalid("--drums has no page of evidence", "leave --html out")
    if drums:
        _compare_drums(query, candidate, as_json)
        return
    from models.content import thresholds
    from models.errors import WrongWeights
    from models.finding import Found, finding, identical
    from models.layers import compare_layers
    from streams import cards, matches
    from streams.check import check_content, check_depth
    from streams.cli.listening import forms_of, listen, melodies_of, recordings_of, singers_of

    check_depth(depth, stem)
    set_otherwise = thresholds_set(threshold)
    limits = thresholds(check_content(content_type, set_otherwise), set_otherwise)
    asked, stems, card = DEPTHS[depth], tuple(stem), cards.current(encoder)
    tracks = [decoded(path) for path in (query, candidate)]
    try:
        mine, theirs = (listen(track, asked, stems, card) for track in tracks)
    except WrongWeights as error:
        raise Defect(error.message, error.remedy) from None
    durations_s, layers = (tracks[0].duration_s, tracks[1].duration_s), layers_of(asked, stems)
    layered = next(compare_layers(mine.windows, [theirs.windows], layers, card)) if layers else None
    if layered is not None and "vocals" in layered.found:
        layered = replace(layered, voice_similarity=singers_of(mine, theirs))
    found = Found(layered, recordings_of(mine, theirs, limits), melodies_of(mine, theirs), forms_of(mine, theirs))
    told = finding(found, *durations_s, thresholds=limits)
    if query.read_bytes() == candidate.read_bytes() and not tracks[0].health.silent:
        told = identical(told, durations_s[0])
    about = matches.Candidate(str(candidate), None, "", candidate.name, None, None, durations_s[1], {})
    _, match = matches.describe(1, about, told, card)
    if html is not None:
        from streams.evidence.card import Side, evidence_card

        sides = (
            Side(path.name, one.track.flac, one.track.envelope, mix.cqt, mix.latents, one.track.duration_s)
            for path, one, mix in (
                (query, mine, mine.windows["full_audio"]),
                (candidate, theirs, theirs.windows["full_audio"]),
            )
        )
        _write(html, evidence_card(next(sides), next(sides), match, card))
    if as_json:
        document({"query": str(query), "candidate": str(candidate), "model_version": card.model_version, **match})
        return
    show([{"query_audio_id": str(query), "matches": [match]}], every_evidence=True)
    if why := match.get("why"):
        tell(why)


def _compare_drums(query: Path, candidate: Path, as_json: bool) -> None:
    """Drums have an encoder of their own, and no verdict is calibrated on it: a likeness of rhythm, 0..1."""
    from models import rhythm_card
    from models.audio.flac import from_flac
    from models.errors import WrongWeights
    from models.rhythm import rhythm
    from models.score import agreement, similarities, sounding

    card = rhythm_card.load()
    heard = [from_flac(decoded(path).flac, card.hearing.rate_hz, 1) for path in (query, candidate)]
    try:
        mine, theirs = (rhythm(samples, card) for samples in heard)
    except WrongWeights as error:
        raise Defect(error.message, error.remedy) from None
    alike = round(agreement(similarities(mine, theirs), sounding(mine), sounding(theirs)), 3)
    if as_json:
        about = {"query": str(query), "candidate": str(candidate), "model_version": card.model_version}
        document({**about, "rhythm_agreement": alike})
        return
    table(("query", "candidate", "rhythm_agreement"), [(query.name, candidate.name, f"{alike:.3f}")])


def _write(path: Path, page: str) -> None:
    """Raises: `Invalid`."""
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror}", "name a file in a folder of yours") from None


def decoded(path: Path) -> Decoded:
    """A file of this machine, decoded. Raises: `Invalid`."""
    from models import hear
    from models.errors import AudioError

    try:
        return hear.decode_track(path.read_bytes(), None)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", "see its path and permissions") from None
    except AudioError as error:
        raise Invalid(f"{path}: {error.message}", error.remedy, code=error.code) from None
