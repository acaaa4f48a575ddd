"""Borrowed melodies: are they found in any key and tempo among 1,000 tracks, and is what is no theft called none?

Queries are solos of tunes, their bands, and tunes that borrow eight bars; what is found is the same tune otherwise
(`motif_bands`). By chains of notes alone, and rescored by the contour among the best 50. On mixes, on the melody's own
stem, and on voices that were separated. Then what strangers reach, of several kinds, and what a track repeats itself.
Thresholds were fitted on the first seed (`models.motif.chance`); the tunes of the second are others.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models import separators
from models.motif import salience
from models.motif.chains import rows
from models.motif.chance import Layer
from models.motif.motifs import Heard, compare, motifs
from models.separate import separate
from models.training.__main__ import cache_folder
from models.training.tunes import tunes
from streams.stores.segments import ROW_BYTES
from tests.bench import report
from tests.quality import motif_bands, openmsx, wesnoth
from tests.quality.changes import RATE_HZ
from tests.quality.motif_bands import Corpus
from tests.quality.motif_search import CANDIDATES, catalogue, heard, is_shared, places, search, told
from tests.quality.motif_tunes import Range, Tune
from tests.quality.renditions import Rendition

SEEDS = (1, 2)
FILLERS = 882  # with the 118 of a seed: 1,000 tracks
STRANGERS = 400  # pairs of each kind
RELATIVES = 8  # steps in a row: tunes that share so many are relatives, and no strangers
SAME_NOTES = 0.6  # of a passage's notes again: it is the same melody; of passages by chance 0.29
Pair = tuple[Heard, Heard]


class Task(NamedTuple):
    """Query i is a rendition of the tune of reference i; the other references, and the fillers, are not asked for."""

    layer: Layer
    queries: Sequence[Heard]
    references: Sequence[Heard]
    asked: Sequence[motif_bands.Heard]
    true: Sequence[motif_bands.Heard]
    fillers: str


def measure() -> dict[str, Any]:
    compositions = tunes(cache_folder())
    fillers: dict[str, list[Heard]] = {"mix": [], "melody": []}
    for at, one in enumerate(motif_bands.fillers(compositions, FILLERS)):
        sys.stderr.write(f"\rfiller {at + 1} of {FILLERS}")
        sounds = one.layers()
        for layer, kept in fillers.items():
            kept.append(heard(sounds[layer]))
    figures: dict[str, Any] = {"candidates": CANDIDATES, "cost": cost(fillers["mix"])}
    for seed in SEEDS:
        corpus = motif_bands.corpus(compositions, seed)
        parts = {
            "tasks": {name: answered(task, fillers) for name, task in tasks(corpus, seed).items()},
            "strangers": strangers(corpus, seed),
            "repeats": repeats(corpus, seed),
        }
        figures[f"seed {seed}"] = parts
        _tell(parts, f"seed {seed}")
    figures["recordings"] = {
        "games' pieces (OpenMSX)": recorded(openmsx.renditions()),
        "orchestral recordings (Wesnoth)": recorded(wesnoth.renditions()),
    }
    _tell_strangers(figures["recordings"], "recordings and games' pieces")
    return figures


def tasks(corpus: Corpus, seed: int) -> dict[str, Task]:
    """Solos and borrowings in bands, by the mix and by stems; sung ones for every second tune."""
    count = len(corpus.tunes)
    sung = [
        motif_bands.sung(one, band, seed, cache_folder())
        for one, band in zip(corpus.tunes[::2], corpus.bands[:count:2], strict=True)
    ]
    solos, bands = _of(corpus.solos), _of(corpus.bands)
    catalogued = [*bands, *_of(corpus.harmonies)]
    melodies, borrowed = _of(corpus.bands, "melody"), corpus.borrowings
    every, half, others = corpus.solos[:count], corpus.solos[:count:2], melodies[count:]
    apart = [heard(separate(one.layers()["mix"], RATE_HZ, separators.load("unet"))["vocals"]) for one in sung]
    return {
        "solo in bands": Task("mix", solos, catalogued, every, corpus.bands, "mix"),
        "band in solos": Task("mix", bands, solos, corpus.bands[:count], corpus.solos, "melody"),
        "borrowed in bands": Task("mix", _of(borrowed), catalogued, borrowed, corpus.bands, "mix"),
        "solo in melody stems": Task("stem", solos, melodies, every, corpus.bands, "melody"),
        "borrowed in stems": Task("stem", _of(borrowed, "melody"), melodies, borrowed, corpus.bands, "melody"),
        "solo in sung mixes": Task("mix", solos[:count:2], [*_of(sung), *bands[count:]], half, sung, "mix"),
        "solo in voices": Task("stem", solos[:count:2], [*_of(sung, "melody"), *others], half, sung, "melody"),
        "solo in separated voices": Task("stem", solos[:count:2], [*apart, *others], half, sung, "melody"),
    }


def answered(task: Task, fillers: dict[str, list[Heard]]) -> dict[str, Any]:
    """In the catalogue by itself, and among 1,000 tracks."""
    found = {}
    for name, more in (("alone", []), ("among 1,000", fillers[task.fillers])):
        stock = catalogue([*task.references, *more])
        answers = [search(task.queries[at], stock, at) for at in range(len(task.asked))]
        found[name] = told(answers, task.queries, stock, task.layer) | places(answers, task.asked, task.true)
    return found


def strangers(corpus: Corpus, seed: int) -> dict[str, Any]:
    """Pairs that share no melody, by kind: how often one is called a shared motif, which each is looked at for."""
    rng = np.random.default_rng(seed)
    solos, bands, borrowed = _of(corpus.solos), _of(corpus.bands), _of(corpus.borrowings)
    melodies, rests = _of(corpus.bands, "melody"), _of(corpus.bands, "rest")
    steps = [_steps(one) for one in (*corpus.tunes, *corpus.others)]

    def unlike(queries: list[Heard], references: list[Heard]) -> list[Pair]:
        pairs: list[Pair] = []
        while len(pairs) < STRANGERS:
            at, other = int(rng.integers(len(queries))), int(rng.integers(len(references)))
            if at != other and not steps[at] & steps[other]:
                pairs.append((queries[at], references[other]))
        return pairs

    def same_chords(queries: list[Heard], those: Sequence[motif_bands.Heard], layer: str = "mix") -> list[Pair]:
        return list(zip(queries[: len(corpus.tunes) : 2], _of(those, layer), strict=True))

    harmonies, progressions = corpus.harmonies, corpus.progressions
    kinds: dict[str, tuple[Layer, list[Pair]]] = {
        "solo, band": ("mix", unlike(solos, bands)),
        "band, band": ("mix", unlike(bands, bands)),
        "borrowed, band": ("mix", unlike(borrowed, bands)),
        "melody stems": ("stem", unlike(melodies, melodies)),
        "accompaniments": ("accompaniment", unlike(rests, rests)),
        "same chords: solo, band": ("mix", same_chords(solos, progressions)),
        "same chords: band, band": ("mix", same_chords(bands, progressions)),
        "same chords: borrowed, band": ("mix", same_chords(borrowed, progressions)),
        "same chords: melody stems": ("stem", same_chords(melodies, progressions, "melody")),
        "same chords: accompaniments": ("accompaniment", same_chords(rests, progressions, "rest")),
        "same backing: solo, band": ("mix", same_chords(solos, harmonies)),
        "same backing: band, band": ("mix", same_chords(bands, harmonies)),
        "same backing: melody stems": ("stem", same_chords(melodies, harmonies, "melody")),
    }
    return {name: _called(pairs, layer) for name, (layer, pairs) in kinds.items()}


def recorded(renditions: Sequence[Rendition]) -> dict[str, Any]:
    """Music of others: originals against changed versions of the same work, and of other works."""
    rng = np.random.default_rng(0)
    originals = [heard(one.samples()) for one in renditions if one.index == 0]
    changed = [heard(one.samples()) for one in renditions if one.index == 1]
    chosen = [rng.choice(len(originals), 2, replace=False) for _ in range(STRANGERS)]
    return {
        "same work": _called(list(zip(originals, changed, strict=True)), "mix"),
        "strangers": _called([(originals[at], changed[other]) for at, other in chosen], "mix"),
    }


def repeats(corpus: Corpus, seed: int) -> dict[str, float]:
    """Tracks in which eight bars return: are they found, and is what is found the same melody again?"""
    count, found, right, spent_s = len(corpus.tunes), [], [], 0.0
    for at, one in enumerate(corpus.tunes):
        parts = one, corpus.tunes[(at + 5) % count], corpus.others[at % len(corpus.others)]
        rendition, melody, (first, again) = motif_bands.returning(parts, seed)
        track = heard(rendition.layers()["mix"])
        started_s = time.process_time()
        own = motifs(track.events, track.contour)
        spent_s += time.process_time() - started_s
        found.append(any(all(_holds(motif.occurrences, bars) for bars in (first, again)) for motif in own))
        for motif in own:
            right += [_same_notes(melody, motif.occurrences[0], other) for other in motif.occurrences[1:]]
    return {
        "tracks": count,
        "found": float(np.mean(found)),
        "repeats_told": len(right),
        "same_melody": float(np.mean(np.array(right) >= SAME_NOTES)),
        "cpu_ms": 1_000 * spent_s / count,
    }


def cost(tracks: Sequence[Heard]) -> dict[str, float]:
    """What an hour of bands takes: rows, bytes; and how fast it is heard."""
    hours = sum(one.duration_s for one in tracks) / 3_600
    count = sum(len(rows(one.events)[0]) for one in tracks)
    noise = np.random.default_rng(0).normal(0, 0.1, 240 * RATE_HZ).astype(np.float32)
    started_s = time.process_time()
    salience.events_and_contour(noise)
    return {
        "rows_an_hour": count / hours,
        "rows_mb_an_hour": ROW_BYTES * count / hours / 1e6,
        "events_an_hour": sum(len(one.events) for one in tracks) / hours,
        "events_mb_an_hour": sum(one.events.nbytes for one in tracks) / hours / 1e6,
        "contour_mb_an_hour": sum(one.contour.nbytes for one in tracks) / hours / 1e6,
        "heard_times_real_time": 240 / (time.process_time() - started_s),
    }


def _of(those: Iterable[motif_bands.Heard], layer: str = "mix") -> list[Heard]:
    return [heard(one.layers()[layer]) for one in those]


def _called(pairs: Sequence[Pair], layer: Layer) -> dict[str, float]:
    best = [max((one.evidence for one in compare(*pair)), default=0.0) for pair in pairs]
    called = [is_shared(evidence, *pair, layer) for evidence, pair in zip(best, pairs, strict=True)]
    return {
        "pairs": len(pairs),
        "called": int(np.sum(called)),
        **{f"evidence_{percent}": float(np.percentile(best, percent)) for percent in (50, 90, 99)},
    }


def _steps(of: Tune) -> set[tuple[int, ...]]:
    moves = np.diff(of.melody[:, 2].astype(int))
    moves = moves[moves != 0]
    return {tuple(moves[at : at + RELATIVES].tolist()) for at in range(len(moves) - RELATIVES + 1)}


def _holds(occurrences: Sequence[Range], bars: Range) -> bool:
    """Whether some occurrence covers a third of these bars."""
    return any(min(end, bars[1]) - max(start, bars[0]) >= (bars[1] - bars[0]) / 3 for start, end in occurrences)


def _same_notes(melody: NDArray[np.float64], one: Range, other: Range) -> float:
    """The share of the notes in one range that the other has in its place, all by as many semitones higher or lower."""
    times_s, pitches = melody[:, 0], melody[:, 2]
    inside = (times_s >= one[0] - 0.05) & (times_s < one[1] - 0.05)
    pace = (other[1] - other[0]) / (one[1] - one[0])
    expected_s = other[0] + (times_s[inside] - one[0]) * pace
    near = np.abs(times_s - expected_s[:, None]) < 0.2
    apart = (pitches - pitches[inside][:, None]) % 12
    return max(float(np.mean((near & (apart == raised)).any(axis=1))) for raised in range(12))


def _tell(parts: dict[str, Any], title: str) -> None:
    keys = ("tracks", "votes_top1", "recall_20", "recall_50", "top1", "map", "called_shared", "middle_within_half_s")
    lines = []
    for name, sizes in parts["tasks"].items():
        for size, row in sizes.items():
            lines.append([f"{name}, {size}", *(f"{row[key]:.2f}" for key in keys), f"{row['cpu_ms']['all']:.0f}"])
    header = ["task", "tracks", "votes top-1", "@20", "@50", "top-1", "MAP", "called", "place", "ms"]
    report.table(title, header, lines)
    _tell_strangers({title: parts["strangers"]}, f"{title}: no melody in common")
    print(parts["repeats"])


def _tell_strangers(kinds: dict[str, dict[str, Any]], title: str) -> None:
    lines = [
        [
            f"{name}: {kind}",
            *(f"{row[key]:.1f}" for key in ("evidence_50", "evidence_90", "evidence_99")),
            f"{row['called']} of {row['pairs']}",
        ]
        for name, of in kinds.items()
        for kind, row in of.items()
    ]
    report.table(title, ["pairs", "evidence 50 %", "90 %", "99 %", "called shared"], lines)
