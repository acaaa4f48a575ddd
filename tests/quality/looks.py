"""Looks: what is found beyond the first look at the mix, by stems and by a second look at a few tracks.

A query is asked by its mix; by its accompaniment, where it has a voice; and, where neither is recognised, by the bank
of changes among the tracks with most votes, as a search does it. Beside it the same among these and the true track:
what a second look finds if another layer, by windows, brings that one. Excerpts under speech and singing, changed and
damaged at once, samples under other music and under songs; strangers, as they are and under a voice (`excerpts`). The
voices come from the synthesizers that the separator learned from, other singers and other sentences: real ones were
not at hand.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from models import separators
from models.fingerprint.peaks import Peaks, peaks
from models.fingerprint.recognise import Recording, again, together
from models.hear import fingerprint_accompaniment, separate_track
from streams.recognition import BY_VOTES
from tests.bench import report
from tests.quality import voice
from tests.quality.changes import Samples, wav
from tests.quality.clips import CARD
from tests.quality.damages import DAMAGES, Damage, faster, higher, talk
from tests.quality.excerpts import Excerpt, excerpts, mixes, songs, tracks, unknown
from tests.quality.recognisers import Ours, heard

LENGTHS_S = (3.0, 5.0)
PER_CONDITION = 24
LOOKS = ("by_mix", "by_both", "at_last", "with_true")  # of `Looked`
UNET = separators.load("unet")


def sung(level_db: float) -> Damage:
    """Somebody sings over it, `level_db` louder than the music."""

    def step(samples: Samples, rng: np.random.Generator) -> Samples:
        line = _voices()[int(rng.integers(len(_voices())))]
        over = np.resize(np.roll(line, -int(rng.integers(len(line)))), len(samples))
        gain = np.sqrt(np.mean(samples**2) / np.mean(over**2)) * 10 ** (level_db / 20)
        return np.asarray(samples + gain * over, np.float32)

    return Damage((step,))


@cache
def _voices() -> list[Samples]:
    return [one.samples() for one in voice.renditions() if one.index == 0]


UNDER_VOICE = {
    "speech 0 dB": Damage((talk(0),)),
    "speech +6 dB": Damage((talk(6),)),
    "singing +6 dB": sung(6),
}
AT_ONCE = {
    **{name: damage for name, damage in DAMAGES.items() if name.startswith("tempo") and "," in name},
    "tempo ×1.1, pitch +2, speech 0 dB": Damage((faster(1.1), higher(2), talk(0)), 1.1, 2),
}


@dataclass(frozen=True, slots=True)
class Looked:
    """Numbers of the tracks that each look accepts, and the CPU seconds of those that were taken."""

    by_mix: frozenset[int]
    by_both: frozenset[int]
    at_last: frozenset[int]
    with_true: frozenset[int]
    asked_stem: bool
    spent_s: tuple[float, float, float]


def measure() -> dict[str, Any]:
    indexed, strangers = tracks()
    ours = Ours()
    ours.index(indexed)
    known = [
        *excerpts(indexed, UNDER_VOICE | AT_ONCE, LENGTHS_S, PER_CONDITION),
        *mixes(indexed, strangers),
        *songs(indexed, strangers, sung(0).steps[0], PER_CONDITION),
    ]
    others = list(_strangers(strangers))
    looked = []
    for number, query in enumerate([*known, *others]):
        sys.stderr.write(f"\rlooks: {number + 1} of {len(known) + len(others)} ")
        looked.append(_look(ours, query))
    sys.stderr.write("\n")
    cells: dict[str, list[tuple[Excerpt, Looked]]] = {}
    for query, found in zip([*known, *others], looked, strict=True):
        cells.setdefault(_cell(query), []).append((query, found))
    figures: dict[str, Any] = {"tracks": len(indexed), "strangers": len(strangers), "by_votes": BY_VOTES}
    figures["found"] = {
        name: _counted(ours, rows, right=True) for name, rows in cells.items() if rows[0][0].work is not None
    }
    figures["accepted_wrongly"] = {name: _counted(ours, rows, right=False) for name, rows in cells.items()}
    for at, name in enumerate(("by_mix", "by_accompaniment", "second")):
        taken = [1e3 * found.spent_s[at] for found in looked if found.spent_s[at]]
        spent = {"median": report.percentile(taken, 50), "p95": report.percentile(taken, 95), "of": len(taken)}
        figures.setdefault("cpu_ms", {})[name] = spent
    _print(figures)
    return figures


def _strangers(strangers: Sequence[Any]) -> Iterator[Excerpt]:
    yield from (one for one in unknown(strangers) if one.seconds in LENGTHS_S)
    voices = {f"stranger, {name}": damage for name, damage in UNDER_VOICE.items()}
    yield from (one for one in unknown(strangers, voices) if one.seconds == max(LENGTHS_S))


def _cell(query: Excerpt) -> str:
    if query.work is None:
        return "strangers under a voice" if query.condition.startswith("stranger") else "strangers"
    cut = query.end_s == query.seconds and query.start_s == 0
    return f"{query.condition}, {query.seconds:.0f} s" if cut else query.condition


def _look(ours: Ours, query: Excerpt) -> Looked:
    separated = separate_track(wav(query.samples), UNET, CARD.hearing, separators.WEIGHTS)
    accompaniment = fingerprint_accompaniment(separated.flac, sung=separated.presence["vocals"].present)
    mix = peaks(heard(query.samples))
    began = time.process_time()
    ranked, by_mix = ours.look(mix)
    mixed = time.process_time()
    more, by_stem = ours.look(accompaniment) if len(accompaniment) else ([], {})
    both = {number: together([*by_mix.get(number, ()), *by_stem.get(number, ())]) for number in (*by_mix, *by_stem)}
    twice = time.process_time()
    at_last: dict[int, tuple[Recording, ...]] = both
    with_true = at_last
    few = dict.fromkeys([*ranked[:BY_VOTES], *more[:BY_VOTES]])
    asked = accompaniment if len(accompaniment) else mix
    if not both:
        at_last = _again(ours, asked, few)
    last = time.process_time()
    if not both:
        true = [number for number, work in enumerate(ours.works) if work == query.work]
        with_true = at_last if set(true) & few.keys() or not true else _again(ours, asked, few | dict.fromkeys(true))
    return Looked(
        frozenset(by_mix),
        frozenset(both),
        frozenset(at_last),
        frozenset(with_true),
        len(accompaniment) > 0,
        (mixed - began, twice - mixed if len(accompaniment) else 0.0, last - twice if not both else 0.0),
    )


def _again(ours: Ours, asked: Peaks, few: dict[int, None]) -> dict[int, tuple[Recording, ...]]:
    return again(asked, {number: ours.found[number] for number in few})


def _counted(ours: Ours, rows: Sequence[tuple[Excerpt, Looked]], *, right: bool) -> dict[str, int]:
    """How many queries each look answers with the true track, or with another."""

    def answered(query: Excerpt, numbers: frozenset[int]) -> bool:
        return any((ours.works[number] == query.work) == right for number in numbers)

    told = {name: sum(answered(query, getattr(found, name)) for query, found in rows) for name in LOOKS}
    return {"of": len(rows), "with_a_voice": sum(found.asked_stem for _, found in rows), **told}


def _print(figures: dict[str, Any]) -> None:
    for what in ("found", "accepted_wrongly"):
        names = list(next(iter(figures[what].values())))
        report.table(
            what, ["", *names], [[cell, *(row[name] for name in names)] for cell, row in figures[what].items()]
        )
    rows = [[name, row["median"], row["p95"], row["of"]] for name, row in figures["cpu_ms"].items()]
    report.table("CPU ms", ["", "p50", "p95", "of"], rows)
