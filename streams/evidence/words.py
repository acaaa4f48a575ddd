"""What the evidence card says in plain words: A is the query, B the candidate, and B is told as seen from A."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.finding import FINGERPRINT
from streams.evidence.rows import Row, leading, number

UNPROVEN = ("style_only", "no_relation")
SAYS = {
    "same_recording": "B is the same recording as A",
    "same_recording_modified": "B is the same recording as A, altered",
    "sample": "A passage of A’s recording is heard in B, among other material",
    "same_composition": "B is the same composition as A",
    "shared_motif": "B shares a short motif with A",
    "style_only": "B resembles A in style; no shared passage is proven",
    "no_relation": "No relation between A and B was found",
}
LAYERS = {
    "full_audio": "whole mix",
    "vocals": "vocals",
    "accompaniment": "accompaniment",
    "bass": "bass",
    "other": "other instruments",
    "drums": "drums",
    "motif": "motif",
    "section": "section",
    FINGERPRINT: "recording (fingerprint)",
}
COUNTS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
LEAST_CENTS = 5  # what a trained ear hears
LEAST_PACE = 0.005  # an alignment of harmony tells no finer
LEAST_EXACT_PACE = 0.0005


def headline(match: Mapping[str, Any], told: tuple[Row, ...]) -> str:
    """What B is to A, without a full stop."""
    verdict = match.get("verdict")
    if verdict not in SAYS:
        return f"A and B were compared; the verdict is “{verdict}”" if verdict else "A and B were compared"
    row = leading(match, told)
    if row is None or verdict in UNPROVEN:
        return SAYS[verdict]
    moves = " and ".join(move for move in (shift(row), pace(row)) if move)
    if not moves and (verdict == "same_recording" or row.semitones is None or row.tempo_ratio is None):
        return SAYS[verdict]
    return f"{SAYS[verdict]}, {moves or 'in the same key and tempo'}"


def where(match: Mapping[str, Any], told: tuple[Row, ...]) -> str:
    """The leading evidence as a sentence, or nothing."""
    row = leading(match, told)
    if row is None:
        return ""
    mine, theirs = span(row.query_s), span(row.candidate_s)
    more = len(told) - 1
    also = "" if not more else f" ({more} more below)"
    if match.get("verdict") in UNPROVEN:
        return f"Most alike are A {mine} and B {theirs}{also}."
    return f"A {mine} is B {theirs}{also}."


def chance(match: Mapping[str, Any]) -> str:
    """How rare such a score is, as a sentence, or nothing. No rarer is said than what pairs were tried can tell."""
    p_chance = number(match, "p_chance")
    if p_chance is None or p_chance <= 0:
        return ""
    layer = (match.get("payload") or {}).get("layer")
    tried = number(match.get("calibration") or {}, "pairs")
    if p_chance > 0.1:
        return f"About {100 * p_chance:.0f} % of unrelated pairs score this high or higher."
    if tried and layer != FINGERPRINT and p_chance * tried < 1:
        return f"Fewer than one unrelated pair in {_in_round(tried)} scores this high."
    return f"One unrelated pair in {_in_round(1 / p_chance)} scores this high."


def shift(row: Row) -> str:
    """How much higher or lower B is than A, in words; nothing where it is in the same key, or nothing is told."""
    if abs(row.raised) * 100 < LEAST_CENTS:
        return ""
    return f"{interval(abs(row.raised))} {'lower' if row.raised > 0 else 'higher'}"


def interval(semitones: float) -> str:
    """A distance in pitch, at least `LEAST_CENTS`, in words."""
    whole = int(semitones + LEAST_CENTS / 100)
    cents = round(100 * (semitones - whole))
    parts = [_semitones(whole)] if whole else []
    parts += [f"{cents} cents"] if cents >= LEAST_CENTS else []
    return " and ".join(parts)


def pace(row: Row) -> str:
    """How much faster or slower B is than A; nothing where both go alike, or nothing is told."""
    if row.tempo_ratio is None or row.tempo_ratio <= 0:
        return ""
    faster = 1 / row.tempo_ratio - 1
    if abs(faster) < (LEAST_PACE if row.tempo_error is None else LEAST_EXACT_PACE):
        return ""
    share = 100 * abs(faster)
    digits = 0 if share >= 9.95 else 1 if share >= 0.95 else 2
    return f"{share:.{digits}f} % {'faster' if faster > 0 else 'slower'}"


def span(range_s: tuple[float, float], tenths: bool = False) -> str:
    """A range of seconds as people write it: 0:12–0:48."""
    return f"{clock(range_s[0], tenths)}–{clock(range_s[1], tenths)}"


def clock(at_s: float, tenths: bool = False) -> str:
    """Seconds as minutes and seconds, with hours where there are."""
    ticks = round(at_s * 10) if tenths else round(at_s) * 10
    minutes, rest = divmod(ticks, 600)
    seconds = f"{rest / 10:04.1f}" if tenths else f"{rest // 10:02d}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def percent(share: float) -> str:
    """A probability as a percentage that claims no certainty."""
    if share > 0.999:
        return "more than 99.9 %"
    return "less than 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def layer_name(layer: str) -> str:
    """A layer of the contract as people call it."""
    return LAYERS.get(layer, layer)


def _semitones(count: int) -> str:
    named = COUNTS[count - 1] if count <= len(COUNTS) else str(count)
    return "one octave" if count == 12 else f"{named} semitone{'' if count == 1 else 's'}"


def _in_round(count: float) -> str:
    """Two digits that count: 4,000, 9,500."""
    return f"{int(float(f'{count:.2g}')):,}"
