"""Two files heard here and now, as far as a depth asks for it: what the pipeline's stages would store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from models import hear, rhythm_card
from models.content import Thresholds
from models.fingerprint.peaks import Peaks
from models.fingerprint.recognise import Recording, recordings, together
from models.latents import latents
from models.motif.melodies import LAYERS, Melodies, SharedMelody, heard, shared
from models.section.form import Form, compare_forms
from models.section.sections import Structure, harmony_of_cqt
from models.stems import PITCHED
from models.verdict import Features
from streams import cards, pipeline
from streams.cli.place import configured

if TYPE_CHECKING:
    from models.card import Card
    from models.hear import Decoded, Separated


@dataclass(frozen=True, slots=True)
class Listened:
    """One file.

    Attributes:
        windows: by layer; a stem that it does not have is not there.
        landmarks: the peaks of its mix.
        accompaniment: the peaks of what accompanies its voice; None where it was not separated.
        melodies: None where they were not asked for.
        structures: of the mix, or of each stem that was asked for.
    """

    track: Decoded
    windows: dict[str, Features]
    landmarks: Peaks
    accompaniment: Peaks | None = None
    melodies: Melodies | None = None
    structures: dict[str, Structure] = field(default_factory=dict)


def listen(track: Decoded, depth: pipeline.Depth, stem_types: tuple[str, ...], card: Card) -> Listened:
    """Raises: `WrongWeights`, `MissingWeights`."""
    encoded = hear.encode_track(track.flac, card)
    windows = {"full_audio": Features(encoded.cqt, encoded.latents, track.duration_s)}
    separated = None
    if pipeline.separates(pipeline.wanted_by_search(depth, stem_types)):
        separated = _separated(track, card)
        layers = [layer for layer in pipeline.layers_of(depth, stem_types) if layer != "full_audio"]
        windows |= {layer: _windows(separated, layer, track.duration_s, card) for layer in layers}
    accompaniment = melodies = None
    if separated is not None:
        sung = separated.presence["vocals"].present
        accompaniment = hear.fingerprint_accompaniment(separated.flac, sung=sung)
        melodies = hear.hear_melodies(track.flac, separated.flac, sung=sung) if depth.melodies else None
    structures = {}
    if depth.sections:
        mix = hear.hear_structure(track.flac, encoded.cqt)
        structures = {"full_audio": mix} if depth.sections == "mix" else _of_stems(mix, separated, stem_types)
    return Listened(track, windows, hear.fingerprint_track(track.flac), accompaniment, melodies, structures)


def recordings_of(query: Listened, candidate: Listened, thresholds: Thresholds) -> tuple[Recording, ...]:
    """The accepted alignments, by the query's mix and by its accompaniment."""
    heard = [query.landmarks] if query.accompaniment is None else [query.landmarks, query.accompaniment]
    return together(*(recordings(peaks, candidate.landmarks, thresholds=thresholds) for peaks in heard))


def melodies_of(query: Listened, candidate: Listened) -> tuple[SharedMelody, ...] | None:
    """What both share, the least likely by chance first; None where it was not asked for."""
    if query.melodies is None or candidate.melodies is None:
        return None
    found = [
        one
        for layer in LAYERS
        for one in shared(
            heard(query.melodies.events, query.melodies.contours, layer, query.track.duration_s),
            heard(candidate.melodies.events, candidate.melodies.contours, layer, candidate.track.duration_s),
            layer,
            None,
        )
    ]
    return tuple(sorted(found, key=lambda one: one.p_chance))


def forms_of(query: Listened, candidate: Listened) -> dict[str, Form] | None:
    """Sections upon sections; None where they were not asked for."""
    if not query.structures:
        return None
    return {
        layer: compare_forms(mine, candidate.structures[layer])
        for layer, mine in query.structures.items()
        if layer in candidate.structures
    }


def _separated(track: Decoded, card: Card) -> Separated:
    settings = configured()
    separator = cards.current_separator(settings.separator)
    return hear.separate_track(track.flac, separator, card.hearing, cards.weights_folder(separator, settings))


def _windows(separated: Separated, layer: str, duration_s: float, card: Card) -> Features:
    if layer == "drums":
        present = separated.presence["drums"].present
        return Features(None, hear.encode_drums(separated.flac, rhythm_card.load(), present=present), duration_s)
    cqt = separated.cqts[PITCHED.index(layer)]
    return Features(cqt, latents(cqt, card), duration_s)


def _of_stems(mix: Structure, separated: Separated | None, stem_types: tuple[str, ...]) -> dict[str, Structure]:
    """The mix's sections with the harmony of each stem that has any."""
    assert separated is not None
    return {
        name: replace(mix, harmony=harmony_of_cqt(separated.cqts[PITCHED.index(name)], mix.beats_s))
        for name in stem_types
        if name in PITCHED
    }
