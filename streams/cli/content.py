"""`--content-type` and `--threshold`: what kind of sound is compared, and which thresholds are set otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from models.content import CONTENT_TYPES
from streams.errors import Invalid

ContentTypeName = Annotated[
    str,
    typer.Option("--content-type", metavar="NAME", help=f"{', '.join(CONTENT_TYPES)}: picks the thresholds."),
]
SetThresholds = Annotated[
    list[str],
    typer.Option("--threshold", metavar="NAME=VALUE", help="Set one threshold of the content type otherwise."),
]


def thresholds_set(given: Iterable[str]) -> dict[str, float]:
    """Raises: `Invalid` for what is no NAME=VALUE with a number."""
    told = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            told[name] = float(value)
        except ValueError:
            raise Invalid(
                f"--threshold '{text}' is not NAME=VALUE", "name one, as in --threshold least_recording_s=0.8"
            ) from None
    return told
