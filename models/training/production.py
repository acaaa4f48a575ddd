"""Production: what happens to the sound between the instruments and the listener, as `Production` lists it.

    detune - equaliser - reverb - drive - compressor - noise - speech - band limit - codec - gain

The first five are the studio's, the rest is the way from there. What is not asked for changes no sample, and none of
them moves the sound in time by more than some milliseconds, apart from the detune. Random choices of one kind depend on
the seed alone, so asking for noise leaves the reverb as it was.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import av
import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import butter, fftconvolve, sosfilt

from models.training.performance import Production
from models.training.speech import speech

Samples = NDArray[np.float32]  # (samples,), mono

EQ_KNOTS_HZ = (100.0, 400.0, 1_600.0, 6_400.0)
EARLY_S = (0.005, 0.06)  # when walls answer
EARLY_ECHOES = 8
TAIL_SHARE = 0.7  # of a reverb's energy; the rest is early echoes
DRIVE_GAIN = 9.0  # of a drive of 1: a sine of full scale comes out nearly square
THRESHOLD_DB = -20.0
ATTACK_S, RELEASE_S = 0.005, 0.15
LEVEL_SAMPLES = 128  # a compressor's step; 6 ms at 22.05 kHz
FILTER_ORDER = 4
CODECS: dict[str, tuple[str, str, dict[str, str], tuple[int, ...]]] = {
    #       container  encoder  its options  rates that it takes
    "mp3": ("mp3", "libmp3lame", {"compression_level": "7"}, (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)),
    "aac": ("ipod", "aac", {}, (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)),
    "opus": ("ogg", "libopus", {}, (24_000, 48_000)),
    "amr": ("amr", "libopencore_amrnb", {}, (8_000,)),  # a telephone's: what the gsm of old sounds like
}


def produce(dry: Samples, production: Production, rate_hz: int, seed: int) -> Samples:
    """The sound as it is published, broadcast or overheard.

    Args:
        dry: the sum of the stems, float32 (samples,), in -1..1.
        production: what is done to it.
        rate_hz: of `dry` and of the result.
        seed: of noise, reverb and speech.
    Returns:
        float32, as long as `dry`, or as the detune makes it.
    Raises:
        ValueError: the codec is not one of `CODECS`. FileNotFoundError: speech needs eSpeak NG.
    """
    if not len(dry):
        return dry
    echoes, hiss, talk = (np.random.default_rng([seed, effect]) for effect in range(3))
    samples = detuned(dry, production.detune_cents)
    if any(production.eq_db):
        samples = equalised(samples, production.eq_db, rate_hz)
    if production.reverb_s > 0 and production.reverb_wet > 0:
        samples = reverberant(samples, production.reverb_s, production.reverb_wet, rate_hz, echoes)
    if production.drive > 0:
        samples = driven(samples, production.drive)
    if production.compression > 1:
        samples = levelled(samples, production.compression, rate_hz)
    music = rms(samples)
    if production.noise_db is not None:
        samples = samples + _at(noise(len(samples), hiss), music, production.noise_db)
    if production.speech_db is not None:
        samples = samples + _at(speech(len(samples), rate_hz, talk), music, production.speech_db)
    if production.low_cut_hz is not None or production.high_cut_hz is not None:
        samples = band_limited(samples, production.low_cut_hz, production.high_cut_hz, rate_hz)
    if production.codec is not None:
        samples = round_trip(samples, *production.codec, rate_hz)
    return samples * np.float32(10 ** (production.gain_db / 20))


def speed(detune_cents: float) -> float:
    """How much faster, and as much higher, a recording runs."""
    return float(2 ** (detune_cents / 1200))


def detuned(samples: Samples, detune_cents: float) -> Samples:
    """Played at another speed: what was at t is at t / speed; round(samples / speed) of them."""
    if detune_cents == 0:
        return samples
    length = round(len(samples) / speed(detune_cents))
    return _sized(soxr.resample(samples, speed(detune_cents), 1.0), length)


def equalised(samples: Samples, eq_db: Sequence[float], rate_hz: int) -> Samples:
    """Gains of `eq_db` at `EQ_KNOTS_HZ`, linear in between on a logarithmic axis, level beyond; without phase."""
    padded = next_fast_len(len(samples) + rate_hz // 10, real=True)
    octaves = np.log2(np.maximum(rfftfreq(padded, 1 / rate_hz), 1.0))
    gain = 10 ** (np.interp(octaves, np.log2(EQ_KNOTS_HZ), eq_db) / 20)
    return _sized(irfft(rfft(samples, padded) * gain.astype(np.float32), padded), len(samples))


def reverberant(samples: Samples, reverb_s: float, wet: float, rate_hz: int, rng: np.random.Generator) -> Samples:
    """Early echoes and a tail of noise that decays by 60 dB in `reverb_s`; `wet` is their share of the amplitude."""
    tail = rng.standard_normal(max(1, round(reverb_s * rate_hz))).astype(np.float32)
    tail *= np.float32(10) ** (-3 * np.linspace(0, 1, len(tail), dtype=np.float32))
    early = np.zeros_like(tail)
    arrivals_s = rng.uniform(*EARLY_S, EARLY_ECHOES)
    at = np.minimum((arrivals_s * rate_hz).astype(int), len(early) - 1)
    early[at] = rng.choice([-1.0, 1.0], EARLY_ECHOES) * EARLY_S[0] / arrivals_s
    response = _loud(tail, TAIL_SHARE**0.5) + _loud(early, (1 - TAIL_SHARE) ** 0.5)
    answer = fftconvolve(samples, response)[: len(samples)]
    return np.asarray((1 - wet) * samples + _loud(answer, wet * rms(samples)), np.float32)


def driven(samples: Samples, drive: float) -> Samples:
    """Bent by a hyperbolic tangent; the peak stays."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0:
        return samples
    gain = DRIVE_GAIN * drive
    return np.asarray(np.tanh(samples * (gain / peak)) * (peak / np.tanh(gain)), np.float32)


def levelled(samples: Samples, ratio: float, rate_hz: int) -> Samples:
    """A feed-forward compressor: of each dB over the threshold 1 / ratio is left. Nothing is made up for."""
    steps = -(-len(samples) // LEVEL_SAMPLES)
    levels = np.abs(_sized(samples, steps * LEVEL_SAMPLES)).reshape(steps, LEVEL_SAMPLES).max(axis=1, initial=0.0)
    peak = float(levels.max(initial=0.0))
    if peak == 0:
        return samples
    over_db = np.maximum(20 * np.log10(np.maximum(levels / peak, 1e-6)) - THRESHOLD_DB, 0.0)
    attack, release = (float(np.exp(-LEVEL_SAMPLES / rate_hz / time_s)) for time_s in (ATTACK_S, RELEASE_S))
    held_db, now_db = [], 0.0
    for wanted_db in (over_db * (1 - 1 / ratio)).tolist():
        keep = attack if wanted_db > now_db else release
        now_db = keep * now_db + (1 - keep) * wanted_db
        held_db.append(now_db)
    reduction_db = np.interp(np.arange(len(samples)), (np.arange(steps) + 0.5) * LEVEL_SAMPLES, held_db)
    return np.asarray(samples * 10 ** (-reduction_db / 20), np.float32)


def noise(length: int, rng: np.random.Generator) -> Samples:
    """White or pink, as the generator decides."""
    white = rng.standard_normal(length, np.float32)
    if rng.random() < 0.5:
        return white
    padded = next_fast_len(length, real=True)
    spectrum = rfft(white, padded)
    return _sized(irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1), dtype=np.float32), padded), length)


def band_limited(samples: Samples, low_cut_hz: float | None, high_cut_hz: float | None, rate_hz: int) -> Samples:
    """Butterworth slopes of 24 dB per octave; a high cut beyond half the rate does nothing."""
    if low_cut_hz is not None:
        samples = sosfilt(butter(FILTER_ORDER, low_cut_hz, "highpass", fs=rate_hz, output="sos"), samples)
    if high_cut_hz is not None and high_cut_hz < rate_hz / 2:
        samples = sosfilt(butter(FILTER_ORDER, high_cut_hz, "lowpass", fs=rate_hz, output="sos"), samples)
    return np.asarray(samples, np.float32)


def round_trip(samples: Samples, codec: str, bits_per_s: int, rate_hz: int) -> Samples:
    """Encoded, muxed, demuxed and decoded in memory.

    The containers carry the encoder's delay and the decoder takes it off, so the sound stays where it was; only AMR has
    5 ms that nobody tells. The codec runs at the first of its rates that is not below `rate_hz`, or at its highest.
    Peaks over full scale are turned down.
    """
    if codec not in CODECS:
        raise ValueError(f"the codec '{codec}' is not known: it can be {', '.join(CODECS)}")
    container, encoder, options, rates = CODECS[codec]
    coded_hz = next((rate for rate in rates if rate >= rate_hz), rates[-1])
    peak = float(np.abs(samples).max())
    loud = samples / np.float32(max(peak, 1.0))
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(encoder, rate=coded_hz, layout="mono", options=options)
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bits_per_s
        frame = av.AudioFrame.from_ndarray(soxr.resample(loud, rate_hz, coded_hz)[np.newaxis], "fltp", "mono")
        frame.sample_rate, frame.pts = coded_hz, 0  # without a time the container has none to carry the delay in
        out.mux([*stream.encode(frame), *stream.encode(None)])
    file.seek(0)
    with av.open(file, "r", format="mov" if container == "ipod" else container) as back:
        resampler = av.AudioResampler("fltp", "mono", coded_hz)
        frames = [piece for frame in back.decode(audio=0) for piece in resampler.resample(frame)]
        frames += resampler.resample(None)
    decoded = np.concatenate([piece.to_ndarray()[0] for piece in frames])
    return _sized(soxr.resample(decoded, coded_hz, rate_hz), len(samples))


def rms(samples: Samples) -> float:
    """The root of the mean square, 0 of nothing."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def _at(added: Samples, music: float, below_db: float) -> Samples:
    """`added` at `below_db` under a root mean square of `music`, measured where it sounds."""
    sounding = added[added != 0]
    level = rms(sounding)
    return added * np.float32(music * 10 ** (-below_db / 20) / level if level else 0.0)


def _loud(samples: Samples, level: float) -> Samples:
    present = rms(samples)
    return samples * np.float32(level / present if present else 0.0)


def _sized(samples: Samples, length: int) -> Samples:
    """Cut or padded with zeros at the end."""
    return np.pad(np.asarray(samples[:length], np.float32), (0, max(0, length - len(samples))))
