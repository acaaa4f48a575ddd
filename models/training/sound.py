"""Sound: a performance becomes what would be heard of it, played by FluidSynth and produced as its `Production` says.

One bank of instruments, FreePats, is no soundfont but a folder of patches, which TiMidity++ plays.

    stems  = stem_waveforms(performance)              one dry waveform for each stem that has notes
    heard  = produce(sum of the stems, production)    see `production.py`
    layers = performance_cqts(performance, hearing)   the pooled CQT of both

Everything follows from the performance and the seed: the same versions of FluidSynth, TiMidity++, eSpeak NG and PyAV on
the same kind of processor give the same bytes.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import soundfile
from numpy.typing import NDArray

from models.card import Hearing
from models.cqt import Cqt, compressed, pooled_magnitude
from models.training import fonts
from models.training.performance import STEMS, Part, Performance
from models.training.production import Samples, detuned, produce, speed

FOLDERS = (
    *map(Path, ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3", "/usr/share/soundfonts", "/etc/timidity")),
    fonts.FOLDER,
)
PATCHES = ".cfg"  # the suffix of what TiMidity++ reads
REMEDIES = {  # Debian's and Ubuntu's packages
    "FluidR3_GM": "apt-get install fluid-soundfont-gm",
    "MuseScore_General": "apt-get install musescore-general-soundfont-small",
    "TimGM6mb": "apt-get install timgm6mb-soundfont",
    "OPL-3_FM_128M": "apt-get install opl3-soundfont",
    "freepats": "apt-get install freepats",
    fonts.NAME: "python -m models.training multitracks --split validation --seeds 0:1",
}
DRUM_CHANNEL = 9
CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)
TICKS_PER_BEAT = 960  # at MIDI's default of 120 beats per minute: half a millisecond
TICKS_PER_S = 2 * TICKS_PER_BEAT
PEAK = 0.5  # of the dry mix
PATCHES_VOLUME = 30  # in per cent: an orchestra does not clip
FADE_S = 0.05
SETTINGS = {
    "synth.dynamic-sample-loading": "1",  # read the samples of the chosen programs only, not all 140 MB
    # The font is loaded by a command and not by an argument, which would give a piano to all 16 channels and so decode
    # the largest instrument of a compressed font: a second each time.
    "synth.default-soundfont": "",
    "player.reset-synth": "0",  # a reset chooses the piano, too
    "synth.reverb.active": "0",
    "synth.chorus.active": "0",
}


def performance_cqts(performance: Performance, hearing: Hearing, seed: int) -> tuple[Cqt, float]:
    """What an encoder hears of a performance, and of each stem by itself.

    The first four layers are the dry `STEMS` on one scale, so that they can be mixed with gains: a stem's magnitude is
    scale * expm1(layer / 255 * log1p(compression)) / compression. The fifth is the produced mix, relative to its own
    peak, as `pooled_cqt` gives it. The detune is in all five: `produced_score_map` is the map of each.

    Args:
        performance: what is played.
        hearing: the card's numbers.
        seed: of noise, reverb and speech.
    Returns:
        uint8 (5, bins, frames), zeros where a stem is absent; and the pooled magnitude which 255 stands for in the
        first four layers: the greatest of any stem, 0 if none sounds.
    Raises:
        FileNotFoundError: a program or soundfont is not installed. RuntimeError: FluidSynth failed.
    """
    production = performance.production
    stems = {
        stem: detuned(samples, production.detune_cents)
        for stem, samples in stem_waveforms(performance, hearing.rate_hz).items()
    }
    silence = detuned(_silence(performance, hearing.rate_hz), production.detune_cents)
    mix = sum(stems.values(), silence)
    heard = pooled_magnitude(produce(mix, replace(production, detune_cents=0.0), hearing.rate_hz, seed), hearing)
    dry = [pooled_magnitude(stems.get(stem, silence), hearing) for stem in STEMS]
    scale = max(float(magnitude.max(initial=0.0)) for magnitude in dry)
    layers = [compressed(magnitude, scale, hearing) for magnitude in dry]
    return np.stack([*layers, compressed(heard, float(heard.max(initial=0.0)), hearing)]), scale


def produced_score_map(performance: Performance) -> NDArray[np.float64]:
    """The score map in the time of the produced sound: `performance.score_map` after the detune."""
    faster = speed(performance.production.detune_cents)
    return np.asarray(performance.score_map / [faster, faster, 1.0, 1.0])


def stem_waveforms(performance: Performance, rate_hz: int = 22_050) -> dict[str, Samples]:
    """Play each stem by itself, dry.

    All stems begin at the performance's time 0 and share one gain, with which their sum, the dry mix, peaks at -6 dBFS.

    Args:
        performance: what is played; its production is not applied.
        rate_hz: of the result.
    Returns:
        For each stem that has notes, in the order of `STEMS`: mono float32 (duration_s * rate_hz,), with its last 50 ms
        faded out.
    Raises:
        FileNotFoundError: the soundfont or what plays it is not installed. RuntimeError: the program failed.
    """
    soundfont = soundfont_path(performance.soundfont)
    there = _programs(soundfont)
    play = timidity if soundfont.suffix == PATCHES else fluidsynth
    silence = _silence(performance, rate_hz)
    stems: dict[str, Samples] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs: list[tuple[str, Path, subprocess.Popen[str]]] = []
        for stem in STEMS:
            for parts in _ensembles([part for part in performance.parts if part.stem == stem and len(part.notes)]):
                midi, wav = folder / f"{len(runs)}.mid", folder / f"{len(runs)}.wav"
                write_midi([replace(part, program=_nearest(part.program, there)) for part in parts], midi)
                runs.append((stem, wav, _started(play(soundfont, midi, wav, rate_hz))))
        for stem, wav, process in runs:
            stems[stem] = stems.get(stem, silence) + _played(play.__name__, process, wav, len(silence))
    fade = min(round(FADE_S * rate_hz), len(silence))
    envelope = np.ones_like(silence)
    envelope[len(silence) - fade :] = np.cos(np.linspace(0, np.pi / 2, fade)) ** 2
    peak = float(np.abs(envelope * sum(stems.values(), silence)).max(initial=0.0))
    gain = envelope * np.float32(PEAK / peak if peak > 0 else 1.0)
    return {stem: samples * gain for stem, samples in stems.items()}


def soundfont_path(name: str) -> Path:
    """The file of a soundfont. Raises FileNotFoundError with what would bring it."""
    for folder in FOLDERS:
        for suffix in (".sf2", ".sf3", PATCHES):
            if (folder / f"{name}{suffix}").is_file():
                return folder / f"{name}{suffix}"
    remedy = REMEDIES.get(name, f"known are {', '.join(REMEDIES)}")
    raise FileNotFoundError(f"the soundfont '{name}' is not in {', '.join(map(str, FOLDERS))}: {remedy}")


def _programs(soundfont: Path) -> list[int]:
    """The programs that it has, of General MIDI's 128: FreePats is not complete, whose neighbours then play."""
    if soundfont.suffix != PATCHES:
        return list(range(128))
    words = (line.split() for line in soundfont.read_text().split("\nbank 0\n", 1)[1].splitlines())
    return [int(word[0]) for word in words if word and word[0].isdigit()]


def _nearest(program: int, there: Sequence[int]) -> int:
    return min(there, key=lambda number: abs(number - program))


def write_midi(parts: Sequence[Part], path: Path) -> None:
    """Write a Standard MIDI File of at most 15 parts, or of one of drums, in ticks of 1/1920 s.

    A key that is struck again while it is down is let go first; of two notes that are the same one counts.
    """
    events: list[tuple[int, int, mido.Message]] = []
    channels = (DRUM_CHANNEL,) if parts[0].stem == "drums" else CHANNELS
    for channel, part in zip(channels[: len(parts)], parts, strict=True):
        events.append((0, 0, mido.Message("program_change", channel=channel, program=part.program)))
        for on, off, pitch, velocity in _strokes(part.notes):
            events.append((on, 2, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
            events.append((off, 1, mido.Message("note_off", channel=channel, note=pitch, velocity=0)))
    events.sort(key=lambda event: event[:2])
    track, now = mido.MidiTrack(), 0
    for tick, _, message in events:
        track.append(message.copy(time=tick - now))
        now = tick
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track]).save(path)


def _strokes(notes: NDArray[np.float32]) -> list[tuple[int, int, int, int]]:
    """(on, off, pitch, velocity) in ticks; of one pitch none begins before the one before it ends."""
    strokes = []
    struck: dict[int, int] = {}  # when each key will be struck next
    for start_s, length_s, number, velocity in sorted(notes.astype(float).tolist(), reverse=True):
        on, pitch = max(0, round(start_s * TICKS_PER_S)), round(number)
        off = max(on + 1, round((start_s + length_s) * TICKS_PER_S))
        off = min(off, struck.get(pitch, off))
        if on < off:
            struck[pitch] = on
            strokes.append((on, off, pitch, min(127, max(1, round(velocity)))))
    return strokes


def fluidsynth(soundfont: Path, midi: Path, wav: Path, rate_hz: int) -> list[str]:
    """The command that plays `midi` to `wav`, stereo float32; what it has to read first is written beside `midi`.

    Raises FileNotFoundError if FluidSynth is not installed.
    """
    if shutil.which("fluidsynth") is None:
        raise FileNotFoundError("the program fluidsynth is not installed: apt-get install fluidsynth")
    commands = midi.with_suffix(".txt")
    commands.write_text(f'load "{soundfont}" 0\n')
    settings = [word for name, value in SETTINGS.items() for word in ("-o", f"{name}={value}")]
    sound = ["-q", "-T", "wav", "-O", "float", "-z", "1024", "-r", str(rate_hz), "-F", str(wav)]
    return ["fluidsynth", *settings, *sound, "-f", str(commands), str(midi)]


def timidity(patches: Path, midi: Path, wav: Path, rate_hz: int) -> list[str]:
    """The command that plays `midi` to `wav` by a configuration's patches, mono, 24 bits, without effects.

    Raises FileNotFoundError if TiMidity++ is not installed.
    """
    if shutil.which("timidity") is None:
        raise FileNotFoundError("the program timidity is not installed: apt-get install timidity")
    dry = ["-EFreverb=d", "-EFchorus=d", "-EFdelay=d", "-EFns=0", f"-A{PATCHES_VOLUME}", "--preserve-silence"]
    return ["timidity", "-c", str(patches), *dry, "-OwM2", "-s", str(rate_hz), "-o", str(wav), str(midi)]


def _ensembles(parts: list[Part]) -> list[list[Part]]:
    """The parts of one stem, as many together as one MIDI file has channels for."""
    if not parts:
        return []
    size = 1 if parts[0].stem == "drums" else len(CHANNELS)
    return [parts[start : start + size] for start in range(0, len(parts), size)]


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    nothing = subprocess.DEVNULL
    return subprocess.Popen(command, text=True, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE)


def _played(program: str, process: subprocess.Popen[str], wav: Path, length: int) -> Samples:
    """What the program wrote, mono, cut or padded to `length` samples."""
    complaint = process.communicate()[1].strip()
    if process.returncode != 0 or not wav.is_file():
        raise RuntimeError(f"{program} ended with code {process.returncode}: {complaint}")
    stereo, _ = soundfile.read(wav, dtype="float32", always_2d=True, frames=length)
    return np.pad(stereo.mean(axis=1), (0, length - len(stereo)))


def _silence(performance: Performance, rate_hz: int) -> Samples:
    return np.zeros(round(performance.duration_s * rate_hz), np.float32)
