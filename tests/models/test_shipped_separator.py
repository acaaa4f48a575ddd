"""The separator that comes with soundtrace, on somebody who sings over music that it never learned from."""

from __future__ import annotations

import pytest

from models import card, hear, separators, stems, voice_card
from models.content import THRESHOLDS
from models.fingerprint.recognise import ACCOMPANIMENT, by_mix_and_accompaniment
from models.same_sound import kind
from models.training.learn_stems import distortion_db
from models.voice import similarity
from tests import signals
from tests.sung import DURATION_S, LINES, needs_espeak, song

CARD = separators.load("unet")
HEARING = card.load("classical").hearing
VOICE = voice_card.load()
MOST_BYTES = 8_000_000
SINGERS = (3, 11)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Voice and backing, by singer and song."""
    speakers = tmp_path_factory.mktemp("speakers")
    return {(singer, at): song(singer, at, speakers) for singer in SINGERS for at in range(len(LINES))}


@pytest.fixture(scope="module")
def separated(songs):
    """What the pipeline stores of each of them."""
    return {which: apart(voice + backing) for which, (voice, backing) in songs.items()}


def apart(samples):
    return hear.separate_track(signals.wav(samples), CARD, HEARING, separators.WEIGHTS)


def test_its_weights_are_no_larger_than_was_promised():
    assert separators.verified(CARD).stat().st_size <= MOST_BYTES


@needs_espeak
def test_who_sings_is_told_and_heard_in_the_vocals(songs, separated):
    for which, (voice, backing) in songs.items():
        one = separated[which]
        assert one.presence["vocals"].present
        assert one.cqts[stems.PITCHED.index("vocals")].any()
        found = stems.stems_from_flac(one.flac)["vocals"]
        assert distortion_db(found, voice) > distortion_db(voice + backing, voice) + 4


@needs_espeak
def test_where_nobody_sings_there_are_no_vocals(songs):
    _, backing = songs[SINGERS[0], 0]
    one = apart(backing)
    assert not one.presence["vocals"].present
    assert not one.cqts[stems.PITCHED.index("vocals")].any()
    assert len(hear.encode_voice(one.flac, VOICE, present=False)) == 0


@needs_espeak
def test_a_singer_cut_out_of_two_songs_is_more_like_herself_than_like_another(separated):
    voices = {which: hear.encode_voice(one.flac, VOICE, present=True) for which, one in separated.items()}
    one, other = SINGERS
    same = [similarity(voices[singer, 0], voices[singer, 1]) for singer in SINGERS]
    strange = [similarity(voices[one, at], voices[other, 1 - at]) for at in range(2)]
    assert min(same) > max(strange)


@needs_espeak
def test_the_same_backing_under_another_singer_is_a_modified_recording(songs, separated):
    query, candidate = ((singer, 1) for singer in SINGERS)
    mixes = [hear.fingerprint_track(signals.wav(sum(songs[which]))) for which in (query, candidate)]
    backing = hear.fingerprint_accompaniment(separated[query].flac, sung=True)
    found = by_mix_and_accompaniment(mixes[0], backing, mixes[1])
    assert found[0].stem == ACCOMPANIMENT, "the voice that is not shared is taken away"
    assert kind(found, (DURATION_S, DURATION_S), THRESHOLDS["music"]) == "same_recording_modified"
