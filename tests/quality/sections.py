"""Sections: where songs are cut, which parts are called the same, and which part of another performance each one is.

Thirty songs by rule and chance, two performances each (`section_songs`), once in bars of four and once of three beats.
Numbers were chosen on the tuning half of the former, the other half is reported. Recordings, each beside itself changed
in pitch, tempo and sound, and scores that people wrote, each beside a re-arrangement, had no part in that
(`section_recordings`). Strangers are pairs of other songs: those of one generator share chord progressions, those of
one game themes, so not all that is told of them is wrong.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from models.cqt import pooled_cqt
from models.section.align import aligned
from models.section.sections import HEARING, RATE_HZ, Structure, harmony_of_cqt, structure
from tests.bench import report
from tests.quality import section_recordings, section_songs
from tests.quality.renditions import Rendition
from tests.quality.section_judging import (
    Song,
    boundary_figures,
    cut_by_harmony,
    cut_by_us,
    cut_evenly,
    letter_figures,
    pair_figures,
    same_material,
    stranger_figures,
)

SEED = 20_261_121
STRANGERS = 10  # of each recording and score
COVERED = 0.5  # of the shorter of two sections, where they are the same stretch
REPEATED, OTHER = 0.6, 0.3  # shares of equal notes from which on, and up to which, stretches of a score are the same
CUTS = {"every 20 s": cut_evenly, "Foote, harmony": cut_by_harmony, "ours": cut_by_us}


def measure() -> dict[str, Any]:
    songs = [Song(played, structure(played.samples())) for played in section_songs.renditions()]
    waltzes = [Song(played, structure(played.samples())) for played in section_songs.renditions(3.0)]
    halves = {
        "tuning": [song for song in songs if song.played.tuning],
        "reported": [song for song in songs if not song.played.tuning],
    }
    halves["reported, hard"] = [song for song in halves["reported"] if song.played.hard]
    sets = {**halves, "bars of three": waltzes}
    figures: dict[str, Any] = {
        "songs": {name: len(some) for name, some in sets.items()},
        "boundaries": {
            name: {how: boundary_figures(some, cut) for how, cut in CUTS.items()} for name, some in sets.items()
        },
        "letters": {name: letter_figures(some) for name, some in sets.items()},
        "pairs": {name: _song_pairs(some) for name, some in sets.items()},
    }
    for name, renditions in (("recordings", section_recordings.recordings()), ("scores", section_recordings.scores())):
        heard = [structure(one.samples()) for one in renditions]
        figures["pairs"][name] = _rendition_pairs(renditions, heard, with_notes=name == "scores")
        figures["letters"][name] = _repeated_letters(renditions, heard, with_notes=name == "scores")
    figures["cost"] = _cost(songs)
    _tell(figures)
    return figures


def picture(figures: dict[str, Any], path: Path) -> None:
    """How alike sections are to their counterparts, and to the best that strangers have."""
    mpl.use("Agg")
    drawn, axis = plt.subplots(figsize=(8, 4.5))
    names = list(figures["pairs"])
    for side, (key, part, colour) in enumerate(
        (("related", "similarity_of_right", "tab:blue"), ("strangers", "similarity_of_best", "tab:red"))
    ):
        for place, name in enumerate(names):
            spread = figures["pairs"][name][key][part]
            at = place + 0.18 * (2 * side - 1)
            axis.plot([at, at], [spread["5"], spread["95"]], color=colour, linewidth=1.5)
            axis.plot([at, at], [spread["25"], spread["75"]], color=colour, linewidth=7, solid_capstyle="butt")
            axis.plot(at, spread["50"], "w_", markersize=7)
    axis.set(xticks=range(len(names)), xticklabels=names, ylim=(-0.02, 1), ylabel="similarity of sections")
    axis.set_title("blue: with the right one; red: with the best of a stranger (5, 25, 50, 75, 95 %)", fontsize=10)
    axis.grid(alpha=0.3, axis="y")
    drawn.tight_layout()
    drawn.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(drawn)


def _song_pairs(songs: Sequence[Song]) -> dict[str, Any]:
    both = [(first, second) for first, second in zip(songs[::2], songs[1::2], strict=True)]
    directed = [*both, *((second, first) for first, second in both)]
    strangers = [(a.found, b.found) for a in songs[::2] for b in songs[1::2] if a.played.song != b.played.song]
    cuts = {"related": lambda song: song.found, "related, true cuts": lambda song: song.true_structure}
    made = {
        name: [(cut(a), cut(b), same_material(a, b, (cut(a), cut(b)))) for a, b in directed]
        for name, cut in cuts.items()
    }
    return {**{name: pair_figures(pairs) for name, pairs in made.items()}, "strangers": stranger_figures(strangers)}


def _rendition_pairs(renditions: Sequence[Rendition], heard: Sequence[Structure], with_notes: bool) -> dict[str, Any]:
    """Originals with their changed selves, both ways, and with other works."""
    related = []
    for at in range(0, len(renditions), 2):
        for query, candidate in ((at, at + 1), (at + 1, at)):
            mine, theirs = (_places(renditions[side], heard[side]) for side in (query, candidate))
            truth = np.array([[_covered(first, second) >= COVERED for second in theirs] for first in mine])
            if with_notes:
                original = renditions[at]
                spans_s = [tuple(np.interp(span, original.beats, original.seconds)) for span in [*mine, *theirs]]
                shared = section_recordings.repeated(original, spans_s)[: len(mine), len(mine) :]
                truth |= shared >= REPEATED
            related.append((heard[query], heard[candidate], truth))
    rng = np.random.default_rng(SEED)
    originals = range(0, len(renditions), 2)
    strangers = [
        (heard[at + 1], heard[other])
        for at in originals
        for other in rng.choice([o for o in originals if o != at], STRANGERS, replace=False)
    ]
    return {"related": pair_figures(related), "strangers": stranger_figures(strangers)}


def _places(rendition: Rendition, found: Structure) -> list[tuple[float, float]]:
    """Sections in beats of the work."""
    return [
        tuple(np.interp([section.start_s, section.end_s], rendition.seconds, rendition.beats).tolist())
        for section in found.sections
    ]


def _covered(first: tuple[float, float], second: tuple[float, float]) -> float:
    """What two stretches share, of the shorter one."""
    shared = min(first[1], second[1]) - max(first[0], second[0])
    return shared / max(min(first[1] - first[0], second[1] - second[0]), 1e-9)


def _repeated_letters(renditions: Sequence[Rendition], heard: Sequence[Structure], with_notes: bool) -> dict[str, Any]:
    """How often letters return; in scores, how many of those sections repeat notes, and how many that do are told."""
    returning, sections, told_repeated, told_other, repeated = 0, 0, 0, 0, 0
    for rendition, found in zip(renditions, heard, strict=True):
        labels = [section.label for section in found.sections]
        sections += len(labels)
        returning += sum(labels.count(label) > 1 for label in labels)
        if not with_notes:
            continue
        shared = section_recordings.repeated(rendition, [(part.start_s, part.end_s) for part in found.sections])
        for row, column in zip(*np.triu_indices(len(labels), 1), strict=True):
            same = labels[row] == labels[column]
            repeated += bool(shared[row, column] >= REPEATED)
            told_repeated += bool(same and shared[row, column] >= REPEATED)
            told_other += bool(same and shared[row, column] < OTHER)
    figures = {"sections": sections / len(heard), "returning": returning / sections}
    if not with_notes:
        return figures
    return figures | {
        "precision": told_repeated / max(told_repeated + told_other, 1),
        "recall": told_repeated / max(repeated, 1),
        "repeated_pairs": repeated,
    }


def _cost(songs: Sequence[Song]) -> dict[str, float]:
    """Processor time of a dozen songs, and bytes as they would be stored."""
    some = songs[:12]
    samples = [song.played.samples() for song in some]
    hours = sum(len(one) for one in samples) / RATE_HZ / 3_600
    spent = [time.process_time()]
    cqts = [pooled_cqt(one, HEARING) for one in samples]
    spent.append(time.process_time())
    found = [structure(one, cqt) for one, cqt in zip(samples, cqts, strict=True)]
    spent.append(time.process_time())
    for cqt, one in zip(cqts, found, strict=True):
        harmony_of_cqt(cqt, one.beats_s)
    spent.append(time.process_time())
    for query, candidate in pairwise(found):
        aligned(query, candidate)
    spent.append(time.process_time())
    transform_s, structure_s, harmony_s, pairs_s = np.diff(spent).tolist()
    return {
        "cqt_x_realtime": 3_600 * hours / transform_s,
        "structure_from_stored_cqt_x_realtime": 3_600 * hours / structure_s,
        "structure_x_realtime": 3_600 * hours / (transform_s + structure_s),
        "harmony_of_a_stem_from_its_cqt_x_realtime": 3_600 * hours / harmony_s,
        "pair_ms": 1_000 * pairs_s / (len(found) - 1),
        "harmony_bytes_per_hour": sum(one.harmony.nbytes for one in found) / hours,
        "beats_bytes_per_hour": sum(one.beats_s.nbytes for one in found) / hours,
    }


def _tell(figures: dict[str, Any]) -> None:
    rows = [
        [f"{name}: {how}", *(f"{row[key]:.3f}" for key in ("hr.5f", "hr3f", "precision_3", "recall_3"))]
        for name, cuts in figures["boundaries"].items()
        for how, row in cuts.items()
    ]
    report.table("boundaries", ["songs", "HR.5F", "HR3F", "P at 3 s", "R at 3 s"], rows)
    keys = ("pairwise_f", "label_error", "sections_right", "confidence_mean", "functions_right")
    rows = [
        [name, *(f"{row[key]:.3f}" for key in keys)] for name, row in figures["letters"].items() if "pairwise_f" in row
    ]
    header = ["songs", "pairwise F", "label error", "sections right", "said", "functions right"]
    report.table("letters", header, rows)
    keys = ("best_is_right", "chance", "any_told", "sections_told", "told_right")
    rows = [
        [f"{name}: {how}", *(f"{row[key]:.3f}" if row.get(key) is not None else None for key in keys)]
        for name, pairs in figures["pairs"].items()
        for how, row in pairs.items()
    ]
    header = ["pairs", "best is right", "chance", "any told", "sections told", "of them right"]
    report.table("section with section", header, rows)
    for name in ("recordings", "scores"):
        print(name, report.rounded(figures["letters"][name]))
    print("cost", report.rounded(figures["cost"]))
