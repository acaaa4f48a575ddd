"""What is said of labelled pairs, counted: how often it is right, where it is wrong, how strangers' chances spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from models.content import ContentType
from models.finding import UNPROVEN, VERDICTS, Finding
from tests.quality import measures
from tests.quality.verdict_hearing import evidence, side, told
from tests.quality.verdict_pairs import Pair

# A mark by itself is all of the query: whether it is an excerpt of what was broadcast or a sample in it, nobody knows.
MARK = frozenset(("sample", "same_recording"))
# Who owns a backing asks where its very sound is, whoever sings over it; the song is another one.
BACKING = frozenset(("sample", "same_recording_modified"))
RIGHT: dict[str, frozenset[str]] = {
    **{name: frozenset((name,)) for name in VERDICTS},
    "same backing": BACKING,
    "jingle in speech": MARK,
    "jingle in music": MARK,
    "style_only": frozenset(UNPROVEN),
    "no_relation": frozenset(UNPROVEN),
}
TRUTHS = (*VERDICTS[:1:-1], "same backing", "jingle in speech", "jingle in music", *UNPROVEN[::-1])
NAMED = frozenset(VERDICTS[VERDICTS.index("sample") :])  # the very recording, whatever was done to it
OVERLAP = 0.5  # of the shorter of a told and a true place: then it is found
NEAR_S = 1.0
HELD_OUT = ("held-out performances", "bands of held-out tunes")  # that no layer's thresholds or curves have seen


Place = Mapping[str, Any]  # of the contract's `evidence`


@dataclass(frozen=True, slots=True)
class Row:
    """What was said of a pair.

    Attributes:
        found: whether any told place lies where they share something; None where they share nothing, or nobody knows.
        off_s: by how much the strongest place of the layer that carries the verdict is wrong; None where none is told.
        p_chance: as told, and before they are put together: of the windows of all layers, of the mix's, of melodies.
    """

    pair: Pair
    verdict: str
    layer: str
    found: bool | None
    off_s: float | None
    p_chance: dict[str, float | None]

    @property
    def right(self) -> bool:
        return self.verdict in RIGHT[self.pair.truth]


def row(pair: Pair, content_type: ContentType = "music") -> Row:
    query, candidate = side(pair.query), side(pair.candidate)
    said = told(query, candidate, content_type)
    places = evidence(said, candidate.duration_s)
    carrying = [] if said.verdict in UNPROVEN else [one for one in places if one["layer"] == said.layer]
    off = off_s(pair, carrying[0]) if carrying and len(pair.query_s) else None
    return Row(pair, said.verdict, said.layer, is_found(pair, places), off, _of_layers(said))


def is_found(pair: Pair, places: Sequence[Place]) -> bool | None:
    """Whether one of the told places lies where the candidate really has what both share; None where nobody knows."""
    if not len(pair.candidate_s):
        return None
    first_s, last_s = pair.candidate_s[0], pair.candidate_s[-1]
    return any(
        min(one["candidate_end_s"], last_s) - max(one["candidate_start_s"], first_s)
        >= OVERLAP * min(one["candidate_end_s"] - one["candidate_start_s"], last_s - first_s)
        for one in places
    )


def off_s(pair: Pair, place: Place) -> float:
    """In the middle of a told place: how far the candidate's second is from the true one."""
    query_s, candidate_s = ((place[f"{of}_start_s"] + place[f"{of}_end_s"]) / 2 for of in ("query", "candidate"))
    ratio = (pair.candidate_s[-1] - pair.candidate_s[0]) / (pair.query_s[-1] - pair.query_s[0])
    inside_s = float(np.clip(query_s, pair.query_s[0], pair.query_s[-1]))
    true_s = float(np.interp(inside_s, pair.query_s, pair.candidate_s)) + ratio * (query_s - inside_s)
    return float(abs(candidate_s - true_s))


def _of_layers(said: Finding) -> dict[str, float | None]:
    layered, melodies = said.found.layered, said.found.melodies
    return {
        "told": said.p_chance,
        "windows": None if layered is None else layered.p_chance,
        "mix": None if layered is None else layered.found["full_audio"].p_chance,
        "melodies": min((one.p_chance for one in melodies or ()), default=1.0),
    }


def counted(rows: Sequence[Row]) -> dict[str, Any]:
    """All figures of the labelled pairs."""
    of_class = {truth: [row for row in rows if row.pair.truth == truth] for truth in TRUTHS}
    return {
        "matrix": {truth: tally(some) for truth, some in of_class.items()},
        "classes": {truth: share(row.right for row in some) for truth, some in of_class.items()},
        "ways": _ways(rows),
        "false_accepts": _false_accepts(rows),
        "jingles": _jingles(rows),
        "places": {truth: found for truth, some in of_class.items() if (found := _places(some))},
        "wrong": [
            [row.pair.truth, row.pair.made, row.verdict, row.layer, row.pair.query.stem, row.pair.candidate.stem]
            for row in rows
            if not row.right
        ],
    }


def tally(rows: Iterable[Row]) -> dict[str, int]:
    """How often each verdict is told."""
    return dict(Counter(row.verdict for row in rows))


def share(hits: Iterable[bool]) -> dict[str, Any]:
    """Of how many, which share, and the 95 % interval of Clopper and Pearson."""
    every = list(hits)
    if not every:
        return {"of": 0}
    test = binomtest(sum(every), len(every)).proportion_ci(0.95)
    return {"of": len(every), "hits": sum(every), "share": float(np.mean(every)), "interval": [test.low, test.high]}


def _ways(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    keys = dict.fromkeys((row.pair.truth, row.pair.made) for row in rows if not row.pair.truth.startswith("jingle"))
    return {
        f"{truth}: {made}": {
            **share(row.right for row in rows if (row.pair.truth, row.pair.made) == (truth, made)),
            "told": tally(row for row in rows if (row.pair.truth, row.pair.made) == (truth, made)),
        }
        for truth, made in keys
    }


def _false_accepts(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    unrelated = [row for row in rows if row.pair.truth in UNPROVEN]
    found = {
        made: share(not row.right for row in unrelated if row.pair.made == made)
        for made in dict.fromkeys(row.pair.made for row in unrelated)
    }
    return {**found, "all no_relation": share(not row.right for row in unrelated if row.pair.truth == "no_relation")}


def _jingles(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    laid = [row for row in rows if row.pair.truth.startswith("jingle")]
    keys = sorted({(row.pair.truth, row.pair.made) for row in laid}, reverse=True)
    found = {}
    for truth, made in [*keys, *((truth, "all") for truth in ("jingle in speech", "jingle in music"))]:
        some = [row for row in laid if row.pair.truth == truth and made in (row.pair.made, "all")]
        found[f"{truth}, {made}"] = {
            "marks": len(some),
            "found": sum(bool(row.found) for row in some),
            "named": sum(row.verdict in NAMED for row in some),
            "told": tally(some),
        }
    return found


def _places(rows: Sequence[Row]) -> dict[str, Any] | None:
    """How far off the told places are; of pairs whose places are known and that are told as related."""
    off = [row.off_s for row in rows if row.off_s is not None]
    if not off:
        return None
    return {
        "told": len(off),
        "median_s": float(np.median(off)),
        "p90_s": float(np.quantile(off, 0.9)),
        "within_1_s": float(np.mean(np.array(off) <= NEAR_S)),
    }


def chances(pools: dict[str, list[dict[str, float | None]]]) -> dict[str, Any]:
    both = {**pools, "held out": [one for name in HELD_OUT for one in pools[name]]}
    return {
        name: {
            of: measures.spread_of_chances([told for one in every if (told := one[of]) is not None]) for of in every[0]
        }
        for name, every in both.items()
    }
