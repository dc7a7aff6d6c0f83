"""Positions of the cutoffs of backtests."""

import pandas as pd
import pytest
from backtest_tasks import BOUNDS, N_TRAIN, Ramp, make_day, make_linear, select_shop
from sklearn.model_selection import TimeSeriesSplit

from seqcast import NaiveForecaster, PanelTimeSeriesSplit
from seqcast.evaluation.backtest import backtest


def test_default_step_size_is_the_horizon(ramp_data):
    results = backtest(Ramp(), ramp_data[["a"]], horizon=4, n_windows=3)
    assert results["time"].tolist() == [make_day(number) for number in range(8, 20)]


def test_default_horizon_is_that_of_the_forecaster(ramp_data, seen):
    results = backtest(Ramp(horizon=4), ramp_data, n_windows=2)
    assert results["lead"].max() == 4
    assert [params["horizon"] for _, params in seen] == [4, 4]


def test_horizon_does_not_change_that_of_the_forecaster(ramp_data, seen):
    results = backtest(Ramp(horizon=4), ramp_data, horizon=2, n_windows=1)
    assert results["lead"].max() == 2
    assert seen[0][1]["horizon"] == 4


def test_default_horizon_is_one_season(ramp_data, seen):
    results = backtest(Ramp(), ramp_data, n_windows=2)
    assert results["lead"].max() == 7
    assert [params["horizon"] for _, params in seen] == [7, 7]
    assert backtest(Ramp(), ramp_data.reset_index(drop=True), n_windows=1)["lead"].max() == 12


def test_gap_is_that_of_time_series_split(df):
    splitter = TimeSeriesSplit(n_splits=4, test_size=5, gap=3)
    results = backtest(NaiveForecaster(8, target="a"), df, horizon=5, n_windows=4, gap=3)
    for (train, test), (cutoff, block) in zip(splitter.split(df), results.groupby("cutoff"), strict=True):
        assert cutoff == df.index[train[-1]]
        assert block["time"].tolist() == list(df.index[test])
        assert block["lead"].tolist() == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("refit", [True, False])
def test_gap_leaves_out_the_first_steps(df, refit):
    given = {"n_windows": 3, "step_size": 5, "refit": refit, **BOUNDS}
    results = backtest(make_linear(), df, horizon=5, gap=4, **given)
    longer = backtest(make_linear(), df, horizon=9, **given)
    assert results["lead"].unique().tolist() == [5, 6, 7, 8, 9]
    pd.testing.assert_frame_equal(results, longer[longer["lead"] > 4].reset_index(drop=True))


def test_gap_adds_to_the_default_horizon(df):
    results = backtest(NaiveForecaster(target="a"), df, gap=6, n_windows=1)
    assert results["lead"].tolist() == list(range(7, 31))
    assert results["y_hat"].tolist() == [*df["a"].iloc[-48:-30], *df["a"].iloc[-54:-48]]


def test_default_number_of_cutoffs_of_a_fitted_forecaster(df):
    model = make_linear().fit(df.iloc[:N_TRAIN])
    results = backtest(model, df, refit=False)
    assert results["cutoff"].unique().tolist() == list(df.index[range(123, 154, 6)])
    results = backtest(model, df, refit=False, step_size=1)
    assert results["cutoff"].unique().tolist() == list(df.index[range(119, 154)])
    results = backtest(model, df, refit=False, n_windows=2, step_size=10)
    assert results["cutoff"].unique().tolist() == list(df.index[[143, 153]])


def test_cutoffs_lie_after_the_rows_of_update(df):
    model = make_linear().fit(df.iloc[:N_TRAIN]).update(df.iloc[N_TRAIN:130])
    assert backtest(model, df, refit=False, step_size=1)["cutoff"].min() == df.index[129]


def test_cutoffs_are_those_of_panel_time_series_split(panel):
    splitter = PanelTimeSeriesSplit(3, horizon=7, step_size=9, gap=2, time_col="day", id_col="shop")
    model = NaiveForecaster(9, target="sales", id_col="shop", time_col="day")
    results = backtest(model, panel, horizon=7, n_windows=3, step_size=9, gap=2)
    for (train, _), cutoff in zip(splitter.split(panel), results["cutoff"].unique(), strict=True):
        assert panel["day"].iloc[train].max() == cutoff


def test_series_are_left_out_before_they_begin(panel):
    results = backtest(NaiveForecaster(7, target="sales", id_col="shop", time_col="day"), panel, n_windows=14)
    begin = select_shop(panel, "late").index[0]
    early = results[results["cutoff"] < begin]
    assert set(early["shop"]) == {"short", "holes"}
    assert results[results["shop"] == "late"]["cutoff"].min() >= begin


@pytest.mark.parametrize("name", ["horizon", "n_windows", "step_size"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_counts_must_be_positive_integers(ramp_data, name, value):
    with pytest.raises(
        ValueError, match=rf"'{name}' parameter of backtest .* at least 1. Got {value} instead"
    ):
        backtest(Ramp(), ramp_data, **{"horizon": 2, name: value})


@pytest.mark.parametrize("value", [-1, 1.5])
def test_gap_must_be_a_count(df, value):
    with pytest.raises(ValueError, match=rf"'gap' parameter of backtest .* at least 0. Got {value} instead"):
        backtest(make_linear(), df, gap=value)


def test_too_few_rows_raise(ramp_data, seen):
    message = r"needs at least 21 rows for horizon=4, n_windows=5 and step_size=4. Got 20 instead"
    with pytest.raises(ValueError, match=message):
        backtest(Ramp(), ramp_data, horizon=4)
    assert not seen
    assert len(backtest(Ramp(), ramp_data.iloc[:11], horizon=2, n_windows=5)) == 20


def test_too_few_rows_after_training_raise(df):
    model = make_linear().fit(df.iloc[:N_TRAIN])
    message = r"at least 7 rows after those of training for horizon=6, gap=1, n_windows=1 .* Got 6 instead"
    with pytest.raises(ValueError, match=message):
        backtest(model, df.iloc[:126], refit=False, gap=1)
    assert len(backtest(model, df.iloc[:127], refit=False, gap=1)) == 12
    with pytest.raises(ValueError, match="Got 0 instead"):
        backtest(model, df.iloc[:100], refit=False)
