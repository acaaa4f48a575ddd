import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from models import card as cards
from models.audio.envelope import envelope
from streams.evidence.card import Side, evidence_card
from tests import signals

CARD = cards.load("pitchclass_small")
VOID = {"meta", "br", "path", "rect", "image", "line", "circle"}
EVIDENCE = {
    "query_start_s": 2.0,
    "query_end_s": 20.0,
    "candidate_start_s": 6.2,
    "candidate_end_s": 26.2,
    "layer": "full_audio",
    "stem": None,
    "score": 0.8,
    "tempo_ratio": 1.111,
    "transposition_semitones": 3,
    "landmarks": None,
}
SHORT = {**EVIDENCE, "query_end_s": 4.0, "candidate_end_s": 8.4}
MATCH = {
    "score": 0.743,
    "payload": {"filename": "b.wav", "dataset_id": None, "metric": "agreement_qmax", "layer": "full_audio"},
    "verdict": "same_composition",
    "p_match": 0.97,
    "p_chance": 0.00025,
    "calibration": {"source": "shipped", "pairs": 9_536, "model_version": "pitchclass-small-2"},
    "evidence": [EVIDENCE],
    "counter_evidence": [{"query_start_s": 20.0, "query_end_s": 32.0, "reason": "no counterpart was found"}],
    "full_audio_latent_scores": {"max": 0.8, "max_then_mean": 0.6, "hungarian_mean": 0.5, "matched_windows": []},
}
UNRELATED = {
    "score": 0.05,
    "payload": {"layer": "full_audio"},
    "verdict": "no_relation",
    "p_match": 0.0,
    "p_chance": 0.93,
    "evidence": [],
    "counter_evidence": [],
    "why": "They are no more alike than unrelated music is.",
}


def side(name, samples):
    """What of a track is not asserted here is random; how it is heard is tested with the models."""
    draw = np.random.default_rng(len(samples))
    duration_s = len(samples) / signals.RATE_HZ
    windows = draw.normal(size=(int(duration_s / 2), 8)).astype(np.float32)
    return Side(
        name=name,
        flac=signals.wav(samples, container="FLAC"),
        envelope=envelope(samples, signals.RATE_HZ),
        cqt=draw.integers(0, 255, (CARD.hearing.bins, int(duration_s / CARD.hearing.frame_s)), np.uint8),
        latents=windows / np.linalg.norm(windows, axis=1, keepdims=True),
        duration_s=duration_s,
    )


QUERY = side("a.wav", signals.tune(transposition=3))
CANDIDATE = side("b.wav", np.concatenate([signals.silence(4.0), signals.tune(tempo_bpm=108)]))


class Page(HTMLParser):
    """A document taken apart; every element that is opened must be closed, in order."""

    def __init__(self, document):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def page(match, query=QUERY, candidate=CANDIDATE):
    return Page(evidence_card(query, candidate, match, CARD))


def clips(told):
    """Frames of every clip, in their order."""
    sounds = [base64.b64decode(player["src"].removeprefix("data:audio/mpeg;base64,")) for player in told.all("audio")]
    return [soundfile.info(io.BytesIO(sound)).duration for sound in sounds]


def test_the_headline_says_what_was_found_where_and_how_rare_it_is():
    words = page(MATCH).words
    assert "B is the same composition as A, three semitones lower and 10 % slower." in words
    assert "A 0:02–0:20 is B 0:06–0:26. One unrelated pair in 4,000 scores this high." in words


def test_the_file_needs_nothing_but_itself():
    document = evidence_card(QUERY, CANDIDATE, MATCH, CARD)
    assert not re.search(r"https?:|//|file:|/work|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]+", "", document))
    told = Page(document)
    links = [attributes.get(name) for _, attributes in told.elements for name in ("src", "href") if name in attributes]
    assert links
    assert all(link.startswith(("data:image/png;base64,", "data:audio/mpeg;base64,", "#")) for link in links)
    assert not told.all("script")


def test_a_hostile_name_is_shown_and_not_obeyed():
    hostile = "<script>alert(1)</script>\"'&$headline\u202egnp.wav\x00\udcff"
    match = {**MATCH, "metadata": {hostile: hostile}, "why": hostile, "verdict": hostile}
    match["evidence"] = [{**SHORT, "layer": hostile, "stem": hostile}]
    match["counter_evidence"] = [{"reason": hostile}]
    match["payload"] = {"layer": hostile, "metric": hostile}
    match["calibration"] = {"pairs": 5, "model_version": hostile}
    match["missing_layers"] = {hostile: [hostile]}
    match[f"{hostile}_latent_scores"] = {"max": 1.0}
    document = evidence_card(replace(QUERY, name=hostile), replace(CANDIDATE, name=hostile), match, CARD)
    document.encode()
    told = Page(document)
    assert not told.all("script")
    assert {name for _, attributes in told.elements for name in attributes if name.startswith("on")} == set()
    assert not re.search("[\u202e\x00]", document)
    assert "<script>alert(1)</script>\"'&$headline\ufffdgnp.wav" in told.words


@pytest.mark.parametrize(("evidences", "auditions"), [(1, 1), (3, 3), (7, 5)])
def test_the_strongest_five_can_be_listened_to(evidences, auditions):
    told = page({**MATCH, "evidence": [SHORT] * evidences})
    assert clips(told) == pytest.approx([2.0] * 3 * auditions)
    assert all("controls" in player and "autoplay" not in player for player in told.all("audio"))
    assert len({player["aria-label"] for player in told.all("audio")}) == 3 * auditions
    assert len([link for link in told.all("a") if link["href"].startswith("#listen-")]) == auditions


def test_a_match_without_evidence_says_why():
    told = page(UNRELATED)
    assert (
        "No relation between A and B was found. About 93 % of unrelated pairs score this high or higher." in told.words
    )
    assert UNRELATED["why"] in told.words
    assert told.all("audio") == []


@pytest.mark.parametrize("missing", [*MATCH, None])
def test_what_a_match_does_not_say_is_left_out(missing):
    match = {**MATCH, "evidence": [SHORT]}
    absent = {name: value for name, value in match.items() if name != missing} if missing else {}
    null = {**match, missing: None} if missing else dict.fromkeys(match)
    for match in (absent, null):
        assert not re.search(r"\b(None|nan)\b", page(match).words)


def test_every_row_of_the_table_tells_key_tempo_and_landmarks_with_their_errors():
    exact = {
        **SHORT,
        "layer": "fingerprint",
        "landmarks": 1_234,
        "detune_cents": -12.5,
        "transposition_error_cents": 0.8,
        "tempo_ratio": 1.06512,
        "tempo_error": 0.0001,
    }
    words = page({**MATCH, "evidence": [exact]}).words
    assert "two semitones and 88 cents lower +3 semitones -12.5 cents ± 0.8" in words
    assert "6.1 % slower ×1.06512 ± 0.0001 1,234 0.800" in words


def test_pictures_say_in_words_what_they_show():
    told = page(MATCH)
    said = [drawing["aria-label"] for drawing in told.all("svg")]
    assert len(said) == 3
    assert all(drawing["role"] == "img" for drawing in told.all("svg"))
    assert "1, whole mix: A 0:02–0:20 is B 0:06–0:26" in said[0]


def test_evidence_outside_of_a_track_is_drawn_inside_of_it_or_not_at_all():
    beyond = {**EVIDENCE, "query_end_s": 900.0}
    nowhere = {**EVIDENCE, "candidate_start_s": 800.0, "candidate_end_s": 900.0}
    words = page({**MATCH, "evidence": [beyond, nowhere]}).words
    assert "A 0:02–0:32 is B 0:06–0:26." in words
    assert "13:20" not in words


def test_tracks_without_windows_or_transform_have_a_card_without_those_pictures():
    silent = replace(side("silence.wav", signals.silence(10.0)), latents=np.zeros((0, 8), np.float32), cqt=None)
    told = page({**UNRELATED, "why": "The query is silent."}, query=silent)
    assert len(told.all("svg")) == 1
    assert "One side is silent: there is nothing to compare." in told.words


def test_the_same_match_gives_the_same_bytes():
    assert evidence_card(QUERY, CANDIDATE, MATCH, CARD) == evidence_card(QUERY, CANDIDATE, MATCH, CARD)
