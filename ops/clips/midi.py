"""Midi: a score becomes the bytes of a Standard MIDI File (format 0, one track)."""

import struct
from dataclasses import dataclass

TICKS = 480  # per beat


@dataclass(frozen=True)
class Hit:
    """One key press on a channel; `start` and `length` in beats."""

    channel: int
    start: float
    length: float
    pitch: int
    velocity: int


def file_bytes(hits: list[Hit], programs: dict[int, int], tempos: list[tuple[float, float]]) -> bytes:
    """A Standard MIDI File.

    Args:
        hits: the notes. programs: General MIDI program of each channel. tempos: (beat, beats per minute), in order.
    """
    events: list[tuple[int, int, bytes]] = []
    for beat, bpm in tempos:
        events.append((_tick(beat), 0, b"\xff\x51\x03" + round(60e6 / bpm).to_bytes(3, "big")))
    for channel, program in programs.items():
        events.append((0, 1, bytes([0xC0 | channel, program])))
        for controller, value in ((7, 100), (91, 60), (93, 12)):  # volume, reverb, chorus
            events.append((0, 1, bytes([0xB0 | channel, controller, value])))
    for hit in hits:
        on, off = _tick(hit.start), _tick(hit.start + hit.length)
        events.append((on, 3, bytes([0x90 | hit.channel, hit.pitch, hit.velocity])))
        events.append((max(off, on + 1), 2, bytes([0x80 | hit.channel, hit.pitch, 0])))
    track, clock = bytearray(), 0
    for tick, _, message in sorted(events):
        track += _variable_length(tick - clock) + message
        clock = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS) + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _tick(beat: float) -> int:
    return round(beat * TICKS)


def _variable_length(value: int) -> bytes:
    """MIDI's variable-length quantity: seven bits a byte, the high bit set on all but the last."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))
