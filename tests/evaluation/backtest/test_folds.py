"""Forecasts of backtests, against loops of fit, update and forecast: equal bits."""

import copy

import numpy as np
import pandas as pd
import pytest
from backtest_tasks import (
    BOUNDS,
    N_TRAIN,
    N,
    Ramp,
    assert_is_forecast,
    make_day,
    make_linear,
    make_panel_linear,
    select_known_ahead,
    select_shop,
)
from sklearn.base import clone

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster
from seqcast.evaluation.backtest import backtest, summarize
from seqcast.forecasting import rolling


@pytest.mark.parametrize("horizon", [4, 9])
def test_backtest_equals_loop_of_fit_and_forecast(df, horizon):
    model = make_linear(future_cols="known")
    results = backtest(model, df, horizon=horizon, n_windows=3, step_size=5, **BOUNDS)
    assert results["cutoff"].unique().tolist() == list(
        df.index[[N - horizon - 11, N - horizon - 6, N - horizon - 1]]
    )
    for cutoff, block in results.groupby("cutoff"):
        end = df.index.get_loc(cutoff) + 1
        forecast = clone(model).fit(df.iloc[:end]).forecast(horizon, select_known_ahead(df, end), **BOUNDS)
        assert_is_forecast(block, forecast)
        assert block["y"].tolist() == df[["a", "b"]].iloc[end : end + horizon].to_numpy().T.ravel().tolist()
        assert block["lead"].tolist() == [*range(1, horizon + 1)] * 2


@pytest.mark.parametrize(
    ("parameters", "horizon"),
    [
        ({}, 6),
        ({"multivariate": True, "lags": 24}, 4),
        ({"differences": 1}, 9),
        ({"calendar_features": "auto"}, 9),
    ],
    ids=["plain", "multivariate", "differences", "calendar"],
)
def test_no_refit_equals_loop_of_update_and_forecast(gappy, parameters, horizon):
    known, later = gappy.iloc[:118], gappy.iloc[118:]
    model = make_linear(**parameters).fit(known)
    results = backtest(model, later, refit=False, step_size=11, horizon=horizon, **BOUNDS)
    assert results["cutoff"].nunique() == (len(later) - horizon) // 11 + 1
    for cutoff, block in results.groupby("cutoff"):
        moved, new = copy.deepcopy(model), later.loc[:cutoff]
        forecast = (moved.update(new) if len(new) else moved).forecast(horizon, **BOUNDS)
        assert_is_forecast(block, forecast)
        steps = (block["time"] - cutoff) / pd.Timedelta(hours=1)
        assert block["lead"].tolist() == steps.tolist()


def test_no_refit_reads_future_cols(df):
    model = make_linear(future_cols="known").fit(df.iloc[:N_TRAIN])
    results = backtest(model, df, refit=False, step_size=3, **BOUNDS)
    assert results["cutoff"].nunique() == 12
    for cutoff, block in results.groupby("cutoff"):
        end = df.index.get_loc(cutoff) + 1
        moved = copy.deepcopy(model)
        if end > N_TRAIN:
            moved.update(df.iloc[N_TRAIN:end])
        assert_is_forecast(block, moved.forecast(6, select_known_ahead(df, end), **BOUNDS))


@pytest.mark.parametrize("refit", [2, 3, False])
def test_refit_is_the_number_of_cutoffs_of_a_fit(df, refit):
    model = make_linear(target="a")
    results = backtest(model, df, n_windows=5, refit=refit)
    cutoffs = results["cutoff"].unique()
    every = 5 if refit is False else int(refit)
    for number, cutoff in enumerate(cutoffs):
        fitted_at = cutoffs[number // every * every]
        fitted = clone(model).fit(df.loc[:fitted_at])
        if cutoff > fitted_at:
            fitted.update(df.loc[fitted_at + pd.Timedelta(hours=1) : cutoff])
        assert_is_forecast(results[results["cutoff"] == cutoff], fitted.forecast(), suffixes=[""])


def test_targets_may_be_passed_as_y(df):
    X, y = df[["past", "known"]], df["a"]
    model = LinearForecaster(6, 24, future_cols="known")
    results = backtest(model, X, y, n_windows=3)
    for cutoff, block in results.groupby("cutoff"):
        end = df.index.get_loc(cutoff) + 1
        forecast = clone(model).fit(X.iloc[:end], y.iloc[:end]).forecast(6, select_known_ahead(df, end))
        assert_is_forecast(block, forecast, suffixes=[""])
        assert block["y"].tolist() == y.iloc[end : end + 6].tolist()
    fitted = model.fit(X.iloc[:N_TRAIN], y.iloc[:N_TRAIN])
    rolled = backtest(fitted, X, y, refit=False, n_windows=2)
    moved = copy.deepcopy(fitted).update(X.iloc[N_TRAIN:148], y.iloc[N_TRAIN:148])
    first = rolled[rolled["cutoff"] == df.index[147]]
    assert_is_forecast(first, moved.forecast(6, select_known_ahead(df, 148)), suffixes=[""])


def test_batches_do_not_change_forecasts(gappy, monkeypatch):
    model = make_linear().fit(gappy.iloc[:118])
    for horizon in (6, 9):
        whole = backtest(model, gappy, refit=False, step_size=2, horizon=horizon)
        with monkeypatch.context() as patched:
            patched.setattr(rolling, "MAX_NUMBERS", 700)
            parts = backtest(model, gappy, refit=False, step_size=2, horizon=horizon)
        pd.testing.assert_frame_equal(parts, whole, check_exact=True)


def test_no_refit_gives_the_forecasts_of_predict(df):
    model = make_linear(target="a", season_length=24).fit(df.iloc[:N_TRAIN])
    test = df.iloc[N_TRAIN : N_TRAIN + 36]
    results = backtest(model, test, refit=False)
    np.testing.assert_array_equal(results["y_hat"], model.predict(test)["a"])
    assert results["y"].tolist() == test["a"].tolist()
    assert results["lead"].tolist() == [1, 2, 3, 4, 5, 6] * 6
    assert summarize(results)["skill"]["a"] == pytest.approx(model.score(test), rel=1e-12)


def test_fit_gets_rows_up_to_the_cutoff(ramp_data, seen):
    results = backtest(Ramp(), ramp_data, horizon=3, n_windows=4, step_size=2)
    assert results["cutoff"].unique().tolist() == [make_day(10), make_day(12), make_day(14), make_day(16)]
    for (train, _), cutoff in zip(seen, results["cutoff"].unique(), strict=True):
        pd.testing.assert_frame_equal(train, ramp_data.loc[:cutoff], check_freq=False)
    assert (results["time"] > results["cutoff"]).all()
    assert ((results["time"] - results["cutoff"]).dt.days == results["lead"]).all()


def test_later_rows_change_the_truth_only(ramp_data):
    results = backtest(Ramp(), ramp_data, horizon=3, n_windows=2)
    ramp_data.iloc[17:] = 1e9
    changed = backtest(Ramp(), ramp_data, horizon=3, n_windows=2)
    pd.testing.assert_frame_equal(changed.drop(columns="y"), results.drop(columns="y"))
    assert (changed["y"] != results["y"]).sum() == 6


@pytest.mark.parametrize(("refit", "horizon"), [(True, 9), (2, 6), (False, 9)])
def test_rows_after_a_cutoff_do_not_change_its_forecast(df, refit, horizon):
    model = make_linear(future_cols="known")
    given = {"horizon": horizon, "n_windows": 3, "step_size": 2, "refit": refit, "level": 80}
    results = backtest(model, df, **given)
    for cutoff in results["cutoff"].unique()[:2]:
        changed = df.copy()
        changed.loc[changed.index > cutoff, ["a", "b", "past"]] = 1e6
        again = backtest(model, changed, **given)
        early = results["cutoff"] <= cutoff
        pd.testing.assert_frame_equal(
            again[early].drop(columns="y"), results[early].drop(columns="y"), check_exact=True
        )
    changed = df.copy()
    changed.loc[changed.index > cutoff, "known"] = 3.0
    last = results["cutoff"] == cutoff
    assert (backtest(model, changed, **given)["y_hat"][last] != results["y_hat"][last]).all()


@pytest.mark.parametrize("refit", [True, False])
def test_rows_beyond_the_horizon_change_nothing(df, refit):
    model = make_linear(future_cols="known", target="a")
    results = backtest(model, df, n_windows=3, refit=refit)
    fewer = backtest(model, df.iloc[:-6], n_windows=2, refit=refit)
    pd.testing.assert_frame_equal(results.iloc[: len(fewer)], fewer, check_exact=True)


@pytest.mark.parametrize("refit", [True, False])
def test_series_are_split_at_the_same_stamps(panel, refit):
    model = make_panel_linear(future_cols="known")
    results = backtest(model, panel, n_windows=3, step_size=10, refit=refit, level=80)
    assert list(results.columns[:5]) == ["shop", "cutoff", "time", "lead", "target"]
    cutoffs = pd.Timestamp("2024-01-01") + pd.to_timedelta([132, 142, 152], "D")
    assert results["cutoff"].unique().tolist() == list(cutoffs)
    assert set(results["shop"]) == {"late", "holes"}
    assert (results["time"] > results["cutoff"]).all()
    for (shop, cutoff), block in results.groupby(["shop", "cutoff"]):
        whole = select_shop(panel, shop)
        last = whole.index[whole.index <= cutoff][-1]
        known = panel[panel["day"] <= (cutoff if refit else cutoffs[0])]
        fitted = clone(model).fit(known)
        new = panel[(panel["day"] > known["day"].max()) & (panel["day"] <= cutoff)]
        if len(new):
            fitted.update(new)
        future = pd.MultiIndex.from_product([panel["shop"].unique(), pd.date_range("2024-04-01", periods=90)])
        future = future.to_frame(index=False, name=["shop", "day"]).merge(
            panel[["shop", "day", "known"]], how="left"
        )
        # X_future must have all steps, which this series has not.
        if shop == "holes":
            continue
        forecast = select_shop(fitted.forecast(7, future.fillna(0.0), level=80), shop)
        expected = forecast.loc[block["time"]]
        np.testing.assert_array_equal(block["y_hat"], expected["sales"])
        np.testing.assert_array_equal(block["y_hat-lo-80"], expected["sales-lo-80"])
        assert block["y"].tolist() == whole["sales"].loc[block["time"]].tolist()
        assert block["lead"].tolist() == [(time - last).days for time in block["time"]]


@pytest.mark.parametrize(("refit", "horizon"), [(True, 7), (False, 10)])
def test_panels_equal_loop_of_forecast(panel, refit, horizon):
    model = make_panel_linear() if refit else make_panel_linear().fit(panel[panel["day"] < "2024-05-10"])
    results = backtest(model, panel, n_windows=4, step_size=6, refit=refit, horizon=horizon, level=80)
    for cutoff, block in results.groupby("cutoff"):
        known = panel[panel["day"] <= cutoff]
        if refit:
            fitted = clone(model).fit(known)
        else:
            fitted = copy.deepcopy(model).update(known[known["day"] >= "2024-05-10"])
        forecast = fitted.forecast(horizon, level=80).set_index(["shop", "day"])
        # A series without a row at the cutoff is forecast from its last row.
        found = block.set_index(["shop", "time"])
        expected = forecast.loc[found.index]
        np.testing.assert_array_equal(found["y_hat"], expected["sales"])
        np.testing.assert_array_equal(found["y_hat-lo-80"], expected["sales-lo-80"])
        np.testing.assert_array_equal(found["y_hat-hi-80"], expected["sales-hi-80"])
        truth = panel.set_index(["shop", "day"])["sales"]
        later = truth.index.get_level_values("day") > cutoff
        assert set(found.index) == set(truth[later].index.intersection(forecast.index))


@pytest.mark.filterwarnings("ignore:There are residuals of only")
def test_local_models_equal_loop_of_update_and_forecast(panel):
    model = make_panel_linear(scope="local").fit(panel[panel["day"] < "2024-05-10"])
    results = backtest(model, panel, refit=False, step_size=8, horizon=10, level=50)
    for cutoff, block in results.groupby("cutoff"):
        new = panel[(panel["day"] >= "2024-05-10") & (panel["day"] <= cutoff)]
        moved = copy.deepcopy(model).update(new) if len(new) else model
        found = block.set_index(["shop", "time"])
        expected = moved.forecast(10, level=50).set_index(["shop", "day"]).loc[found.index]
        np.testing.assert_array_equal(found["y_hat"], expected["sales"])
        np.testing.assert_array_equal(found["y_hat-hi-50"], expected["sales-hi-50"])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_network_equals_loop_of_update_and_forecast(df):
    options = {"hidden_size": 4, "max_iter": 2, "random_state": 0}
    model = SeqForecaster(6, 12, target=["a", "b"], future_cols="known", **options).fit(df.iloc[:N_TRAIN])
    results = backtest(model, df, refit=False, step_size=9, **BOUNDS)
    for cutoff, block in results.groupby("cutoff"):
        end = df.index.get_loc(cutoff) + 1
        moved = copy.deepcopy(model)
        if end > N_TRAIN:
            moved.update(df.iloc[N_TRAIN:end])
        assert_is_forecast(block, moved.forecast(6, select_known_ahead(df, end), **BOUNDS))


def test_error_of_fit_names_the_cutoff(ramp_data):
    with pytest.raises(ValueError, match=r"Ramp needs 15 rows, got 14\.") as caught:
        backtest(Ramp(fails_below=15), ramp_data, horizon=2, n_windows=3)
    assert caught.value.__notes__ == [
        "This was the cutoff of backtest at 2024-01-14 00:00:00, the end of the first 14 rows."
    ]


def test_no_series_on_both_sides_of_a_cutoff_raises(panel):
    parts = panel[((panel["shop"] == "short") & (panel["day"] < "2024-04-01")) | (panel["shop"] == "late")]
    parts = parts[(parts["day"] < "2024-03-01") | (parts["day"] > "2024-04-20")]
    parts = parts[(parts["shop"] == "short") | (parts["day"] > "2024-04-20")]
    n = parts["day"].nunique() - parts[parts["shop"] == "short"]["day"].nunique()
    with pytest.raises(ValueError, match="a series with rows both before and after each cutoff") as caught:
        backtest(NaiveForecaster(n, target="sales", id_col="shop", time_col="day"), parts, n_windows=1)
    assert caught.value.__notes__ == [
        "This was the cutoff of backtest at 2024-02-29 00:00:00, the end of the first 60 stamps."
    ]
