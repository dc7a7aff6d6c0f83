"""Calendars whose steps are the rows: trading days and irregular stamps."""

import numpy as np
import pandas as pd
import pytest

from seqcast.data.calendar import infer_calendar


def dates(start, periods, freq, **options):
    return pd.date_range(start, periods=periods, freq=freq, **options)


TRADING = dates("2024-01-02", 30, "B").delete([9, 13])  # to Monday, 12 February, with two holidays


def test_trading_days_count_rows_and_skip_weekends():
    days = dates("2024-01-02", 30, "B").delete([9, 13])  # two holidays
    calendar = infer_calendar(days)
    assert calendar.season_length == 5
    np.testing.assert_array_equal(calendar.positions(days), np.arange(28))
    np.testing.assert_array_equal(calendar.positions(days[-3:]), [25, 26, 27])
    future = calendar.future(pd.Timestamp("2024-02-09"), 2)  # a Friday
    assert list(future.strftime("%Y-%m-%d")) == ["2024-02-12", "2024-02-13"]
    np.testing.assert_array_equal(calendar.positions(future + pd.Timedelta(days=7)), [28, 29])


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_labels_of_trading_days_leave_known_holidays_out(zone):
    days = TRADING.tz_localize(zone)
    calendar = infer_calendar(days)
    assert calendar.labels(0, 28).equals(days)
    assert calendar.labels(8, 3).equals(days[8:11])
    beyond = dates("2024-02-09", 8, "B", tz=zone)
    assert calendar.labels(26, 8).equals(beyond)
    assert calendar.labels(30, 2).equals(beyond[4:6])


def test_irregular_stamps_are_numbered_one_by_one():
    stamps = pd.DatetimeIndex(
        ["2024-01-01 00:00", "2024-01-01 00:07", "2024-01-01 03:11", "2024-01-02 01:00"]
    )
    calendar = infer_calendar(stamps)
    assert calendar.season_length == 1
    np.testing.assert_array_equal(calendar.positions(stamps), np.arange(4))
    differences = np.diff(stamps.to_numpy())
    assert calendar.future(stamps[-1], 2)[0] - stamps[-1] == pd.Timedelta(
        np.median(differences.astype("i8")).astype("m8[us]")
        if stamps.unit == "us"
        else np.median(differences).astype(differences.dtype)
    )


def test_later_trading_days_become_known():
    later = pd.DatetimeIndex(["2024-02-12", "2024-02-14", "2024-02-16"])  # the first one is known
    calendar = infer_calendar(TRADING)
    extended = calendar.extend(later)
    np.testing.assert_array_equal(extended.positions(later), [27, 28, 29])
    expected = later.append(pd.DatetimeIndex(["2024-02-19", "2024-02-20"]))
    assert extended.labels(27, 5).equals(expected.as_unit(TRADING.unit))
    assert list(extended.future(later[-1], 2)) == list(expected[3:])
    np.testing.assert_array_equal(calendar.positions(later), [27, 28, 29])
    assert calendar.labels(28, 1)[0] == pd.Timestamp("2024-02-13")  # which is as it was


def test_later_irregular_stamps_become_known():
    calendar = infer_calendar(pd.Index([0.0, 1.0, 2.5, 1000.0])).extend(pd.Index([1001.0, 1010.0]))
    assert calendar.labels(2, 6).tolist() == [2.5, 1000.0, 1001.0, 1010.0, 1011.5, 1013.0]


def test_shortest_step_is_between_known_stamps():
    assert infer_calendar(TRADING).shortest_step == pd.Timedelta("1D")
    assert infer_calendar(pd.Index([0.0, 1.5, 2.5, 1000.0])).shortest_step == 1.0
    assert infer_calendar(dates("2024-01-01", 1, "h")._with_freq(None)).shortest_step is None


def test_a_single_row_has_no_future():
    one = dates("2024-01-01", 1, "h")._with_freq(None)
    calendar = infer_calendar(one)
    assert calendar.season_length == 1
    with pytest.raises(ValueError, match="two or more to tell the step"):
        calendar.future(one[-1], 1)
