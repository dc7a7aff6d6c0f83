"""Options of backtest: fitted forecasters, estimators of other libraries, jobs and threads."""

import doctest
import pickle
import warnings

import pandas as pd
import pytest
from backtest_tasks import N_TRAIN, Ramp, assert_is_forecast, make_linear, make_panel_linear
from joblib import parallel_config
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info, threadpool_limits

from seqcast import NaiveForecaster, SeqForecaster
from seqcast.evaluation.backtest import backtest, backtesting


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_backtest_of_a_network_equals_loop_of_fits(df):
    model = SeqForecaster(6, 12, target="a", hidden_size=4, max_iter=2, random_state=0)
    results = backtest(model, df, n_windows=2, step_size=10)
    for cutoff, block in results.groupby("cutoff"):
        assert_is_forecast(block, clone(model).fit(df.loc[:cutoff]).forecast(), suffixes=[""])
    with warnings.catch_warnings():
        # The workers print their warnings themselves.
        warnings.simplefilter("ignore", ConvergenceWarning)
        in_processes = backtest(model, df, n_windows=2, step_size=10, n_jobs=2)
    pd.testing.assert_frame_equal(in_processes, results, check_exact=True)


def test_threads_do_not_change_the_result(panel):
    given = {"n_windows": 3, "refit": 2, "level": 80}
    serial = backtest(make_panel_linear(), panel, **given)
    with parallel_config(backend="threading", n_jobs=2):
        pd.testing.assert_frame_equal(backtest(make_panel_linear(), panel, **given), serial, check_exact=True)


def test_threads_of_blas_are_limited_and_restored(df):
    found = []
    for n in (1, 2):
        with threadpool_limits(n, user_api="blas"):
            before = threadpool_info()
            found.append(backtest(make_linear(multivariate=True), df, n_windows=2))
            assert threadpool_info() == before
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_parallel_forecasters_run_with_n_jobs_1(ramp_data, seen):
    serial = backtest(Ramp(n_jobs=5), ramp_data, horizon=2, n_windows=3)
    assert [params["n_jobs"] for _, params in seen] == [5, 5, 5]
    seen.clear()
    with parallel_config(backend="threading"):
        threads = backtest(Ramp(n_jobs=5), ramp_data, horizon=2, n_windows=3, n_jobs=2)
    assert [params["n_jobs"] for _, params in seen] == [1, 1, 1]
    seen.clear()
    with parallel_config(backend="threading", n_jobs=2):
        configured = backtest(Ramp(n_jobs=5), ramp_data, horizon=2, n_windows=3)
    assert [params["n_jobs"] for _, params in seen] == [1, 1, 1]
    pd.testing.assert_frame_equal(threads, serial)
    pd.testing.assert_frame_equal(configured, serial)


def test_single_fit_keeps_its_n_jobs(df):
    class Watched(NaiveForecaster):
        # Shared by all instances, since backtest fits clones.
        seen: list = []  # noqa: RUF012

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


def test_error_in_a_process_names_the_cutoff(panel):
    panel = panel.assign(sales=panel["sales"].where(panel["shop"] != "late"))
    for n_jobs in (1, 2):
        with pytest.raises(
            ValueError, match="observed value in the column 'sales' of every series"
        ) as caught:
            backtest(make_panel_linear(), panel, n_windows=13, n_jobs=n_jobs)
        assert caught.value.__notes__ == [
            "This was the cutoff of backtest at 2024-03-16 00:00:00, the end of the first 76 stamps."
        ]


@pytest.mark.parametrize("refit", [True, False])
def test_fitted_forecaster_is_not_changed(df, refit):
    model = make_linear().fit(df.iloc[:N_TRAIN])
    before = pickle.dumps(model)
    backtest(model, df, refit=refit, n_windows=2, horizon=9, level=80)
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("value", [0, 1.5, None])
def test_refit_must_be_a_boolean_or_a_count(df, value):
    with pytest.raises(ValueError, match=r"'refit' parameter of backtest must be True, False or an int"):
        backtest(make_linear(), df, refit=value)


@pytest.mark.parametrize(("name", "value"), [("level", 100), ("level", 0.8), ("quantiles", [0.1, 1.0])])
def test_level_and_quantiles_are_validated(df, name, value):
    with pytest.raises(ValueError, match=rf"'{name}' parameter of backtest must hold (levels|probabilities)"):
        backtest(make_linear(), df, **{name: value})


@pytest.mark.parametrize(
    "given", [{"level": 80}, {"quantiles": 0.5}, {"refit": False}, {"refit": 2}, {"y": [1]}]
)
def test_other_estimators_support_point_forecasts_only(df, given):
    class Other(BaseEstimator):
        pass

    with pytest.raises(
        TypeError, match=r"must be a forecaster of seqcast for y, level, .* Got Other instead"
    ):
        backtest(Other(), df, **given)


def test_docstring_examples_are_correct():
    result = doctest.testmod(backtesting)
    assert (result.failed, result.attempted) == (0, 2)
