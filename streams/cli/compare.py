"""`soundtrace compare`: two files, here and now; no server, no broker, no index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.matches import show
from streams.cli.output import AsJson, Depth, Encoder, Stems, document, table, tell
from streams.errors import Defect, Invalid
from streams.pipeline import layers_of

if TYPE_CHECKING:
    from models.card import Card
    from models.hear import Decoded
    from models.verdict import Features


def compare(
    query: Annotated[Path, typer.Argument(metavar="A", help="An audio file: the query.")],
    candidate: Annotated[Path, typer.Argument(metavar="B", help="An audio file: the candidate.")],
    encoder: Encoder = "type2",
    depth: Depth = "track",
    stem: Stems = ["vocals"],  # noqa: B006  typer copies it
    *,
    drums: Annotated[bool, typer.Option("--drums", help="Both are drum stems: compare how they are played.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the evidence as one page to look at and listen to.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two files on this machine, without a server."""
    if drums:
        _compare_drums(query, candidate, as_json)
        return
    from models import hear
    from models.finding import finding, identical
    from models.layers import compare_layers
    from models.recognise import recordings
    from streams import cards, matches
    from streams.check import check_depth

    check_depth(depth, stem)
    layers, card = layers_of(depth, stem), cards.current(encoder)
    tracks = [decoded(path) for path in (query, candidate)]
    heard, against = (_heard(track, layers, card) for track in tracks)
    peaks = [hear.fingerprint_track(track.flac) for track in tracks]
    durations_s = tracks[0].duration_s, tracks[1].duration_s
    (layered,) = compare_layers(heard, [against], layers, card)
    told = finding(layered, recordings(*peaks), *durations_s)
    if query.read_bytes() == candidate.read_bytes() and not tracks[0].health.silent:
        told = identical(told, durations_s[0])
    about = matches.Candidate(str(candidate), None, "", candidate.name, None, None, durations_s[1], {})
    _, match = matches.describe(1, about, told, card)
    if html is not None:
        from streams.evidence_card import Side, evidence_card

        mine, theirs = (
            Side(path.name, track.flac, track.envelope, mix.cqt, mix.latents, track.duration_s)
            for path, track, mix in zip(
                (query, candidate), tracks, (heard["full_audio"], against["full_audio"]), strict=True
            )
        )
        _write(html, evidence_card(mine, theirs, match, card))
    if as_json:
        document({"query": str(query), "candidate": str(candidate), "model_version": card.model_version, **match})
        return
    show([{"query_audio_id": str(query), "matches": [match]}], every_evidence=True)
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


def _heard(track: Decoded, layers: tuple[str, ...], card: Card) -> dict[str, Features]:
    """What is heard of a track, by layer; a stem that it does not have is not there."""
    from models import hear
    from models.errors import WrongWeights
    from models.verdict import Features

    try:
        encoded = hear.encode_track(track.flac, card)
        found = {"full_audio": Features(encoded.cqt, encoded.latents, track.duration_s)}
        if len(layers) > 1:
            found |= _stems(track, layers, card)
    except WrongWeights as error:
        raise Defect(error.message, error.remedy) from None
    return found


def _stems(track: Decoded, layers: tuple[str, ...], card: Card) -> dict[str, Features]:
    from models import hear, rhythm_card
    from models.latents import latents
    from models.stems import PITCHED
    from models.verdict import Features
    from streams import cards
    from streams.cli.place import configured

    settings = configured()
    separator = cards.current_separator(settings.separator)
    folder = cards.weights_folder(separator, settings)
    separated = hear.separate_track(track.flac, separator, card.hearing, folder)
    found = {}
    for layer in layers:
        if layer in PITCHED:
            cqt = separated.cqts[PITCHED.index(layer)]
            found[layer] = Features(cqt, latents(cqt, card), track.duration_s)
        elif layer == "drums":
            found[layer] = Features(
                None,
                hear.encode_drums(separated.flac, rhythm_card.load(), present=separated.presence["drums"].present),
                track.duration_s,
            )
    return found


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
