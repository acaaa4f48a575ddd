"""Voices: singers nobody learned from, each in four songs, and the voices' encoder beside averaged cepstra.

36 singers of eSpeak NG's voices that are kept for tests, 12 s of each song, melodies of the test split, each sung by
six of them. Songs of a singer share no melody and no syllable. They are judged as sung; worn by a room, a file and
noise (`renditions.worn`); with accompaniment left over, 5 to 25 dB below; and, where our separator's weights are there,
as it cuts them out of a mix. Strangers are all pairs of different singers. Those who sing the same melody, those who
sing in the same language, whose sounds are the same, and those who share a speaker and differ in vocal tract, breath
and habits alone, are told apart as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import librosa
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from models import separators, voice, voice_card
from models.training import multitracks, singing, voices
from models.training.__main__ import cache_folder
from models.training.learn_voice import accompaniment, equal_error_rate
from models.training.wear import Wear, worn
from tests.bench import report
from tests.quality import measures
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.renditions import Map, Rendition, folder_of, kept, needed, seeded
from tests.quality.renditions import worn as through_a_room

VERSION = "1"
SEED = 20_261_121
SINGERS, SONGS, MELODIES = 36, 4, 24
LEFT_DB = (5.0, 25.0)
MIX_DB = 0.0  # the accompaniment beside the voice, before they are separated
WHITENED_BY = 100  # singers of the training split
CEPSTRA = 20
SEPARATOR = separators.WEIGHTS / "unet.safetensors"  # with its card beside it
CARD = voice_card.load()
ACCEPTED = np.linspace(0, 1, 31) ** 2  # shares of strangers at which the picture has a point

Vectors = NDArray[np.float64]  # (songs, dim), rows of unit length


def measure() -> dict[str, Any]:
    every = renditions()
    names = [singing.singer("test", number).speaker for number in range(SINGERS)]
    figures: dict[str, Any] = {
        "singers": SINGERS,
        "songs": len(every),
        "speakers": len(set(names)),
        "seconds": sum(len(one.samples()) for one in every) / RATE_HZ,
        "recipe": every[0].flac.parent.name,
        "learned_from": CARD.data,
    }
    sung = [one.samples() for one in every]
    worn_songs = [_worn(one, samples) for one, samples in zip(every, sung, strict=True)]
    figures["ways"] = {
        "as sung": _compared(sung),
        "worn": _compared(worn_songs),
        "accompaniment left": _compared(_accompanied(every, worn_songs)),
    }
    if why := _no_separator():
        figures["ways"]["separated"] = {"left_out": why}
    else:
        card = separators.load(SEPARATOR.stem, SEPARATOR.parent)
        figures["separator"] = {"model_version": card.model_version, "sha256": card.sha256}
        figures["ways"]["separated"] = _compared(_separated(every, worn_songs, card))
    _tell(figures)
    return figures


def picture(figures: dict[str, Any], path: Path) -> None:
    """Which share of a singer's songs is found where so many strangers are taken for him or her."""
    mpl.use("Agg")
    ways = {way: systems for way, systems in figures["ways"].items() if "left_out" not in systems}
    drawn, axes = plt.subplots(1, len(ways), figsize=(4 * len(ways), 4), sharey=True, squeeze=False)
    for axis, (way, systems) in zip(axes[0], ways.items(), strict=True):
        for name, row in systems.items():
            axis.plot(ACCEPTED, row["found_at"], label=f"{name}: EER {row['eer']:.3f}")
        axis.plot([0, 1], [1, 0], "k:", linewidth=1)
        axis.set(title=way, xlabel="strangers accepted", xlim=(0, 1), ylim=(0, 1))
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right", fontsize=8)
    axes[0, 0].set_ylabel("another song of the singer accepted")
    drawn.tight_layout()
    drawn.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(drawn)


def renditions() -> list[Rendition]:
    """All 144, by singer; makes those that are not kept yet."""
    needed("espeak-ng", "espeak-ng")
    folder = folder_of("voice", VERSION, SEED)
    return [
        kept(folder, f"singer{number}", at, partial(_rendition, number, at))
        for number in range(SINGERS)
        for at in range(SONGS)
    ]


def melody(number: int, at: int) -> int:
    """Which of the `MELODIES` singer `number` sings as song `at`."""
    turn, place = divmod(number * SONGS + at, MELODIES)
    return int(np.random.default_rng([SEED, turn]).permutation(MELODIES)[place])


def _rendition(number: int, at: int) -> tuple[Samples, Map]:
    who = singing.singer("test", number)
    line = voices.melodies(cache_folder(), "test", MELODIES)[melody(number, at)]
    rng = seeded(SEED, f"singer{number}", at)
    samples = voices.take(line, who, (at, SONGS), rng, folder=cache_folder(), duration_s=voices.DURATION_S)
    ends = np.array([0.0, voices.DURATION_S])
    return samples, (ends, ends)


# --- what happens to them on their way


def _worn(one: Rendition, samples: Samples) -> Samples:
    return through_a_room(samples, seeded(SEED, one.work, one.index + 100))


def _accompanied(every: Sequence[Rendition], songs: Sequence[Samples]) -> list[Samples]:
    mixed = []
    for one, samples in zip(every, songs, strict=True):
        rng = seeded(SEED, one.work, one.index + 200)
        mixed.append(samples + _accompaniment(samples, float(rng.uniform(*LEFT_DB)), rng))
    return mixed


def _separated(every: Sequence[Rendition], songs: Sequence[Samples], card: separators.SeparatorCard) -> list[Samples]:
    from models.separate import separate

    stems = []
    for one, samples in zip(every, songs, strict=True):
        mix = samples + _accompaniment(samples, MIX_DB, seeded(SEED, one.work, one.index + 200))
        stems.append(separate(mix, RATE_HZ, card, SEPARATOR.parent)["vocals"])
    return stems


def _no_separator() -> str | None:
    missing = [path.name for path in (SEPARATOR, SEPARATOR.with_suffix(".json")) if not path.exists()]
    return f"there is no {' and no '.join(missing)} in {SEPARATOR.parent.name}" if missing else None


@cache
def _tracks() -> NDArray[np.int16]:
    """Multitracks of the test split, (tracks, 4, samples), the vocals last."""
    multitracks.render(cache_folder(), "test", [0])
    return multitracks.load_shard(cache_folder(), "test", 0)


def _accompaniment(samples: Samples, below_db: float, rng: np.random.Generator) -> Samples:
    """Drums, bass and other of some track at so many dB below a voice, as long as that."""
    track = _tracks()[rng.integers(len(_tracks()))][:3].sum(axis=0, dtype=np.float32)
    first = int(rng.integers(len(track) - len(samples)))
    other = track[first : first + len(samples)]
    level = np.sqrt(np.mean(samples**2) / max(float(np.mean(other**2)), 1e-9))
    return np.asarray(other * level * 10 ** (-below_db / 20), np.float32)


# --- what they are compared with: means and deviations of cepstra, whitened by singers of the training split


def cepstra(power: voice.Power) -> NDArray[np.float64]:
    """Mean and standard deviation of `CEPSTRA` mel-frequency cepstral coefficients, (2 * CEPSTRA,)."""
    level_db = voice.levels(power, CARD.hearing) * CARD.hearing.range_db
    found = librosa.feature.mfcc(S=level_db, n_mfcc=CEPSTRA)
    return np.concatenate([found.mean(axis=1), found.std(axis=1)]).astype(np.float64)


def whitened(power: Sequence[voice.Power]) -> Vectors:
    """By the covariance of all songs of the training's singers."""
    return _projected(power, _training_spread()[1])


def within(power: Sequence[voice.Power]) -> Vectors:
    """By the covariance of the songs of one singer, so that what changes from song to song counts little."""
    return _projected(power, _training_spread()[2])


@cache
def _training_spread() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The mean of the training's songs, worn as the network heard them, and what whitens all, and each singer's."""
    heard = voices.heard(cache_folder(), WHITENED_BY, CARD.hearing)
    rng, power = np.random.default_rng(SEED), np.exp(heard.power.astype(np.float32))
    left = accompaniment(voices.left_over(cache_folder(), CARD.hearing), len(power), power.shape[2], rng)
    rows = np.stack([cepstra(one) for one in worn(power, left, Wear(), CARD.hearing, rng)])
    own = np.stack([rows[heard.singer == number].mean(axis=0) for number in heard.singer])
    return rows.mean(axis=0), _whitening(rows - rows.mean(axis=0)), _whitening(rows - own)


def _whitening(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    return np.asarray(vectors / np.sqrt(values + 1e-3 * values.max()))


def _projected(power: Sequence[voice.Power], by: NDArray[np.float64]) -> Vectors:
    rows = (np.stack([cepstra(one) for one in power]) - _training_spread()[0]) @ by
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


BASELINES: Mapping[str, Callable[[Sequence[voice.Power]], Vectors]] = {
    "cepstra, whitened": whitened,
    "cepstra, whitened within singers": within,
}


# --- what it comes to


def _compared(songs: Sequence[Samples]) -> dict[str, Any]:
    """The figures of the encoder and of what it is compared with."""
    power = [voice.powers(samples, CARD.hearing) for samples in songs]
    encoded = np.stack([voice.mean(voice.voice(samples, CARD)) for samples in songs])
    return {CARD.model_version: _figures(encoded)} | {name: _figures(made(power)) for name, made in BASELINES.items()}


def _figures(vectors: NDArray[Any]) -> dict[str, Any]:
    """Equal error rates of one song against another, and at which shares of strangers how many of the same are found.

    The cosine is not clipped: with the encoder's `similarity` all pairs below 0 are equally unlike.
    """
    scores = vectors @ vectors.T
    singer, at = np.divmod(np.arange(len(scores)), SONGS)
    melodies = np.array([melody(int(number), int(song)) for number, song in zip(singer, at, strict=True)])
    speakers = np.array([singing.singer("test", int(number)).speaker for number in singer])
    languages = np.array([name.split("+")[0] for name in speakers])
    own = singer[:, None] == singer[None]
    once = np.triu(np.ones_like(own), 1)
    same = scores[own & once]
    others = {
        "eer": ~own,
        "same_melody_eer": ~own & (melodies[:, None] == melodies[None]),
        "same_language_eer": ~own & (languages[:, None] == languages[None]),
        "same_speaker_eer": ~own & (speakers[:, None] == speakers[None]),
    }
    strangers = {name: scores[some & once] for name, some in others.items()}
    return {
        **{name: equal_error_rate(same, some) for name, some in strangers.items()},
        "auc": measures.auc(same, strangers["eer"]),
        "pairs": {"same": len(same), **{name: len(some) for name, some in strangers.items()}},
        "cosines": {"same": _spread(same), "strangers": _spread(strangers["eer"])},
        "found_at": [float(np.mean(same > limit)) for limit in np.quantile(strangers["eer"], 1 - ACCEPTED)],
    }


def _spread(scores: NDArray[Any]) -> dict[str, float]:
    """Percentiles, by their names."""
    return {f"{percent}": float(np.percentile(scores, percent)) for percent in (1, 5, 50, 95, 99)}


def _tell(figures: dict[str, Any]) -> None:
    for way, systems in figures["ways"].items():
        if "left_out" in systems:
            print(f"\n{way}: left out: {systems['left_out']}")
            continue
        keys = ("eer", "same_melody_eer", "same_language_eer", "same_speaker_eer", "auc")
        rows = [[name, *(f"{row[key]:.3f}" for key in keys)] for name, row in systems.items()]
        header = ["system", "EER", "same melody", "same language", "same speaker", "AUC"]
        report.table(f"{way}: {figures['singers']} singers, {figures['songs']} songs", header, rows)
