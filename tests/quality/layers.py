"""What stems are worth to matching: with them and without, on music whose truth is known.

By the full mix alone and by mix, vocals and accompaniment (`light_stem`): `openmsx`, re-arranged pieces in which nobody
sings; `sung`, held-out songs by held-out voices, three performances each; `sung_in_part`, the same with what is sung in
one stretch of 8 to 50 % of the time.
`vocals`: the query is the vocal stem of one of these performances alone, as it is and as it was separated, and what is
found are the full mixes of the others.
`speech`: ten seconds of a piece with somebody talking over it, searched among the whole pieces by the mix and by the
accompaniment that separation leaves.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import separators
from models.card import Card
from models.cqt import pooled_cqt
from models.hear import separate_track
from models.latents import latents
from models.layers import compare_layers
from models.stems import PITCHED, STEMS
from models.training import corpus, multitracks
from models.training.__main__ import cache_folder
from models.training.speech import speech
from models.verdict import Features, compare_many
from streams import cards
from tests.bench import report
from tests.quality import measures, openmsx, ours
from tests.quality.changes import RATE_HZ, Samples, wav
from tests.quality.peers import Scores

LAYERS = ("full_audio", "vocals", "accompaniment")
SONGS, PERFORMANCES = 24, 3
EXCERPT_S = 10.0
FADE_S = 0.02
SUNG_SHARE = (0.08, 0.5)  # of a song that is sung in part
SPEECH_DB = (0.0, -6.0)  # of the music under the speech
SEED = 20_261_121
VOCALS = STEMS.index("vocals")


def measure() -> dict[str, Any]:
    card = cards.current("type2")
    tracks, songs = performances()
    heard = _each("sung", tracks, card)
    figures: dict[str, Any] = {
        "openmsx": on_openmsx(card),
        "sung": _with_and_without(heard, songs, card),
        "sung_in_part": _with_and_without(_each("sung in part", in_part(tracks), card), songs, card),
        "vocals": by_vocals(tracks, heard, songs, card),
        "speech": under_speech(card),
    }
    header = ["", "MAP", "top-1", "TPR at 1 % FPR", "called same", "strangers called so", "of"]
    for music in ("openmsx", "sung", "sung_in_part"):
        rows = [
            [
                name,
                *(f"{row[key]:.3f}" for key in ("map", "top1", "tpr", "called")),
                *(str(row[key]) for key in ("strangers_called", "strangers")),
            ]
            for name, row in figures[music].items()
        ]
        report.table(f"{music}, no library", header, rows)
    rows = [[name, f"{row['map']:.3f}", f"{row['top1']:.3f}"] for name, row in figures["vocals"].items()]
    report.table("a vocal stem against full mixes of other performances", ["query", "MAP", "top-1"], rows)
    rows = [[name, *(f"{row[way]:.3f}" for way in ("mix", "accompaniment"))] for name, row in figures["speech"].items()]
    report.table("under speech, top-1 of 10 s", ["music under the speech", "by the mix", "separated"], rows)
    return figures


def layered(samples: Samples, card: Card) -> dict[str, Features]:
    """What the pipeline hears of a track at depth `light_stem`."""
    separated = separate_track(wav(samples), separators.load("unet"), card.hearing, separators.WEIGHTS)
    mix = ours.features(samples, card)
    found = {"full_audio": mix}
    for layer in LAYERS[1:]:
        cqt = separated.cqts[PITCHED.index(layer)]
        found[layer] = Features(cqt, latents(cqt, card), mix.duration_s, mix.name)
    return found


def on_openmsx(card: Card) -> dict[str, Any]:
    every = openmsx.renditions()
    heard = _each("OpenMSX", (one.samples() for one in every), card)
    return _with_and_without(heard, [one.work for one in every], card)


def performances() -> tuple[list[NDArray[np.float32]], list[str]]:
    """Tracks, float32 (4, samples) in the order of `STEMS`, and the songs that they are of."""
    folder = cache_folder()
    songs = [composition for _, composition in corpus.compositions(folder, "test", 1)][:SONGS]
    tracks = [
        multitracks.track(song, "test", SEED + number, folder, "sung") / np.float32(32_768)
        for song in songs
        for number in range(PERFORMANCES)
    ]
    return tracks, [song.name for song in songs for _ in range(PERFORMANCES)]


def in_part(tracks: Sequence[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The tracks with the voice in one stretch of each, as long and where it falls, but not where it rests."""
    fade = np.hanning(2 * round(FADE_S * RATE_HZ)).astype(np.float32)
    for number, track in enumerate(tracks):
        rng = np.random.default_rng([SEED, number])
        length = int(np.exp(rng.uniform(*np.log(SUNG_SHARE))) * track.shape[1])
        gain, voice = np.ones(length, np.float32), np.zeros_like(track[VOCALS])
        gain[: len(fade) // 2], gain[-(len(fade) // 2) :] = np.split(fade, 2)
        while not voice.any():
            start = int(rng.integers(track.shape[1] - length))
            voice[start : start + length] = gain * track[VOCALS, start : start + length]
        yield np.stack([voice if row == VOCALS else stem for row, stem in enumerate(track)])


def _each(name: str, tracks: Iterable[NDArray[np.float32]], card: Card) -> list[dict[str, Features]]:
    """What is heard of mixes, float32 (samples,), or of stems, float32 (4, samples)."""
    heard = []
    for at, track in enumerate(tracks, 1):
        sys.stderr.write(f"\r{name}: separated {at}")
        heard.append(layered(track if track.ndim == 1 else track.sum(axis=0), card))
    sys.stderr.write("\n")
    return heard


def _with_and_without(heard: Sequence[dict[str, Features]], works: Sequence[str], card: Card) -> dict[str, Any]:
    return {
        "full mix": _told(heard, works, LAYERS[:1], card),
        "light_stem": _told(heard, works, LAYERS, card),
    }


def _told(heard: Sequence[dict[str, Features]], works: Sequence[str], layers: tuple[str, ...], card: Card) -> Any:
    scores = np.zeros((len(heard), len(heard)))
    same = np.zeros_like(scores)
    for row, query in enumerate(heard):
        for column, found in enumerate(compare_layers(query, heard, layers, card)):
            scores[row, column], same[row, column] = found.best.score, found.verdict == "same_composition"
    alike, strangers = measures.pairs(scores, works)
    called, wrongly = measures.pairs(same, works)
    return {
        **measures.ranking(scores, works),
        "tpr": measures.tpr_at_fpr(alike, strangers),
        "called": float(called.mean()),
        "strangers_called": int(wrongly.sum()),
        "strangers": len(wrongly),
    }


def by_vocals(
    tracks: Sequence[NDArray[np.float32]], heard: Sequence[dict[str, Features]], songs: Sequence[str], card: Card
) -> dict[str, Any]:
    """Queries are vocal stems, of each performance; candidates the full mixes of all other performances."""
    mixes = [one["full_audio"] for one in heard]
    queries = {
        "the stem itself": [_features(track[VOCALS], card) for track in tracks],
        "separated": [one["vocals"] for one in heard],
        "the full mix": mixes,
    }
    return {name: measures.ranking(_scores(asked, mixes, card), songs) for name, asked in queries.items()}


def under_speech(card: Card) -> dict[str, Any]:
    """Share of the excerpts whose piece comes first."""
    pieces = [one for one in openmsx.renditions() if one.index == 0]
    wholes = [layered(one.samples(), card) for one in pieces]
    length = round(EXCERPT_S * RATE_HZ)
    told = {}
    for level_db in SPEECH_DB:
        rng = np.random.default_rng(SEED)
        asked: dict[str, list[Features]] = {"mix": [], "accompaniment": []}
        for one in pieces:
            samples = one.samples()
            start = int(rng.integers(len(samples) - length))
            heard = layered(_talked_over(samples[start : start + length], level_db, rng), card)
            asked["mix"].append(heard["full_audio"])
            asked["accompaniment"].append(heard["accompaniment"])
        works = [one.work for one in pieces]
        score = partial(_scores, card=card)
        told[f"{level_db:+.0f} dB"] = {
            "mix": measures.right_first(score(asked["mix"], [one["full_audio"] for one in wholes]), works, works),
            "accompaniment": measures.right_first(
                score(asked["accompaniment"], [one["full_audio"] for one in wholes]), works, works
            ),
        }
    return told


def _talked_over(music: Samples, level_db: float, rng: np.random.Generator) -> Samples:
    talk = speech(len(music), RATE_HZ, rng, multitracks.speakers("test"))
    loud = np.sqrt(np.mean(np.square(talk[talk != 0])))
    gain = np.sqrt(np.mean(np.square(music))) / loud / 10 ** (level_db / 20)
    both = music + np.float32(gain) * talk
    return np.asarray(both * (0.9 / np.abs(both).max()), np.float32)


def _features(samples: NDArray[np.float32], card: Card) -> Features:
    cqt = pooled_cqt(samples, card.hearing)
    return Features(cqt, latents(cqt, card), len(samples) / RATE_HZ)


def _scores(queries: Sequence[Features], candidates: Sequence[Features], card: Card) -> Scores:
    return np.array([[found.score for found in compare_many(query, candidates, card)] for query in queries])
