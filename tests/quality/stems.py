"""How well stems are told apart: signal-to-distortion ratio (SDR) of each, beside what needs no learning.

Synthetic: tracks of held-out compositions, sung by held-out voices, played by a held-out soundfont, all four stems.
OpenMSX: sixteen pieces that people wrote for games, played stem by stem by that soundfont; nobody sings there, so what
is given as vocals is false.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import librosa
import numpy as np
import torch
from scipy.signal import butter, sosfiltfilt

from models import separators
from models.presence import presence
from models.separate import separate
from models.separators import SeparatorCard
from models.stems import STEMS
from models.training import multitracks
from models.training.__main__ import cache_folder
from models.training.learn_stems import distortion_db
from tests.bench import report
from tests.quality import openmsx
from tests.quality.changes import RATE_HZ, Samples
from tests.quality.renditions import files_of

Stems = dict[str, Samples]
Separate = Callable[[Samples, Stems], Stems]  # from the mix; the truth is for the oracle alone

HEARD_S = 20.0  # of each synthetic track
SHARDS = range(3)  # of the first alone, 33 tracks with all stems, the mean has a standard error of 0.36 dB
DRAWS = 2_000
PARTS = ("synthetic", "openmsx")
PIECES = 16
HELD_OUT_FONT = openmsx.FONTS[1]  # TimGM6mb: never learned from
BASSES = range(32, 40)  # General MIDI's
FFT_SAMPLES, HOP_SAMPLES = 2_048, 512
BASS_HZ = 220.0
NOISE_S = 240.0


def measure() -> dict[str, Any]:
    card = separators.load("unet")
    systems: dict[str, Separate] = {
        "mixture": lambda mix, truth: dict.fromkeys(truth, mix),
        "HPSS, low-pass, REPET-SIM": lambda mix, truth: classical(mix, sung="vocals" in truth),
        card.model_version: lambda mix, _: own(mix, card),
        "ideal ratio mask": ideal,
    }
    shards, pieces = [synthetic(shard) for shard in SHARDS], played()
    sung = [track for shard in shards for track in shard]
    figures: dict[str, Any] = {
        "synthetic_tracks": len(sung),
        "openmsx_tracks": len(pieces),
        "systems": {},
    }
    for name, system in systems.items():
        sys.stderr.write(f"{name}\n")
        reached = [[_sdr(system, track) for track in shard] for shard in shards]
        together = [row for rows in reached for row in rows]
        figures["systems"][name] = {
            "synthetic": _medians(together),
            "synthetic_standard_error": _standard_error(together),
            "synthetic_by_shard": [_medians(rows)["mean"] for rows in reached],
            "openmsx": _medians([_sdr(system, piece) for piece in pieces]),
        }
    figures["kept_in"] = kept_in(sung, card)
    figures["false_vocals"] = false_vocals(pieces, card)
    figures["presence"] = told_as_there(card)
    figures["speed"] = speed(card)
    _tell(figures, card)
    return figures


def own(mix: Samples, card: SeparatorCard) -> Stems:
    return separate(mix, RATE_HZ, card)


def classical(mix: Samples, *, sung: bool) -> Stems:
    """Drums are what is percussive, bass what lies under 220 Hz of the rest, vocals what does not repeat in that.

    Where nobody sings it is told so, and does not look for what does not repeat.
    """
    spectrum = librosa.stft(mix, n_fft=FFT_SAMPLES, hop_length=HOP_SAMPLES)
    harmonic, percussive = librosa.decompose.hpss(spectrum)
    back = partial(librosa.istft, hop_length=HOP_SAMPLES, length=len(mix))
    tones = back(harmonic)
    bass = sosfiltfilt(butter(4, BASS_HZ, fs=RATE_HZ, output="sos"), tones).astype(np.float32)
    if not sung:
        return {"drums": back(percussive), "bass": bass, "other": tones - bass}
    rest = librosa.stft(tones - bass, n_fft=FFT_SAMPLES, hop_length=HOP_SAMPLES)
    level = np.abs(rest)
    width = int(librosa.time_to_frames(2, sr=RATE_HZ, hop_length=HOP_SAMPLES))
    repeated = librosa.decompose.nn_filter(level, aggregate=np.median, metric="cosine", width=width)
    repeated = np.minimum(level, repeated)
    front = librosa.util.softmask(level - repeated, 10 * repeated, power=2)
    vocals = back(front * rest)
    return {"drums": back(percussive), "bass": bass, "other": tones - bass - vocals, "vocals": vocals}


def ideal(mix: Samples, truth: Stems) -> Stems:
    """What masks could reach: every stem's true share of every bin."""
    transform = partial(librosa.stft, n_fft=FFT_SAMPLES, hop_length=HOP_SAMPLES)
    levels = {name: np.abs(transform(stem)) for name, stem in truth.items()}
    total, heard = sum(levels.values(), np.float32(1e-9)), transform(mix)
    back = partial(librosa.istft, hop_length=HOP_SAMPLES, length=len(mix))
    return {name: back(heard * level / total) for name, level in levels.items()}


def synthetic(shard: int) -> list[Stems]:
    """The tracks of a shard of the test split that have all four stems."""
    return [one for one in _performed(shard) if all(stem.any() for stem in one.values())]


def _performed(shard: int) -> list[Stems]:
    """All tracks of a shard of the test split, rendered when it is not kept yet."""
    multitracks.render(cache_folder(), "test", SHARDS, processes=2)
    tracks = multitracks.load_shard(cache_folder(), "test", shard)[:, :, : round(HEARD_S * RATE_HZ)]
    return [dict(zip(STEMS, track, strict=True)) for track in tracks / np.float32(32_768)]


def played() -> list[Stems]:
    """Pieces by name, with the stems that each has."""
    found = []
    for path in files_of(openmsx.PACKAGE, openmsx.FOLDER, ".mid")[:PIECES]:
        score = openmsx.read(path)
        start = score.span[0]
        end = int(np.searchsorted(score.seconds(np.arange(*score.span)), 60.0)) + start
        cut = openmsx.excerpt(score, (start, min(end, score.span[1])))
        parts: dict[str, list[openmsx.Note]] = {"drums": [], "bass": [], "other": []}
        for note in cut.notes:
            parts[_stem_of(note, cut)].append(note)
        sounds = {
            name: openmsx.rendered(replace(cut, notes=tuple(notes)), *HELD_OUT_FONT)
            for name, notes in parts.items()
            if notes
        }
        length = max(map(len, sounds.values()))
        found.append({name: np.pad(samples, (0, length - len(samples))) for name, samples in sounds.items()})
    return found


def _stem_of(note: openmsx.Note, score: openmsx.Score) -> str:
    if note.channel == openmsx.DRUMS:
        return "drums"
    programs = [
        message.program
        for tick, message in score.controls
        if message.type == "program_change" and message.channel == note.channel and tick <= note.start
    ]
    return "bass" if programs and programs[-1] in BASSES else "other"


def _sdr(system: Separate, truth: Stems) -> dict[str, float]:
    """Of every stem of one track, in dB."""
    found = system(np.sum(list(truth.values()), axis=0), truth)
    return {name: float(distortion_db(found[name], stem)) for name, stem in truth.items()}


def _medians(tracks: list[dict[str, float]]) -> dict[str, float]:
    """The median of every stem, and the mean of these."""
    reached = {name: [row[name] for row in tracks if name in row] for name in STEMS}
    medians = {name: float(np.median(values)) for name, values in reached.items() if values}
    return {**medians, "mean": float(np.mean(list(medians.values())))}


def _standard_error(tracks: list[dict[str, float]]) -> float:
    """Of the mean of the medians, if other tracks had been drawn: as many of these, again and again (Efron 1979)."""
    values = np.array([[row[name] for name in STEMS] for row in tracks])
    drawn = np.random.default_rng(0).integers(len(values), size=(DRAWS, len(values)))
    return float(np.median(values[drawn], axis=1).mean(axis=1).std())


def kept_in(tracks: list[Stems], card: SeparatorCard) -> dict[str, dict[str, float]]:
    """Of each true stem, which share of its energy lies in each of those found: medians over the tracks.

    By the least squares of what was found on all true stems of the track; what is no stem's is not counted.
    """
    shares = []
    for truth in tracks:
        wanted = np.stack([truth[stem] for stem in STEMS], axis=1).astype(np.float64)
        separated = own(np.sum(list(truth.values()), axis=0), card)
        found = np.stack([separated[stem] for stem in STEMS], axis=1)
        shares.append(np.linalg.lstsq(wanted, found, rcond=None)[0] ** 2)
    medians = np.median(shares, axis=0)
    return {
        stem: {other: float(share) for other, share in zip(STEMS, row, strict=True)}
        for stem, row in zip(STEMS, medians, strict=True)
    }


def false_vocals(pieces: list[Stems], card: SeparatorCard) -> dict[str, float]:
    """How loud the vocals are that nobody sings, under the mix, and in how many pieces they are told as there."""
    levels, told = [], []
    for truth in pieces:
        mix = np.sum(list(truth.values()), axis=0)
        found = own(mix, card)
        levels.append(20 * np.log10(_rms(found["vocals"]) / _rms(mix)))
        told.append(presence(found, RATE_HZ)["vocals"].present)
    return {"median_db": float(np.median(levels)), "worst_db": float(np.max(levels)), "told": float(np.mean(told))}


def told_as_there(card: SeparatorCard) -> dict[str, dict[str, int]]:
    """Of each stem: how many tracks of the first shard have it, of how many it is told; the same of those without."""
    counts = {stem: dict.fromkeys(("there", "told", "absent", "told_wrongly"), 0) for stem in STEMS}
    for truth in _performed(SHARDS[0]):
        found = presence(own(np.sum(list(truth.values()), axis=0), card), RATE_HZ)
        for stem, row in counts.items():
            there = bool(truth[stem].any())
            row["there" if there else "absent"] += 1
            row["told" if there else "told_wrongly"] += found[stem].present
    return counts


def speed(card: SeparatorCard) -> dict[str, float]:
    """How many seconds of noise are separated in one: by one process on one core, and by one on each of two at once.

    Processes, as workers have them: of one alone, threads would share every layer and wait for each other.
    """
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        alone = pool.submit(_seconds_taken, card).result()
        both = max(pool.map(_seconds_taken, [card] * 2))
    return {"one_core": NOISE_S / alone, "two_cores": 2 * NOISE_S / both}


def _seconds_taken(card: SeparatorCard) -> float:
    torch.set_num_threads(1)
    noise = np.random.default_rng(0).normal(0, 0.1, round(NOISE_S * RATE_HZ)).astype(np.float32)
    own(noise[: round(20 * RATE_HZ)], card)  # it has loaded and warmed
    began = time.monotonic()
    own(noise, card)
    return time.monotonic() - began


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) + 1e-9


def _tell(figures: Mapping[str, Any], card: SeparatorCard) -> None:
    for part in PARTS:
        rows = [[name, *(row[part].get(stem) for stem in (*STEMS, "mean"))] for name, row in figures["systems"].items()]
        report.table(f"SDR in dB, {part}, {figures[f'{part}_tracks']} tracks", ["system", *STEMS, "mean"], rows)
    for name, row in figures["systems"].items():
        each = ", ".join(f"{mean:.2f}" for mean in row["synthetic_by_shard"])
        print(f"{name}: mean {row['synthetic']['mean']:.2f} ± {row['synthetic_standard_error']:.2f}, by shard {each}")
    rows = [[stem, *(f"{share:.1%}" for share in row.values())] for stem, row in figures["kept_in"].items()]
    report.table("of the energy of a true stem lies in what is found as", ["", *STEMS], rows)
    false = figures["false_vocals"]
    print(f"{card.model_version}: vocals in instrumentals {false['median_db']:.1f} dB, told in {false['told']:.0%}")
    rows = [[stem, *map(str, row.values())] for stem, row in figures["presence"].items()]
    report.table("stems told as there", ["", "tracks with it", "told", "tracks without", "told"], rows)
    quick = figures["speed"]
    print(f"{card.model_version}: {quick['one_core']:.0f} × real time on one core, {quick['two_cores']:.0f} × on two")
