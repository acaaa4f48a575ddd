"""The words and tables of the evidence card, as HTML. All that comes from outside is escaped here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from html import escape
from typing import Any

from models.card import Card
from streams.evidence.drawings import colour
from streams.evidence.images import ramp as shades
from streams.evidence.rows import Row, number, plain
from streams.evidence.words import UNPROVEN, clock, layer_name, pace, percent, shift, span

NOTHING = "–"
COLUMNS = ("No.", "What", "A", "B", "Key of B", "Tempo of B", "Landmarks", "Score", "Listen")
FIGURES = ("max", "max_then_mean", "hungarian_mean")


def names(query: tuple[str, float], candidate: tuple[str, float], match: Mapping[str, Any]) -> str:
    """The two files by name and duration, and what is known of the candidate."""
    about = "".join(
        f"<br><small>{_bidi(name)}: {_bidi(value)}</small>" for name, value in (match.get("metadata") or {}).items()
    )
    lines = [
        f"<dt>{letter}</dt><dd>{_bidi(name)} <small>({clock(duration_s)})</small>{more}</dd>"
        for letter, (name, duration_s), more in (("A", query, ""), ("B", candidate, about))
    ]
    return f'<dl class="names">{"".join(lines)}</dl>'


def facts(match: Mapping[str, Any]) -> str:
    """The figures that a reader looks for first."""
    layer = (match.get("payload") or {}).get("layer")
    told = []
    if (score := number(match, "score")) is not None:
        told.append((f"score, 0 to 1{f', of the {layer_name(layer)}' if layer else ''}", f"{score:.3f}"))
    if (p_match := number(match, "p_match")) is not None:
        told.append(("probability that they are one composition", percent(p_match)))
    if (voice := _voice(match)) is not None:
        told.append(("how alike the singers sound, 0 to 1", f"{voice:.3f}"))
    if (share := number(match, "commonness")) is not None:
        told.append(("of the dataset’s tracks hold the shared material", percent(share)))
    drawn = "".join(f"<div><dt>{escape(plain(name))}</dt><dd>{value}</dd></div>" for name, value in told)
    return f'<dl class="facts">{drawn}</dl>' if told else ""


def key(layers: Iterable[str]) -> str:
    """Which colour is which layer."""
    items = [
        f'<li><span class="swatch" style="background:{colour(layer)}"></span>{escape(plain(layer_name(layer)))}</li>'
        for layer in layers
    ]
    return f'<ul class="key" aria-label="Colours">{"".join(items)}</ul>' if items else ""


def evidence(told: Iterable[Row], playable: Collection[int]) -> str:
    """All evidence, strongest first; `playable` are the numbers that have clips."""
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    body = "".join(_row(row, row.number in playable) for row in told)
    words = (
        "Strongest first; times in minutes and seconds. Key and tempo say how B differs from A. The small figures are "
        "those of the interface: how much A is higher, and seconds of B per second of A, ± the standard error where "
        "it is known."
    )
    return (
        f'<p class="quiet" id="columns">{words}</p><div class="scroll" tabindex="0" role="group" aria-label="Table">'
        '<table class="evidence" aria-label="Evidence" aria-describedby="columns">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def counter_evidence(match: Mapping[str, Any]) -> str:
    """What of the query has no counterpart."""
    told = match.get("counter_evidence")
    if told is None or match.get("verdict") in UNPROVEN:
        return ""
    items = []
    for one in told:
        start_s, end_s = number(one, "query_start_s"), number(one, "query_end_s")
        at = f"A {span((start_s, end_s))}: " if start_s is not None and end_s is not None else ""
        items.append(f"<li>{at}{escape(plain(one.get('reason') or 'no counterpart was found'))}</li>")
    said = f"<ul>{''.join(items)}</ul>" if items else "<p>No stretch of A was left without a counterpart in B.</p>"
    return f'<section aria-labelledby="against"><h2 id="against">What speaks against it</h2>{said}</section>'


def small_print(match: Mapping[str, Any], card: Card) -> str:
    """By what it was told: for the expert."""
    lines = [f"Model {card.model_version}: {card.summary}"]
    lines += list(_calibrated(match, card))
    told = {"verdict": match.get("verdict"), "metric": (match.get("payload") or {}).get("metric")}
    told |= {name: _short(number(match, name)) for name in ("score", "p_match", "p_chance", "agreement", "qmax")}
    lines += [", ".join(f"{name} {value}" for name, value in told.items() if value)]
    missing = match.get("missing_layers") or {}
    lines += [
        f"Not compared, as the {side} has none: {', '.join(layers)}." for side, layers in missing.items() if layers
    ]
    if unjudged := match.get("unjudged_layers"):
        lines.append(f"Compared and not judged: {', '.join(unjudged)}.")
    said = "".join(f"<p>{escape(plain(line))}</p>" for line in lines if line)
    limits = "".join(f"<li>{escape(plain(limit))}</li>" for limit in card.limits)
    return (
        '<section class="print-small" aria-labelledby="small-print"><h2 id="small-print">How this was told</h2>'
        f"{said}{_layers(match)}<details><summary>Limits of the model</summary><ul>{limits}</ul></details></section>"
    )


def ramp() -> str:
    """The colours of the pictures, from 0 to 1."""
    stops = ",".join("#" + bytes(shade).hex() for shade in shades()[[0, -1]])
    return f'<span class="ramp" style="background:linear-gradient(90deg,{stops})"></span>'


def _row(row: Row, playable: bool) -> str:
    swatch = f'<span class="swatch" style="background:{colour(row.layer)}"></span>'
    stem = f"<small>stem: {escape(row.stem)}</small>" if row.stem else ""
    listen = f'<a class="whole" href="#listen-{row.number}">clips {row.number}</a>' if playable else NOTHING
    cells = (
        f"{swatch}{escape(layer_name(row.layer))}{stem}",
        f'<span class="whole">{span(row.query_s, tenths=True)}</span>',
        f'<span class="whole">{span(row.candidate_s, tenths=True)}</span>',
        _key(row),
        _tempo(row),
        NOTHING if row.landmarks is None else f"{row.landmarks:,}",
        NOTHING if row.score is None else f"{row.score:.3f}",
        listen,
    )
    return f'<tr><th scope="row">{row.number}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _key(row: Row) -> str:
    if row.semitones is None:
        return NOTHING
    cents = "" if row.cents is None else f" {row.cents:+.1f} cents"
    error = "" if row.cents_error is None else f" ± {row.cents_error:.2g}"
    return f"{shift(row) or 'the same'}<small>{row.semitones:+d} semitones{cents}{error}</small>"


def _tempo(row: Row) -> str:
    if row.tempo_ratio is None:
        return NOTHING
    error = "" if row.tempo_error is None else f" ± {row.tempo_error:.2g}"
    digits = 3 if row.tempo_error is None else 5
    return f'<span class="whole">{pace(row) or "the same"}</span><small>×{row.tempo_ratio:.{digits}f}{error}</small>'


def _calibrated(match: Mapping[str, Any], card: Card) -> Iterable[str]:
    told = match.get("calibration") or {}
    pairs, version = number(told, "pairs"), told.get("model_version")
    if pairs is None:
        yield "The probabilities are not calibrated."
        return
    if told.get("source") == "dataset":
        yield f"How rare the score is was counted among {pairs:,.0f} unrelated tracks of the dataset."
    else:
        fit = f" ({card.calibration.date}, {card.calibration.material})" if card.calibration else ""
        yield f"Probabilities were fitted on {pairs:,.0f} pairs of known answer{fit}; rarer ones are extrapolated."
    if version and version != card.model_version:
        yield f"The match was made by model {version}."


def _layers(match: Mapping[str, Any]) -> str:
    """The window figures of each layer (contract, A6)."""
    blocks = {
        name.removesuffix("_latent_scores"): block
        for name, block in match.items()
        if name.endswith("_latent_scores") and block
    }
    if not blocks:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("windows of", *FIGURES))
    body = "".join(
        f'<tr><th scope="row">{escape(plain(layer_name({"vocal": "vocals"}.get(layer, layer))))}</th>'
        + "".join(f"<td>{_figure(number(block, name))}</td>" for name in FIGURES)
        + "</tr>"
        for layer, block in blocks.items()
    )
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>'
        "<caption>How alike the windows are, 0 to 1.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _figure(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _voice(match: Mapping[str, Any]) -> float | None:
    return number(match.get("vocal_latent_scores") or {}, "voice_similarity")


def _bidi(words: object) -> str:
    """A name in its own direction of writing."""
    return f"<bdi>{escape(plain(words))}</bdi>"
