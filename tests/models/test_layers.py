"""A pair of tracks by several layers: the best that can be judged speaks, and says how often it looked."""

from dataclasses import replace

import numpy as np
import pytest

from models import card, layers
from models.calibration import p_least
from models.cqt import pooled_cqt
from models.latents import latents
from models.verdict import Features, compare
from tests import signals

CARD = card.load("pitchclass_small")
FIRST, AGAIN, OTHER = (
    signals.tune(signals.FIRST_TUNE),
    signals.tune(signals.FIRST_TUNE, transposition=3, timbre="string"),
    signals.tune(signals.OTHER_TUNE),
)


def features(samples):
    cqt = pooled_cqt(samples, CARD.hearing)
    return Features(cqt, latents(cqt, CARD), len(samples) / signals.RATE_HZ)


@pytest.fixture(scope="module")
def heard():
    return {name: features(samples) for name, samples in (("first", FIRST), ("again", AGAIN), ("other", OTHER))}


@pytest.fixture(scope="module")
def silent():
    return features(signals.silence(20.0))


def one(query, candidate, asked=("full_audio", "vocals")):
    (told,) = layers.compare_layers(query, [candidate], asked, CARD)
    return told


def test_a_layer_that_says_more_than_the_mix_speaks(heard):
    told = one(
        {"full_audio": heard["first"], "vocals": heard["first"]},
        {"full_audio": heard["other"], "vocals": heard["again"]},
    )
    assert (told.layer, told.verdict) == ("vocals", "same_composition")
    assert told.best.score == told.found["vocals"].score > told.found["full_audio"].score
    assert told.missing == {"query": (), "candidate": ()}


def test_with_the_mix_alone_it_is_the_comparison_of_the_mix(heard):
    told = one({"full_audio": heard["first"]}, {"full_audio": heard["again"]}, ("full_audio",))
    alone = compare(heard["first"], heard["again"], CARD)
    assert (told.layer, told.best.score, told.verdict, told.p_chance) == (
        "full_audio", alone.score, alone.verdict, alone.p_chance,
    )  # fmt: skip


def test_who_looks_twice_finds_something_by_chance_more_often(heard):
    both = dict.fromkeys(("full_audio", "vocals"), heard["first"])
    told = one(both, dict.fromkeys(both, heard["other"]))
    alone = compare(heard["first"], heard["other"], CARD).p_chance
    assert told.p_chance == pytest.approx(p_least([alone, alone]))


def test_a_layer_that_a_side_does_not_have_is_not_compared(heard, silent):
    for absent in ({"full_audio": heard["again"]}, {"full_audio": heard["again"], "vocals": silent}):
        told = one({"full_audio": heard["first"], "vocals": heard["first"]}, absent)
        assert set(told.found) == {"full_audio"}
        assert told.missing == {"query": (), "candidate": ("vocals",)}


@pytest.mark.parametrize("share", [0.35, 0.45])
def test_a_layer_that_a_side_hears_seldom_is_told_and_not_judged(heard, share):
    frames = heard["again"].cqt.shape[1]
    part = heard["again"].cqt * (np.arange(frames) < share * frames)
    seldom = Features(part, latents(part, CARD), heard["again"].duration_s)
    mixes = {"full_audio": heard["first"]}, {"full_audio": heard["other"]}
    alone = one(*mixes)
    for query, candidate in ((heard["first"], seldom), (seldom, heard["first"])):
        told = one(*(mix | {"vocals": voice} for mix, voice in zip(mixes, (query, candidate), strict=True)))
        assert set(told.found) == {"full_audio", "vocals"}
        assert told.seldom == (("vocals",) if share < layers.LEAST_HEARD else ())
        assert set(told.judged) == {"full_audio", "vocals"}.difference(told.seldom)
        assert (told.p_chance == alone.p_chance) == (share < layers.LEAST_HEARD), "it is no look either"
        assert told.layer == "full_audio" or share > layers.LEAST_HEARD


def test_how_long_a_layer_is_heard_is_told_by_windows_where_transforms_are_gone(heard):
    bare = replace(
        heard["again"],
        cqt=None,
        latents=heard["again"].latents * (np.arange(100)[:, None] < 1)[: len(heard["again"].latents)],
    )
    told = one({"full_audio": heard["first"], "vocals": heard["first"]}, {"full_audio": heard["other"], "vocals": bare})
    assert told.seldom == ("vocals",)


def test_candidates_keep_their_order_when_some_lack_a_layer(heard):
    query = {"full_audio": heard["first"], "vocals": heard["first"]}
    candidates = [{"full_audio": heard["other"]}, {"full_audio": heard["other"], "vocals": heard["again"]}]
    told = list(layers.compare_layers(query, candidates, ("full_audio", "vocals"), CARD))
    assert [found.layer for found in told] == ["full_audio", "vocals"]


def test_a_layer_without_strangers_of_its_own_is_told_and_not_judged_in_a_library(heard):
    mix = compare(heard["first"], heard["other"], CARD)
    normed = replace(mix, metric="library_normalised", score=0.1)
    vocals = replace(mix, score=0.9, verdict="same_composition")
    told = layers.together({"full_audio": normed, "vocals": vocals}, {})
    assert (told.layer, told.verdict) == ("full_audio", normed.verdict)
    assert "vocals" in told.found
    assert set(told.judged) == {"full_audio"}


def test_drums_are_told_and_never_speak(heard):
    grooves = np.eye(4, 128, dtype=np.float32)
    drums = Features(None, grooves, 20.0)
    sides = [{"full_audio": heard[name], "drums": drums} for name in ("first", "other")]
    told = one(*sides, asked=("full_audio", "drums"))
    assert told.found["drums"].windows.max == 1.0
    assert (told.layer, told.verdict) == ("full_audio", told.found["full_audio"].verdict)


def test_the_same_bytes_are_the_same_whatever_the_layers_say(heard, silent):
    sides = ({"full_audio": heard[name], "vocals": heard["first"], "bass": silent} for name in ("first", "other"))
    told = replace(one(*sides, asked=("full_audio", "vocals", "bass")), seldom=("vocals",), voice_similarity=0.9)
    same = layers.identical(told, 30.0)
    assert (same.layer, same.best.score, same.verdict) == ("full_audio", 1.0, "same_composition")
    assert (same.seldom, same.voice_similarity) == (("vocals",), 0.9)
    assert same.missing == {"query": ("bass",), "candidate": ("bass",)}
