"""`soundtrace compare`: two files, here and now; no server, no broker, no index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.matches import show
from streams.cli.output import AsJson, Encoder, document, table, tell
from streams.errors import Defect, Invalid

if TYPE_CHECKING:
    from models.card import Card
    from models.hear import Decoded
    from models.verdict import Features


def compare(
    query: Annotated[Path, typer.Argument(metavar="A", help="An audio file: the query.")],
    candidate: Annotated[Path, typer.Argument(metavar="B", help="An audio file: the candidate.")],
    encoder: Encoder = "type2",
    drums: Annotated[bool, typer.Option("--drums", help="Both are drum stems: compare how they are played.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two files on this machine, without a server."""
    if drums:
        _compare_drums(query, candidate, as_json)
        return
    from models import verdict
    from streams import cards, matches

    card = cards.current(encoder)
    heard, against = _heard(query, card), _heard(candidate, card)
    about = matches.Candidate(str(candidate), None, "", candidate.name, None, None, against.duration_s, {})
    _, match = matches.describe(1, about, verdict.compare(heard, against, card), card)
    if as_json:
        document({"query": str(query), "candidate": str(candidate), "model_version": card.model_version, **match})
        return
    show([{"query_audio_id": str(query), "matches": [match]}])
    if why := match.get("why"):
        tell(why)


def _compare_drums(query: Path, candidate: Path, as_json: bool) -> None:
    """Drums have an encoder of their own, and no verdict is calibrated on it: a likeness of rhythm, 0..1."""
    from models import rhythm_card
    from models.errors import WrongWeights
    from models.flac import from_flac
    from models.rhythm import rhythm
    from models.score import agreement, similarities, sounding

    card = rhythm_card.load()
    heard = [from_flac(_decoded(path).flac, card.hearing.rate_hz, 1) for path in (query, candidate)]
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


def _heard(path: Path, card: Card) -> Features:
    from models import hear
    from models.errors import WrongWeights
    from models.verdict import Features

    decoded = _decoded(path)
    try:
        encoded = hear.encode_track(decoded.flac, card)
    except WrongWeights as error:
        raise Defect(error.message, error.remedy) from None
    return Features(encoded.cqt, encoded.latents, decoded.duration_s)


def _decoded(path: Path) -> Decoded:
    from models import hear
    from models.errors import AudioError

    try:
        return hear.decode_track(path.read_bytes(), None)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", "see its path and permissions") from None
    except AudioError as error:
        raise Invalid(f"{path}: {error.message}", error.remedy, code=error.code) from None
