"""Encoders: how much faster than real time each hears, and what ranking and comparing long tracks cost. One thread.

Hearing is from the stored waveform of four minutes to latents; the baseline is the constant-Q transform alone, which
both need. Ranking is of every track with every other by the windows of four minutes, in blocks unpacked from artifacts
as a search does it; comparing is what the best candidates get besides, without a library and in one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from models import hear, library
from models.audio.flac import from_flac
from models.card import Card
from models.cqt import pooled_cqt
from models.verdict import Features, compare_many
from streams import cards, pipeline
from streams.agents.match import BLOCK
from streams.artifacts import pack_windows
from streams.matches import Heard, score_block
from streams.settings import Settings
from tests.bench import audio, report
from tests.quality.changes import wav

TRACK_S = 240.0
TRACKS = 317  # each with each are a hundred thousand pairs
COMPARED = 10
REPEATS = 3


async def measure(asked: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    flac = _four_minutes()
    with threadpool_limits(1):
        figures = {card.model_version: _figures(flac, card) for card in map(cards.current, pipeline.ENCODER_TYPES)}
    rows = [[name, *row.values()] for name, row in figures.items()]
    report.table("one thread, tracks of four minutes", ["encoder", *next(iter(figures.values()))], rows)
    return {"track_s": TRACK_S, "encoders": figures}


def _figures(flac: bytes, card: Card) -> dict[str, float]:
    hear.warm(card)
    encoded = hear.encode_track(flac, card)
    rows = np.random.default_rng(1).standard_normal((TRACKS, *encoded.latents.shape)).astype(np.float32)
    strangers = list(rows / np.linalg.norm(rows, axis=2, keepdims=True))
    packed = [
        Heard(str(at), {"full_audio": pack_windows(one, card.hearing)}, {}, TRACK_S) for at, one in enumerate(strangers)
    ]
    query = Features(encoded.cqt, encoded.latents, TRACK_S, "query")
    others = [Features(encoded.cqt, one, TRACK_S, str(at)) for at, one in enumerate(strangers[:COMPARED])]
    among = library.cohort([(str(at), one) for at, one in enumerate(strangers[COMPARED:])], card)
    return {
        "windows": float(len(encoded.latents)),
        "cqt × real time": TRACK_S / _seconds(lambda: pooled_cqt(from_flac(flac, 22_050, 1), card.hearing)),
        "× real time": TRACK_S / _seconds(partial(hear.encode_track, flac, card)),
        f"s to rank {TRACKS**2} pairs": _seconds(partial(_rank, packed, card), repeats=1),
        "ms to compare a pair": _seconds(lambda: list(compare_many(query, others, card))) / COMPARED * 1e3,
        "… in a library": _seconds(lambda: list(compare_many(query, others, card, among=among))) / COMPARED * 1e3,
    }


def _four_minutes() -> bytes:
    """The shipped clips one after the other, as they are stored."""
    clips = [from_flac(hear.decode_track(path.read_bytes(), None).flac, 22_050, 1) for path in audio.CLIPS]
    return hear.decode_track(wav(np.concatenate(clips)[: round(TRACK_S * 22_050)]), None).flac


def _rank(packed: list[Heard], card: Card) -> None:
    queries = Settings.model_fields["queries_per_work"].default
    for first in range(0, TRACKS, queries):
        for other in range(0, TRACKS, BLOCK):
            score_block(packed[first : first + queries], packed[other : other + BLOCK], "full_audio", card)


def _seconds(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)
