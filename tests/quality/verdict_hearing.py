"""Two files compared in full, as `soundtrace compare` does with a depth that knows windows, stems and melodies.

What was heard of a file is kept, under a name that tells by which code and weights: to hear takes most of the time.
"""

from __future__ import annotations

import hashlib
import inspect
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from models import cqt, hear, latents, network, presence, separate, stems, unet
from models.audio import decode, flac
from models.content import ContentType, thresholds
from models.finding import Finding, Found, finding
from models.fingerprint import peaks
from models.layers import compare_layers
from models.library import Cohort
from models.motif import contour, salience
from streams import cards, matches
from streams.cli.listening import Listened, forms_of, listen, melodies_of, recordings_of
from streams.cli.place import configured
from streams.pipeline import COMPREHENSIVE, layers_of, wanted_by_search
from tests.quality.clips import CARD
from tests.quality.renditions import cache_folder

HEARING = (contour, cqt, decode, flac, latents, network, peaks, presence, salience, separate, stems, unet)


@dataclass(frozen=True, slots=True)
class Side:
    """What a comparison reads of one file; its waveform is not kept."""

    listened: Listened

    @property
    def duration_s(self) -> float:
        return self.listened.track.duration_s


def side(path: Path) -> Side:
    """Hear a file, or fetch what was heard of it before."""
    data = path.read_bytes()
    kept = cache_folder() / f"verdicts-heard-{_code()}" / f"{hashlib.sha256(data).hexdigest()[:24]}.pickle"
    if not kept.exists():
        sys.stderr.write(f"hearing {path.stem}\n")
        track = hear.decode_track(data, None)
        listened = listen(track, COMPREHENSIVE, (), CARD)
        without = replace(track, flac=b"", envelope=np.zeros((0, 2), np.int8))
        made = Side(replace(listened, track=without))
        kept.parent.mkdir(parents=True, exist_ok=True)
        half = kept.with_suffix(".part")
        half.write_bytes(pickle.dumps(made))
        half.rename(kept)
    found: Side = pickle.loads(kept.read_bytes())  # noqa: S301  we wrote it
    return found


def told(
    query: Side, candidate: Side, content_type: ContentType = "music", among: Mapping[str, Cohort] | None = None
) -> Finding:
    """What is said of a pair, by itself or `among` the strangers of a dataset, by layer."""
    asked = thresholds(content_type)
    layers = layers_of(COMPREHENSIVE, ())
    layered = next(compare_layers(query.listened.windows, [candidate.listened.windows], layers, CARD, among=among))
    found = Found(
        layered,
        recordings_of(query.listened, candidate.listened, asked),
        melodies_of(query.listened, candidate.listened),
        forms_of(query.listened, candidate.listened),
    )
    return finding(found, query.duration_s, candidate.duration_s, thresholds=asked)


def evidence(said: Finding, candidate_duration_s: float) -> list[dict[str, Any]]:
    """The told places, strongest first, in the contract's shape."""
    about = matches.Candidate("", None, "", "", None, None, candidate_duration_s, {})
    _, document = matches.describe(1, about, said, CARD)
    found: list[dict[str, Any]] = document["evidence"]
    return found


@cache
def _code() -> str:
    """Names the code and the weights that hear."""
    separator = cards.current_separator(configured().separator)
    versions = [
        cards.version_of(kind, CARD, separator) for kind in sorted(wanted_by_search(COMPREHENSIVE) - {"result"})
    ]
    sources = [inspect.getsource(module) for module in HEARING]
    return hashlib.sha256("\n".join([*versions, *sources]).encode()).hexdigest()[:16]
