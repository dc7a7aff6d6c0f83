"""Rows on the steps of their calendar."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqcast.data.calendar import infer_calendar
from seqcast.data.time_steps import insert_missing_steps, step_numbers


@st.composite
def series(draw, max_steps=40):
    """Draw up to three columns of small numbers, some of them missing."""
    shape = draw(st.integers(1, max_steps)), draw(st.integers(1, 3))
    values = draw(arrays.arrays(float, shape, elements=st.integers(-9, 9)))
    missing = draw(arrays.arrays(bool, shape, elements=st.booleans()))
    return np.where(missing & draw(st.booleans()), np.nan, values)


@given(values=series(), data=st.data())
def test_rows_stand_at_their_steps_and_gaps_are_missing(values, data):
    gaps = data.draw(st.lists(st.integers(1, 5), min_size=len(values), max_size=len(values)))
    positions = np.cumsum(gaps) - 1
    grid = insert_missing_steps(values, positions)
    assert grid.shape == (positions[-1] + 1, values.shape[1])
    for step, row in enumerate(grid):
        expected = values[positions.tolist().index(step)] if step in positions else np.nan
        np.testing.assert_array_equal(row, np.broadcast_to(expected, row.shape))


def test_rows_without_a_gap_are_not_copied():
    values = np.arange(6.0).reshape(3, 2)
    assert insert_missing_steps(values, np.arange(3)) is values


HOURS = pd.date_range("2024-01-01", periods=40, freq="h")


def test_rows_have_the_numbers_of_their_steps():
    rows = HOURS[[0, 1, 2, 5, 9]]
    assert step_numbers(infer_calendar(rows), rows, "", "Test.fit").tolist() == [0, 1, 2, 5, 9]


def test_rows_that_hardly_follow_their_calendar_are_refused():
    rows = HOURS[:3].append(pd.DatetimeIndex(["2034-01-01"]))
    message = (
        r"^The stamps of series 'a' in X of Test\.fit must not have more than 50 missing steps for each "
        r"row\. Got 4 rows over 87673 steps; the largest gap is from 2024-01-01 02:00:00 to 2034-01-01 "
        r"00:00:00\. Look for a wrong stamp there\. "
    )
    with pytest.raises(ValueError, match=message):
        step_numbers(infer_calendar(rows), rows, " of series 'a'", "Test.fit")


@pytest.mark.parametrize("wrong", ["1970-01-01", "2203-01-01"])
def test_the_stamp_beside_the_largest_gap_is_named(wrong):
    rows = HOURS[:9].append(pd.DatetimeIndex([wrong])).sort_values()
    with pytest.raises(ValueError, match=f"{wrong} 00:00:00.* Look for a wrong stamp there"):
        step_numbers(infer_calendar(rows), rows, "", "Test.fit")
