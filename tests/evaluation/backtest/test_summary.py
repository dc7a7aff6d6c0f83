"""Errors, skill and interval scores of backtests."""

import doctest

import numpy as np
import pandas as pd
import pytest

from seqcast import NaiveForecaster
from seqcast.evaluation.backtest import backtest, summarize, summary


@pytest.fixture
def results() -> pd.DataFrame:
    """Return the result of a backtest of two targets from two cutoffs."""
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


def test_summary_by_target(results):
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
    pd.testing.assert_frame_equal(summarize(results), expected)


def test_summary_by_lead(results):
    table = summarize(results, by="lead")
    assert table.index.names == ["target", "lead"]
    assert table.index.tolist() == [("b", 1), ("b", 2), ("a", 1), ("a", 2)]
    assert table["mae"].tolist() == [1.5, 2.0, 0.0, 1.0]
    assert table["rmse_seasonal_naive"].tolist() == [0.0, np.sqrt(50), 0.0, 0.0]
    assert table["skill"].tolist() == [-np.inf, pytest.approx(1 - np.sqrt(8 / 50)), 0.0, -np.inf]
    assert table["rmse"].unstack("target")["a"].tolist() == [0.0, 1.0]


def test_leads_are_sorted(results):
    assert summarize(results.iloc[[1, 2]], by="lead").index.tolist() == [("b", 1), ("b", 2)]


def test_summary_by_other_columns(results):
    table = summarize(results, by="cutoff")
    assert table.index.tolist() == [("b", 0), ("b", 1), ("a", 0)]
    assert table["mae"].tolist() == [3.5, 0.0, 0.5]
    table = summarize(results, by=["cutoff", "lead"])
    assert table.index.names == ["target", "cutoff", "lead"]
    assert table["mae"].tolist() == [3.0, 4.0, 0.0, 0.0, 0.0, 1.0]
    pd.testing.assert_frame_equal(summarize(results, by=["lead", "target"]), summarize(results, by="lead"))
    pd.testing.assert_frame_equal(summarize(results, by=["target"]), summarize(results))
    even = summarize(results.assign(even=results["time"] % 2 == 0), by="even")
    assert even.loc[("b", False), "mae"] == 1.5


def test_summary_by_series(results):
    shops = results.assign(shop=["s", "s", "t", "t", "s", "s"])
    table = summarize(shops, by="shop")
    assert table.index.tolist() == [("b", "s"), ("b", "t"), ("a", "s")]
    assert table["rmse"].tolist() == [np.sqrt(12.5), 0.0, np.sqrt(0.5)]
    categories = shops.astype({"shop": "category", "target": "category"})
    assert summarize(categories, by="shop").to_numpy().tolist() == table.to_numpy().tolist()


def test_summary_of_intervals(results):
    results["y_hat-lo-80"], results["y_hat-hi-80"] = (
        results["y_hat"] - 3,
        results["y_hat"] + [3, 3, 3, 3, 3, 5],
    )
    results["y_hat-lo-99.5"], results["y_hat-hi-99.5"] = results["y_hat"] - 9, results["y_hat"] + 9
    table = summarize(results.assign(**{"y_hat-q0.1": 0.0}))
    assert table.columns[-4:].tolist() == ["coverage_80", "width_80", "coverage_99.5", "width_99.5"]
    assert table["coverage_80"].tolist() == [0.75, 1.0]
    assert table["width_80"].tolist() == [6.0, 7.0]
    assert table["coverage_99.5"].tolist() == [1.0, 1.0]
    assert table["width_99.5"].tolist() == [18.0, 18.0]
    with pytest.raises(ValueError, match="name one or several of"):
        summarize(results, by="y_hat-lo-80")


def test_intervals_of_a_backtest_are_summarized(ramp_data):
    model = NaiveForecaster(2, target="a")
    results = backtest(model, ramp_data, n_windows=3, level=[50])
    inside = (results["y"] >= results["y_hat-lo-50"]) & (results["y"] <= results["y_hat-hi-50"])
    table = summarize(results)
    assert table["coverage_50"].tolist() == [inside.mean()]
    assert table["width_50"].tolist() == [(results["y_hat-hi-50"] - results["y_hat-lo-50"]).mean()]


def test_wrong_arguments_raise(results):
    message = r"'by' .* must name one or several of \['cutoff', 'time', 'lead', 'target'\]. Got "
    for by, shown in (
        ("series", r"\['series'\]"),
        ("y", r"\['y'\]"),
        (["lead", "y_hat"], r"\['lead', 'y_hat'\]"),
    ):
        with pytest.raises(ValueError, match=message + shown):
            summarize(results, by=by)
    with pytest.raises(ValueError, match=r"'results' .* the result of backtest. Got .* without \['y_hat'\]"):
        summarize(results.drop(columns="y_hat"))
    with pytest.raises(ValueError, match=r"Got no rows instead"):
        summarize(results.iloc[:0])


def test_docstring_examples_are_correct():
    result = doctest.testmod(summary)
    assert (result.failed, result.attempted) == (0, 3)
