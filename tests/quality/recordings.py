"""Recordings: is an excerpt recognised, whatever was done to it, is a stranger left alone, and is what is said true?

Excerpts of 3, 5 and 10 s of indexed tracks, each damaged in one way; samples of 5 to 10 s mixed with other music; a
minute that somebody cut into two others; strangers, short and long (`excerpts`, `damages`). Beside it chromaprint and
audfprint2 on the same files (`recognisers`). A peer's threshold is, of a grid, the one that finds most while it accepts
at most one of a hundred strangers, chosen on these very queries: that favours it. Ours is the one that ships.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binomtest

from models.fingerprint.recognise import kind_of
from tests.bench import report
from tests.quality.excerpts import SECONDS, Excerpt, excerpts, long_unknown, mixes, spliced, tracks, unknown
from tests.quality.recognisers import Answer, Audfprint, Chromaprint, Ours, audfprint_installed
from tests.quality.renditions import Rendition, needed

PLACED_S = 0.3  # a found place is the true one within
STRANGERS_SHARE = 0.01
GRIDS = {"chromaprint": np.arange(0.55, 0.96, 0.01), "audfprint2": np.arange(2, 60)}
PEERS_NEED = {"fpcalc": "libchromaprint-tools", "ffmpeg": "ffmpeg"}  # the second by audfprint2, to read its files
LENGTHS = (*map(str, SECONDS), "mix")


def measure() -> dict[str, Any]:
    for program, package in PEERS_NEED.items():
        needed(program, package)
    indexed, strangers = tracks()
    known = [*excerpts(indexed), *mixes(indexed, strangers)]
    others = list(unknown(strangers))
    ours = Ours()
    figures: dict[str, Any] = {
        "tracks": len(indexed),
        "strangers": len(strangers),
        "recipe": indexed[0].flac.parent.name,
        "index": ours.index(indexed),
        "ours": _ours(ours, known, others, dict(zip(ours.works, indexed, strict=True))),
        "long": _long(ours, indexed, strangers),
    }
    peers = [Chromaprint(), *([Audfprint()] if audfprint_installed() else [])]
    figures["peers"] = {peer.name: _peer(peer, indexed, known, others) for peer in peers}
    _print(figures)
    return figures


def picture(figures: dict[str, Any], path: Path) -> None:
    """Shares found, per cent: a row for each damage, a column for each length and system."""
    mpl.use("Agg")
    systems = {"soundtrace": figures["ours"], **figures["peers"]}
    conditions = list(figures["ours"]["found"])
    columns = [(name, length) for name in systems for length in LENGTHS]
    shares = [[systems[name]["found"][row].get(length, np.nan) for name, length in columns] for row in conditions]
    drawn, axes = plt.subplots(figsize=(9, 11))
    axes.imshow(np.array(shares, np.float64), cmap="RdYlGn", vmin=0, vmax=1, aspect="auto")
    for y, row in enumerate(shares):
        for x, share in enumerate(row):
            axes.text(x, y, "" if np.isnan(share) else f"{100 * share:.0f}", ha="center", va="center", fontsize=8)
    axes.set_xticks(range(len(columns)), [f"{name}\n{length}" for name, length in columns], fontsize=6)
    axes.set_yticks(range(len(conditions)), conditions, fontsize=8)
    axes.set_title(f"excerpts found among {figures['tracks']} tracks, %")
    drawn.tight_layout()
    drawn.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(drawn)


def _ours(
    ours: Ours, known: Sequence[Excerpt], others: Sequence[Excerpt], sources: dict[str, Rendition]
) -> dict[str, Any]:
    answers, cpu_s = [], []
    for number, query in enumerate([*known, *others]):
        _progress("soundtrace", number, len(known) + len(others))
        answers.append(ours.ask(query.samples))
        cpu_s.append(ours.cpu_s)
    found = [any(one.work == query.work for one in told) for query, told in zip(known, answers, strict=False)]
    wrong = [any(one.work != query.work for one in told) for query, told in zip(known, answers, strict=False)]
    right = [
        (query, [one for one in told if one.work == query.work])
        for query, told in zip(known, answers, strict=False)
        if any(one.work == query.work for one in told)
    ]
    return {
        "found": _shares(known, found),
        "wrong_track": _counted(wrong),
        "strangers": _counted([bool(told) for told in answers[len(known) :]]),
        "errors": _by_length(right, _errors),
        "kinds": _by_length(right, lambda rows: _kinds(rows, sources)),
        "cpu_ms": {
            length: _quantiles(
                1e3 * s for s, query in zip(cpu_s, [*known, *others], strict=True) if _length(query) == length
            )
            for length in LENGTHS
        },
    }


def _long(ours: Ours, indexed: Sequence[Rendition], strangers: Sequence[Rendition]) -> dict[str, Any]:
    """Two minutes that hold one of a track, and strangers of 20 s and more."""
    told: dict[str, Any] = {"strangers": {}}
    lasting: dict[str, list[bool]] = {}
    for number, query in enumerate(long_unknown(strangers)):
        _progress("long strangers", number, None)
        lasting.setdefault(f"{query.seconds:.0f}", []).append(bool(ours.ask(query.samples)))
    told["strangers"] = {seconds: _counted(accepted) for seconds, accepted in lasting.items()}
    right, cpu_s = [], []
    queries = list(spliced(indexed, strangers))
    for query in queries:
        mine = [one for one in ours.ask(query.samples) if one.work == query.work]
        cpu_s.append(ours.cpu_s)
        if mine:
            right.append((query, mine))
    told["spliced"] = {
        "queries": len(queries),
        "found": len(right),
        **_errors(right),
        "cpu_s": _quantiles(cpu_s),
    }
    return told


def _errors(right: Sequence[tuple[Excerpt, list[Answer]]]) -> dict[str, Any]:
    """Of those found at their true place; times in seconds, in the middle of what is shared."""
    rows = []
    honest = []
    for query, every in right:
        middle_s = (query.start_s + query.end_s) / 2
        best = min(every, key=lambda one: abs(_under_s(one, middle_s) - query.under_s(middle_s)))
        late_s = abs(_under_s(best, middle_s) - query.under_s(middle_s))
        if late_s > PLACED_S:
            continue
        told = best.recording
        tempo = abs(told.tempo_ratio / query.damage.tempo - 1)
        rows.append(
            (
                late_s,
                100 * tempo,
                100 * abs(told.transposition_semitones - query.damage.semitones),
                abs(told.query_start_s - query.start_s),
                abs(told.query_end_s - query.end_s),
            )
        )
        honest.append(tempo <= 2 * told.tempo_error)
    names = ("time_s", "tempo_percent", "transposition_cents", "start_s", "end_s")
    return {
        "placed": len(rows) / max(1, len(right)),
        **{name: _quantiles(column) for name, column in zip(names, zip(*rows, strict=True), strict=False)},
        "tempo_within_two_errors": float(np.mean(honest)) if honest else None,
    }


def _under_s(answer: Answer, query_s: float) -> float:
    return answer.under_s + answer.recording.tempo_ratio * query_s


def _kinds(right: Sequence[tuple[Excerpt, list[Answer]]], sources: dict[str, Rendition]) -> dict[str, float]:
    """How often the strongest alignment with the true track is called what it is."""
    hits = []
    for query, every in right:
        duration_s = len(query.samples) / 22_050
        kind = kind_of(every[0].recording, duration_s, float(sources[query.work].seconds[-1]))
        changed = query.damage.tempo != 1 or query.damage.semitones != 0
        truth = "same_recording_modified" if changed else "same_recording"
        hits.append(kind == ("sample" if query.end_s - query.start_s < 0.99 * duration_s else truth))
    return {"right": float(np.mean(hits)), "of": len(hits)}


def _peer(
    peer: Any, indexed: Sequence[Rendition], known: Sequence[Excerpt], others: Sequence[Excerpt]
) -> dict[str, Any]:
    sys.stderr.write(f"{peer.name}\n")
    began_s = _children_s()
    peer.index(indexed)
    indexed_s = _children_s()
    answers = peer.ask_all([*known, *others])
    asked_s = _children_s()
    scores = np.array([-np.inf if one is None else one.score for one in answers])
    own = np.array([one is not None and one.work == query.work for one, query in zip(answers, known, strict=False)])
    grid = []
    for threshold in GRIDS[peer.name]:
        accepted = scores >= threshold
        grid.append((float((own & accepted[: len(known)]).mean()), int(accepted[len(known) :].sum()), float(threshold)))
    allowed = [row for row in grid if row[1] <= STRANGERS_SHARE * len(others)]
    threshold = max(allowed, key=lambda row: row[0])[2]
    accepted = scores >= threshold
    sounding_s = sum(float(one.seconds[-1]) for one in indexed)
    return {
        "threshold": threshold,
        "grid": [{"threshold": at, "found": share, "strangers": count} for share, count, at in grid],
        "found": _shares(known, own & accepted[: len(known)]),
        "wrong_track": _counted(~own & accepted[: len(known)]),
        "strangers": _counted(accepted[len(known) :]),
        "index_times_real_time": sounding_s / max(indexed_s - began_s, 1e-3),
        "cpu_ms_per_query": 1e3 * (asked_s - indexed_s) / len(answers),
    }


def _children_s() -> float:
    """CPU seconds of this process and of all that it has waited for."""
    used = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _shares(known: Sequence[Excerpt], found: Iterable[bool]) -> dict[str, dict[str, float]]:
    cells: dict[str, dict[str, list[bool]]] = {}
    for query, hit in zip(known, found, strict=True):
        cells.setdefault(query.condition, {}).setdefault(_length(query), []).append(bool(hit))
    return {
        condition: {length: float(np.mean(hits)) for length, hits in row.items()} for condition, row in cells.items()
    }


def _by_length(
    right: Sequence[tuple[Excerpt, list[Answer]]], told: Callable[[Sequence[tuple[Excerpt, list[Answer]]]], Any]
) -> dict[str, Any]:
    return {length: told([row for row in right if _length(row[0]) == length]) for length in LENGTHS}


def _length(query: Excerpt) -> str:
    return str(query.seconds) if query.end_s == query.seconds and query.start_s == 0 else "mix"


def _counted(accepted: Sequence[bool] | np.ndarray) -> dict[str, float]:
    """How many, and a 95 % interval of the share (Clopper and Pearson)."""
    told = binomtest(int(np.sum(accepted)), len(accepted))
    low, high = told.proportion_ci(0.95, method="exact")
    return {"accepted": told.k, "of": told.n, "low": float(low), "high": float(high)}


def _quantiles(values: Iterable[float]) -> dict[str, float]:
    ordered = list(values)
    return {"median": report.percentile(ordered, 50), "p95": report.percentile(ordered, 95)} if ordered else {}


def _progress(what: str, number: int, every: int | None) -> None:
    sys.stderr.write(f"\r{what}: {number + 1}{'' if every is None else f' of {every}'} ")
    sys.stderr.flush()


def _print(figures: dict[str, Any]) -> None:
    ours, peers = figures["ours"], figures["peers"]
    header = ["found, %", *LENGTHS, *(f"{name} {length}" for name in peers for length in LENGTHS)]
    rows = []
    for condition, row in ours["found"].items():
        cells = [row.get(length) for length in LENGTHS]
        for peer in peers.values():
            cells += [peer["found"][condition].get(length) for length in LENGTHS]
        rows.append([condition, *(None if share is None else f"{100 * share:.0f}" for share in cells)])
    report.table(f"{figures['tracks']} tracks, {figures['index']['hours']:.2f} h", header, rows)
    rows = [
        [name, _interval(one["strangers"]), _interval(one["wrong_track"])]
        for name, one in {"soundtrace": ours, **peers}.items()
    ]
    report.table("accepted wrongly", ["", "strangers", "own query, wrong track"], rows)
    rows = [[f"{seconds} s", _interval(count)] for seconds, count in figures["long"]["strangers"].items()]
    report.table("long strangers accepted", ["", "strangers"], rows)
    names = ("time_s", "tempo_percent", "transposition_cents", "start_s", "end_s")
    told = {**ours["errors"], "60 s of 120": figures["long"]["spliced"]}
    rows = [
        [length, *(f"{row[name]['median']:.4f} / {row[name]['p95']:.4f}" if name in row else None for name in names)]
        for length, row in told.items()
    ]
    report.table("errors, median / p95", ["", *names], rows)
    rows = [[length, f"{100 * row['right']:.1f}", row["of"]] for length, row in ours["kinds"].items()]
    report.table("called what it is, %", ["", "right", "of"], rows)
    rows = [[length, row.get("median"), row.get("p95")] for length, row in ours["cpu_ms"].items()]
    report.table("CPU ms a query", ["", "p50", "p95"], rows)
    report.table("index", ["", "figure"], [[name, value] for name, value in figures["index"].items()])


def _interval(counted: dict[str, float]) -> str:
    low, high = 100 * counted["low"], 100 * counted["high"]
    return f"{counted['accepted']} of {counted['of']} ({low:.1f}–{high:.1f} %)"
