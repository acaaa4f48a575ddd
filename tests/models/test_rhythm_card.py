from importlib.resources import files

import pytest

from models import rhythm, rhythm_card
from models.rhythm_network import load_network

CARD = rhythm_card.load()


def test_the_card_says_what_the_encoder_is():
    assert (CARD.name, CARD.model_version) == ("drums", f"drums-{CARD.version}")
    parameters = sum(values.numel() for values in load_network(CARD).parameters())
    assert f"{parameters:,} parameters" in CARD.summary
    assert files("models").joinpath("weights", CARD.weights).stat().st_size < 500_000
    assert CARD.measured
    assert CARD.sources
    assert CARD.limits
    assert {"seed", "steps", "seconds"} == set(CARD.data["runs"][0])


def test_the_axis_of_lags_is_logarithmic_and_as_long_as_the_card_says():
    lags_s = rhythm.lags_frames(CARD.hearing) / CARD.hearing.frames_per_s
    assert lags_s[0] == pytest.approx(CARD.hearing.least_lag_s)
    assert lags_s[-1] == pytest.approx(CARD.hearing.most_lag_s, rel=CARD.hearing.lag_step)
    assert lags_s[1:] / lags_s[:-1] == pytest.approx(1.0202, abs=1e-4)


def test_an_unknown_card_is_not_found():
    with pytest.raises(FileNotFoundError):
        rhythm_card.load("of-nobody")
