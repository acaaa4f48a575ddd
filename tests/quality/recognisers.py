"""Who recognises recordings: this project's fingerprint, chromaprint, and a landmark system with one kind of landmark.

Each hears the same files. chromaprint is Debian's `fpcalc` (libchromaprint-tools), whose bits are slid along each
track's: the share of differing bits is what it goes by, and no more. audfprint2 is PyPI's audfprint, a landmark system
after Wang 2003, in an environment of its own; it is asked with as many hashes as help it (`QUERY_OPTIONS`).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from models.fingerprint.landmarks import places, probes, rows, rows_together
from models.fingerprint.peaks import RATE_HZ as HEARD_HZ
from models.fingerprint.peaks import Peaks, peaks
from models.fingerprint.recognise import HYPOTHESES, Recording, recognise
from models.fingerprint.voting import hypotheses
from tests.quality.changes import RATE_HZ, Samples, wav
from tests.quality.excerpts import Excerpt, work_of
from tests.quality.renditions import Rendition, cache_folder, needed


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query is said to hold.

    Attributes:
        work: the track.
        score: larger is surer.
        under_s: the track's second under the query's second 0, as the system tells it.
        recording: of our own, else None.
    """

    work: str
    score: float
    under_s: float
    recording: Recording | None = None


@dataclass
class Ours:
    """Rows of all tracks in one sorted table, as a store would hold them."""

    works: list[str] = field(default_factory=list)
    found: dict[int, Peaks] = field(default_factory=dict)
    keys: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    payloads: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    cpu_s: float = 0.0

    def index(self, tracks: Sequence[Rendition]) -> dict[str, float]:
        """Hears the tracks; returns the speed of it, and how large it is."""
        sounds = [one.samples() for one in tracks]
        peaks(heard(sounds[0][: 10 * RATE_HZ]))  # compiles
        rows(peaks(heard(sounds[0][: 10 * RATE_HZ])))
        began = time.process_time()
        for number, (one, samples) in enumerate(zip(tracks, sounds, strict=True)):
            self.works.append(work_of(one.work))
            self.found[number] = peaks(heard(samples))
        self.keys, self.payloads = rows_together(self.found)
        spent_s = time.process_time() - began
        sounding_s = sum(len(samples) for samples in sounds) / RATE_HZ
        return {
            "hours": sounding_s / 3_600,
            "times_real_time": sounding_s / spent_s,
            "peaks_per_s": sum(map(len, self.found.values())) / sounding_s,
            "rows_per_s": len(self.keys) / sounding_s,
            "rows_mb_per_h": 10 * len(self.keys) / sounding_s * 3_600 / 1e6,
            "peaks_mb_per_h": 8 * sum(map(len, self.found.values())) / sounding_s * 3_600 / 1e6,
        }

    def ask(self, samples: Samples) -> list[Answer]:
        """All accepted alignments, strongest first; `cpu_s` is the time that it took."""
        began = time.process_time()
        _, told = self.look(peaks(heard(samples)))
        self.cpu_s = time.process_time() - began
        answers = [
            Answer(self.works[number], one.score, one.candidate_start_s - one.tempo_ratio * one.query_start_s, one)
            for number, every in told.items()
            for one in every
        ]
        return sorted(answers, key=lambda answer: -answer.score)

    def look(self, query: Peaks) -> tuple[list[int], dict[int, tuple[Recording, ...]]]:
        """The numbers of the tracks with most votes, in order, and the accepted alignments of each."""
        asked = probes(query)
        matched = places(self.keys, asked.keys)
        guesses = hypotheses(asked, self.keys[matched], self.payloads[matched], pairs=HYPOTHESES, quads=HYPOTHESES)
        return list(dict.fromkeys(one.track for one in guesses)), recognise(query, self.found, guesses)


def heard(samples: Samples) -> Samples:
    return np.asarray(soxr.resample(samples, RATE_HZ, HEARD_HZ), np.float32)


# --- chromaprint

STEP_S = 1_365 / 11_025  # from one of its numbers to the next


class Chromaprint:
    """Its best place in each track by differing bits; the score is the share of equal ones."""

    name = "chromaprint"

    def index(self, tracks: Sequence[Rendition]) -> None:
        self.works = [work_of(one.work) for one in tracks]
        self.prints = [_fpcalc(wav(one.samples())) for one in tracks]

    def ask_all(self, queries: Sequence[Excerpt]) -> list[Answer | None]:
        return [self._ask(query.samples) for query in queries]

    def _ask(self, samples: Samples) -> Answer | None:
        asked = _fpcalc(wav(samples))
        best: Answer | None = None
        for work, known in zip(self.works, self.prints, strict=True):
            if not len(asked) or len(known) < len(asked):
                continue
            windows = np.lib.stride_tricks.sliding_window_view(known, len(asked))
            equal = 1 - np.bitwise_count(windows ^ asked).mean(axis=1) / 32
            place = int(equal.argmax())
            if best is None or equal[place] > best.score:
                best = Answer(work, float(equal[place]), place * STEP_S)
        return best


def _fpcalc(data: bytes) -> NDArray[np.uint32]:
    """None at all where it is too short for it."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(data)
        file.flush()
        command = [needed("fpcalc", "libchromaprint-tools"), "-raw", "-json", "-length", "0", file.name]
        done = subprocess.run(command, check=False, capture_output=True)
    told = json.loads(done.stdout)["fingerprint"] if done.stdout.startswith(b"{") else []
    return np.array(told, np.int64).astype(np.uint32)


# --- audfprint2

AUDFPRINT = "audfprint2==0.1.2"
INDEX_OPTIONS = ("--density", "20")  # its own
QUERY_OPTIONS = ("--density", "70", "--shifts", "4", "--fanout", "3")  # what its author advises for noisy queries
# It tells its answers to a log that nobody reads.
SPOKEN = (
    "import logging, sys; logging.basicConfig(format='%(message)s', stream=sys.stdout); "
    "from audfprint2.cli import main; main(['--verbose', *sys.argv[1:]])"
)
_MATCHED = re.compile(r"Matched (\S+) .* as (\S+) at +(-?[\d.]+) s with +(\d+) of")


class Audfprint:
    """Its first answer; the score is the number of common landmarks."""

    name = "audfprint2"

    def index(self, tracks: Sequence[Rendition]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        for one in tracks:
            (Path(self.folder.name) / f"{work_of(one.work)}.wav").write_bytes(wav(one.samples()))
        self._run("new", INDEX_OPTIONS, sorted(Path(self.folder.name).glob("*.wav")))

    def ask_all(self, queries: Sequence[Excerpt]) -> list[Answer | None]:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{number}.wav" for number in range(len(queries))]
            for file, query in zip(files, queries, strict=True):
                file.write_bytes(wav(query.samples))
            told = self._run("match", (*QUERY_OPTIONS, "--min-count", "1"), files)
        answers: list[Answer | None] = [None] * len(queries)
        for query, work, under_s, common in _MATCHED.findall(told):
            answers[int(Path(query).stem)] = Answer(Path(work).stem, float(common), float(under_s))
        return answers

    def _run(self, command: str, options: Sequence[str], files: Sequence[Path]) -> str:
        listed = Path(self.folder.name) / "files.txt"
        listed.write_text("\n".join(map(str, files)))
        database = Path(self.folder.name) / "tracks.hdf"
        asked = [_audfprint_python(), "-c", SPOKEN, "--dbase", str(database), *options, "--list", command, str(listed)]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


def _audfprint_python() -> Path:
    return cache_folder() / AUDFPRINT.replace("==", "-") / "bin" / "python"


def audfprint_installed() -> bool:
    """Whether it can be run; the first time it is installed."""
    folder = _audfprint_python().parents[1]
    check = [_audfprint_python(), "-c", "import audfprint2.cli"]
    if folder.exists() and subprocess.run(check, check=False, capture_output=True).returncode == 0:
        return True
    commands = (
        [sys.executable, "-m", "venv", str(folder)],
        [str(_audfprint_python()), "-m", "pip", "install", "--quiet", AUDFPRINT],
    )
    for command in commands:
        if subprocess.run(command, check=False).returncode:
            sys.stderr.write(f"{AUDFPRINT} cannot be installed here: its column is left out\n")
            return False
    return True
