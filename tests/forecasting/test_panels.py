"""Panels of the kept steps, followed by the steps to forecast."""

import numpy as np
import pandas as pd
import pytest
from plan_tasks import daily

from seqcast import LinearForecaster, NaiveForecaster
from seqcast.forecasting.panels import PanelBuilder

Y = daily(np.arange(40.0))
FRAME = pd.DataFrame({"y": Y, "x": -Y})


@pytest.fixture(scope="module")
def naive():
    return PanelBuilder(NaiveForecaster(3, season_length=2).fit(Y).fitted_)


@pytest.fixture(scope="module")
def guided():
    return PanelBuilder(LinearForecaster(3, 6, season_length=2, future_cols="x").fit(FRAME).fitted_)


def test_future_steps_follow_the_kept_steps(naive):
    panel, begins, labels = naive.build_ahead(None, 4, "forecast")
    assert panel.ends.tolist() == [begins[0] + 6]
    assert panel.values[begins[0] - 1, 0] == 39
    # They go on as in the last season, until a forecast is written over them.
    np.testing.assert_array_equal(panel.values[begins[0] :, 0], [38, 39] * 3)
    assert list(labels[0]) == list(pd.date_range("2024-02-10", periods=4, freq="D"))


def test_columns_known_ahead_are_taken_from_the_future(guided):
    future = pd.DataFrame({"x": [7.0, 8, 9]}, pd.date_range("2024-02-10", periods=3, freq="D"))
    panel, begins, _ = guided.build_ahead(future, 3, "forecast")
    np.testing.assert_array_equal(panel.values[begins[0] :, 1], [7, 8, 9])
    np.testing.assert_array_equal(panel.values[begins[0] - 2 : begins[0]], [[38, -38], [39, -39]])


def test_a_missing_future_value_is_named(guided):
    future = pd.DataFrame({"x": [7.0, np.nan, 9]}, pd.date_range("2024-02-10", periods=3, freq="D"))
    with pytest.raises(ValueError, match="Got none of 'x' at 2024-02-11"):
        guided.build_ahead(future, 3, "forecast")
    with pytest.raises(ValueError, match=r"must hold the columns \['x'\] of future_cols"):
        guided.build_ahead(None, 3, "forecast")


def test_later_rows_are_placed_at_their_steps(naive):
    rows = naive.fitted.schema.read(daily([1, 2, 3], start="2024-02-11"), "predict")
    steps = naive.find_later_steps(None, rows.tables[0], rows)
    assert steps.tolist() == [1, 2, 3]
    panel, begins, lengths = naive.append_rows(rows, [steps])
    assert lengths.tolist() == [4]
    np.testing.assert_array_equal(panel.values[begins[0] :, 0][:4], [np.nan, 1, 2, 3])


def test_known_targets_can_be_written_into_rows(naive):
    rows = naive.fitted.schema.read(daily([1, 2], start="2024-02-10"), "score")
    panel, begins = naive.append_observed_rows(rows, np.array([[5.0], [6.0]]), [3])
    np.testing.assert_array_equal(panel.values[begins[0] :, 0], [5, 6, 5])


def test_a_grid_is_extended_as_in_its_last_season(naive):
    tail = naive.fitted.series[None].tail
    found = naive.extend(tail, np.array([[1.0], [2.0], [3.0]]), 6)
    np.testing.assert_array_equal(found[len(tail) :, 0], [1, 2, 3, 2, 3, 2])
