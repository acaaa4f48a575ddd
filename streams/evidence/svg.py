"""What the pictures of the evidence card are drawn with: SVG axes, text, rectangles, all of one width.

Text and lines take the colour of the page, so that they can be read in dark mode; images lie on a light ground in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from streams.evidence.words import clock

WIDTH, LEFT, RIGHT = 800, 62, 14
PLOT = WIDTH - LEFT - RIGHT
TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400)
TICKS = 9  # at most


def figure(height: float, says: str, parts: Iterable[str]) -> str:
    """A picture with what it shows in words, for who cannot see it."""
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="Picture">'
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(says)}">{"".join(parts)}</svg></div>'
    )


def times(duration_s: float, y: float, way: int, name: str = "", starts_s: float = 0.0) -> str:
    """Times along a horizontal line, above (-1) or below (1) of it."""
    parts = []
    for at_s in _ticks_s(starts_s, starts_s + duration_s):
        x = across(at_s - starts_s, duration_s)
        parts.append(f'<path class="tick" d="M{x:.1f} {y:.1f}v{4 * way}"/>')
        parts.append(text(x, y + (17 if way > 0 else -7), clock(at_s), "middle", small=True))
    if name:
        parts.append(text(LEFT + PLOT / 2, y + 34, name, "middle", strong=True))
    return "".join(parts)


def upright_times(duration_s: float, top: float, height: float) -> str:
    """Times of B along the left side."""
    parts = []
    for at_s in _ticks_s(0.0, duration_s):
        y = top + height * (1 - at_s / duration_s)
        parts.append(f'<path class="tick" d="M{LEFT} {y:.1f}h-4"/>')
        parts.append(text(LEFT - 7, y + 4, clock(at_s), "end", small=True))
    return "".join([*parts, text(10, top + height / 2 + 6, "B", "middle", strong=True)])


def across(at_s: float, duration_s: float) -> float:
    """Where a second lies in a picture that is as wide as a track."""
    return LEFT + PLOT * at_s / duration_s


def rect(sides: Sequence[float], top: float, height: float, opacity: float) -> str:
    """From the first of `sides` to the second, never too narrow to be seen; it takes the colour of its group."""
    wide = max(sides[1] - sides[0], 1.0)
    return f'<rect x="{sides[0]:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{height}" fill-opacity="{opacity}"/>'


def frame(top: float, height: float) -> str:
    """A thin line around an image."""
    return f'<rect class="frame" x="{LEFT}" y="{top}" width="{PLOT}" height="{height}"/>'


def text(x: float, y: float, words: str, anchor: str, *, small: bool = False, strong: bool = False) -> str:
    """Words at a place, escaped; `anchor` is start, middle or end."""
    kind = "small" if small else "strong" if strong else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _ticks_s(start_s: float, end_s: float) -> Iterable[float]:
    step_s = next((step for step in TICKS_S if (end_s - start_s) / step <= TICKS), TICKS_S[-1])
    return (float(at) for at in np.arange(np.ceil(start_s / step_s) * step_s, end_s + 1e-6, step_s))
