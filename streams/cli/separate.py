"""`soundtrace separate`: a file into its stems, here and now, and what there is of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.output import AsJson, document, table, tell
from streams.errors import Defect, Invalid

if TYPE_CHECKING:
    from models.separators import SeparatorCard

COLUMNS = ("stem", "there", "loudness_dbfs", "to_mix_db", "heard_in", "file")


def separate(
    track: Annotated[Path | None, typer.Argument(metavar="FILE", help="An audio file.")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the stems are written.")] = Path("stems"),
    fetch: Annotated[bool, typer.Option("--fetch", help="First fetch the weights of SOUNDTRACE_SEPARATOR.")] = False,
    as_json: AsJson = False,
) -> None:
    """Separate a file into drums, bass, other and vocals."""
    from models import separators
    from models.errors import FetchFailed, MissingWeights, WrongWeights
    from streams import cards
    from streams.cli.place import configured

    settings = configured()
    separator = cards.current_separator(settings.separator)
    folder = cards.weights_folder(separator, settings)
    try:
        if fetch and separator.address:
            tell(f"{separator.name}: {separators.fetch(separator, folder, progress=True)}")
        if track is not None:
            _separate(track, out, separator, folder, as_json)
        elif not fetch:
            raise Invalid("no file was named", "name an audio file")
        elif not separator.address:
            tell(f"{separator.name}: its weights come with soundtrace, there is nothing to fetch")
    except (WrongWeights, MissingWeights, FetchFailed) as error:
        raise Defect(error.message, error.remedy) from None


def _separate(track: Path, out: Path, separator: SeparatorCard, folder: Path, as_json: bool) -> None:
    import soundfile

    from models.audio.flac import from_flac
    from models.presence import presence
    from models.separate import separate as apart
    from streams.cli.compare import decoded

    mix = from_flac(decoded(track).flac, separator.rate_hz, separator.channels)
    stems = apart(mix, separator.rate_hz, separator, folder)
    told = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, found in presence(stems, separator.rate_hz).items():
            file = out / f"{track.stem}-{name}.flac"
            with file.open("wb") as opened:
                soundfile.write(opened, stems[name].clip(-1, 1), separator.rate_hz, format="FLAC", subtype="PCM_16")
            told.append({"stem": name, "file": str(file), **asdict(found)})
    except OSError as error:
        fact = f"stems cannot be written to {out}: {error.strerror}"
        raise Invalid(fact, "name a folder of yours with --out") from None
    if as_json:
        document({"track": str(track), "separator": separator.model_version, "stems": told})
        return
    table(COLUMNS, [tuple(_cells(one)) for one in told])


def _cells(told: dict[str, Any]) -> Iterator[str]:
    yield told["stem"]
    yield "yes" if told["present"] else "no"
    yield f"{told['loudness_dbfs']:.1f}"
    yield f"{told['relative_db']:+.1f}"
    yield f"{told['active_share']:.0%}"
    yield told["file"]
