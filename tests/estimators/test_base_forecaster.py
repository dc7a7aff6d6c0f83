"""Forecasts, predictions and scores of a fitted forecaster."""

import naive
import numpy as np
import pandas as pd
import pytest
from forecast_by_hand import (
    forecast_by_hand,
    hourly,
    last_observed,
    scales,
    with_holes,
)
from forecaster_tasks import SMALL, TOGETHER, assert_same_bits, ways
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast import SeqForecaster

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

# -- beyond the horizon


def test_shorter_forecasts_begin_longer_ones(model):
    longest = model.forecast(48)
    assert model.horizon_ == 5
    for steps in (1, 4, 5, 6, 24, 47):
        pd.testing.assert_frame_equal(
            model.forecast(steps), longest[:steps], check_exact=True, check_freq=False
        )
    pd.testing.assert_frame_equal(model.forecast(), longest[:5], check_exact=True, check_freq=False)


def test_continuation_is_made_from_forecasts_as_if_observed(model):
    """The expected values come from `predict`, given earlier forecasts as observed rows."""
    continued = model.forecast(20)
    assert_same_bits(model.predict(continued), continued)


def test_covariates_are_continued_by_their_last_season(guided):
    model, rows = guided
    later = model.forecast(20)
    # The last season of b, in its place; where it was not observed there, the season before (and so on).
    assert model.season_length_ == 24
    context = rows["b"].to_numpy()[-24:]
    later["b"] = [value if not np.isnan(value) else last_observed(context) for value in context[:20]]
    assert_same_bits(model.predict(later[["a", "b", "c"]]), later[["c", "a"]])


def test_every_way_to_ask_for_the_future_is_forecast(model):
    for ask in (model.predict(), model.predict(None), model.predict(5), model.predict(np.int64(5))):
        pd.testing.assert_frame_equal(ask, model.forecast(), check_exact=True)
    pd.testing.assert_frame_equal(model.predict(7), model.forecast(7), check_exact=True)


# -- rows that follow


def test_first_block_of_predict_is_forecast(model, frame):
    predicted = model.predict(frame[120:])
    assert predicted.index.equals(frame.index[120:])
    assert_same_bits(predicted[:5], model.forecast())
    assert_same_bits(model.predict(frame[120:123]), model.forecast(3))


def test_windows_without_observed_values_follow_the_equations(guided):
    """Earlier rows are also missing, more and more of them."""
    model, rows = guided
    later = hourly(140, "abc")[120:]
    later[:] = np.nan
    known = np.concatenate([rows, later])[:, [2, 0, 1]]
    by_hand = [forecast_by_hand(model, known[:120], known[:cutoff]) for cutoff in (120, 125, 130, 135)]
    np.testing.assert_allclose(model.predict(later), np.concatenate(by_hand), rtol=1e-9)


def test_later_blocks_are_forecasts_from_the_rows_before(guided):
    model, rows = guided
    later = with_holes(hourly(137, "abc", seed=3)[120:], seed=4)
    known = pd.concat([rows, later])[["c", "a", "b"]].to_numpy()
    cutoffs = (120, 125, 130, 135)
    blocks = [forecast_by_hand(model, known[:120], known[:cutoff]) for cutoff in cutoffs]
    np.testing.assert_allclose(model.predict(later), np.concatenate(blocks)[:17], rtol=1e-9)


@settings(max_examples=15)
@given(
    first=st.integers(0, 47),
    noise=st.integers(0, 2**16),
    kind=st.sampled_from(["noise", "nan", "huge"]),
)
def test_values_from_the_cutoff_on_do_not_affect_a_forecast(model, frame, first, noise, kind):
    later = frame[120:]
    changed = later.copy()
    values = {
        "noise": np.random.default_rng(noise).normal(size=(48 - first, 2)),
        "nan": np.nan,
        "huge": 1e300,
    }
    changed.iloc[first:] = values[kind]
    cutoff = first - first % 5  # of the block that the first changed row lies in
    before, after = model.predict(later), model.predict(changed)
    assert_same_bits(after[: cutoff + 5], before[: cutoff + 5])
    reach = cutoff + 5
    if "seasonal_naive" in model.chosen_:  # a season later; or where nothing was observed in a window
        reach = -(-(first + 12) // 5) * 5 if kind == "nan" else first + 24
    assert np.array_equal(after[cutoff + 5 :], before[cutoff + 5 :]) == (reach >= 48)


# -- score


@pytest.mark.parametrize("season_length", [None, 7, 1])
def test_score_is_skill_against_the_seasonal_naive_forecast(season_length):
    rows = hourly(148, "abc")
    model = SeqForecaster(**SMALL, **TOGETHER, target=["b", "a"], season_length=season_length).fit(rows[:120])
    assert model.season_length_ == (season_length or 24)
    known = rows[["b", "a"]].to_numpy()
    blocks = [naive.seasonal_naive(known[:cutoff], 5, model.season_length_) for cutoff in range(120, 148, 5)]
    scale = scales(model, known[:120])[1]

    def error(forecasts):
        return np.mean([naive.rmse(known[120:, k], forecasts[:28, k]) / scale[k] for k in range(2)])

    expected = 1 - error(model.predict(rows[120:]).to_numpy()) / error(np.concatenate(blocks))
    assert model.score(rows[120:]) == pytest.approx(expected, rel=1e-12)


def test_score_leaves_out_what_was_not_observed(model, frame):
    """If the last rows are missing, the score is that of the rows before them."""
    later = frame[120:140].copy()
    later.iloc[15:] = np.nan
    assert model.score(later) == pytest.approx(model.score(frame[120:135]), rel=1e-12)
    later["a"] = np.nan
    assert np.isfinite(model.score(later))


@ways
def test_score_of_exact_naive_forecasts(way):
    rows = hourly(60)
    flat = pd.DataFrame({"a": rows["a"].iloc[-1]}, pd.date_range("2024-01-03 12:00", periods=5, freq="h"))
    assert SeqForecaster(**SMALL, **way, season_length=1).fit(rows).score(flat) == -np.inf
    with pytest.warns(UserWarning, match="constant"):
        model = SeqForecaster(**SMALL, **way).fit(rows * 0 + 3)
    assert model.score(flat * 0 + 3) == 0.0


# -- same bits


def test_predictions_do_not_depend_on_the_rows_that_follow(model, frame):
    whole = model.predict(frame[120:])
    for n in (1, 5, 6, 17, 47):
        assert_same_bits(model.predict(frame[120 : 120 + n]), whole[:n])
