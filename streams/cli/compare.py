"""`soundtrace compare`: two files, here and now; no server, no broker, no index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.matches import show
from streams.cli.output import AsJson, document, tell
from streams.errors import Defect, Invalid

ENCODER_TYPE = "type2"

if TYPE_CHECKING:
    from models.card import Card
    from models.verdict import Features


def compare(
    query: Annotated[Path, typer.Argument(metavar="A", help="An audio file: the query.")],
    candidate: Annotated[Path, typer.Argument(metavar="B", help="An audio file: the candidate.")],
    as_json: AsJson = False,
) -> None:
    """Compare two files on this machine, without a server."""
    from models import verdict
    from streams import cards, matches

    card = cards.current(ENCODER_TYPE)
    heard, against = _heard(query, card), _heard(candidate, card)
    about = matches.Candidate(str(candidate), None, "", candidate.name, None, None, against.duration_s, {})
    _, match = matches.describe(1, about, verdict.compare(heard, against, card), card)
    if as_json:
        document({"query": str(query), "candidate": str(candidate), "model_version": card.model_version, **match})
        return
    show([{"query_audio_id": str(query), "matches": [match]}])
    if why := match.get("why"):
        tell(why)


def _heard(path: Path, card: Card) -> Features:
    from models import hear
    from models.errors import AudioError, WrongWeights
    from models.verdict import Features

    try:
        decoded = hear.decode_track(path.read_bytes(), None)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", "see its path and permissions") from None
    except AudioError as error:
        raise Invalid(f"{path}: {error.message}", error.remedy, code=error.code) from None
    try:
        encoded = hear.encode_track(decoded.flac, card)
    except WrongWeights as error:
        raise Defect(error.message, error.remedy) from None
    return Features(encoded.cqt, encoded.latents, decoded.duration_s)
