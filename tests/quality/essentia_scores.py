"""Run by `peers.essentia_scores` with the Python of essentia's own environment: `essentia_scores.py FOLDER MATRIX`.

Reads the names of queries and candidates, [[…], […]], as JSON from its input, each track's samples (22,050 Hz) or the
chroma of an earlier run from FOLDER, and writes the scores, (queries, candidates), larger is more alike, to MATRIX.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import essentia
import numpy as np

essentia.log.infoActive = False

import essentia.standard as es  # noqa: E402  (what it says while it is imported is switched off above)
from essentia.pytools.spectral import hpcpgram  # noqa: E402

RATE_HZ = 22_050
ESSENTIA_HZ = 44_100  # what its chroma is made for
STEP_FRAMES = 8  # medians of so many frames of 46 ms, 2.7 steps a second: the published rate, and what it can afford
STACK_STEPS = 9


def hpcp(folder: Path, name: str) -> np.ndarray:
    """Chroma, float32 (steps, 12), each step's greatest 1. What is shorter than two stacks is repeated."""
    kept, samples = folder / f"{name}.hpcp.npy", folder / f"{name}.samples.npy"
    if not kept.exists():
        resample = es.Resample(inputSampleRate=RATE_HZ, outputSampleRate=ESSENTIA_HZ, quality=1)
        frames = hpcpgram(resample(np.load(samples)), sampleRate=ESSENTIA_HZ)
        whole = len(frames) // STEP_FRAMES * STEP_FRAMES
        steps = np.median(frames[:whole].reshape(-1, STEP_FRAMES, 12), axis=1)
        steps = np.pad(steps, ((0, max(0, 2 * STACK_STEPS - len(steps))), (0, 0)), mode="wrap")
        np.save(kept, np.asarray(steps / np.maximum(steps.max(axis=1, keepdims=True), 1e-6), np.float32))
        samples.unlink()
    return np.load(kept)


def qmax(query: np.ndarray, candidate: np.ndarray) -> float:
    """The alignment of its tutorial; the same for both directions of a pair."""
    cross = es.ChromaCrossSimilarity(frameStackSize=STACK_STEPS, frameStackStride=1, binarizePercentile=0.095, oti=True)
    align = es.CoverSongSimilarity(disOnset=0.5, disExtension=0.5, alignmentType="serra09", distanceType="symmetric")
    return align(cross(query, candidate))[1]


def matrix_of(queries: list[str], candidates: list[str], chroma: dict[str, np.ndarray]) -> np.ndarray:
    """Qmax over the square root of the candidate's stacks, (queries, candidates): one over its asymmetric distance."""
    known: dict[frozenset[str], float] = {}
    scores = np.zeros((len(queries), len(candidates)))
    for i, query in enumerate(queries):
        for j, candidate in enumerate(candidates):
            pair = frozenset((query, candidate))
            if pair not in known:
                known[pair] = qmax(chroma[query], chroma[candidate])
            scores[i, j] = known[pair] / np.sqrt(len(chroma[candidate]) - STACK_STEPS)
    return scores


def main() -> None:
    folder, matrix = map(Path, sys.argv[1:])
    queries, candidates = json.load(sys.stdin)
    chroma = {name: hpcp(folder, name) for name in {*queries, *candidates}}
    np.save(matrix, matrix_of(queries, candidates, chroma))


if __name__ == "__main__":
    main()
