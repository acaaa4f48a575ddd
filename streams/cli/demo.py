"""`soundtrace demo`: start, take in real audio, ask, and tell whether the answers are the expected ones.

Without a folder it asks about the clips in ops/clips, of which the manifest knows the truth. One piece is held out of
the dataset: it is the stranger. With a folder there is no truth to tell, only answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.ingest import ingest_all, summary
from streams.cli.matches import carrying, filename, moved, show
from streams.cli.search import answer
from streams.errors import Invalid, SoundtraceError

if TYPE_CHECKING:
    from streams.cli.place import Server

Match = dict[str, Any]

CLIPS = Path(__file__).resolve().parents[2] / "ops" / "clips"
DATASET = "demo"
STRANGER = "brahms-lullaby--celesta-and-harp.m4a"
PAIR = ("ode-to-joy--string-quartet.m4a", "ode-to-joy--brass-march.m4a")
COPIED, SEMITONES, TEMPO = "fur-elise--solo-piano.m4a", 3, 1.1
EXCERPTED, START_S, END_S = "silent-night--guitar-and-choir.m4a", 12.0, 24.0
UNRELATED = ("style_only", "no_relation")
NEAR_S, NEAR_TEMPO = 2.0, 0.06  # how exact a place and a tempo must be to count as found


@dataclass(frozen=True, slots=True)
class Question:
    """A search, and `judge`, which tells from the entries of its queries whether they are as expected."""

    title: str
    asked: str
    expected: str
    judge: Callable[[list[dict[str, Any]]], str]
    query: str | None = None
    candidate: str | None = None
    source: str | None = None


def demo(folder: Annotated[Path | None, typer.Argument(help="Your own audio, instead of the clips.")] = None) -> None:
    """Start, ingest real audio and search it: a tour."""
    from streams.cli.files import audio_files
    from streams.cli.place import configured, server

    began_s = time.monotonic()
    suffixes = configured().upload_formats
    files = audio_files([str(folder or CLIPS)], suffixes)
    if not files:
        raise Invalid(f"there is no audio file in {folder or CLIPS}", f"name a folder with {' '.join(suffixes)} in it")
    if not os.environ.get("SOUNDTRACE_API_URL"):
        from streams.cli.up import start

        start()
    at = server()
    well = _own(at, files, folder.resolve().name) if folder else _clips(at, files)
    typer.echo(f"\n{time.monotonic() - began_s:.1f} s in all. Go on with your own, or stop:")
    typer.echo("  ops/demo FOLDER")
    typer.echo("  .venv/bin/soundtrace ingest FOLDER --dataset mine")
    typer.echo("  .venv/bin/soundtrace search FILE --in mine")
    typer.echo("  .venv/bin/soundtrace down")
    if not well:
        raise typer.Exit(1)


def _clips(at: Server, files: list[Path]) -> bool:
    well = _ingest(at, [file for file in files if file.name != STRANGER], DATASET)
    truth = {clip["file"]: clip for clip in json.loads((CLIPS / "manifest.json").read_text())}
    with tempfile.TemporaryDirectory() as made:
        for question in _questions(truth, Path(made)):
            well = _ask(at, question) and well
    return well


def _own(at: Server, files: list[Path], dataset: str) -> bool:
    well = _ingest(at, files, dataset)
    body = {"search_type": "1:n", "candidate_dataset_name": dataset, "limit": 3}
    for file in files[:: max(1, len(files) // 3)][:3]:
        typer.echo(f"\n1:n  {file.name} in '{dataset}': first itself, then what resembles it")
        job = asyncio.run(answer(at, "type2", body, str(file)))
        show((job["results"] or {"results": []})["results"])
        well = well and job["status"] == "completed"
    return well


def _ingest(at: Server, files: list[Path], dataset: str) -> bool:
    began_s = time.monotonic()
    done = asyncio.run(ingest_all(at, files, dataset, "type2", files_per_job=10))
    typer.echo(summary(dataset, done, time.monotonic() - began_s))
    for file in done:
        if file.error:
            typer.echo(f"  {file.path}: {file.error['message']}")
    return not any(file.error for file in done)


def _questions(truth: dict[str, dict[str, Any]], made: Path) -> Iterator[Question]:
    from streams.cli import demo_audio

    query, candidate = (truth[name] for name in PAIR)
    semitones = query["transposition_semitones"] - candidate["transposition_semitones"]
    tempo = query["tempo_bpm"] / candidate["tempo_bpm"]
    yield Question(
        "1:1  the same piece in another arrangement",
        f"{PAIR[0]} ↔ {PAIR[1]}",
        f"same_composition, transposition {semitones:+d}, tempo ×{tempo:.2f}",
        lambda entries: _said(_is_moved(_best(entries), PAIR[1], semitones, tempo)),
        query=str(CLIPS / PAIR[0]),
        candidate=str(CLIPS / PAIR[1]),
    )
    copy = made / "copy.wav"
    demo_audio.write_moved(CLIPS / COPIED, copy, SEMITONES, TEMPO)
    yield Question(
        "1:n  a copy, three semitones higher and a tenth faster",
        f"a changed copy of {COPIED}, in '{DATASET}'",
        f"{COPIED}, transposition {SEMITONES:+d}, tempo ×{TEMPO:.2f}",
        lambda entries: _said(_is_moved(_best(entries), COPIED, SEMITONES, TEMPO)),
        query=str(copy),
    )
    excerpt = made / "excerpt.wav"
    demo_audio.write_excerpt(CLIPS / EXCERPTED, excerpt, START_S, END_S)
    yield Question(
        "1:n  an excerpt",
        f"{START_S:.0f}–{END_S:.0f} s of {EXCERPTED}, in '{DATASET}'",
        f"{EXCERPTED}, the query's seconds {START_S:.0f} s later in it",
        lambda entries: _said(_is_cut(_best(entries))),
        query=str(excerpt),
    )
    yield Question(
        "1:n  a stranger",
        f"{STRANGER}, of whose piece nothing is in '{DATASET}'",
        "nothing better than style_only",
        lambda entries: _said(_best(entries)["verdict"] in UNRELATED),
        query=str(CLIPS / STRANGER),
    )
    piece = {name: clip["composition"] for name, clip in truth.items() if name != STRANGER}
    paired = {name for name in piece if list(piece.values()).count(piece[name]) > 1}
    yield Question(
        "m:n  all against all, one match each",
        f"'{DATASET}' in '{DATASET}'",
        f"each of the {len(paired)} clips that have one finds another arrangement, and calls it same_composition",
        lambda entries: _count(entries, piece, paired),
        source=DATASET,
    )


def _ask(at: Server, question: Question) -> bool:
    """Whether it was answered at all; what was answered is told."""
    body: dict[str, Any] = {"search_type": question.title[:3], "limit": 1 if question.source else 3}
    if not question.candidate:
        body["candidate_dataset_name"] = DATASET
    if question.source:
        body["query_dataset_name"] = question.source
    typer.echo(f"\n{question.title}\n  asked     {question.asked}\n  expected  {question.expected}")
    began_s = time.monotonic()
    try:
        job = asyncio.run(answer(at, "type2", body, question.query, question.candidate))
    except SoundtraceError as error:
        typer.echo(f"  answered  no: {error}")
        return False
    took_s = time.monotonic() - began_s
    if job["status"] != "completed":
        typer.echo(f"  answered  no: the search {job['status']}: {job['error']}")
        return False
    entries = job["results"]["results"]
    for entry in entries:
        for match in entry["matches"]:
            asked = f"{filename(entry['query_audio_id'])} ↔ " if question.source else ""
            where, transposition, tempo = moved(carrying(match))
            told = f"{match['payload']['filename']}, {match['verdict']}, score {match['score']:.3f}"
            typer.echo(f"  answered  {asked}{told}, {where}, transposition {transposition}, tempo {tempo}")
    typer.echo(f"  judged    {question.judge(entries)}, after {took_s:.1f} s")
    return True


def _best(entries: list[dict[str, Any]]) -> Match:
    match: Match = entries[0]["matches"][0]
    return match


def _is_moved(match: Match, name: str, semitones: int, tempo: float) -> bool:
    return match["payload"]["filename"] == name and any(
        evidence["transposition_semitones"] % 12 == semitones % 12
        and abs(evidence["tempo_ratio"] / tempo - 1) <= NEAR_TEMPO
        for evidence in match["evidence"]
    )


def _is_cut(match: Match) -> bool:
    return match["payload"]["filename"] == EXCERPTED and any(
        abs(evidence["candidate_start_s"] - evidence["query_start_s"] - START_S) <= NEAR_S
        for evidence in match["evidence"]
    )


def _count(entries: list[dict[str, Any]], piece: dict[str, str], paired: set[str]) -> str:
    """For how many clips the nearest is another arrangement, for how many it is also called one, and the rest."""
    best = {filename(entry["query_audio_id"]): _best([entry]) for entry in entries}
    found = {name for name in paired if name in best and piece.get(filename(best[name]["id"])) == piece[name]}
    called = {name for name in found if best[name]["verdict"] not in UNRELATED}
    if called == paired:
        return _said(True)
    wrong = ", ".join(sorted(paired - found)) or "none"
    return f"of {len(paired)} found {len(found)}, called same_composition {len(called)}; another piece nearer: {wrong}"


def _said(as_expected: bool) -> str:
    return "as expected" if as_expected else "NOT as expected"
