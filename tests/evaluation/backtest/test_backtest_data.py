"""Kinds of data that backtests accept."""

import numpy as np
import pandas as pd
import pytest
from backtest_tasks import BOUNDS, N_TRAIN, Ramp, make_linear, make_panel_linear

from seqcast import LinearForecaster, NaiveForecaster
from seqcast.evaluation.backtest import backtest


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(100, 140, 2),
        pd.date_range("2024-03-30", periods=20, freq="h", tz="Europe/Berlin"),
        pd.period_range("2020-01", periods=20, freq="M"),
        pd.bdate_range("2024-01-01", periods=20),
        pd.to_datetime("2024-01-01") + pd.to_timedelta(np.arange(20) ** 2, "D"),
    ],
    ids=["range", "zone", "period", "weekdays", "irregular"],
)
def test_kinds_of_index(ramp_data, index):
    ramp_data = ramp_data.set_axis(index)
    results = backtest(Ramp(), ramp_data, horizon=2, n_windows=2)
    assert results["time"].tolist() == [*index[16:18], *index[16:18], *index[18:20], *index[18:20]]
    assert results["cutoff"].tolist() == [index[15]] * 4 + [index[17]] * 4
    assert results["lead"].tolist() == [1, 2] * 4


def test_series_and_unsorted_rows(ramp_data):
    expected = backtest(Ramp(), ramp_data[["a"]], horizon=2, n_windows=2)
    pd.testing.assert_frame_equal(backtest(Ramp(), ramp_data["a"], horizon=2, n_windows=2), expected)
    pd.testing.assert_frame_equal(
        backtest(Ramp(), ramp_data[["a"]].iloc[::-1], horizon=2, n_windows=2), expected
    )


def test_arguments_are_not_changed(ramp_data):
    before, forecaster = ramp_data.copy(), Ramp()
    backtest(forecaster, ramp_data, horizon=2)
    pd.testing.assert_frame_equal(ramp_data, before)
    assert forecaster.get_params() == {"horizon": None, "n_jobs": None, "fails_below": 0}
    assert not hasattr(forecaster, "df_")


def test_training_rows_are_dropped_by_their_stamps(df):
    model = make_linear().fit(df.iloc[20:N_TRAIN])
    later = backtest(model, df.iloc[N_TRAIN:], refit=False, step_size=2, **BOUNDS)
    pd.testing.assert_frame_equal(backtest(model, df, refit=False, step_size=2, **BOUNDS), later)
    pd.testing.assert_frame_equal(backtest(model, df.iloc[::-1], refit=False, step_size=2, **BOUNDS), later)


def test_rows_without_stamps_follow_training_rows(df):
    values = df[["a", "b"]].to_numpy()
    model = LinearForecaster(6, 24, season_length=1).fit(values[:N_TRAIN])
    results = backtest(model, values[N_TRAIN:], refit=False, step_size=1)
    assert results["cutoff"].unique().tolist() == list(range(119, 154))
    named = make_linear(season_length=1).fit(df[["a", "b"]].iloc[:N_TRAIN])
    expected = backtest(named, df[["a", "b"]], refit=False, step_size=1)
    np.testing.assert_array_equal(results["y_hat"], expected["y_hat"])
    assert results["target"].unique().tolist() == ["x0", "x1"]


def test_ids_and_stamps_keep_their_dtypes(panel):
    codes = {"late": 3, "short": 1, "holes": 2}
    given = panel.assign(
        shop=panel["shop"].map(codes).astype("int32"), day=panel["day"].dt.tz_localize("Europe/Berlin")
    )
    results = backtest(NaiveForecaster(7, target="sales", id_col="shop", time_col="day"), given, n_windows=2)
    assert results["shop"].dtype == np.int32
    assert results["time"].dtype == results["cutoff"].dtype == given["day"].dtype


def test_one_series_with_a_column_of_stamps(df):
    model = make_linear(time_col="time", target="a")
    results = backtest(model, df.reset_index(), n_windows=3, level=80)
    expected = backtest(make_linear(target="a"), df, n_windows=3, level=80)
    pd.testing.assert_frame_equal(results, expected, check_exact=True)


def test_future_cols_may_hold_text(panel):
    weekday = panel.assign(known=panel["day"].dt.day_name())
    results = backtest(make_panel_linear(future_cols="known"), weekday, n_windows=1)
    columns = pd.get_dummies(weekday["known"], dtype=float)
    columns = columns[sorted(columns)]
    numbers = pd.concat([weekday.drop(columns="known"), columns], axis=1)
    expected = backtest(make_panel_linear(future_cols=list(columns)), numbers, n_windows=1)
    np.testing.assert_allclose(results["y_hat"], expected["y_hat"], rtol=1e-6)


def test_text_raises_in_fit(ramp_data):
    with pytest.raises(TypeError, match=r"must hold numbers only. Got column 'c'") as caught:
        backtest(NaiveForecaster(2), ramp_data.assign(c="x"), n_windows=2)
    assert caught.value.__notes__[0].endswith("the end of the first 16 rows.")


def test_y_must_have_the_length_of_rows(df):
    with pytest.raises(ValueError, match=r"'y' parameter of backtest .* 160 rows of X. Got 10 instead"):
        backtest(make_linear(), df[["past"]], df["a"].iloc[:10])


def test_id_col_must_not_be_a_result_column(panel):
    model = NaiveForecaster(7, target="sales", id_col="lead", time_col="day")
    with pytest.raises(ValueError, match=r"'id_col' .* must not be one of .* Got 'lead' instead. Rename"):
        backtest(model, panel.rename(columns={"shop": "lead"}))


def test_unknown_series_raise_without_refit(panel):
    model = make_panel_linear().fit(panel[panel["shop"] != "late"])
    with pytest.raises(ValueError, match=r"must hold series that are known. Got 1 others, such as 'late'"):
        backtest(model, panel, refit=False)
