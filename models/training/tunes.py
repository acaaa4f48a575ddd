"""Compositions of music21's corpus: Bach's chorales, Ryan's Mammoth Collection, O'Neill's and Aird's tunes.

All are traditional or long out of copyright, and the files carry no clause against use. Essen and Palestrina are left
out: their encodings do. Nothing of the corpus is copied: it is parsed where music21 is installed, and what training
needs of it is kept in the user's cache.
"""

from __future__ import annotations

import pickle
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.training.composition import Composition, Section
from models.training.harmony import harmonise

COLLECTIONS = ("bach", "ryansMammoth", "oneills1850", "airdsAirs")
SECTION_BARS = {"bach": 4}  # else 8
NGRAM = 10  # intervals
SHARED = 0.2  # of the shorter tune's n-grams: then both are the same tune

Notes = NDArray[np.float32]


def tunes(cache: Path) -> tuple[Composition, ...]:
    """All different tunes, in a fixed order. The first call parses the corpus, which takes minutes, and keeps it."""
    kept = cache / "tunes-1.pickle"
    if kept.exists():
        # Our own file, written below in the user's own cache.
        return tuple(pickle.loads(kept.read_bytes()))  # noqa: S301
    cache.mkdir(parents=True, exist_ok=True)
    found = tuple(different(list(_parse_all())))
    kept.write_bytes(pickle.dumps(found))
    return found


def different(compositions: list[Composition]) -> list[Composition]:
    """One of every group of tunes that share `SHARED` of their transposition-invariant interval n-grams."""
    holders: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    kept: list[Composition] = []
    sizes: list[int] = []
    for composition in compositions:
        grams = interval_ngrams(np.concatenate([section.melody for section in composition.sections])[:, 2])
        shared: defaultdict[int, int] = defaultdict(int)
        for gram in grams:
            for holder in holders[gram]:
                shared[holder] += 1
        if any(count >= SHARED * min(len(grams), sizes[holder]) for holder, count in shared.items()):
            continue
        for gram in grams:
            holders[gram].append(len(kept))
        sizes.append(len(grams))
        kept.append(composition)
    return kept


def interval_ngrams(pitches: Notes) -> set[tuple[int, ...]]:
    """All runs of `NGRAM` intervals in a melody, (notes,); repeated notes count once."""
    steps = np.diff(pitches.astype(int))
    steps = steps[steps != 0]
    return {tuple(steps[at : at + NGRAM]) for at in range(len(steps) - NGRAM + 1)}


def _parse_all() -> Iterator[Composition]:
    from music21 import corpus

    paths = [(name, str(path)) for name in COLLECTIONS for path in sorted(corpus.getComposer(name))]
    with ProcessPoolExecutor(2) as pool:
        for at, found in enumerate(pool.map(_parse, paths, chunksize=4)):
            if at % 100 == 0:
                sys.stderr.write(f"tunes: {at} of {len(paths)} files\n")
            yield from found


def _parse(named: tuple[str, str]) -> list[Composition]:
    from music21 import converter, stream

    collection, path = named
    try:
        parsed = converter.parse(path)
    except Exception as error:  # noqa: BLE001  the corpus holds files that its own reader refuses: one less to learn from
        sys.stderr.write(f"tunes: left out {Path(path).name}: {type(error).__name__}\n")
        return []
    scores = list(parsed.scores) if isinstance(parsed, stream.Opus) else [parsed]
    found = []
    for at, score in enumerate(scores):
        composition = _composition(collection, f"{collection}/{Path(path).stem}" + (f"/{at}" if at else ""), score)
        if composition is not None:
            found.append(composition)
    return found


def _composition(collection: str, name: str, score: Any) -> Composition | None:
    """A score as sections of some bars; None when it is too short, too bare, or changes its metre."""
    parts = list(score.parts)
    if not parts or (collection == "bach" and len(parts) < 4):
        return None
    metres = {signature.ratioString for signature in score.recurse().getElementsByClass("TimeSignature")}
    if len(metres) != 1:
        return None
    signature = score.recurse().getElementsByClass("TimeSignature")[0]
    bar = float(signature.barDuration.quarterLength)
    compound = signature.denominator == 8 and signature.numerator % 3 == 0 and signature.numerator > 3
    voices = [_notes(part) for part in parts[:4]]
    bars = parts[0].getElementsByClass("Measure")
    pickup = float(bars[0].duration.quarterLength) if len(bars) else 0.0
    pickup = pickup if 0 < pickup < bar else 0.0
    for voice in voices:
        voice[:, 0] -= pickup
    voices = [voice[voice[:, 0] > -1e-3] for voice in voices]
    if len(voices[0]) < 16:
        return None
    total = int(np.ceil((voices[0][-1, 0] + voices[0][-1, 1]) / bar - 1e-3))
    length = SECTION_BARS.get(collection, 8)
    firsts = [first for first in range(0, total, length) if total - first >= length // 2]
    rng = np.random.default_rng(crc32(name.encode()))
    sections = []
    for first in firsts[:8]:
        last = min(first + length, total)
        lines = [_between(voice, first * bar, last * bar) for voice in voices]
        if len(lines[0]) < 4:
            continue
        heard = np.concatenate(lines)
        beats = (last - first) * bar
        slot = bar / 2 if bar in {2.0, 4.0, 3.0} and (compound or bar != 3.0) else bar
        sections.append(Section(lines[0], harmonise(heard, beats, slot, rng), beats, tuple(lines[1:])))
    if sum(section.beats for section in sections) < 6 * bar:
        return None
    return Composition(name, collection, bar, 1.5 if compound else 1.0, tuple(sections), tuple(range(len(sections))))


def _notes(part: Any) -> Notes:
    rows = []
    for note in part.flatten().notes:
        pitch = max(p.midi for p in note.pitches) if note.pitches else None
        if pitch is not None and note.duration.quarterLength > 0:
            rows.append((float(note.offset), float(note.duration.quarterLength), float(pitch)))
    return np.array(sorted(rows), np.float32).reshape(-1, 3)


def _between(notes: Notes, start_beat: float, end_beat: float) -> Notes:
    inside = notes[(notes[:, 0] >= start_beat - 1e-3) & (notes[:, 0] < end_beat - 1e-3)].copy()
    inside[:, 0] = np.maximum(inside[:, 0] - start_beat, 0)
    inside[:, 1] = np.minimum(inside[:, 1], end_beat - start_beat - inside[:, 0])
    return inside
