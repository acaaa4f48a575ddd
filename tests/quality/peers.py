"""The systems that an encoder is set beside: the published Qmax, essentia's, our own, and the classical windows.

A system hears each track once (`features`) and then scores many queries against many candidates (`scores`, larger is
more alike). Whoever can say which places of a pair are the same says so (`place`).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from models import align, card
from models.chroma import chroma
from models.hear import encode_track
from models.score import similarities
from tests.quality.changes import RATE_HZ, Samples, wav
from tests.quality.renditions import cache_folder

CARD = card.load("classical")
Scores = NDArray[np.float64]  # (queries, candidates)
Place = tuple[float, float]  # the same moment: seconds of the query, seconds of the candidate


@dataclass(frozen=True, slots=True)
class System:
    """What finds a work again.

    Attributes:
        name: in the tables.
        features: of one track, mono float32 at 22,050 Hz.
        scores: of queries against candidates, both what `features` gave.
        place: the middle of what it takes to be the same in query and candidate, None where it takes nothing to be.
    """

    name: str
    features: Callable[[Samples], Any]
    scores: Callable[[Sequence[Any], Sequence[Any]], Scores]
    place: Callable[[Any, Any], Place | None] | None = None


def pairwise(score: Callable[[Any, Any], float]) -> Callable[[Sequence[Any], Sequence[Any]], Scores]:
    """`scores` of a system that compares one pair at a time."""
    return lambda queries, candidates: np.array([[score(q, c) for c in candidates] for q in queries], np.float64)


# --- Qmax as published: Serra, Serra and Andrzejak 2009, "Cross recurrence quantification for cover song
# identification"


@dataclass(frozen=True, slots=True)
class Cens:
    """Mean chroma, (12,), and nine successive steps of CENS in each column, (108, steps), 2.7 steps a second."""

    mean: NDArray[np.float32]
    steps: NDArray[np.float32]


STEP_FRAMES = 16  # of librosa's CENS, 43 frames a second and smoothed over one second: 2.7 steps a second
STACK_STEPS = 9
NEIGHBOURS = 0.095


def cens(samples: Samples) -> Cens:
    frames = librosa.feature.chroma_cens(y=samples, sr=RATE_HZ)[:, ::STEP_FRAMES]
    return Cens(frames.mean(axis=1), librosa.feature.stack_memory(frames, n_steps=STACK_STEPS))


def published_qmax(query: Cens, candidate: Cens) -> float:
    """Qmax over the square root of the candidate's steps, after transposition by the mean chroma (OTI)."""
    shift = int(np.argmax([query.mean @ np.roll(candidate.mean, shift) for shift in range(12)]))
    stacked = np.roll(candidate.steps.reshape(STACK_STEPS, 12, -1), shift, axis=1).reshape(candidate.steps.shape)
    squares = (query.steps**2).sum(axis=0)[:, None] + (stacked**2).sum(axis=0) - 2 * query.steps.T @ stacked
    near = (squares <= _nearest(squares, 1)) & (squares <= _nearest(squares, 0))
    totals = librosa.sequence.rqa(near.astype(np.float32), gap_onset=5, gap_extend=0.5, backtrack=False)
    return float(totals.max() / np.sqrt(stacked.shape[1]))


def _nearest(distances: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """The distance that `NEIGHBOURS` of each row (axis 1) or column (axis 0) do not exceed."""
    place = int(NEIGHBOURS * distances.shape[axis])
    return np.partition(distances, place, axis=axis).take([place], axis=axis)


# --- our own classical encoder, as shipped: the only place here that knows how it is called


def classical_windows(samples: Samples) -> NDArray[np.float32]:
    return encode_track(wav(samples), CARD).latents


def harmony(samples: Samples) -> align.Harmony:
    cqt = encode_track(wav(samples), CARD).cqt
    return align.harmony(chroma(cqt, CARD.hearing), len(samples) / RATE_HZ, CARD.matching)


def _alignments(query: align.Harmony, candidates: Sequence[align.Harmony]) -> list[align.Alignment | None]:
    raised = align.transposed(query, CARD.matching)
    return [align.align(query, raised, candidate, CARD) for candidate in candidates]


def our_qmax(queries: Sequence[align.Harmony], candidates: Sequence[align.Harmony]) -> Scores:
    rows = [[found.score if found else 0.0 for found in _alignments(query, candidates)] for query in queries]
    return np.array(rows, np.float64)


def our_place(query: align.Harmony, candidate: align.Harmony) -> Place | None:
    """The middle of the aligned stretch, whether or not it carries a verdict."""
    (found,) = _alignments(query, [candidate])
    if found is None:
        return None
    return (found.query_start_s + found.query_end_s) / 2, (found.candidate_start_s + found.candidate_end_s) / 2


# --- windows of latents, of whatever encoder


def max_then_mean(queries: Sequence[NDArray[np.float32]], candidates: Sequence[NDArray[np.float32]]) -> Scores:
    """Mean over the windows of each one's best in the other track, and the mean of both directions.

    Args:
        queries, candidates: latents, float32 (windows, dim), rows of unit length or zeros. No windows score 0.
    """
    scores = np.zeros((len(queries), len(candidates)))
    for i, query in enumerate(queries):
        for j, candidate in enumerate(candidates):
            if len(query) and len(candidate):
                alike = similarities(query, candidate)
                scores[i, j] = (alike.max(axis=1).mean() + alike.max(axis=0).mean()) / 2
    return scores


def best_windows(hop_s: float, window_s: float) -> Callable[[Any, Any], Place | None]:
    """`place` of an encoder with such windows: the middle of the most similar pair."""

    def place(query: NDArray[np.float32], candidate: NDArray[np.float32]) -> Place | None:
        if not (len(query) and len(candidate)):
            return None
        alike = similarities(query, candidate)
        row, column = np.unravel_index(alike.argmax(), alike.shape)
        return float(row * hop_s + window_s / 2), float(column * hop_s + window_s / 2)

    return place


# --- essentia's cover song similarity, in an environment of its own

ESSENTIA = "essentia==2.1b6.dev1389"
ESSENTIA_SCRIPT = Path(__file__).with_name("essentia_scores.py")


def essentia_features(samples: Samples) -> str:
    """The name under which essentia finds this track: chroma is computed with the first scores, and kept."""
    name = hashlib.sha256(samples.tobytes()).hexdigest()[:32]
    folder = _essentia_folder()
    if not any((folder / f"{name}{suffix}").exists() for suffix in (".samples.npy", ".hpcp.npy")):
        np.save(folder / f"{name}.samples.npy", samples)
    return name


def essentia_scores(queries: Sequence[str], candidates: Sequence[str]) -> Scores:
    """One run of `essentia_scores.py`; the matrix of the same tracks is kept."""
    folder = _essentia_folder()
    asked = json.dumps([list(queries), list(candidates)])
    matrix = folder / f"{hashlib.sha256(asked.encode()).hexdigest()[:16]}.scores.npy"
    if not matrix.exists():
        subprocess.run([_essentia_python(), ESSENTIA_SCRIPT, folder, matrix], input=asked.encode(), check=True)
    return np.load(matrix)


def _essentia_folder() -> Path:
    """A folder for each version of essentia and of the script that calls it."""
    key = hashlib.sha256(ESSENTIA.encode() + ESSENTIA_SCRIPT.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / f"essentia-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _essentia_python() -> Path:
    return cache_folder() / ESSENTIA.replace("==", "-") / "bin" / "python"


def essentia_installed() -> bool:
    """Whether essentia can be run; the first time it is installed."""
    python = _essentia_python()
    commands = (
        [sys.executable, "-m", "venv", str(python.parents[1])],
        [str(python), "-m", "pip", "install", "--quiet", ESSENTIA],
    )
    check = [str(python), "-c", "import essentia.standard"]
    if python.exists() and subprocess.run(check, check=False, capture_output=True).returncode == 0:
        return True
    for command in commands:
        if subprocess.run(command, check=False).returncode:
            sys.stderr.write(f"{ESSENTIA} cannot be installed here: its column is left out\n")
            return False
    return True


PUBLISHED_QMAX = System("Qmax as published (CENS)", cens, pairwise(published_qmax))
OUR_QMAX = System("our Qmax", harmony, our_qmax, our_place)
CLASSICAL_WINDOWS = System(
    "our classical windows",
    classical_windows,
    max_then_mean,
    best_windows(CARD.hearing.window_hop_s, CARD.hearing.window_s),
)
ESSENTIA_QMAX = System("essentia's Qmax (HPCP)", essentia_features, essentia_scores)


def peers() -> list[System]:
    """All that can be run here."""
    found = [PUBLISHED_QMAX, OUR_QMAX, CLASSICAL_WINDOWS]
    return [*found, ESSENTIA_QMAX] if essentia_installed() else found
