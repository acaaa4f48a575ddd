import numpy as np
import pytest

from models.fingerprint import peaks as layer
from models.fingerprint.peaks import KEPT_RANK, LOWEST_HZ, MIDDLE_S, RATE_HZ, peaks, points
from tests import signals
from tests.pieces import cut, noisy, piece

BAND_STEP_S = 1 / layer.FRAMES_PER_S


def found_again(query, reference, late_s=0.0, higher=0.0, most_rank=15):
    """Share of the reference's strong peaks that the query has too, within 50 ms and a band."""
    mine, theirs = points(query), points(reference, most_rank)
    late = np.abs(mine.times_s[:, None] - theirs.times_s - late_s) <= 0.05
    near = np.abs(mine.bands[:, None] - theirs.bands - higher) <= 1.0
    return float((late & near).any(axis=0).mean())


def struck(frequency_hz, at_s, duration_s=2.0):
    """A note that begins, at its loudest, at one known moment."""
    samples = signals.silence(duration_s, RATE_HZ)
    time_s = np.arange(len(samples)) / RATE_HZ - at_s
    wave = 0.5 * np.sin(2 * np.pi * frequency_hz * time_s) * np.exp(-((time_s / 0.05) ** 2))
    return samples + wave.astype(np.float32)


@pytest.mark.parametrize("frames", [1, 2, layer._AROUND_FRAMES, 3 * layer._AROUND_FRAMES])
def test_what_stands_out_is_over_the_mean_of_what_there_is_around(frames):
    level = np.random.default_rng(frames).normal(0, 20, (frames, layer.BANDS)).astype(np.float32)

    def mean_around(rows, reach):
        return np.array([rows[max(0, at - reach) : at + reach + 1].mean(axis=0) for at in range(len(rows))])

    around = mean_around(mean_around(level.T, layer._AROUND_BANDS).T, layer._AROUND_FRAMES)
    assert np.allclose(layer._emphasis(level), level - around, atol=1e-4)


@pytest.mark.parametrize("frequency_hz", [220.0, 441.3, 1_000.0, 3_200.0])
@pytest.mark.parametrize("at_s", [0.5, 1.2345])
def test_a_note_is_one_strongest_peak_where_and_when_it_sounds(frequency_hz, at_s):
    heard = points(peaks(struck(frequency_hz, at_s)))
    strongest = int(heard.strengths_db.argmax())
    assert heard.times_s[strongest] == pytest.approx(at_s, abs=0.004)
    assert heard.bands[strongest] == pytest.approx(48 * np.log2(frequency_hz / LOWEST_HZ), abs=0.3)
    assert heard.ranks[strongest] == 0


def test_gain_and_a_filter_leave_the_peaks_where_they_are():
    samples = piece(1, 10.0)
    changed = 0.1 * np.diff(samples, prepend=np.float32(0))  # 6 dB more in each octave
    assert found_again(peaks(changed), peaks(samples)) > 0.95


def test_most_peaks_outlive_noise():
    samples = piece(1, 10.0)
    assert found_again(peaks(noisy(samples, 5.0)), peaks(samples)) > 0.7
    assert found_again(peaks(piece(2, 10.0)), peaks(samples)) < 0.5


@pytest.mark.parametrize("start_s", [1.0, 3.217, 60.0])
def test_an_excerpt_has_the_peaks_of_its_source(start_s):
    samples = piece(3, 75.0)
    whole = points(peaks(samples))
    inside = whole.between(start_s + 0.6, start_s + 5.4)
    excerpt = peaks(cut(samples, start_s, start_s + 6.0))
    strong = (inside.ranks < 15) & True
    mine = points(excerpt)
    late = np.abs(mine.times_s[:, None] + start_s - inside.times_s[strong]) <= 0.01
    near = np.abs(mine.bands[:, None] - inside.bands[strong]) <= 0.5
    assert (late & near).any(axis=0).mean() > 0.97


@pytest.mark.parametrize("semitones", [-3.0, 0.5, 2.0])
def test_transposition_moves_all_peaks_by_the_same_number_of_bands(semitones):
    assert found_again(peaks(piece(4, 10.0, semitones=semitones)), peaks(piece(4, 10.0)), higher=4 * semitones) > 0.75


def test_a_track_is_heard_in_blocks_whose_borders_nobody_can_find_again(monkeypatch):
    samples = piece(5, 12.0)
    whole = peaks(samples)
    monkeypatch.setattr(layer, "_BLOCK_FRAMES", 100)
    np.testing.assert_array_equal(peaks(samples), whole)


def test_ranks_count_the_stronger_ones_within_half_a_second():
    heard = points(peaks(piece(6, 10.0)))
    stronger = (heard.strengths_db > heard.strengths_db[:, None]) & (
        np.abs(heard.times_s - heard.times_s[:, None]) <= 0.5
    )
    weaker_or_kept = stronger.sum(axis=1)
    assert (heard.ranks < KEPT_RANK).all()
    # Strengths are rounded as they are stored: of almost equal ones the count may miss some.
    assert np.abs(weaker_or_kept - heard.ranks).mean() < 2.0


def test_peaks_come_in_order_of_time_and_are_bounded_in_number():
    heard = peaks(signals.noise(20.0, RATE_HZ))
    assert heard.dtype == np.uint32
    assert (np.diff(heard[:, 0].astype(np.int64)) >= 0).all()
    assert len(heard) / 20.0 < KEPT_RANK + 5


@pytest.mark.parametrize("samples", [0, 1, 1_000, 2_047, 2_048, 2_304])
def test_what_is_shorter_than_three_frames_has_no_peaks(samples):
    assert peaks(piece(7, 1.0)[:samples]).shape == (0, 2)


def test_silence_has_no_peaks_and_nor_has_a_steady_tone_but_at_its_ends():
    assert peaks(signals.silence(5.0, RATE_HZ)).shape == (0, 2)
    heard = points(peaks(signals.tone(5.0, 440.0, RATE_HZ)))
    assert len(heard.between(1.5, 3.5)) < 20


def test_a_time_is_that_of_a_windows_middle():
    assert points(peaks(struck(440.0, MIDDLE_S + 20 * BAND_STEP_S))).times_s.min() > 0


def test_the_same_samples_give_the_same_bytes():
    samples = piece(8, 5.0)
    assert peaks(samples).tobytes() == peaks(samples.copy()).tobytes()
