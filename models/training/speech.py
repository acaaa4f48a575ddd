"""Speech: somebody talks over the music, in sentences that no one ever wrote, read by eSpeak NG."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

WORDS = """
    a about after again all and another any arrive at bell below between boat bread bridge bring by call carry child
    city clear come cross dance day door down early evening every fall field fire follow for friend from garden give
    go good green hand have he hear her hold home hour house how if in it keep know last leave light listen little
    long look make many market meet morning mountain music my near never new night no of old on once open or our over
    paper people place play quiet radio rain read remember river road room run say sea see she sing sit so some song
    speak stand station stay street summer take tell that the their then there they thing think this through time to
    today tomorrow town train tree turn under until up voice wait walk warm water we what when where which while who
    wind window winter with woman word work write year yes yesterday you
"""
LANGUAGES = ("en-gb", "en-us", "en-gb-scotland", "de", "fr-fr", "es", "it", "nl")  # whose sounds the words are read in
VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5")
WORDS_PER_MINUTE = (120, 220)
PITCH = (20, 80)  # of eSpeak's 0..99
PAUSE_MS = (100, 2_500)


def speech(
    length: int, rate_hz: int, rng: np.random.Generator, variants: Sequence[str] = VARIANTS
) -> NDArray[np.float32]:
    """One voice that speaks and pauses.

    Args:
        length: of the result, in samples.
        rate_hz: of the result.
        rng: chooses voice, pitch, speed, words and pauses.
        variants: of eSpeak NG's voices, among which it chooses.
    Returns:
        float32 (length,), in -1..1. A text that ends early leaves silence, one that does not is cut.
    Raises:
        FileNotFoundError: eSpeak NG is not installed.
    """
    if shutil.which("espeak-ng") is None:
        raise FileNotFoundError("the program espeak-ng is not installed: apt-get install espeak-ng")
    pace = int(rng.integers(*WORDS_PER_MINUTE))
    voice = f"{rng.choice(LANGUAGES)}+{rng.choice(variants)}"
    text = _text(round(length / rate_hz / 60 * pace) + 1, rng)
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "speech.wav")
        options = ["-v", voice, "-s", str(pace), "-p", str(rng.integers(*PITCH)), "-m", "-w", str(wav)]
        subprocess.run(["espeak-ng", *options, text], check=True, capture_output=True)
        spoken, spoken_hz = soundfile.read(wav, dtype="float32")
    samples = soxr.resample(spoken, spoken_hz, rate_hz)[:length]
    return np.pad(np.asarray(samples, np.float32), (0, length - len(samples)))


def _text(words: int, rng: np.random.Generator) -> str:
    """Sentences of at least so many words, with pauses between them, in SSML."""
    sentences = []
    while words > 0:
        spoken = rng.choice(WORDS.split(), rng.integers(3, 13))
        words -= len(spoken)
        sentences.append(f"{' '.join(spoken).capitalize()}. <break time='{rng.integers(*PAUSE_MS)}ms'/>")
    return " ".join(sentences)
