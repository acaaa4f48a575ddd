"""The soundfont that npm brings, by an npm that is not there, fails, or brings something else."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from pathlib import Path

import pytest

from models.training import fonts


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """An npm that packs `content` as the soundfont, or fails where that is None."""

    def with_content(content):
        def run(command, *, cwd, **_):
            if content is None:
                return subprocess.CompletedProcess(command, 1, "", "404 Not Found")
            Path(cwd, "font").write_bytes(content)
            with tarfile.open(Path(cwd, "alphatab.tgz"), "w:gz") as archive:
                archive.add(Path(cwd, "font"), fonts.MEMBER)
            return subprocess.CompletedProcess(command, 0, "alphatab.tgz\n", "")

        monkeypatch.setattr(fonts.shutil, "which", lambda _: "npm")
        monkeypatch.setattr(fonts.subprocess, "run", run)

    monkeypatch.setattr(fonts, "FOLDER", tmp_path / "soundfonts")
    return with_content


def test_it_is_fetched_once(npm, monkeypatch):
    monkeypatch.setattr(fonts, "SHA256", hashlib.sha256(b"RIFF").hexdigest())
    npm(b"RIFF")
    path = fonts.fetch()
    assert path.read_bytes() == b"RIFF"
    npm(None)
    assert fonts.fetch() == path
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("content", "told"), [(None, "404 Not Found"), (b"another", "SHA-256")])
def test_what_fails_or_is_another_file_is_refused(npm, content, told):
    npm(content)
    with pytest.raises(RuntimeError, match=told):
        fonts.fetch()
    assert not fonts.FOLDER.exists()


def test_without_npm_it_says_what_to_install(npm, monkeypatch):
    monkeypatch.setattr(fonts.shutil, "which", lambda _: None)
    with pytest.raises(FileNotFoundError, match="apt-get install npm"):
        fonts.fetch()
