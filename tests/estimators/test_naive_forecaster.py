"""NaiveForecaster: the last season, by hand."""

import doctest

import numpy as np
import pandas as pd
import pytest
from plan_tasks import KEYS, daily, long

from seqcast import NaiveForecaster
from seqcast.estimators import naive_forecaster


@pytest.mark.parametrize(
    ("season_length", "expected"), [(1, [5, 5, 5, 5]), (2, [4, 5, 4, 5]), (3, [3, 4, 5, 3])]
)
def test_the_last_season_is_repeated(season_length, expected):
    model = NaiveForecaster(4, season_length=season_length).fit([1.0, 2, 3, 4, 5])
    assert model.forecast()["y"].tolist() == expected
    assert model.window_ == season_length


def test_a_missing_value_is_taken_from_the_season_before():
    model = NaiveForecaster(2, season_length=2).fit([1.0, 2, 3, np.nan])
    assert model.forecast()["y"].tolist() == [3, 2]


def test_predict_reads_the_rows_before_each_horizon():
    model = NaiveForecaster(2, season_length=1).fit(daily([1, 2, 3]))
    later = daily([10, 20, 30, 40, 50], start="2024-01-04")
    assert model.predict(later).tolist() == [3, 3, 20, 20, 40]
    assert model.score(later) == pytest.approx(0)


def test_each_series_has_a_season_and_errors_of_its_own():
    model = NaiveForecaster(2, season_length=2, **KEYS).fit(
        long(a=daily([1, 2, 1, 2]), b=daily([1, 2, 3, 4]))
    )
    assert model.forecast()["y"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(model.naive_mae_, [[0], [2]])


def test_other_columns_are_not_used():
    frame = pd.DataFrame({"y": [1.0, 2, 3], "x": [np.nan, np.nan, 7]})
    model = NaiveForecaster(1, target="y").fit(frame)
    assert model.forecast().columns.tolist() == ["y"]
    assert model.covariate_names_ == ["x"]


def test_the_docstring_example_is_true():
    result = doctest.testmod(naive_forecaster)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_sensitivity_is_one_at_the_repeated_value():
    model = NaiveForecaster(2, season_length=3).fit(np.arange(20.0))
    slopes = model.sensitivity().loc["y"]["y"]
    expected = np.zeros(slopes.shape)
    for lead, lag in ((1, 3), (2, 2)):
        expected[lead - 1, slopes.columns.get_loc(lag)] = 1.0
    # Nothing was observed before the first of the 20 steps.
    expected[:, slopes.columns > 20] = np.nan
    np.testing.assert_array_equal(slopes, expected)
