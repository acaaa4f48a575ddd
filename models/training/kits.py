"""Kits: recorded drums from the sample libraries that Debian has, sorted by what is struck.

Half of the kits that are drawn are one drummer's, as its library has it; of the others every drum is of another. Each
drum is tuned by chance, so that few of them come twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.training.production import Samples

HYDROGEN = Path("/usr/share/hydrogen/data/drumkits")  # a folder for each kit
FOLDERS = {"lmms": Path("/usr/share/lmms/samples/drums"), "sonic-pi": Path("/usr/share/sonic-pi/samples")}
PACKAGES = "hydrogen-drumkits hydrogen-data lmms-common sonic-pi-samples"
KINDS = (  # of drums: what their names say, the first that does, and General MIDI's keys for them
    ("other", r"cowbell|clav|agogo|wood ?block|elec_wood|^wood\d|waterglass", ()),
    ("side", r"stick|rim ?click|clap|snap|nasty_rim|^rim\d", (37, 39)),
    ("kick", r"kick|bass ?drum|drum_bass|^bd_|thump|dununba. head", (35, 36)),
    ("snare", r"snare|^sn_", (38, 40)),
    ("open hat", r"(hat|hh|hi-?hat).*(op|free|swish)|cymbal_open", (46,)),
    ("closed hat", r"(hat|hh|hi-?hat)|cymbal_(closed|pedal)", (42, 44)),
    ("ride", r"ride|bell|flink", (51, 53, 59)),
    ("crash", r"crash|splash|china|cymbal", (49, 52, 55, 57)),
    ("tom", r"tom|conga|bongo|djembe|sangban|kenkeni|^drum \d", (41, 43, 45, 47, 48, 50)),
    ("shaker", r"shaker|maraca|tambourine", (54, 69, 70, 82)),
)
OF_ONE_KIT = 0.5
TUNED_SEMITONES = 4.0
LONGEST_S, FADE_S = 2.5, 0.1
SILENT = 0.01  # of a hit's peak: it begins where it is louder

Hits = dict[str, dict[str, tuple[Path, ...]]]  # by kit, then by kind


@cache
def hits() -> Hits:
    """The recordings that are installed. Raises FileNotFoundError with the packages that bring them."""
    found: Hits = {kit.name: _sorted(_hydrogen(kit)) for kit in sorted(HYDROGEN.glob("*/")) if _told(kit).exists()}
    for name, folder in FOLDERS.items():
        found[name] = _sorted((path.stem, path) for path in sorted(folder.glob("*")))
    if not all(found.get(name) for name in FOLDERS) or len(found) == len(FOLDERS):
        raise FileNotFoundError(f"recorded drums are missing: apt-get install {PACKAGES}")
    return {name: kinds for name, kinds in found.items() if kinds}


def kit(keys: Iterable[int], rate_hz: int, rng: np.random.Generator) -> dict[int, Samples]:
    """A drum for each of General MIDI's keys, struck once: float32 (samples,), whose peak is at most one."""
    every = hits()
    names = sorted(every)
    one = names[rng.integers(len(names))] if rng.random() < OF_ONE_KIT else None
    drums = {}
    for key in sorted(set(keys)):
        kind = next((kind for kind, _, among in KINDS if key in among), "other")
        having = [one] if one is not None and kind in every[one] else [name for name in names if kind in every[name]]
        among = every[having[rng.integers(len(having))]][kind]
        struck = _hit(among[rng.integers(len(among))], rate_hz)
        faster = 2 ** (rng.uniform(-TUNED_SEMITONES, TUNED_SEMITONES) / 12)
        tuned = np.interp(np.arange(int(len(struck) / faster)) * faster, np.arange(len(struck)), struck)
        drums[key] = np.asarray(rng.uniform(0.5, 1.0) * tuned, np.float32)
    return drums


def _sorted(named: Iterable[tuple[str, Path]]) -> dict[str, tuple[Path, ...]]:
    kinds: dict[str, list[Path]] = {}
    for name, path in named:
        kind = next((kind for kind, says, _ in KINDS if re.search(says, name, re.IGNORECASE)), None)
        if kind is not None and _readable(path):
            kinds.setdefault(kind, []).append(path)
    return {kind: tuple(paths) for kind, paths in kinds.items()}


def _readable(path: Path) -> bool:
    """Whether it is there and sound: one of LMMS's in Debian 12 is neither Ogg nor a WAV file."""
    try:
        return bool(soundfile.info(path).frames)
    except soundfile.LibsndfileError:
        return False


def _told(kit: Path) -> Path:
    return kit / "drumkit.xml"


def _hydrogen(kit: Path) -> Iterable[tuple[str, Path]]:
    """Name and file of every layer of every instrument of one of Hydrogen's kits."""
    described = re.sub(r'\sxmlns="[^"]*"', "", _told(kit).read_text("utf-8", errors="replace"))
    for instrument in ET.fromstring(described).iter("instrument"):  # noqa: S314  what Debian has installed
        for file in instrument.iter("filename"):
            yield instrument.findtext("name", ""), kit / (file.text or "")


@lru_cache(maxsize=1_024)
def _hit(path: Path, rate_hz: int) -> NDArray[np.float32]:
    """One recording from where it begins, mono, whose peak is one."""
    with soundfile.SoundFile(path) as file:
        heard = file.read(round((LONGEST_S + 1) * file.samplerate), dtype="float32", always_2d=True).mean(axis=1)
        heard = soxr.resample(heard, file.samplerate, rate_hz)
    heard = heard / (np.abs(heard).max(initial=0.0) + 1e-9)
    begins = int(np.argmax(np.abs(heard) > SILENT))
    heard = heard[begins : begins + round(LONGEST_S * rate_hz)]
    fade = min(round(FADE_S * rate_hz), len(heard))
    heard[len(heard) - fade :] *= np.linspace(1, 0, fade)
    return np.asarray(heard, np.float32)
