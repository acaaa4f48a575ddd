"""Which audio files a command line means: files as they are named, folders by the suffixes taken in, `-` a list."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path


def audio_files(named: Iterable[str], suffixes: Iterable[str]) -> list[Path]:
    """Every file once, as named, those of a folder sorted. A path that is not there is kept: it fails later."""
    allowed = frozenset(suffixes)
    found = (path for name in _spelled_out(named) for path in _under(Path(name), allowed))
    return list(dict.fromkeys(found))


def _spelled_out(named: Iterable[str]) -> Iterator[str]:
    for name in named:
        if name == "-":
            yield from (line for line in sys.stdin.read().splitlines() if line.strip())
        else:
            yield name


def _under(path: Path, allowed: frozenset[str]) -> Iterable[Path]:
    if not path.is_dir():
        return (path,)
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in allowed and file.is_file())
