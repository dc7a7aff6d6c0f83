"""Columns that are made of time stamps."""

import numpy as np
import pytest
from plan_tasks import daily, read

from seqcast.data.roles import ColumnLayout
from seqcast.forecasting.calendar_columns import CalendarColumns

COLUMNS = ColumnLayout(1, past=1, future=1, static=1)
GRID = np.arange(56.0).reshape(14, 4)


@pytest.fixture(scope="module")
def calendar():
    return read(daily(range(14))).calendars[0]


def test_without_names_a_grid_stays_as_it_is(calendar):
    assert CalendarColumns((), COLUMNS).insert(GRID, calendar, 0) is GRID
    assert CalendarColumns((), COLUMNS).widen(COLUMNS) == COLUMNS


def test_features_stand_after_the_columns_known_ahead(calendar):
    columns = CalendarColumns(("day_of_week", "weekend"), COLUMNS)
    found = columns.insert(GRID, calendar, 0)
    np.testing.assert_array_equal(found[:, [0, 1, 2, 6]], GRID)
    angle = 2 * np.pi * np.arange(14) / 7
    np.testing.assert_allclose(found[:, 3:5], np.stack([np.sin(angle), np.cos(angle)], axis=1), atol=1e-12)
    np.testing.assert_array_equal(found[:, 5], [0, 0, 0, 0, 0, 1, 1] * 2)
    assert columns.widen(COLUMNS) == ColumnLayout(1, past=1, future=4, static=1)


def test_steps_are_counted_from_the_first_one(calendar):
    columns = CalendarColumns(("day_of_week",), COLUMNS)
    whole = columns.insert(GRID, calendar, 0)
    np.testing.assert_array_equal(columns.insert(GRID[5:], calendar, 5), whole[5:])
