"""A file's name may be anything; what becomes of it is safe."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.api.blob_names import NAME_BYTES_MAX, clean_name, new_blob_name
from streams.check import check_blob_name
from streams.errors import Invalid

FORMATS = (".mp3", ".wav", ".flac", ".m4a")


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("song.mp3", "song.mp3"),
        ("../../etc/x.wav", "x.wav"),
        ("C:\\music\\x.wav", "x.wav"),
        ('a?b*c:d"e<f>g|h.WAV', "a_b_c_d_e_f_g_h.WAV"),
        ("a\x00b\u202ec.wav", "a_b_c.wav"),
        ("e\u0301.wav", "\u00e9.wav"),
        ("\udcff.wav", "_.wav"),
        ("x" * 4_000 + ".flac", "x" * 115 + ".flac"),
        ("é" * 100 + ".wav", "é" * 58 + ".wav"),
        (".wav", ".wav"),
        ("...wav", "...wav"),
    ],
)
def test_names_are_cleaned(sent: str, name: str) -> None:
    assert clean_name(sent, FORMATS) == name


@pytest.mark.parametrize("sent", ["", "wav", "a.ogg", "a.wav.exe", "a.wav/", "..", "a.wa\u200bv"])
def test_a_name_without_an_allowed_extension_is_refused(sent: str) -> None:
    with pytest.raises(Invalid) as refusal:
        clean_name(sent, FORMATS)
    assert refusal.value.code == "unsupported-audio-format"


@given(stem=st.text(st.characters(), max_size=400), extension=st.sampled_from((*FORMATS, ".WAV")))
def test_every_name_with_an_allowed_extension_becomes_a_blob_name(stem: str, extension: str) -> None:
    name = clean_name(stem + extension, FORMATS)
    assert len(name.encode()) <= NAME_BYTES_MAX
    assert name.endswith(extension)
    assert unicodedata.is_normalized("NFC", name)
    assert check_blob_name(new_blob_name(name))
