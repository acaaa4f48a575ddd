"""Singing: a melody becomes a voice, whose syllables eSpeak NG has spoken and WORLD sings.

Syllables are spoken once per speaker and analysed into spectral envelope, aperiodicity and voicing (Morise et al.
2016, "WORLD: a vocoder-based high-quality speech synthesis system"). To sing, a syllable's vowel is stretched to its
note, and the pitch is the melody's, with the slides, the vibrato and the drift of its singer. A singer is a speaker
whose vocal tract is made longer or shorter, with a breath, a brightness and habits of his or her own: far more singers
than speakers. None of them was ever a human being; what is learned from them hears voices, not artists.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, label, uniform_filter1d

from models.training.speech import LANGUAGES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pyworld 0.3.5 reads its own version through pkg_resources, which is deprecated
    import pyworld

RATE_HZ = 22_050
FRAME_MS = 5.0
FRAMES_PER_S = 1000 / FRAME_MS
LOWEST_HZ = 60.0
SPEAKERS = {  # eSpeak NG's variants that sound like people; those of `test` are never learned from
    "train": (
        *("Alex", "Alicia", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Jacky", "Lee", "Marco"),
        *(
            "Mario",
            "Michael",
            "Nguyen",
            "adam",
            "anika",
            "antonio",
            "aunty",
            "belinda",
            "boris",
            "caleb",
            "david",
            "ed",
        ),
        *(
            "edward",
            "edward2",
            "f1",
            "f2",
            "f3",
            "f4",
            "grandma",
            "grandpa",
            "iven",
            "iven2",
            "iven3",
            "john",
            "klatt2",
        ),
        *(
            "klatt4",
            "m1",
            "m2",
            "m3",
            "m4",
            "m5",
            "m6",
            "marcelo",
            "max",
            "michel",
            "norbert",
            "pablo",
            "paul",
            "pedro",
        ),
        *("rob", "robert", "sandro", "shelby", "steph2", "steph3", "travis", "zac"),
    ),
    "test": (
        *("Andrea", "Hugo", "Mike", "benjamin", "f5", "gustave", "iven4", "linda", "m7", "miguel", "quincy", "steph"),
        "victor",
    ),
}
CONSONANTS = (*"bdfghjklmnprstvwz", "br", "dr", "fl", "gl", "kl", "pl", "sh", "st", "tr", "")
VOWELS = ("ah", "oh", "ee", "oo", "ay", "eye", "ow", "air", "er", "ar", "or", "ih", "uh")
CODAS = ("", "", "", "n", "m", "l", "s", "t", "d", "ng")
SYLLABLES = 48
PAUSE_MS = 160
SILENT_DB = -38.0  # under the loudest frame: between syllables
LEAST_SYLLABLE_S = 0.08
BREATH_S = 0.2
CORE_SHARE = 0.5  # of a syllable's loudest frame: its vowel


@dataclass(frozen=True, slots=True)
class Speaker:
    """Syllables of one eSpeak NG voice, analysed every 5 ms.

    Attributes:
        envelope: float32 (frames, 513), the logarithm of the power spectrum without its harmonics.
        aperiodicity: float32 (frames, 513), 0 (a tone) to 1 (noise).
        voiced: bool (frames,).
        syllables: int (syllables, 4): first frame, first and last of the vowel, and the one behind the last.
    """

    envelope: NDArray[np.float32]
    aperiodicity: NDArray[np.float32]
    voiced: NDArray[np.bool_]
    syllables: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Singer:
    """How a speaker sings.

    Attributes:
        speaker: eSpeak NG's voice, as `en-gb+f2`.
        tract: factor on the frequency of all formants: above 1 a shorter vocal tract.
        centre_pitch: MIDI number in the middle of the range.
        brightness_db: per octave over 1 kHz, on top of the speaker's.
        breath: 0..1, how much of the tone becomes noise.
        vibrato_hz, vibrato_cents, vibrato_delay_s: its rate, its depth and when in a note it begins.
        slide_s: standard deviation of the smoothing between two notes.
        scoop: share of the notes that begin from below.
        drift_cents: standard deviation of slow wrong intonation.
        melisma: share of the joined notes that are sung on the vowel before.
    """

    speaker: str
    tract: float
    centre_pitch: float
    brightness_db: float
    breath: float
    vibrato_hz: float
    vibrato_cents: float
    vibrato_delay_s: float
    slide_s: float
    scoop: float
    drift_cents: float
    melisma: float


def singer(split: str, number: int) -> Singer:
    """The singer of this number; `train` and `test` share no speaker."""
    rng = np.random.default_rng([number, len(SPEAKERS[split])])
    name = str(rng.choice(SPEAKERS[split]))
    high = rng.random() < 0.5
    return Singer(
        speaker=f"{rng.choice(LANGUAGES)}+{name}",
        tract=float(np.exp(rng.normal(0.04 if high else -0.06, 0.09))),
        centre_pitch=float(rng.uniform(62, 72) if high else rng.uniform(50, 61)),
        brightness_db=float(rng.normal(0, 2.5)),
        breath=float(rng.beta(1.2, 4)),
        vibrato_hz=float(rng.uniform(4.5, 6.8)),
        vibrato_cents=float(rng.choice([0.0, rng.uniform(10, 45), rng.uniform(40, 110)], p=[0.15, 0.5, 0.35])),
        vibrato_delay_s=float(rng.uniform(0.1, 0.5)),
        slide_s=float(rng.uniform(0.012, 0.05)),
        scoop=float(rng.beta(1, 4)),
        drift_cents=float(rng.uniform(4, 22)),
        melisma=float(rng.beta(1, 3)),
    )


def speaker(name: str, folder: Path) -> Speaker:
    """The syllables of eSpeak NG's voice `name`, analysed once (3 s) and kept under `folder`/speakers.

    Raises FileNotFoundError if eSpeak NG is not installed, ValueError if it said nothing that could be sung.
    """
    kept = folder / "speakers" / f"{name}.npz"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        spoken = _analysed(_spoken(name))
        with tempfile.NamedTemporaryFile(dir=kept.parent, suffix=".npz", delete=False) as scratch:
            np.savez(
                scratch,
                envelope=spoken.envelope.astype(np.float16),
                aperiodicity=spoken.aperiodicity.astype(np.float16),
                voiced=spoken.voiced,
                syllables=spoken.syllables,
            )
        Path(scratch.name).rename(kept)
    with np.load(kept) as told:
        return Speaker(
            told["envelope"].astype(np.float32),
            told["aperiodicity"].astype(np.float32),
            told["voiced"],
            told["syllables"],
        )


def sing(
    notes: NDArray[np.float32], voice: Singer, spoken: Speaker, duration_s: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A melody, sung.

    Args:
        notes: float32 (notes, 4): start_s, duration_s, pitch (MIDI number), velocity; moved by whole octaves into the
            singer's range. Where notes overlap, the later one ends the earlier.
        voice: who sings.
        spoken: the syllables of `voice.speaker`.
        duration_s: of the result.
        rng: chooses syllables and everything that is different each time.
    Returns:
        float32 (duration_s * RATE_HZ,), peak 0.5; zeros if there is no note.
    """
    frames = round(duration_s * FRAMES_PER_S)
    line = _in_range(notes[np.argsort(notes[:, 0], kind="stable")], voice.centre_pitch)
    if not len(line) or not frames:
        return np.zeros(round(duration_s * RATE_HZ), np.float32)
    source, gain = _articulated(line, voice, spoken, frames, rng)
    pitch = _intoned(line, voice, frames, rng)
    sounding = source >= 0
    place = np.maximum(source, 0.0)
    before = np.minimum(place.astype(np.int64), len(spoken.envelope) - 1)
    after, share = np.minimum(before + 1, len(spoken.envelope) - 1), (place - before)[:, None]
    axis = _warped(spoken.envelope.shape[1], voice.tract)
    tilt = voice.brightness_db / 10 * np.log(10) * np.log2(np.maximum(axis[1], 0.25))
    envelope = spoken.envelope[before] * (1 - share) + spoken.envelope[after] * share
    power = np.exp(_along(envelope, axis[0]) + tilt) * np.square(gain)[:, None]
    noisy = 1 - (1 - _along(spoken.aperiodicity[before], axis[0])) * (1 - voice.breath)
    f0_hz = np.where(sounding & spoken.voiced[before], 440 * 2 ** ((pitch - 69) / 12), 0.0)
    power, noisy = np.ascontiguousarray(np.maximum(power, 1e-16)), np.ascontiguousarray(np.clip(noisy, 1e-6, 1 - 1e-6))
    sung = pyworld.synthesize(f0_hz, power, noisy, RATE_HZ, FRAME_MS)
    length = round(duration_s * RATE_HZ)
    samples = np.pad(sung[:length], (0, max(0, length - len(sung))))
    return np.asarray(samples * (0.5 / max(float(np.abs(samples).max()), 1e-9)), np.float32)


def _in_range(notes: NDArray[np.float32], centre: float) -> NDArray[np.float32]:
    if not len(notes):
        return notes
    line = notes.copy()
    line[:, 2] += 12 * np.round((centre - np.median(line[:, 2])) / 12)
    _, last = np.unique(line[::-1, 0], return_index=True)  # of a chord one note is sung
    line = line[np.sort(len(line) - 1 - last)]
    to_next_s = np.append(np.diff(line[:, 0]), np.inf)
    joined = to_next_s - line[:, 1] < BREATH_S  # a voice does not stop between two notes unless it breathes
    line[:, 1] = np.where(joined, to_next_s, np.minimum(line[:, 1], to_next_s))
    return line[line[:, 1] > 1 / FRAMES_PER_S]


def _articulated(
    line: NDArray[np.float32], voice: Singer, spoken: Speaker, frames: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Which analysed frame is sung in each frame, -1 where none is, and how loud: float64 (frames,) both."""
    source, gain = np.full(frames, -1.0), np.zeros(frames)
    syllable, ended = spoken.syllables[rng.integers(len(spoken.syllables))], -1.0
    for start_s, length_s, _, velocity in line.astype(float).tolist():
        first = round(start_s * FRAMES_PER_S)
        count = min(round(length_s * FRAMES_PER_S), frames - first)
        if count < 2 or first < 0:
            continue
        joined = start_s - ended < 0.03 and rng.random() < voice.melisma
        if not joined:
            syllable = spoken.syllables[rng.integers(len(spoken.syllables))]
        source[first : first + count] = _stretched(syllable, count, begins=not joined)
        loud = (velocity / 100) ** 1.2 * rng.uniform(0.85, 1.1)
        shape = np.full(count, loud)
        fade = min(10, count // 2)
        if not joined:
            shape[: fade // 2] *= np.linspace(0.2, 1, fade // 2)
        shape[count - fade :] *= np.linspace(1, 0.3, fade)
        gain[first : first + count] = shape
        ended = start_s + length_s
    return source, uniform_filter1d(gain, 5)


def _stretched(syllable: NDArray[np.int64], count: int, *, begins: bool) -> NDArray[np.float64]:
    """Frames of a syllable for a note of `count` frames: consonants as spoken, the vowel as long as it takes."""
    start, core, core_end, end = syllable.tolist()
    onset = min(core - start, count // 3) if begins else 0
    coda = min(end - core_end, count // 4)
    vowel = np.linspace(core, core_end - 1, count - onset - coda)
    return np.concatenate([np.arange(core - onset, core), vowel, np.arange(core_end, core_end + coda)])


def _intoned(line: NDArray[np.float32], voice: Singer, frames: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The pitch of each frame as a fractional MIDI number, float64 (frames,)."""
    time_s = np.arange(frames) / FRAMES_PER_S
    which = np.clip(np.searchsorted(line[:, 0], time_s, side="right") - 1, 0, len(line) - 1)
    since_s = np.maximum(time_s - line[which, 0], 0)
    pitch = gaussian_filter1d(line[which, 2].astype(float), voice.slide_s * FRAMES_PER_S)
    scooped = (rng.random(len(line)) < voice.scoop) * rng.uniform(0.5, 2.0, len(line))
    pitch -= scooped[which] * np.exp(-since_s / 0.06)
    grown = np.clip((since_s - voice.vibrato_delay_s) / 0.25, 0, 1)
    rate_hz = voice.vibrato_hz * (1 + 0.08 * _slow(frames, 1.0, rng))
    pitch += grown * voice.vibrato_cents / 100 * np.sin(2 * np.pi * np.cumsum(rate_hz) / FRAMES_PER_S)
    return np.asarray(pitch + voice.drift_cents / 100 * _slow(frames, 0.4, rng))


def _slow(frames: int, smooth_s: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of standard deviation 1 that changes over about `smooth_s`."""
    noise = gaussian_filter1d(rng.standard_normal(frames), smooth_s * FRAMES_PER_S)
    return np.asarray(noise / max(float(noise.std()), 1e-9))


def _warped(bins: int, tract: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each bin the bin that is heard there, and its frequency in units of 1 kHz."""
    at = np.minimum(np.arange(bins) / tract, bins - 1)
    return at, np.arange(bins) * (RATE_HZ / 2 / (bins - 1)) / 1000


def _along(rows: NDArray[np.float32], at: NDArray[np.float64]) -> NDArray[np.float64]:
    before = at.astype(np.int64)
    after, share = np.minimum(before + 1, rows.shape[1] - 1), at - before
    return np.asarray(rows[:, before] * (1 - share) + rows[:, after] * share, np.float64)


def _spoken(name: str) -> NDArray[np.float64]:
    """The voice speaks syllables with pauses between them."""
    if shutil.which("espeak-ng") is None:
        raise FileNotFoundError("the program espeak-ng is not installed: apt-get install espeak-ng")
    rng = np.random.default_rng(len(name))
    words = [f"{rng.choice(CONSONANTS)}{rng.choice(VOWELS)}{rng.choice(CODAS)}" for _ in range(SYLLABLES)]
    text = f" <break time='{PAUSE_MS}ms'/> ".join(words)
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "syllables.wav")
        subprocess.run(
            ["espeak-ng", "-v", name, "-s", "110", "-m", "-w", str(wav), text], check=True, capture_output=True
        )
        samples, rate_hz = soundfile.read(wav, dtype="float64")
    return np.asarray(soxr.resample(samples, rate_hz, RATE_HZ), np.float64)


def _analysed(samples: NDArray[np.float64]) -> Speaker:
    rough_hz, time_s = pyworld.dio(samples, RATE_HZ, f0_floor=LOWEST_HZ, frame_period=FRAME_MS)
    f0_hz = pyworld.stonemask(samples, rough_hz, time_s, RATE_HZ)
    fft = pyworld.get_cheaptrick_fft_size(RATE_HZ, 71.0)
    power = pyworld.cheaptrick(samples, f0_hz, time_s, RATE_HZ, fft_size=fft)
    aperiodicity = pyworld.d4c(samples, f0_hz, time_s, RATE_HZ, fft_size=fft)
    level = np.sqrt(power.mean(axis=1))
    return Speaker(
        np.log(power + 1e-12).astype(np.float32),
        aperiodicity.astype(np.float32),
        f0_hz > 0,
        np.array(_syllables(level, f0_hz > 0), np.int64),
    )


def _syllables(level: NDArray[np.float64], voiced: NDArray[np.bool_]) -> Sequence[tuple[int, int, int, int]]:
    """Runs of sound that hold a vowel."""
    runs, count = label(level > level.max() * 10 ** (SILENT_DB / 20))
    found = []
    for number in range(1, count + 1):
        inside = np.flatnonzero(runs == number)
        core = inside[voiced[inside] & (level[inside] > CORE_SHARE * level[inside].max())]
        if len(inside) >= LEAST_SYLLABLE_S * FRAMES_PER_S and len(core) >= 4:
            found.append((int(inside[0]), int(core[0]), int(core[-1]) + 1, int(inside[-1]) + 1))
    if not found:
        raise ValueError("no syllable with a vowel was spoken")
    return found
