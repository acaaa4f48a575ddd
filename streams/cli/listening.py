"""Two files heard here and now, as far as a depth asks for it: what the pipeline's stages would store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from models import hear, rhythm_card, voice_card
from models.content import Thresholds
from models.fingerprint.peaks import Peaks
from models.fingerprint.recognise import Recording, by_mix_and_accompaniment
from models.latents import Latents, latents
from models.motif.melodies import LAYERS, Melodies, SharedMelody, heard, shared
from models.section.form import Form, compare_forms
from models.section.sections import Structure, harmony_of_cqt
from models.stems import PITCHED
from models.verdict import Features
from models.voice import similarity
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
        singer: the windows of its voice; None where its vocals were not asked for.
        melodies: None where they were not asked for.
        structures: of the mix, or of each stem that was asked for.
    """

    track: Decoded
    windows: dict[str, Features]
    landmarks: Peaks
    accompaniment: Peaks | None = None
    singer: Latents | None = None
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
    accompaniment = singer = melodies = None
    if separated is not None:
        sung = separated.presence["vocals"].present
        accompaniment = hear.fingerprint_accompaniment(separated.flac, sung=sung)
        if "vocals" in windows:
            singer = hear.encode_voice(separated.flac, voice_card.load(), present=sung)
        melodies = hear.hear_melodies(track.flac, separated.flac, sung=sung) if depth.melodies else None
    structures = {}
    if depth.sections:
        mix = hear.hear_structure(track.flac, encoded.cqt)
        structures = {"full_audio": mix} if depth.sections == "mix" else _of_stems(mix, separated, stem_types)
    return Listened(track, windows, hear.fingerprint_track(track.flac), accompaniment, singer, melodies, structures)


def recordings_of(query: Listened, candidate: Listened, thresholds: Thresholds) -> tuple[Recording, ...]:
    """The accepted alignments, by the query's mix and by its accompaniment."""
    return by_mix_and_accompaniment(query.landmarks, query.accompaniment, candidate.landmarks, thresholds=thresholds)


def singers_of(query: Listened, candidate: Listened) -> float | None:
    """How alike their singers sound, 0..1; None where a side has none, or it was not asked for."""
    if query.singer is None or candidate.singer is None:
        return None
    return similarity(query.singer, candidate.singer)


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
