import doctest
import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from threadpoolctl import threadpool_limits

from seqcast import NaiveForecaster, SeqForecaster
from seqcast.data.calendar import infer_calendar
from seqcast.evaluation.backtest import backtest, backtesting, evaluate, summarize, summary

COLUMNS = ["cutoff", "time", "lead", "target", "y", "y_hat", "seasonal_naive", "persistence"]


class Ramp(BaseEstimator):
    """Forecasts the last row plus the lead, which tells where each forecast came from; keeps what it saw."""

    seen: list = []  # noqa: RUF012 - shared on purpose: backtest fits copies

    def __init__(self, horizon=None, n_jobs=None, fails_below=0):
        self.horizon, self.n_jobs, self.fails_below = horizon, n_jobs, fails_below

    def fit(self, df):
        if len(df) < self.fails_below:
            raise ValueError(f"Ramp needs {self.fails_below} rows, got {len(df)}.")
        self.seen.append((df.copy(), self.get_params()))
        self.df_, self.horizon_, self.season_length_ = df, self.horizon, 3
        self.target_names_ = list(df.columns)
        return self

    def forecast(self, horizon):
        index = infer_calendar(self.df_.index).future(self.df_.index[-1], horizon)
        lead = np.arange(1, horizon + 1)[:, None]
        return pd.DataFrame(self.df_.to_numpy()[-1] + lead, index, self.df_.columns)

    def predict(self, df):
        """Row-aligned, for rows without gaps."""
        everything = np.concatenate([self.df_.to_numpy(), df.to_numpy()])
        step = np.arange(len(df))
        last = len(self.df_) + step // self.horizon * self.horizon - 1
        return pd.DataFrame(everything[last] + (step % self.horizon + 1)[:, None], df.index, df.columns)


@pytest.fixture(autouse=True)
def seen():
    Ramp.seen.clear()
    return Ramp.seen


@pytest.fixture
def df() -> pd.DataFrame:
    index = pd.date_range("2024-01-01", periods=20, name="day")
    return pd.DataFrame({"a": np.arange(20.0) ** 2, "b": -np.arange(20.0)}, index)


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp("2024-01-01") + pd.Timedelta(days=number)


# ---- which rows are forecast from where ----


def test_rows_of_one_cutoff(df):
    rows = backtest(Ramp(), df[["a"]], horizon=4, n_windows=1)
    expected = pd.DataFrame(
        {
            "cutoff": [day(15)] * 4,
            "time": [day(number) for number in (16, 17, 18, 19)],
            "lead": [1, 2, 3, 4],
            "target": ["a"] * 4,
            "y": [256.0, 289.0, 324.0, 361.0],
            "y_hat": [226.0, 227.0, 228.0, 229.0],
            "seasonal_naive": [13.0**2, 14.0**2, 15.0**2, 13.0**2],
            "persistence": [225.0] * 4,
        }
    )
    pd.testing.assert_frame_equal(rows, expected, check_dtype=False)
    assert rows["lead"].dtype.kind == "i"
    assert rows["cutoff"].dtype == rows["time"].dtype == df.index.dtype


def test_no_cutoff_sees_later_rows(df, seen):
    rows = backtest(Ramp(), df, horizon=3, n_windows=4, step_size=2)
    assert rows["cutoff"].unique().tolist() == [day(10), day(12), day(14), day(16)]
    for (train, _), cutoff in zip(seen, rows["cutoff"].unique(), strict=True):
        pd.testing.assert_frame_equal(train, df.loc[:cutoff], check_freq=False)
    assert (rows["time"] > rows["cutoff"]).all()
    assert ((rows["time"] - rows["cutoff"]).dt.days == rows["lead"]).all()


def test_later_rows_change_nothing_but_the_truth(df):
    rows = backtest(Ramp(), df, horizon=3, n_windows=2)
    df.iloc[17:] = 1e9
    changed = backtest(Ramp(), df, horizon=3, n_windows=2)
    pd.testing.assert_frame_equal(changed.drop(columns="y"), rows.drop(columns="y"))
    assert (changed["y"] != rows["y"]).sum() == 6


def test_windows_do_not_overlap_by_default(df):
    rows = backtest(Ramp(), df[["a"]], horizon=4, n_windows=3)
    assert rows["time"].tolist() == [day(number) for number in range(8, 20)]


def test_targets_come_one_after_the_other_in_each_cutoff(df):
    rows = backtest(Ramp(), df, horizon=2, n_windows=2)
    assert rows["target"].tolist() == list("aabbaabb")
    assert rows["lead"].tolist() == [1, 2] * 4
    assert rows["y"].tolist() == [256.0, 289.0, -16.0, -17.0, 324.0, 361.0, -18.0, -19.0]
    assert rows["y_hat"].tolist() == [226.0, 227.0, -14.0, -13.0, 290.0, 291.0, -16.0, -15.0]


def test_only_forecast_columns_are_compared(df):
    class First(Ramp):
        def forecast(self, horizon):
            return super().forecast(horizon)[["b"]]

    rows = backtest(First(), df, horizon=2, n_windows=1)
    assert rows["target"].tolist() == ["b", "b"]
    assert rows["seasonal_naive"].tolist() == [-15.0, -16.0]


# ---- gaps, missing values, kinds of index ----


def test_leads_count_steps_across_gaps_and_missing_values_are_left_out(df):
    df = df[["a"]].drop([day(17), day(5)])
    df.loc[day(18)] = np.nan
    rows = backtest(Ramp(), df, horizon=3, n_windows=1)
    # 18 rows: the last three, of the days 16, 18 and 19, follow the 15th
    assert rows["cutoff"].unique().tolist() == [day(15)]
    assert rows["time"].tolist() == [day(16)]
    assert rows["lead"].tolist() == [1]
    rows = backtest(Ramp(), df, horizon=4, n_windows=1)
    assert rows["time"].tolist() == [day(15), day(16)]


def test_season_keeps_its_phase_across_gaps(df):
    df = df[["a"]].drop([day(14)])
    rows = backtest(Ramp(), df, horizon=3, n_windows=1)
    # seasons of three days: the 14th is missing, so the 17th repeats the 11th
    assert rows["seasonal_naive"].tolist() == [121.0, 225.0, 256.0]


def test_a_gap_longer_than_the_horizon_leaves_an_cutoff_without_rows(df):
    df = df.drop(df.index[15:18])
    assert backtest(Ramp(), df, horizon=2, n_windows=1).empty


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
def test_every_kind_of_index(df, index):
    df = df.set_axis(index)
    rows = backtest(Ramp(), df, horizon=2, n_windows=2)
    assert rows["time"].tolist() == [*index[16:18], *index[16:18], *index[18:20], *index[18:20]]
    assert rows["cutoff"].tolist() == [index[15]] * 4 + [index[17]] * 4
    assert rows["lead"].tolist() == [1, 2] * 4


def test_series_and_unsorted_rows(df):
    expected = backtest(Ramp(), df[["a"]], horizon=2, n_windows=2)
    pd.testing.assert_frame_equal(backtest(Ramp(), df["a"], horizon=2, n_windows=2), expected)
    pd.testing.assert_frame_equal(backtest(Ramp(), df[["a"]].iloc[::-1], horizon=2, n_windows=2), expected)


def test_nothing_given_is_changed(df):
    before, forecaster = df.copy(), Ramp()
    backtest(forecaster, df, horizon=2)
    pd.testing.assert_frame_equal(df, before)
    assert forecaster.get_params() == {"horizon": None, "n_jobs": None, "fails_below": 0}
    assert not hasattr(forecaster, "df_")


# ---- parameters ----


def test_horizon_of_the_forecaster_is_the_default(df, seen):
    rows = backtest(Ramp(horizon=4), df, n_windows=2)
    assert rows["lead"].max() == 4
    assert [params["horizon"] for _, params in seen] == [4, 4]


def test_another_horizon_does_not_change_the_forecaster_s(df, seen):
    rows = backtest(Ramp(horizon=4), df, horizon=2, n_windows=1)
    assert rows["lead"].max() == 2
    assert seen[0][1]["horizon"] == 4


def test_without_any_horizon_it_is_one_season(df, seen):
    rows = backtest(Ramp(), df, n_windows=2)
    assert rows["lead"].max() == 7
    assert [params["horizon"] for _, params in seen] == [7, 7]
    assert backtest(Ramp(), df.reset_index(drop=True), n_windows=1)["lead"].max() == 12


def test_forecasters_get_one_thread_where_cutoffs_run_side_by_side(df, seen):
    serial = backtest(Ramp(n_jobs=5), df, horizon=2, n_windows=3)
    assert [params["n_jobs"] for _, params in seen] == [5, 5, 5]
    seen.clear()
    with parallel_config(backend="threading"):
        threads = backtest(Ramp(n_jobs=5), df, horizon=2, n_windows=3, n_jobs=2)
    assert [params["n_jobs"] for _, params in seen] == [1, 1, 1]
    seen.clear()
    with parallel_config(backend="threading", n_jobs=2):
        configured = backtest(Ramp(n_jobs=5), df, horizon=2, n_windows=3)
    assert [params["n_jobs"] for _, params in seen] == [1, 1, 1]
    pd.testing.assert_frame_equal(threads, serial)
    pd.testing.assert_frame_equal(configured, serial)


@pytest.mark.parametrize("name", ["horizon", "n_windows", "step_size"])
@pytest.mark.parametrize("value", [0, -2, 1.5, True])
def test_counts_are_positive_integers(df, name, value):
    with pytest.raises(
        ValueError, match=rf"'{name}' parameter of backtest .* at least 1. Got {value} instead"
    ):
        backtest(Ramp(), df, **{"horizon": 2, name: value})


def test_too_few_rows(df, seen):
    message = r"needs at least 21 rows for horizon=4, n_windows=5 and step_size=4. Got 20 instead"
    with pytest.raises(ValueError, match=message):
        backtest(Ramp(), df, horizon=4)
    assert not seen
    assert len(backtest(Ramp(), df.iloc[:11], horizon=2, n_windows=5)) == 20


def test_a_refusal_of_the_forecaster_names_the_cutoff(df):
    with pytest.raises(ValueError, match=r"Ramp needs 15 rows, got 14\.") as caught:
        backtest(Ramp(fails_below=15), df, horizon=2, n_windows=3)
    assert caught.value.__notes__ == [
        "This was the cutoff of backtest at 2024-01-14 00:00:00, the end of the first 14 rows."
    ]


def test_text_is_for_the_forecaster_to_refuse(df):
    with pytest.raises(TypeError, match=r"must hold numbers only. Got column 'c'") as caught:
        backtest(NaiveForecaster(2), df.assign(c="x"), n_windows=2)
    assert caught.value.__notes__[0].endswith("the end of the first 16 rows.")


# ---- a forecaster fitted once ----


def test_evaluate_compares_blocks_of_the_horizon(df):
    train, test = df.iloc[:13], df.iloc[13:]
    rows = evaluate(Ramp(horizon=3).fit(train), train, test)
    assert list(rows.columns) == COLUMNS
    a = rows[rows["target"] == "a"]
    assert a["time"].tolist() == list(test.index)
    assert a["lead"].tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert a["cutoff"].tolist() == [day(12)] * 3 + [day(15)] * 3 + [day(18)]
    assert a["y"].tolist() == test["a"].tolist()
    assert a["y_hat"].tolist() == [145.0, 146.0, 147.0, 226.0, 227.0, 228.0, 325.0]
    assert a["persistence"].tolist() == [144.0] * 3 + [225.0] * 3 + [324.0]
    assert a["seasonal_naive"].tolist() == [100.0, 121.0, 144.0, 169.0, 196.0, 225.0, 256.0]


def test_evaluate_after_backtest_s_training_rows_is_the_same(df):
    rows = backtest(Ramp(), df, horizon=4, n_windows=1)
    train, test = df.iloc[:16], df.iloc[16:]
    pd.testing.assert_frame_equal(evaluate(Ramp(horizon=4).fit(train), train, test), rows)


# ---- errors and skill ----


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cutoff": [0, 0, 1, 1, 0, 0],
            "time": [1, 2, 2, 3, 1, 2],
            "lead": [1, 2, 1, 2, 1, 2],
            "target": ["b", "b", "b", "b", "a", "a"],
            "y": [10.0, 20.0, 30.0, 40.0, 1.0, 1.0],
            "y_hat": [13.0, 24.0, 30.0, 40.0, 1.0, 2.0],
            "seasonal_naive": [10.0, 20.0, 30.0, 50.0, 1.0, 1.0],
            "persistence": [11.0, 21.0, 31.0, 41.0, 0.0, 0.0],
        }
    )


def test_summary_by_target(rows):
    expected = pd.DataFrame(
        {
            "mae": [7 / 4, 1 / 2],
            "rmse": [2.5, np.sqrt(1 / 2)],
            "mae_seasonal_naive": [2.5, 0.0],
            "rmse_seasonal_naive": [5.0, 0.0],
            "mae_persistence": [1.0, 1.0],
            "rmse_persistence": [1.0, 1.0],
            "skill": [0.5, -np.inf],
        },
        pd.Index(["b", "a"], name="target"),
    )
    pd.testing.assert_frame_equal(summarize(rows), expected)


def test_summary_by_lead_keeps_targets_apart(rows):
    table = summarize(rows, by="lead")
    assert table.index.names == ["target", "lead"]
    assert table.index.tolist() == [("b", 1), ("b", 2), ("a", 1), ("a", 2)]
    assert table["mae"].tolist() == [1.5, 2.0, 0.0, 1.0]
    assert table["rmse_seasonal_naive"].tolist() == [0.0, np.sqrt(50), 0.0, 0.0]
    assert table["skill"].tolist() == [-np.inf, pytest.approx(1 - np.sqrt(8 / 50)), 0.0, -np.inf]
    assert table["rmse"].unstack("target")["a"].tolist() == [0.0, 1.0]


def test_leads_are_in_order_where_the_first_cutoff_lacks_one(rows):
    assert summarize(rows.iloc[[1, 2]], by="lead").index.tolist() == [("b", 1), ("b", 2)]


def test_summary_by_other_columns(rows):
    table = summarize(rows, by="cutoff")
    assert table.index.tolist() == [("b", 0), ("b", 1), ("a", 0)]
    assert table["mae"].tolist() == [3.5, 0.0, 0.5]
    table = summarize(rows, by=["cutoff", "lead"])
    assert table.index.names == ["target", "cutoff", "lead"]
    assert table["mae"].tolist() == [3.0, 4.0, 0.0, 0.0, 0.0, 1.0]
    pd.testing.assert_frame_equal(summarize(rows, by=["lead", "target"]), summarize(rows, by="lead"))
    pd.testing.assert_frame_equal(summarize(rows, by=["target"]), summarize(rows))
    even = summarize(rows.assign(even=rows["time"] % 2 == 0), by="even")
    assert even.loc[("b", False), "mae"] == 1.5


def test_summary_by_series(rows):
    shops = rows.assign(shop=["s", "s", "t", "t", "s", "s"])
    table = summarize(shops, by="shop")
    assert table.index.tolist() == [("b", "s"), ("b", "t"), ("a", "s")]
    assert table["rmse"].tolist() == [np.sqrt(12.5), 0.0, np.sqrt(0.5)]
    categories = shops.astype({"shop": "category", "target": "category"})
    assert summarize(categories, by="shop").to_numpy().tolist() == table.to_numpy().tolist()


def test_summary_of_intervals(rows):
    rows["y_hat-lo-80"], rows["y_hat-hi-80"] = rows["y_hat"] - 3, rows["y_hat"] + [3, 3, 3, 3, 3, 5]
    rows["y_hat-lo-99.5"], rows["y_hat-hi-99.5"] = rows["y_hat"] - 9, rows["y_hat"] + 9
    table = summarize(rows.assign(**{"y_hat-q0.1": 0.0}))
    assert table.columns[-4:].tolist() == ["coverage_80", "width_80", "coverage_99.5", "width_99.5"]
    assert table["coverage_80"].tolist() == [0.75, 1.0]
    assert table["width_80"].tolist() == [6.0, 7.0]
    assert table["coverage_99.5"].tolist() == [1.0, 1.0]
    assert table["width_99.5"].tolist() == [18.0, 18.0]
    with pytest.raises(ValueError, match="name one or several of"):
        summarize(rows, by="y_hat-lo-80")


def test_intervals_of_a_backtest_are_summed_up(df):
    model = NaiveForecaster(2, target="a")
    rows = backtest(model, df, n_windows=3, level=[50])
    inside = (rows["y"] >= rows["y_hat-lo-50"]) & (rows["y"] <= rows["y_hat-hi-50"])
    table = summarize(rows)
    assert table["coverage_50"].tolist() == [inside.mean()]
    assert table["width_50"].tolist() == [(rows["y_hat-hi-50"] - rows["y_hat-lo-50"]).mean()]


def test_what_summarize_refuses(rows):
    message = r"'by' .* must name one or several of \['cutoff', 'time', 'lead', 'target'\]. Got "
    for by, shown in (
        ("series", r"\['series'\]"),
        ("y", r"\['y'\]"),
        (["lead", "y_hat"], r"\['lead', 'y_hat'\]"),
    ):
        with pytest.raises(ValueError, match=message + shown):
            summarize(rows, by=by)
    with pytest.raises(ValueError, match=r"'rows' .* what backtest returned. Got .* without \['y_hat'\]"):
        summarize(rows.drop(columns="y_hat"))
    with pytest.raises(ValueError, match=r"Got no rows instead"):
        summarize(rows.iloc[:0])


# ---- the real forecaster ----


@pytest.fixture(scope="module")
def waves() -> pd.DataFrame:
    t = np.arange(240.0)
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=240, freq="h", name="time")
    frame = pd.DataFrame({"a": np.sin(t / 24 * 2 * np.pi), "b": 50 + 0.1 * t}, index)
    return (frame + 0.1 * rng.normal(size=frame.shape)).drop(index[[100, 150, 201]])


@pytest.fixture
def tiny() -> SeqForecaster:
    return SeqForecaster(6, 12, hidden_size=4, max_iter=2, random_state=0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_backtest_is_what_a_loop_of_fits_gives(tiny, waves):
    rows = backtest(tiny.set_params(target="a"), waves, n_windows=3, step_size=10)
    assert list(rows.columns) == COLUMNS
    for end in (211, 221, 231):
        with threadpool_limits(1, user_api="blas"):  # as backtest has it
            forecast = tiny.fit(waves.iloc[:end]).forecast()
        block = rows[rows["cutoff"] == waves.index[end - 1]].set_index("time")
        assert block["y"].to_dict() == waves["a"].iloc[end : end + 6].to_dict()
        np.testing.assert_array_equal(block["y_hat"], forecast["a"].loc[block.index])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_evaluate_agrees_with_score(tiny, waves):
    train, test = waves.iloc[:180], waves.iloc[180:]
    tiny.set_params(target="a").fit(train)
    rows = evaluate(tiny, train, test)
    np.testing.assert_array_equal(rows["y_hat"], tiny.predict(test)["a"])
    assert rows["y"].tolist() == test["a"].tolist()
    assert summarize(rows)["skill"]["a"] == pytest.approx(tiny.score(test), rel=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_processes_give_the_same_bits(tiny, waves):
    with warnings.catch_warnings():
        # the workers warn on their own stderr
        warnings.simplefilter("ignore", ConvergenceWarning)
        serial = backtest(tiny, waves, n_windows=2)
        pd.testing.assert_frame_equal(backtest(tiny, waves, n_windows=2, n_jobs=2), serial, check_exact=True)


def test_the_forecaster_s_own_demand_for_rows(tiny, waves):
    with pytest.raises(ValueError, match=r"SeqForecaster.fit needs at least .* Got .* instead") as caught:
        backtest(tiny, waves.iloc[:30], n_windows=3)
    assert caught.value.__notes__[0].endswith("the end of the first 12 rows.")


def test_evaluate_is_for_wide_frames(df):
    long = df.reset_index()
    model = NaiveForecaster(2, time_col="day").fit(long.iloc[:10])
    with pytest.raises(ValueError, match=r"must have time_col=None. Got 'day' instead. Use backtest\("):
        evaluate(model, long.iloc[:10], long.iloc[10:])


def test_evaluate_is_a_backtest_of_a_fitted_forecaster(df):
    train, test = df.iloc[:14], df.iloc[14:]
    model = NaiveForecaster(3).fit(train)
    pd.testing.assert_frame_equal(evaluate(model, train, test), backtest(model, df, refit=False))


def test_evaluate_needs_a_fitted_forecaster(tiny, waves):
    with pytest.raises(NotFittedError):
        evaluate(tiny, waves.iloc[:100], waves.iloc[100:])


def test_docstring_examples_are_true():
    results = [doctest.testmod(module) for module in (backtesting, summary)]
    assert [result.failed for result in results] == [0, 0]
    assert [result.attempted for result in results] == [2, 3]
