"""The arguments of fit as series on the steps of their calendars."""

import numpy as np
import pandas as pd
import pytest
from plan_tasks import KEYS, daily, long, read


def test_missing_rows_become_missing_steps():
    rows = daily([1, 2, 3, 4]).drop(pd.Timestamp("2024-01-03"))
    data = read(rows)
    np.testing.assert_array_equal(data.grids[0], [[1], [2], [np.nan], [4]])
    assert data.n_steps == [4]
    assert data.ids == [None]
    assert data.last_labels == [pd.Timestamp("2024-01-04")]


def test_season_length_is_that_of_most_calendars_unless_given():
    assert read(daily(range(9))).season_length == 7
    assert read(daily(range(9)), season_length=3).season_length == 3
    assert read(np.arange(9.0)).season_length == 1


def test_targets_come_before_covariates():
    frame = pd.DataFrame({"x": [1.0, 2], "y": [3.0, 4]})
    data = read(frame, target="y")
    np.testing.assert_array_equal(data.grids[0], [[3, 1], [4, 2]])
    assert data.n_targets == 1


def test_static_columns_are_known_at_missing_steps():
    rows = long(a=daily([1, 2, 3, 4])).assign(size=5.0).drop(index=1)
    data = read(rows, **KEYS, static_cols="size")
    np.testing.assert_array_equal(data.grids[0], [[1, 5], [np.nan, 5], [3, 5], [4, 5]])


def test_weights_stand_at_the_steps_of_their_rows():
    rows = daily([1, 2, 3, 4]).drop(pd.Timestamp("2024-01-03"))
    (weights,) = read(rows, sample_weight=[0.5, 1, 2]).weights
    np.testing.assert_array_equal(np.nan_to_num(weights), [0.5, 1, 0, 2])
    assert read(rows).weights is None


def test_series_can_be_selected_by_number():
    data = read(long(a=daily([1, 2]), b=daily([3, 4, 5]), c=daily([6])), **KEYS)
    chosen = data.select([2, 1])
    assert chosen.ids == ["c", "b"]
    assert chosen.n_steps == [1, 3]
    assert chosen.last_labels == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-03")]


def test_future_labels_follow_the_last_row_of_a_series():
    data = read(long(a=daily([1, 2]), b=daily([3, 4, 5])), **KEYS)
    assert list(data.make_future_labels(1, 2)) == [pd.Timestamp("2024-01-04"), pd.Timestamp("2024-01-05")]


def test_naive_errors_are_those_of_one_season_ahead():
    data = read(np.array([0.0, 1, 0, 3]), season_length=2)
    errors = data.compute_naive_errors()
    assert errors.shape == (2, 1, 1)
    np.testing.assert_allclose(errors.ravel(), [1, np.sqrt(2)])


def test_stamps_that_do_not_follow_a_calendar_are_refused():
    index = pd.Index([0, 1, 2, 3, 10**6])
    with pytest.raises(ValueError, match=r"Test\.fit"):
        read(pd.Series(range(5), index, dtype=float))
