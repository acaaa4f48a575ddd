"""Render: the clips of this folder, from text to audio, and the manifest which describes them.

    python ops/clips/render.py [--only NAME] [--out DIR] [--soundfont FILE]

A tune (`tunes.py`) and an arrangement (`arrangements.py`) become a score (`perform.py`), a MIDI file (`midi.py`), the
sound of FluidSynth with the FluidR3 GM soundfont, and an AAC file. The same versions of FluidSynth and PyAV on the same
kind of processor give the same bytes; the clips shipped here came from FluidSynth 2.3.1 and PyAV 18.1.0.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
import soundfile
from arrangements import ARRANGEMENTS, Arrangement
from midi import file_bytes
from notation import pitch_class
from perform import perform
from tunes import TUNES, Tune

HERE = Path(__file__).resolve().parent
SOUNDFONTS = ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/soundfonts/FluidR3_GM.sf2")
INSTALL = "apt-get install fluidsynth fluid-soundfont-gm (the names of both packages in Debian and Ubuntu)"
RATE_HZ = 44_100
BITS_PER_S = 58_000
PEAK = 10 ** (-3 / 20)
FADE_S = 0.5
SILENCE = 10 ** (-50 / 20)  # below the peak: the reverb's tail is cut here
SHORTEST_S, LONGEST_S = 30.0, 40.0
MAJOR_KEYS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
MINOR_KEYS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


def main() -> None:
    """Render all clips, or those whose name contains `--only`, and write the manifest beside them."""
    options = parse_arguments()
    soundfont = find_soundfont(options.soundfont)
    wanted = [row for row in ARRANGEMENTS if options.only in file_name(row)]
    if not wanted:
        sys.exit(f"no clip is called '{options.only}': the clips are {', '.join(map(file_name, ARRANGEMENTS))}")
    options.out.mkdir(parents=True, exist_ok=True)
    for number, arrangement in enumerate(wanted, 1):
        samples = synthesise(arrangement, soundfont)
        encode(samples, options.out / file_name(arrangement))
        print(f"[{number}/{len(wanted)}] {file_name(arrangement)} {len(samples) / RATE_HZ:.1f} s", file=sys.stderr)
    write_manifest(options.out)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", default="", metavar="NAME", help="render the clips whose file name contains NAME")
    parser.add_argument(
        "--out", type=Path, default=HERE, metavar="DIR", help="where to write (default: beside the script)"
    )
    parser.add_argument("--soundfont", metavar="FILE", help="FluidR3_GM.sf2, where the system has it elsewhere")
    return parser.parse_args()


def find_soundfont(given: str | None) -> str:
    """The soundfont's path; ends the program with the names of the packages where something is missing."""
    if shutil.which("fluidsynth") is None:
        sys.exit(f"fluidsynth is missing: {INSTALL}")
    for candidate in (given,) if given else SOUNDFONTS:
        if Path(candidate).is_file():
            return candidate
    sys.exit(f"{given or 'FluidR3_GM.sf2'} is missing: {INSTALL}, or name the file with --soundfont")


def file_name(arrangement: Arrangement) -> str:
    """The clip's file, such as `ode-to-joy--string-quartet.m4a`."""
    return f"{arrangement.tune}--{arrangement.slug}.m4a"


def synthesise(arrangement: Arrangement, soundfont: str) -> np.ndarray:
    """The finished sound of one clip: mono, shape (samples,), float32, peak at -3 dBFS, faded out."""
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder, "score.mid"), Path(folder, "sound.wav")
        score.write_bytes(file_bytes(*perform(TUNES[arrangement.tune], arrangement)))
        options = ["-o", "synth.dynamic-sample-loading=1", "-q", "-T", "wav", "-O", "float", "-r", str(RATE_HZ)]
        command = ["fluidsynth", *options, "-F", str(sound), soundfont, str(score)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        stereo, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    return finish(stereo.mean(axis=1))


def finish(samples: np.ndarray) -> np.ndarray:
    """Cut the silence at the end, fade out, bring the peak to -3 dBFS."""
    peak = np.abs(samples).max()
    end = int(np.flatnonzero(np.abs(samples) > SILENCE * peak)[-1]) + 1
    samples = samples[:end] * np.float32(PEAK / peak)
    fade = int(FADE_S * RATE_HZ)
    samples[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade, dtype=np.float32)) ** 2
    lasts_s = len(samples) / RATE_HZ
    if not SHORTEST_S <= lasts_s <= LONGEST_S:
        limits = f"{SHORTEST_S:.0f} to {LONGEST_S:.0f} s"
        raise ValueError(f"the clip lasts {lasts_s:.1f} s, not {limits}: change its tempo or form")
    return samples


def encode(samples: np.ndarray, path: Path) -> None:
    """Write the samples as AAC in an MP4 container, without anything that varies from run to run."""
    with av.open(str(path), "w", format="ipod", options={"fflags": "+bitexact", "movflags": "+faststart"}) as container:
        stream = container.add_stream("aac", rate=RATE_HZ, layout="mono", options={"flags": "+bitexact"})
        stream.bit_rate = BITS_PER_S
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_manifest(folder: Path) -> None:
    """Describe the clips which are in the folder, in the order of `ARRANGEMENTS`."""
    present = [row for row in ARRANGEMENTS if (folder / file_name(row)).is_file()]
    text = json.dumps([describe(row, folder) for row in present], indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    total = sum((folder / file_name(row)).stat().st_size for row in present)
    print(f"{len(present)} clips, {total / 1e6:.2f} MB, described in manifest.json", file=sys.stderr)


def describe(arrangement: Arrangement, folder: Path) -> dict[str, str | int | float]:
    """The manifest's entry of one clip.

    `transposition_semitones` (-6..5) counts from the tune's first arrangement; `tempo_bpm` counts quarters, in 6/8 and
    3/8 dotted quarters.
    """
    tune, path = TUNES[arrangement.tune], folder / file_name(arrangement)
    first = next(row for row in ARRANGEMENTS if row.tune == arrangement.tune)
    return {
        "file": path.name,
        "composition": tune.title,
        "composer": tune.composer,
        "year_or_tradition": tune.year_or_tradition,
        "arrangement": arrangement.phrase,
        "key": sounding_key(tune, arrangement.semitones),
        "tempo_bpm": arrangement.bpm,
        "transposition_semitones": (arrangement.semitones - first.semitones + 6) % 12 - 6,
        "duration_s": duration_s(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def sounding_key(tune: Tune, semitones: int) -> str:
    """The key in which a transposed tune sounds, such as `Bb major`."""
    tonic, mode = tune.key.split()
    names = MAJOR_KEYS if mode == "major" else MINOR_KEYS
    return f"{names[(pitch_class(tonic) + semitones) % 12]} {mode}"


def duration_s(path: Path) -> float:
    """Seconds of sound in an audio file, as its decoder gives them."""
    with av.open(str(path)) as container:
        return round(sum(frame.samples for frame in container.decode(audio=0)) / RATE_HZ, 2)


if __name__ == "__main__":
    main()
