"""Fonts: the one soundfont that no Debian package brings, Android's, which the npm package of alphaTab carries.

Apache-2.0. Nothing is learned from it: the separator is validated by instruments that it does not know.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

NAME, PACKAGE = "sonivox", "@coderline/alphatab@1.8.4"
MEMBER = "package/dist/soundfont/sonivox.sf2"
SHA256 = "4978cf37e7164206f2d22dc4fdf4020ffe040787210bf781e31bdc79961f59ef"
FOLDER = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "soundfonts"


def fetch() -> Path:
    """The soundfont's file, fetched by npm where it is not there yet.

    Raises FileNotFoundError: npm is not installed. RuntimeError: it could not fetch the package, or what it brought is
    another file.
    """
    path = FOLDER / f"{NAME}.sf2"
    if path.exists():
        return path
    if shutil.which("npm") is None:
        raise FileNotFoundError(
            f"the soundfont '{NAME}' is fetched by npm, which is not installed: apt-get install npm"
        )
    sys.stderr.write(f"fonts: fetching {NAME} from {PACKAGE}\n")
    with tempfile.TemporaryDirectory() as name:
        packed = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=name, check=False, capture_output=True, text=True
        )
        if packed.returncode:
            raise RuntimeError(f"npm could not fetch {PACKAGE}: {packed.stderr.strip()}")
        with tarfile.open(Path(name, packed.stdout.split()[-1])) as archive:
            member = archive.extractfile(MEMBER)
            font = member.read() if member is not None else b""
    if hashlib.sha256(font).hexdigest() != SHA256:
        raise RuntimeError(f"{MEMBER} of {PACKAGE} is not the file that is known: its SHA-256 is another one")
    FOLDER.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_bytes(font)
    scratch.rename(path)
    return path
