import numpy as np
import pytest

from models.section.letters import letters
from models.section.song_parts import GUESSED, guessed


def alike(form, same=0.8, other=0.1):
    names = np.array(list(form))
    found = np.where(names[:, None] == names, same, other)
    np.fill_diagonal(found, 1.0)
    return found


@pytest.mark.parametrize("form", ["ABACAB", "AAAA", "ABCDE", "AB"])
def test_what_is_alike_has_one_letter_in_order_of_appearance(form):
    assert "".join(letters(alike(form))[0]) == form


def test_the_letters_after_z_are_two():
    labels, _ = letters(alike("".join(map(chr, range(0x100, 0x100 + 29)))))
    assert labels[24:] == ["Y", "Z", "AA", "AB", "AC"]


def test_a_section_that_might_be_another_is_less_sure():
    doubtful = alike("ABAB", same=0.7)
    doubtful[0, [1, 3]] = doubtful[[1, 3], 0] = 0.5
    labels, sure = letters(doubtful)
    assert "".join(labels) == "ABAB"
    assert sure[0] < sure[2] - 0.03
    assert ((sure >= 0) & (sure <= 1)).all()


def test_one_section_or_none_needs_no_comparison():
    assert letters(np.ones((1, 1)))[0] == ["A"]
    assert letters(np.zeros((0, 0)))[0] == []


def named(form, loudness_db, lengths=None):
    edges = np.concatenate([[0], np.cumsum(lengths or [32] * len(form))])
    beats_db = np.repeat(np.array(loudness_db, np.float32), np.diff(edges))
    return guessed(list(form), edges, beats_db)


def test_the_louder_of_what_returns_is_the_chorus_and_what_comes_before_it_the_verse():
    guesses = named("IABABCBO", [-20, -12, -6, -12, -6, -10, -6, -18], [16, 32, 32, 32, 32, 32, 32, 16])
    names = ["intro", "verse", "chorus", "verse", "chorus", "bridge", "chorus", "outro"]
    assert [name for name, _ in guesses] == names
    assert all(0 < sure <= GUESSED for _, sure in guesses)


def test_what_never_returns_is_given_no_function():
    assert named("ABCDE", [-10] * 5) == [(None, 0.0)] * 5


def test_a_verse_as_loud_as_the_chorus_makes_both_less_sure():
    clear, vague = named("ABAB", [-12, -6] * 2)[1], named("ABAB", [-6.2, -6] * 2)[1]
    assert clear[0] == vague[0] == "chorus"
    assert vague[1] < clear[1]
