"""Layers: a pair of tracks compared by the full mix and by some of its stems, and what that comes to together.

A stem by itself says what the mix may hide: a voice over other music, a bass line that was lifted. Every layer is
judged like the full mix, by its own windows, its own harmony and its own strangers. The mix speaks, unless a stem that
is heard for long enough proves more than it does: the greatest score of several layers ranks worse than the mix alone
(OpenMSX re-arranged, MAP 0.958 to 0.964, 2026-11-21), and in a few seconds strangers have much in common. To look
several times finds something by chance more often, which `p_chance` says. Drums are told and speak for nothing: what
two grooves have in common by chance is not calibrated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from models import rhythm_card, score, verdict
from models.calibration import p_least
from models.card import Card
from models.library import Cohort
from models.verdict import VERDICTS, Comparison, Features, Verdict, by_windows, compare_many

DRUMS = "drums"
# Of the time in which the mix sounds, so much of a layer has to be heard in both tracks that it is judged. Of 72 songs
# in which somebody sings for 8 to 50 % of the time the mix finds MAP 0.388, with all layers judged 0.255, from 0.2 on
# 0.304, 0.3 0.360, 0.4 0.388, 0.5 0.381; songs that are sung all through lose nothing by any of these (2026-11-29).
LEAST_HEARD = 0.4
SAME = 0.999  # the least score of the same bytes (contract, A6)


@dataclass(frozen=True, slots=True)
class Layered:
    """One match.

    Attributes:
        found: the comparison of each layer that both sides have, the full mix first.
        layer: whose score and figures are the match's: the full mix, or the stem that proves more.
        verdict: the strongest that a judged layer carries.
        p_chance: that a stranger scores so much in any judged layer; None where nothing is calibrated.
        missing: per side (`query`, `candidate`) the layers of which it has nothing.
        seldom: layers that are told and not judged, as one side hears them for less than `LEAST_HEARD` of the time.
        voice_similarity: 0..1, how alike their singers sound, which carries nothing; None where one side has none.
    """

    found: Mapping[str, Comparison]
    layer: str
    verdict: Verdict
    p_chance: float | None
    missing: Mapping[str, tuple[str, ...]]
    seldom: tuple[str, ...] = ()
    voice_similarity: float | None = None

    @property
    def best(self) -> Comparison:
        return self.found[self.layer]

    @property
    def judged(self) -> dict[str, Comparison]:
        """The layers that speak: on the mix's scale, and heard for long enough on both sides."""
        return _judged(self.found, self.seldom)


def compare_layers(
    query: Mapping[str, Features],
    candidates: Sequence[Mapping[str, Features]],
    layers: Sequence[str],
    card: Card,
    *,
    verbose: bool = False,
    among: Mapping[str, Cohort] | None = None,
) -> Iterator[Layered]:
    """Compare one query with many candidates by several layers.

    Args:
        query: its layers that there are.
        candidates: theirs, likewise.
        layers: that are asked for, the full mix first: all have that.
        card: the encoder.
        verbose: see `models.verdict.Comparison`.
        among: the strangers of each layer that has its own, where the candidates are of a library.
    Returns:
        One for each candidate, in their order.
    """
    rows: list[dict[str, Comparison]] = [{} for _ in candidates]
    for layer in layers:
        if has(query, layer):
            places = [place for place, candidate in enumerate(candidates) if has(candidate, layer)]
            others = (candidates[place][layer] for place in places)
            strangers = None if among is None else among.get(layer)
            found = (
                _grooves(query[layer], others, verbose)
                if layer == DRUMS
                else compare_many(query[layer], others, card, verbose, strangers)
            )
            for place, told in zip(places, found, strict=True):
                rows[place][layer] = told
    for candidate, row in zip(candidates, rows, strict=True):
        sides = {"query": query, "candidate": candidate}
        missing = {name: tuple(x for x in layers if not has(side, x)) for name, side in sides.items()}
        seldom = tuple(x for x in row if any(_heard(side, x) < LEAST_HEARD for side in sides.values()))
        yield together(row, missing, seldom)


def identical(told: Layered, duration_s: float) -> Layered:
    """The match of a track with its own bytes, see `models.verdict.identical`."""
    whole = told.found["full_audio"]
    if whole.score < SAME:
        whole = verdict.identical(whole, duration_s)
    same = together({**told.found, "full_audio": whole}, told.missing, told.seldom)
    return replace(same, voice_similarity=told.voice_similarity)


def has(side: Mapping[str, Features], layer: str) -> bool:
    """Whether a side has anything of a layer; the full mix counts as there even where it is silent."""
    return layer in side and (layer == "full_audio" or bool(score.sounding(side[layer].latents)))


def together(
    found: Mapping[str, Comparison], missing: Mapping[str, tuple[str, ...]], seldom: tuple[str, ...] = ()
) -> Layered:
    """What the comparisons of several layers come to."""
    judged = _judged(found, seldom)
    strongest = max((told.verdict for told in judged.values()), key=VERDICTS.index)
    proving = [name for name, told in judged.items() if told.verdict == strongest]
    layer = "full_audio" if "full_audio" in proving else max(proving, key=lambda name: judged[name].score)
    chances = [told.p_chance for told in judged.values() if told.p_chance is not None]
    return Layered(
        found=found,
        layer=layer,
        verdict=strongest,
        p_chance=p_least(chances) if chances else None,
        missing=missing,
        seldom=seldom,
    )


def _judged(found: Mapping[str, Comparison], seldom: tuple[str, ...]) -> dict[str, Comparison]:
    scale = found["full_audio"].metric
    return {layer: told for layer, told in found.items() if told.metric == scale and layer not in seldom}


def _heard(side: Mapping[str, Features], layer: str) -> float:
    """Of the time in which a side's mix sounds, how much a layer does: by frames, or windows where these are gone."""
    if layer == "full_audio":
        return 1.0  # also of silence
    mix, stem = side["full_audio"], side[layer]
    if mix.cqt is None or stem.cqt is None:
        return score.sounding(stem.latents) / max(1, score.sounding(mix.latents))
    return float(stem.cqt.any(axis=0).sum() / max(1, mix.cqt.any(axis=0).sum()))


def _grooves(query: Features, candidates: Iterable[Features], verbose: bool) -> Iterator[Comparison]:
    hearing = rhythm_card.load().hearing
    return (by_windows(query, candidate, hearing, verbose) for candidate in candidates)
