"""Backtests of the forecasters against slow loops of their own methods: exact values."""

import copy
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import TimeSeriesSplit
from threadpoolctl import threadpool_info, threadpool_limits

from seqcast import LinearForecaster, NaiveForecaster, PanelTimeSeriesSplit, SeqForecaster
from seqcast.estimators import rolling
from seqcast.evaluation.backtest import backtest

N, N_TRAIN = 160, 120
BOUNDS = {"level": [50, 80], "quantiles": 0.1}
ENDS = ("", "-lo-50", "-hi-50", "-lo-80", "-hi-80", "-q0.1")


@pytest.fixture(autouse=True)
def one_thread():
    """As backtest has it: sums over more threads differ in the last bits."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    """Two targets, a covariate of the past and one that is known ahead, on which the first depends."""
    rng, t = np.random.default_rng(0), np.arange(N)
    frame = pd.DataFrame(
        {
            "a": np.sin(t / 24 * 2 * np.pi),
            "b": 10 + t / 20,
            "past": rng.normal(size=N),
            "known": rng.normal(size=N),
        },
        pd.date_range("2024-01-01", periods=N, freq="h", name="time"),
    )
    frame[["a", "b"]] += 0.1 * rng.normal(size=(N, 2)) + 0.5 * frame[["known"]].to_numpy()
    return frame


@pytest.fixture(scope="module")
def gappy(df) -> pd.DataFrame:
    """With rows and values that are missing before, at and after the end of training."""
    holed = df.drop(df.index[[50, 119, 120, 133]])
    holed.iloc[[30, 140], 0] = np.nan
    holed.iloc[125:140, 1] = np.nan
    return holed


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    """Three series: one ends early, one begins late, one has no rows on some days."""
    rng = np.random.default_rng(1)
    parts = []
    for name, first, last in [("late", 70, 160), ("short", 0, 130), ("holes", 0, 160)]:
        days = np.arange(first, last)
        if name == "holes":
            days = np.setdiff1d(days, [80, 129, 130, 141, 150])
        known = rng.normal(size=len(days))
        values = np.sin(days / 7 * 2 * np.pi) + known + 0.2 * rng.normal(size=len(days))
        stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(days, "D")
        parts.append(pd.DataFrame({"shop": name, "day": stamps, "sales": values, "known": known}))
    return pd.concat(parts, ignore_index=True)


def linear(**parameters) -> LinearForecaster:
    return LinearForecaster(**{"horizon": 6, "window": 24, "target": ["a", "b"]} | parameters)


def linear_panel(**parameters) -> LinearForecaster:
    return LinearForecaster(7, 14, target="sales", id_col="shop", time_col="day", **parameters)


def assert_is_forecast(block: pd.DataFrame, forecast: pd.DataFrame, ends=ENDS) -> None:
    """Of one cutoff and one series: what is compared is what was forecast, to the last bit."""
    for target, part in block.groupby("target"):
        for end in ends:
            expected = forecast[f"{target}{end}"].loc[part["time"]]
            np.testing.assert_array_equal(part[f"y_hat{end}"], expected)


def later_known(df: pd.DataFrame, end: int) -> pd.DataFrame:
    return df[["known"]].iloc[end : end + 12]


# ---- against loops of fit and forecast, update and forecast ----


@pytest.mark.parametrize("horizon", [4, 6, 9])
def test_refit_is_a_loop_of_fit_and_forecast(df, horizon):
    model = linear(future_cols="known")
    rows = backtest(model, df, horizon=horizon, n_windows=3, step_size=5, **BOUNDS)
    assert rows["cutoff"].unique().tolist() == list(
        df.index[[N - horizon - 11, N - horizon - 6, N - horizon - 1]]
    )
    for cutoff, block in rows.groupby("cutoff"):
        end = df.index.get_loc(cutoff) + 1
        forecast = clone(model).fit(df.iloc[:end]).forecast(horizon, later_known(df, end), **BOUNDS)
        assert_is_forecast(block, forecast)
        assert block["y"].tolist() == df[["a", "b"]].iloc[end : end + horizon].to_numpy().T.ravel().tolist()
        assert block["lead"].tolist() == [*range(1, horizon + 1)] * 2


@pytest.mark.parametrize("horizon", [4, 6, 9])
@pytest.mark.parametrize(
    "parameters",
    [{}, {"multivariate": True, "lags": 24}, {"differences": 1}, {"calendar_features": "auto"}],
    ids=["plain", "multivariate", "differences", "calendar"],
)
def test_rolling_is_a_loop_of_update_and_forecast(gappy, parameters, horizon):
    known, later = gappy.iloc[:118], gappy.iloc[118:]
    model = linear(**parameters).fit(known)
    rows = backtest(model, later, refit=False, step_size=7, horizon=horizon, **BOUNDS)
    assert rows["cutoff"].nunique() == (len(later) - horizon) // 7 + 1
    for cutoff, block in rows.groupby("cutoff"):
        moved, new = copy.deepcopy(model), later.loc[:cutoff]
        forecast = (moved.update(new) if len(new) else moved).forecast(horizon, **BOUNDS)
        assert_is_forecast(block, forecast)
        steps = (block["time"] - cutoff) / pd.Timedelta(hours=1)
        assert block["lead"].tolist() == steps.tolist()


def test_rolling_reads_columns_that_are_known_ahead(df):
    model = linear(future_cols="known").fit(df.iloc[:N_TRAIN])
    rows = backtest(model, df, refit=False, step_size=3, **BOUNDS)
    assert rows["cutoff"].nunique() == 12
    for cutoff, block in rows.groupby("cutoff"):
        end = df.index.get_loc(cutoff) + 1
        moved = copy.deepcopy(model)
        if end > N_TRAIN:
            moved.update(df.iloc[N_TRAIN:end])
        assert_is_forecast(block, moved.forecast(6, later_known(df, end), **BOUNDS))


def test_naive_columns_are_those_of_the_naive_forecaster(gappy):
    model = linear(season_length=24).fit(gappy.iloc[:118])
    rows = backtest(model, gappy, refit=False, step_size=2)
    for name, season in (("seasonal_naive", 24), ("persistence", 1)):
        naive = NaiveForecaster(6, target=["a", "b"], season_length=season).fit(gappy.iloc[:118])
        # What it has seen before the rows that the other one kept is another matter.
        expected = backtest(naive, gappy, refit=False, step_size=2)
        np.testing.assert_allclose(rows[name], expected["y_hat"], rtol=1e-12)


@pytest.mark.parametrize("refit", [True, 2, 3, False])
def test_how_often_is_fitted(df, refit):
    model = linear(target="a")
    rows = backtest(model, df, n_windows=5, refit=refit)
    cutoffs = rows["cutoff"].unique()
    every = 5 if refit is False else int(refit)
    for number, cutoff in enumerate(cutoffs):
        fitted_at = cutoffs[number // every * every]
        fitted = clone(model).fit(df.loc[:fitted_at])
        if cutoff > fitted_at:
            fitted.update(df.loc[fitted_at + pd.Timedelta(hours=1) : cutoff])
        assert_is_forecast(rows[rows["cutoff"] == cutoff], fitted.forecast(), ends=[""])


def test_targets_may_stand_beside_the_rows(df):
    X, y = df[["past", "known"]], df["a"]
    model = LinearForecaster(6, 24, future_cols="known")
    rows = backtest(model, X, y, n_windows=3)
    for cutoff, block in rows.groupby("cutoff"):
        end = df.index.get_loc(cutoff) + 1
        forecast = clone(model).fit(X.iloc[:end], y.iloc[:end]).forecast(6, later_known(df, end))
        assert_is_forecast(block, forecast, ends=[""])
        assert block["y"].tolist() == y.iloc[end : end + 6].tolist()
    fitted = model.fit(X.iloc[:N_TRAIN], y.iloc[:N_TRAIN])
    rolled = backtest(fitted, X, y, refit=False, n_windows=2)
    moved = copy.deepcopy(fitted).update(X.iloc[N_TRAIN:148], y.iloc[N_TRAIN:148])
    first = rolled[rolled["cutoff"] == df.index[147]]
    assert_is_forecast(first, moved.forecast(6, later_known(df, 148)), ends=[""])


def test_batches_change_nothing(gappy, monkeypatch):
    model = linear().fit(gappy.iloc[:118])
    for horizon in (6, 9):
        whole = backtest(model, gappy, refit=False, step_size=1, horizon=horizon)
        with monkeypatch.context() as patched:
            patched.setattr(rolling, "ROLLING_NUMBERS", 700)
            parts = backtest(model, gappy, refit=False, step_size=1, horizon=horizon)
        pd.testing.assert_frame_equal(parts, whole, check_exact=True)


# ---- where the cutoffs are ----


def test_gap_is_that_of_scikit_learn(df):
    splitter = TimeSeriesSplit(n_splits=4, test_size=5, gap=3)
    rows = backtest(NaiveForecaster(8, target="a"), df, horizon=5, n_windows=4, gap=3)
    for (train, test), (cutoff, block) in zip(splitter.split(df), rows.groupby("cutoff"), strict=True):
        assert cutoff == df.index[train[-1]]
        assert block["time"].tolist() == list(df.index[test])
        assert block["lead"].tolist() == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("refit", [True, False])
def test_a_gap_leaves_out_the_first_steps_of_longer_forecasts(df, refit):
    given = {"n_windows": 3, "step_size": 5, "refit": refit, **BOUNDS}
    rows = backtest(linear(), df, horizon=5, gap=4, **given)
    longer = backtest(linear(), df, horizon=9, **given)
    assert rows["lead"].unique().tolist() == [5, 6, 7, 8, 9]
    pd.testing.assert_frame_equal(rows, longer[longer["lead"] > 4].reset_index(drop=True))


def test_without_a_horizon_the_gap_is_part_of_what_is_learned(df):
    rows = backtest(NaiveForecaster(target="a"), df, gap=6, n_windows=1)
    assert rows["lead"].tolist() == list(range(7, 31))
    assert rows["y_hat"].tolist() == [*df["a"].iloc[-48:-30], *df["a"].iloc[-54:-48]]


def test_a_fitted_forecaster_is_tried_from_as_many_cutoffs_as_there_is_room_for(df):
    model = linear().fit(df.iloc[:N_TRAIN])
    rows = backtest(model, df, refit=False)
    assert rows["cutoff"].unique().tolist() == list(df.index[range(123, 154, 6)])
    rows = backtest(model, df, refit=False, step_size=1)
    assert rows["cutoff"].unique().tolist() == list(df.index[range(119, 154)])
    rows = backtest(model, df, refit=False, n_windows=2, step_size=10)
    assert rows["cutoff"].unique().tolist() == list(df.index[[143, 153]])


def test_rows_of_training_are_left_out_by_their_stamps(df):
    model = linear().fit(df.iloc[20:N_TRAIN])
    later = backtest(model, df.iloc[N_TRAIN:], refit=False, step_size=2, **BOUNDS)
    pd.testing.assert_frame_equal(backtest(model, df, refit=False, step_size=2, **BOUNDS), later)
    pd.testing.assert_frame_equal(backtest(model, df.iloc[::-1], refit=False, step_size=2, **BOUNDS), later)


def test_after_an_update_cutoffs_lie_after_its_rows(df):
    model = linear().fit(df.iloc[:N_TRAIN]).update(df.iloc[N_TRAIN:130])
    assert backtest(model, df, refit=False, step_size=1)["cutoff"].min() == df.index[129]


def test_rows_without_stamps_follow_those_of_training(df):
    values = df[["a", "b"]].to_numpy()
    model = LinearForecaster(6, 24, season_length=1).fit(values[:N_TRAIN])
    rows = backtest(model, values[N_TRAIN:], refit=False, step_size=1)
    assert rows["cutoff"].unique().tolist() == list(range(119, 154))
    named = linear(season_length=1).fit(df[["a", "b"]].iloc[:N_TRAIN])
    expected = backtest(named, df[["a", "b"]], refit=False, step_size=1)
    np.testing.assert_array_equal(rows["y_hat"], expected["y_hat"])
    assert rows["target"].unique().tolist() == ["x0", "x1"]


@pytest.mark.parametrize("refit", [True, False])
def test_a_fitted_forecaster_stays_as_it_was(df, refit):
    model = linear().fit(df.iloc[:N_TRAIN])
    before = pickle.dumps(model)
    backtest(model, df, refit=refit, n_windows=2, horizon=9, level=80)
    assert pickle.dumps(model) == before


# ---- nothing is read too early ----


@pytest.mark.parametrize(("refit", "horizon"), [(True, 6), (2, 6), (False, 6), (True, 9), (False, 9)])
def test_what_comes_after_an_cutoff_changes_no_forecast_from_it(df, refit, horizon):
    model = linear(future_cols="known")
    given = {"horizon": horizon, "n_windows": 3, "step_size": 2, "refit": refit, "level": 80}
    rows = backtest(model, df, **given)
    for cutoff in rows["cutoff"].unique()[:2]:
        changed = df.copy()
        changed.loc[changed.index > cutoff, ["a", "b", "past"]] = 1e6
        again = backtest(model, changed, **given)
        early = rows["cutoff"] <= cutoff
        pd.testing.assert_frame_equal(
            again[early].drop(columns="y"), rows[early].drop(columns="y"), check_exact=True
        )
    changed = df.copy()
    changed.loc[changed.index > cutoff, "known"] = 3.0
    last = rows["cutoff"] == cutoff
    assert (backtest(model, changed, **given)["y_hat"][last] != rows["y_hat"][last]).all()


@pytest.mark.parametrize("refit", [True, False])
def test_a_row_beyond_the_last_step_changes_nothing(df, refit):
    model = linear(future_cols="known", target="a")
    rows = backtest(model, df, n_windows=3, refit=refit)
    fewer = backtest(model, df.iloc[:-6], n_windows=2, refit=refit)
    pd.testing.assert_frame_equal(rows.iloc[: len(fewer)], fewer, check_exact=True)


# ---- long frames ----


def of_series(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame[frame["shop"] == name].set_index("day")


@pytest.mark.parametrize("refit", [True, False])
def test_series_are_cut_at_the_same_stamps(panel, refit):
    model = linear_panel(future_cols="known")
    rows = backtest(model, panel, n_windows=3, step_size=10, refit=refit, level=80)
    assert list(rows.columns[:5]) == ["shop", "cutoff", "time", "lead", "target"]
    cutoffs = pd.Timestamp("2024-01-01") + pd.to_timedelta([132, 142, 152], "D")
    assert rows["cutoff"].unique().tolist() == list(cutoffs)
    assert set(rows["shop"]) == {"late", "holes"}
    assert (rows["time"] > rows["cutoff"]).all()
    for (shop, cutoff), block in rows.groupby(["shop", "cutoff"]):
        whole = of_series(panel, shop)
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
        if shop == "holes":  # rows that are missing can not be told to forecast
            continue
        forecast = of_series(fitted.forecast(7, future.fillna(0.0), level=80), shop)
        expected = forecast.loc[block["time"]]
        np.testing.assert_array_equal(block["y_hat"], expected["sales"])
        np.testing.assert_array_equal(block["y_hat-lo-80"], expected["sales-lo-80"])
        assert block["y"].tolist() == whole["sales"].loc[block["time"]].tolist()
        assert block["lead"].tolist() == [(time - last).days for time in block["time"]]


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("horizon", [7, 10])
def test_panels_are_loops_of_forecast(panel, refit, horizon):
    model = linear_panel() if refit else linear_panel().fit(panel[panel["day"] < "2024-05-10"])
    rows = backtest(model, panel, n_windows=4, step_size=6, refit=refit, horizon=horizon, level=80)
    for cutoff, block in rows.groupby("cutoff"):
        known = panel[panel["day"] <= cutoff]
        if refit:
            fitted = clone(model).fit(known)
        else:
            fitted = copy.deepcopy(model).update(known[known["day"] >= "2024-05-10"])
        forecast = fitted.forecast(horizon, level=80).set_index(["shop", "day"])
        # A series with a row at the cutoff is forecast as far as the others; one without, from its last row.
        found = block.set_index(["shop", "time"])
        expected = forecast.loc[found.index]
        np.testing.assert_array_equal(found["y_hat"], expected["sales"])
        np.testing.assert_array_equal(found["y_hat-lo-80"], expected["sales-lo-80"])
        np.testing.assert_array_equal(found["y_hat-hi-80"], expected["sales-hi-80"])
        truth = panel.set_index(["shop", "day"])["sales"]
        later = truth.index.get_level_values("day") > cutoff
        assert set(found.index) == set(truth[later].index.intersection(forecast.index))


@pytest.mark.filterwarnings("ignore:Errors of only")
def test_models_of_single_series_roll_too(panel):
    model = linear_panel(scope="local").fit(panel[panel["day"] < "2024-05-10"])
    rows = backtest(model, panel, refit=False, step_size=8, horizon=10, level=50)
    for cutoff, block in rows.groupby("cutoff"):
        new = panel[(panel["day"] >= "2024-05-10") & (panel["day"] <= cutoff)]
        moved = copy.deepcopy(model).update(new) if len(new) else model
        found = block.set_index(["shop", "time"])
        expected = moved.forecast(10, level=50).set_index(["shop", "day"]).loc[found.index]
        np.testing.assert_array_equal(found["y_hat"], expected["sales"])
        np.testing.assert_array_equal(found["y_hat-hi-50"], expected["sales-hi-50"])


def test_a_row_missing_at_the_cutoff_moves_the_leads_of_its_series(panel):
    rows = backtest(linear_panel(), panel, n_windows=1, step_size=1, horizon=9)
    holes = rows[rows["shop"] == "holes"]
    assert rows["cutoff"].unique().tolist() == [pd.Timestamp("2024-05-30")]  # day 150, of which it has no row
    assert holes["lead"].tolist() == list(range(2, 10))
    assert holes["time"].iloc[0] == pd.Timestamp("2024-05-31")
    assert rows[rows["shop"] == "late"]["lead"].tolist() == list(range(1, 10))


def test_series_are_left_out_before_they_begin(panel):
    rows = backtest(NaiveForecaster(7, target="sales", id_col="shop", time_col="day"), panel, n_windows=14)
    begin = of_series(panel, "late").index[0]
    early = rows[rows["cutoff"] < begin]
    assert set(early["shop"]) == {"short", "holes"}
    assert rows[rows["shop"] == "late"]["cutoff"].min() >= begin


def test_rows_come_by_cutoff_series_target_and_lead(panel):
    model = NaiveForecaster(7, target=["sales", "known"], id_col="shop", time_col="day")
    rows = backtest(model, panel.sample(frac=1, random_state=0), n_windows=3)
    assert rows["cutoff"].is_monotonic_increasing
    order = rows.drop_duplicates(["cutoff", "shop", "target"])[["shop", "target"]]
    for _, block in rows.groupby("cutoff"):
        assert block["shop"].drop_duplicates().tolist() == [
            shop for shop in order["shop"].unique() if shop in set(block["shop"])
        ]
        for _, part in block.groupby("shop"):
            assert part["target"].drop_duplicates().tolist() == ["sales", "known"]
    assert (rows.groupby(["cutoff", "shop", "target"])["lead"].diff().dropna() > 0).all()
    expected = backtest(model, panel, n_windows=3).sort_values(["cutoff", "shop", "target", "lead"])
    found = rows.sort_values(["cutoff", "shop", "target", "lead"])
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))


def test_cutoffs_are_those_of_the_splitter_for_panels(panel):
    splitter = PanelTimeSeriesSplit(3, horizon=7, step_size=9, gap=2, time_col="day", id_col="shop")
    model = NaiveForecaster(9, target="sales", id_col="shop", time_col="day")
    rows = backtest(model, panel, horizon=7, n_windows=3, step_size=9, gap=2)
    for (train, _), cutoff in zip(splitter.split(panel), rows["cutoff"].unique(), strict=True):
        assert panel["day"].iloc[train].max() == cutoff


def test_ids_and_stamps_keep_their_kinds(panel):
    codes = {"late": 3, "short": 1, "holes": 2}
    given = panel.assign(
        shop=panel["shop"].map(codes).astype("int32"), day=panel["day"].dt.tz_localize("Europe/Berlin")
    )
    rows = backtest(NaiveForecaster(7, target="sales", id_col="shop", time_col="day"), given, n_windows=2)
    assert rows["shop"].dtype == np.int32
    assert rows["time"].dtype == rows["cutoff"].dtype == given["day"].dtype


def test_one_series_in_a_frame_with_a_column_of_stamps(df):
    model = linear(time_col="time", target="a")
    rows = backtest(model, df.reset_index(), n_windows=3, level=80)
    expected = backtest(linear(target="a"), df, n_windows=3, level=80)
    pd.testing.assert_frame_equal(rows, expected, check_exact=True)


def test_text_may_be_known_ahead(panel):
    weekday = panel.assign(known=panel["day"].dt.day_name())
    rows = backtest(linear_panel(future_cols="known"), weekday, n_windows=1)
    columns = pd.get_dummies(weekday["known"], dtype=float)
    columns = columns[sorted(columns)]
    numbers = pd.concat([weekday.drop(columns="known"), columns], axis=1)
    expected = backtest(linear_panel(future_cols=list(columns)), numbers, n_windows=1)
    np.testing.assert_allclose(rows["y_hat"], expected["y_hat"], rtol=1e-6)


# ---- n_jobs, progress ----


def test_jobs_change_nothing(panel):
    given = {"n_windows": 3, "refit": 2, "level": 80}
    serial = backtest(linear_panel(), panel, **given)
    pd.testing.assert_frame_equal(
        backtest(linear_panel(), panel, n_jobs=2, **given), serial, check_exact=True
    )
    with parallel_config(backend="threading", n_jobs=2):
        pd.testing.assert_frame_equal(backtest(linear_panel(), panel, **given), serial, check_exact=True)


def test_threads_of_blas_change_nothing_and_come_back(df):
    found = []
    for n in (1, 2):
        with threadpool_limits(n, user_api="blas"):
            before = threadpool_info()
            found.append(backtest(linear(multivariate=True), df, n_windows=2))
            assert threadpool_info() == before
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_one_fit_keeps_its_own_threads(df):
    class Watched(NaiveForecaster):
        seen: list = []  # noqa: RUF012 - shared on purpose: backtest fits copies

        def __init__(
            self, horizon=None, *, target=None, season_length=None, id_col=None, time_col=None, n_jobs=None
        ):
            super().__init__(
                horizon, target=target, season_length=season_length, id_col=id_col, time_col=time_col
            )
            self.n_jobs = n_jobs

        def fit(self, X, y=None):
            self.seen.append(self.n_jobs)
            return super().fit(X, y)

    for refit in (True, False):
        with parallel_config(backend="threading"):
            backtest(Watched(6, n_jobs=3), df, n_windows=2, refit=refit, n_jobs=2)
    assert Watched.seen == [1, 1, 3]


def test_progress_is_a_bar_of_tqdm(df, capsys):
    pytest.importorskip("tqdm")
    rows = backtest(NaiveForecaster(6), df, n_windows=3, verbose=1)
    assert "3/3" in capsys.readouterr().err
    pd.testing.assert_frame_equal(backtest(NaiveForecaster(6), df, n_windows=3), rows)
    assert capsys.readouterr() == ("", "")


def test_progress_without_tqdm_is_a_line_a_fit(df, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    backtest(NaiveForecaster(6), df, n_windows=3, refit=2, verbose=1)
    assert capsys.readouterr() == ("", "fit 1/2\nfit 2/2\n")


# ---- what is refused ----


@pytest.mark.parametrize("value", [0, -1, 1.5, "yes", None])
def test_refit_is_a_boolean_or_a_count(df, value):
    with pytest.raises(ValueError, match=r"'refit' parameter of backtest must be True, False or an int"):
        backtest(linear(), df, refit=value)


@pytest.mark.parametrize("value", [-1, 1.5, True])
def test_gap_is_a_count(df, value):
    with pytest.raises(ValueError, match=rf"'gap' parameter of backtest .* at least 0. Got {value} instead"):
        backtest(linear(), df, gap=value)


@pytest.mark.parametrize(("name", "value"), [("level", 100), ("quantiles", [0.1, 1.0])])
def test_levels_and_quantiles_are_checked_first(df, name, value):
    with pytest.raises(ValueError, match=rf"'{name}' parameter of backtest must hold numbers above 0"):
        backtest(linear(), df, **{name: value})


def test_y_has_a_row_for_each_of_df(df):
    with pytest.raises(ValueError, match=r"'y' parameter of backtest .* 160 rows of df. Got 10 instead"):
        backtest(linear(), df[["past"]], df["a"].iloc[:10])


def test_too_few_rows_after_training(df):
    model = linear().fit(df.iloc[:N_TRAIN])
    message = r"at least 7 rows after those of training for horizon=6, gap=1, n_windows=1 .* Got 6 instead"
    with pytest.raises(ValueError, match=message):
        backtest(model, df.iloc[:126], refit=False, gap=1)
    assert len(backtest(model, df.iloc[:127], refit=False, gap=1)) == 12
    with pytest.raises(ValueError, match="Got 0 instead"):
        backtest(model, df.iloc[:100], refit=False)


def test_series_that_were_not_fitted(panel):
    model = linear_panel().fit(panel[panel["shop"] != "late"])
    with pytest.raises(ValueError, match=r"must hold series that are known. Got 1 others, such as 'late'"):
        backtest(model, panel, refit=False)


def test_no_series_on_both_sides_of_an_cutoff(panel):
    parts = panel[((panel["shop"] == "short") & (panel["day"] < "2024-04-01")) | (panel["shop"] == "late")]
    parts = parts[(parts["day"] < "2024-03-01") | (parts["day"] > "2024-04-20")]
    parts = parts[(parts["shop"] == "short") | (parts["day"] > "2024-04-20")]
    n = parts["day"].nunique() - parts[parts["shop"] == "short"]["day"].nunique()
    with pytest.raises(ValueError, match="a series with rows both before and after each origin") as caught:
        backtest(NaiveForecaster(n, target="sales", id_col="shop", time_col="day"), parts, n_windows=1)
    assert caught.value.__notes__ == [
        "This was the cutoff of backtest at 2024-02-29 00:00:00, the end of the first 60 stamps."
    ]


def test_an_error_names_its_cutoff_in_every_process(panel):
    panel = panel.assign(sales=panel["sales"].where(panel["shop"] != "late"))
    for n_jobs in (1, 2):
        with pytest.raises(
            ValueError, match="observed value in the column 'sales' of every series"
        ) as caught:
            backtest(linear_panel(), panel, n_windows=13, n_jobs=n_jobs)
        assert caught.value.__notes__ == [
            "This was the cutoff of backtest at 2024-03-16 00:00:00, the end of the first 76 stamps."
        ]


@pytest.mark.parametrize(
    "given", [{"level": 80}, {"quantiles": 0.5}, {"refit": False}, {"refit": 2}, {"y": [1]}]
)
def test_estimators_of_others_give_points_only(df, given):
    class Other(BaseEstimator):
        pass

    with pytest.raises(
        TypeError, match=r"must be a forecaster of seqcast for y, level, .* Got Other instead"
    ):
        backtest(Other(), df, **given)


def test_the_column_of_ids_has_a_name_of_its_own(panel):
    model = NaiveForecaster(7, target="sales", id_col="lead", time_col="day")
    with pytest.raises(ValueError, match=r"'id_col' .* must not be one of .* Got 'lead' instead. Rename"):
        backtest(model, panel.rename(columns={"shop": "lead"}))


# ---- the network ----


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_network_rolls_to_the_same_bits(df):
    model = SeqForecaster(
        6, 12, target=["a", "b"], future_cols="known", hidden_size=4, max_iter=2, random_state=0
    ).fit(df.iloc[:N_TRAIN])
    rows = backtest(model, df, refit=False, step_size=5, **BOUNDS)
    for cutoff, block in rows.groupby("cutoff"):
        end = df.index.get_loc(cutoff) + 1
        moved = copy.deepcopy(model)
        if end > N_TRAIN:
            moved.update(df.iloc[N_TRAIN:end])
        assert_is_forecast(block, moved.forecast(6, later_known(df, end), **BOUNDS))
