"""Content and order of the result of backtests."""

import numpy as np
import pandas as pd
from backtest_tasks import Ramp, make_day, make_linear, make_panel_linear

from seqcast import NaiveForecaster
from seqcast.evaluation.backtest import backtest


def test_columns_of_one_cutoff(ramp_data):
    results = backtest(Ramp(), ramp_data[["a"]], horizon=4, n_windows=1)
    expected = pd.DataFrame(
        {
            "cutoff": [make_day(15)] * 4,
            "time": [make_day(number) for number in (16, 17, 18, 19)],
            "lead": [1, 2, 3, 4],
            "target": ["a"] * 4,
            "y": [256.0, 289.0, 324.0, 361.0],
            "y_hat": [226.0, 227.0, 228.0, 229.0],
            "seasonal_naive": [13.0**2, 14.0**2, 15.0**2, 13.0**2],
            "persistence": [225.0] * 4,
        }
    )
    pd.testing.assert_frame_equal(results, expected, check_dtype=False)
    assert results["lead"].dtype.kind == "i"
    assert results["cutoff"].dtype == results["time"].dtype == ramp_data.index.dtype


def test_order_is_cutoff_target_lead(ramp_data):
    results = backtest(Ramp(), ramp_data, horizon=2, n_windows=2)
    assert results["target"].tolist() == list("aabbaabb")
    assert results["lead"].tolist() == [1, 2] * 4
    assert results["y"].tolist() == [256.0, 289.0, -16.0, -17.0, 324.0, 361.0, -18.0, -19.0]
    assert results["y_hat"].tolist() == [226.0, 227.0, -14.0, -13.0, 290.0, 291.0, -16.0, -15.0]


def test_order_is_cutoff_series_target_lead(panel):
    model = NaiveForecaster(7, target=["sales", "known"], id_col="shop", time_col="day")
    results = backtest(model, panel.sample(frac=1, random_state=0), n_windows=3)
    assert results["cutoff"].is_monotonic_increasing
    shops = list(results["shop"].unique())
    for _, block in results.groupby("cutoff"):
        assert list(block["shop"].unique()) == [shop for shop in shops if shop in set(block["shop"])]
        for _, part in block.groupby("shop"):
            assert list(part["target"].unique()) == ["sales", "known"]
    assert (results.groupby(["cutoff", "shop", "target"])["lead"].diff().dropna() > 0).all()
    expected = backtest(model, panel, n_windows=3).sort_values(["cutoff", "shop", "target", "lead"])
    found = results.sort_values(["cutoff", "shop", "target", "lead"])
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))


def test_only_columns_of_the_forecast_are_compared(ramp_data):
    class First(Ramp):
        def forecast(self, horizon):
            return super().forecast(horizon)[["b"]]

    results = backtest(First(), ramp_data, horizon=2, n_windows=1)
    assert results["target"].tolist() == ["b", "b"]
    assert results["seasonal_naive"].tolist() == [-15.0, -16.0]


def test_leads_count_steps_and_missing_values_are_left_out(ramp_data):
    ramp_data = ramp_data[["a"]].drop([make_day(17), make_day(5)])
    ramp_data.loc[make_day(18)] = np.nan
    results = backtest(Ramp(), ramp_data, horizon=3, n_windows=1)
    # The last three of the 18 rows are those of the days 16, 18 and 19.
    assert results["cutoff"].unique().tolist() == [make_day(15)]
    assert results["time"].tolist() == [make_day(16)]
    assert results["lead"].tolist() == [1]
    results = backtest(Ramp(), ramp_data, horizon=4, n_windows=1)
    assert results["time"].tolist() == [make_day(15), make_day(16)]


def test_seasonal_naive_forecast_across_gaps(ramp_data):
    ramp_data = ramp_data[["a"]].drop([make_day(14)])
    results = backtest(Ramp(), ramp_data, horizon=3, n_windows=1)
    # The season has three days. Day 14 is missing, so that the forecast of day 17 is the value of day 11.
    assert results["seasonal_naive"].tolist() == [121.0, 225.0, 256.0]


def test_cutoff_before_a_long_gap_has_no_rows(ramp_data):
    ramp_data = ramp_data.drop(ramp_data.index[15:18])
    assert backtest(Ramp(), ramp_data, horizon=2, n_windows=1).empty


def test_naive_columns_equal_naive_forecaster(gappy):
    model = make_linear(season_length=24).fit(gappy.iloc[:118])
    results = backtest(model, gappy, refit=False, step_size=2)
    for name, season in (("seasonal_naive", 24), ("persistence", 1)):
        naive = NaiveForecaster(6, target=["a", "b"], season_length=season).fit(gappy.iloc[:118])
        expected = backtest(naive, gappy, refit=False, step_size=2)
        np.testing.assert_allclose(results[name], expected["y_hat"], rtol=1e-12)


def test_leads_of_a_series_without_a_row_at_the_cutoff(panel):
    results = backtest(make_panel_linear(), panel, n_windows=1, step_size=1, horizon=9)
    holes = results[results["shop"] == "holes"]
    # The series has no row on this day, number 150.
    assert results["cutoff"].unique().tolist() == [pd.Timestamp("2024-05-30")]
    assert holes["lead"].tolist() == list(range(2, 10))
    assert holes["time"].iloc[0] == pd.Timestamp("2024-05-31")
    assert results[results["shop"] == "late"]["lead"].tolist() == list(range(1, 10))
