"""Recorded drums: what is struck is told by the names that libraries give."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from models.training import kits

RATE_HZ = 22_050
KICK, HAT, COWBELL = 36, 42, 56
XML = (
    """<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit"><instrumentList>{}</instrumentList></drumkit_info>"""
)
INSTRUMENT = "<instrument><name>{}</name><layer><filename>{}</filename></layer></instrument>"


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Two kits of Hydrogen's, and one file each of LMMS's and Sonic Pi's: a low tone is a kick, a high one a hat."""

    def struck(path, frequency_hz):
        path.parent.mkdir(parents=True, exist_ok=True)
        times_s = np.arange(44_100) / 44_100
        tone = np.sin(2 * np.pi * frequency_hz * times_s) * np.exp(-20 * times_s)
        soundfile.write(path, np.concatenate([np.zeros(4_410), 0.3 * tone]), 44_100)

    for name, kick, hat in (("one", "Kick", "Hi Hat Closed"), ("two", "bass drum 1", "CHH")):
        described = INSTRUMENT.format(kick, "a.wav") + INSTRUMENT.format(hat, "b.wav") + INSTRUMENT.format("Kick", "no")
        struck(tmp_path / "hydrogen" / name / "a.wav", 60)
        struck(tmp_path / "hydrogen" / name / "b.wav", 6_000)
        (tmp_path / "hydrogen" / name / "drumkit.xml").write_text(XML.format(described))
    struck(tmp_path / "lmms" / "kick01.wav", 80)
    (tmp_path / "lmms" / "kick02.wav").write_bytes(b"no sound")
    struck(tmp_path / "sonic-pi" / "drum_cowbell.wav", 700)
    monkeypatch.setattr(kits, "HYDROGEN", tmp_path / "hydrogen")
    monkeypatch.setattr(kits, "FOLDERS", {name: tmp_path / name for name in ("lmms", "sonic-pi")})
    kits.hits.cache_clear()
    yield tmp_path
    kits.hits.cache_clear()


def test_recordings_are_sorted_by_what_is_struck_and_what_cannot_be_read_is_left_out(library):
    found = kits.hits()
    assert {name: sorted(of) for name, of in found.items()} == {
        "one": ["closed hat", "kick"],
        "two": ["closed hat", "kick"],
        "lmms": ["kick"],
        "sonic-pi": ["other"],
    }
    assert [path.name for path in (*found["one"]["kick"], *found["lmms"]["kick"])] == ["a.wav", "kick01.wav"]


@pytest.mark.parametrize("seed", range(6))
def test_every_key_is_given_a_drum_of_its_kind_that_begins_at_once(library, seed):
    drums = kits.kit([HAT, KICK, COWBELL, KICK], RATE_HZ, np.random.default_rng(seed))
    assert sorted(drums) == sorted({KICK, HAT, COWBELL})
    heights_hz = []
    for key in (KICK, COWBELL, HAT):
        assert drums[key].dtype == np.float32
        assert 0.3 < np.abs(drums[key]).max() <= 1
        assert np.abs(drums[key][: RATE_HZ // 100]).max() > 0.2, "the silence before it is cut off"
        heights_hz.append(np.abs(np.fft.rfft(drums[key], RATE_HZ)).argmax())
    assert heights_hz == sorted(heights_hz)
    assert heights_hz[0] < 130
    again = kits.kit([HAT, KICK, COWBELL], RATE_HZ, np.random.default_rng(seed))
    assert all(np.array_equal(drums[key], again[key]) for key in drums)


def test_where_a_library_is_missing_the_packages_are_named(library):
    (library / "sonic-pi" / "drum_cowbell.wav").unlink()
    kits.hits.cache_clear()
    with pytest.raises(FileNotFoundError, match=r"apt-get install .*sonic-pi-samples"):
        kits.hits()
