"""The pictures of the evidence card, as SVG within HTML: functions of arrays and rows."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from models.chroma import Chroma, unit_columns
from models.latents import WindowAxis, window_range_s
from streams.evidence.images import image
from streams.evidence.rows import Row
from streams.evidence.svg import LEFT, PLOT, across, figure, frame, rect, text, times, upright_times
from streams.evidence.words import layer_name, span

# After Okabe and Ito 2008, whom most colour-blind people can follow; darker, so that white numbers can be read on them.
COLOURS = {
    "full_audio": "#0072b2",
    "vocals": "#c85200",
    "accompaniment": "#00855f",
    "bass": "#a0693a",
    "other": "#b3568a",
    "drums": "#707070",
    "motif": "#a87400",
    "section": "#2583bd",
    "fingerprint": "#8f5fd7",
}
UNKNOWN = "#707070"

TRACK, STRIPE, RIBBON = 84, 15, 90  # heights of an envelope, of a stripe, of the space between the stripes
OUTLINE_POINTS = 600
NUMBERED = 20  # as wide must a stripe be to hold its number
LANES = 10  # of stripes; what overlaps more often shares the last
MATRIX_HEIGHT = (200, 480)
MATRIX_POINTS = 500
PITCHES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
PITCH_HEIGHT, PITCH_COLUMNS = 13, 724
SMOOTH_S = 0.5  # what sounds together is seen together


def colour(layer: str) -> str:
    """Of a layer, the same in all pictures and tables."""
    return COLOURS.get(layer, UNKNOWN)


def tracks(
    query: NDArray[np.int8], candidate: NDArray[np.int8], durations_s: tuple[float, float], told: Sequence[Row]
) -> str:
    """Both envelopes, A above B, with what matches as bands joined by ribbons.

    Args:
        query, candidate: int8 (points, 2), see `models.audio.envelope`.
        durations_s: of query and candidate; each track is as wide as the picture.
        told: the evidence, strongest first.
    """
    lanes = _lanes(told)
    stripes = STRIPE * (max(lanes, default=-1) + 1)
    top_a, top_b = 26, 26 + TRACK + 2 * stripes + (RIBBON if told else 12)
    from_y, to_y = top_a + TRACK + stripes, top_b - stripes
    parts = [
        _outline(query, top_a),
        _outline(candidate, top_b),
        times(durations_s[0], top_a - 6, -1),
        times(durations_s[1], top_b + TRACK + 6, 1),
        text(LEFT / 2, top_a + TRACK / 2 + 7, "A", "middle", strong=True),
        text(LEFT / 2, top_b + TRACK / 2 + 7, "B", "middle", strong=True),
    ]
    for row, lane in reversed(list(zip(told, lanes, strict=True))):  # the strongest lies on top
        mine = [across(at_s, durations_s[0]) for at_s in row.query_s]
        theirs = [across(at_s, durations_s[1]) for at_s in row.candidate_s]
        parts += [
            f'<g fill="{colour(row.layer)}"><title>{escape(_told(row))}</title>',
            rect(mine, top_a, TRACK, 0.16),
            rect(theirs, top_b, TRACK, 0.16),
            _ribbon(mine, theirs, (from_y, to_y), colour(row.layer)),
            _stripe(mine, top_a + TRACK + lane * STRIPE, row.number),
            _stripe(theirs, top_b - (lane + 1) * STRIPE, row.number),
            "</g>",
        ]
    height = top_b + TRACK + 26
    said = "; ".join(_told(row) for row in told[:9]) or "nothing matches"
    return figure(height, f"Loudness of A, above, and of B, below, over time. Matched: {said}.", parts)


def matrix(alike: NDArray[np.float32], axis: WindowAxis, durations_s: tuple[float, float], told: Sequence[Row]) -> str:
    """Similarities of windows, A to the right and B upwards, each window drawn at its middle; evidence as lines.

    Args:
        alike: 0..1, (query windows, candidate windows), at least one of each.
        axis: how long the windows are.
        durations_s: of query and candidate.
        told: the evidence, strongest first.
    """
    height = int(np.clip(PLOT * durations_s[1] / durations_s[0], *MATRIX_HEIGHT))
    columns, ups = (
        _nearest_windows(count, axis, lasts_s) for count, lasts_s in zip(alike.shape, durations_s, strict=True)
    )
    picture = alike[np.ix_(columns, ups)].T[::-1]
    top = 10
    parts = [image(picture, (LEFT, top, PLOT, height)), frame(top, height)]
    parts += [times(durations_s[0], top + height, 1, "A"), upright_times(durations_s[1], top, height)]
    for row in reversed(told):
        x1, x2 = (across(at_s, durations_s[0]) for at_s in row.query_s)
        y1, y2 = (top + height * (1 - at_s / durations_s[1]) for at_s in row.candidate_s)
        ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        parts += [
            f'<line {ends} stroke="#fff" stroke-width="6" stroke-linecap="round"/>',
            f'<line {ends} stroke="{colour(row.layer)}" stroke-width="3" stroke-linecap="round">',
            f"<title>{escape(_told(row))}</title></line>",
        ]
    said = (
        f"Similarity of every window of A with every window of B; the most alike reach {float(alike.max()):.2f}. "
        f"{len(told)} matched passages are drawn as lines."
    )
    return figure(top + height + 40, said, parts)


def pitches(query: Chroma, candidate: Chroma, frame_s: float, row: Row) -> str:
    """Chroma of both over one evidence, the candidate's in the query's key and stretched to its length.

    Args:
        query, candidate: float32 (12, frames), whole tracks.
        frame_s: seconds from one frame to the next.
        row: the evidence.
    """
    gap, top, height = 34, 6, 12 * PITCH_HEIGHT
    sides = ((query, row.query_s, 0), (candidate, row.candidate_s, row.semitones or 0))
    parts = []
    for place, (chroma, range_s, raised) in enumerate(sides):
        y = top + place * (height + gap)
        shown = np.roll(_stretched(chroma, frame_s, range_s), raised, axis=0)
        parts += [image(shown[::-1] ** 2, (LEFT, y, PLOT, height)), frame(y, height)]
        parts += [
            text(LEFT - 6, y + height - (step + 0.5) * PITCH_HEIGHT + 4, name, "end", small=True)
            for step, name in enumerate(PITCHES)
        ]
        parts += [times(range_s[1] - range_s[0], y + height, 1, starts_s=range_s[0])]
        parts += [text(14, y + height / 2 + 6, "AB"[place], "middle", strong=True)]
    said = (
        f"Pitch classes over time: A {span(row.query_s)} above, B {span(row.candidate_s)} below, "
        "in A’s key and stretched to A’s length."
    )
    return figure(2 * height + gap + 40, said, parts)


def _stretched(chroma: Chroma, frame_s: float, range_s: tuple[float, float]) -> Chroma:
    """`PITCH_COLUMNS` columns, each relative to its strongest pitch class."""
    if not chroma.shape[1]:
        return np.zeros((12, PITCH_COLUMNS), np.float32)
    at_s = range_s[0] + (np.arange(PITCH_COLUMNS) + 0.5) / PITCH_COLUMNS * (range_s[1] - range_s[0])
    frames = np.clip((at_s / frame_s).astype(np.intp), 0, chroma.shape[1] - 1)
    smooth = uniform_filter1d(unit_columns(chroma), max(1, round(SMOOTH_S / frame_s)), axis=1)
    columns = smooth[:, frames]
    strongest = columns.max(axis=0)
    return np.asarray(columns / np.where(strongest > 0, strongest, 1), np.float32)


def _nearest_windows(count: int, axis: WindowAxis, duration_s: float) -> NDArray[np.intp]:
    """The window whose middle is nearest to each of the picture's points of time."""
    middles_s = np.array([np.mean(window_range_s(index, duration_s, axis)) for index in range(count)])
    points = min(MATRIX_POINTS, 4 * count)
    at_s = (np.arange(points) + 0.5) / points * duration_s
    return np.asarray(np.rint(np.interp(at_s, middles_s, np.arange(count))), np.intp)


def _outline(envelope: NDArray[np.int8], top: float) -> str:
    """An envelope relative to its loudest point, as one closed path."""
    if not len(envelope):
        return ""
    groups = np.array_split(envelope.astype(np.int16), min(OUTLINE_POINTS, len(envelope)))
    lowest = np.array([group[:, 0].min() for group in groups])
    highest = np.array([group[:, 1].max() for group in groups])
    scale = TRACK / 2 / max(int(np.abs(lowest).max()), int(np.abs(highest).max()), 1)
    at_x = LEFT + (np.arange(len(groups)) + 0.5) / len(groups) * PLOT
    middle = top + TRACK / 2
    upper = [f"{x:.1f} {middle - scale * y - 0.4:.1f}" for x, y in zip(at_x, highest, strict=True)]
    lower = [f"{x:.1f} {middle - scale * y + 0.4:.1f}" for x, y in zip(at_x, lowest, strict=True)]
    return f'<path class="outline" d="M{"L".join(upper + lower[::-1])}Z"/>'


def _lanes(told: Sequence[Row]) -> list[int]:
    """For each row the first lane in which it overlaps no stronger one, in either track."""
    lanes: list[list[Row]] = []
    placed = []
    for row in told:
        free = (place for place, lane in enumerate(lanes) if not any(_overlap(row, other) for other in lane))
        place = min(next(free, len(lanes)), LANES - 1)
        if place == len(lanes):
            lanes.append([])
        lanes[place].append(row)
        placed.append(place)
    return placed


def _overlap(row: Row, other: Row) -> bool:
    sides = ((row.query_s, other.query_s), (row.candidate_s, other.candidate_s))
    return any(mine[0] < theirs[1] and theirs[0] < mine[1] for mine, theirs in sides)


def _ribbon(mine: Sequence[float], theirs: Sequence[float], between: tuple[float, float], stroke: str) -> str:
    (top, bottom), middle = between, sum(between) / 2
    down = f"C{mine[1]:.1f} {middle:.1f} {theirs[1]:.1f} {middle:.1f} {theirs[1]:.1f} {bottom:.1f}"
    back = f"C{theirs[0]:.1f} {middle:.1f} {mine[0]:.1f} {middle:.1f} {mine[0]:.1f} {top:.1f}"
    drawn = f"M{mine[0]:.1f} {top:.1f}H{mine[1]:.1f}{down}H{theirs[0]:.1f}{back}Z"
    return f'<path d="{drawn}" fill-opacity="0.2" stroke="{stroke}" stroke-opacity="0.8"/>'


def _stripe(sides: Sequence[float], top: float, number: int) -> str:
    """A full-coloured stripe with the number of its row, beside it where it is too narrow."""
    bar = rect(sides, top + 1, STRIPE - 2, 1)
    if sides[1] - sides[0] >= NUMBERED:
        return f'{bar}<text class="badge" x="{sides[0] + 4:.1f}" y="{top + STRIPE - 3.5:.1f}">{number}</text>'
    return bar + text(sides[1] + 3, top + STRIPE - 3.5, str(number), "start", small=True)


def _told(row: Row) -> str:
    return f"{row.number}, {layer_name(row.layer)}: A {span(row.query_s)} is B {span(row.candidate_s)}"
