"""The calendar that an index has, and that several series share."""

import pandas as pd
import pytest

from seqcast.data.calendar import infer_calendar, infer_calendars

HOURS = pd.date_range("2024-01-01", periods=30, freq="h")


@pytest.mark.parametrize("index", [pd.DatetimeIndex([]), pd.Index([3, 1, 2]), pd.Index([1, 1, 2])])
def test_an_index_that_does_not_increase_is_refused(index):
    with pytest.raises(ValueError, match="increase strictly"):
        infer_calendar(index)


@pytest.mark.parametrize("index", [HOURS, pd.Index([0.0, 1.0, 2.5])], ids=["regular", "observed"])
def test_later_rows_of_another_kind_are_refused(index):
    with pytest.raises(TypeError, match="same kind of index"):
        infer_calendar(index).extend(pd.DatetimeIndex(["2024-01-01"], tz="UTC"))


def test_two_stamps_a_month_apart_are_months():
    index = pd.DatetimeIndex(["2024-01-01", "2024-02-01"])
    assert infer_calendar(index).future(index[-1], 1)[0] == pd.Timestamp("2024-03-01")


def test_two_fridays_four_weeks_apart_are_weeks():
    index = pd.DatetimeIndex(["2024-01-05", "2024-02-02"])
    assert infer_calendar(index).future(index[-1], 1)[0] == pd.Timestamp("2024-03-01")


def test_a_freq_that_is_set_is_trusted():
    index = pd.date_range("2024-01-01", periods=2, freq="2h")
    index = pd.DatetimeIndex(index, freq="2h")
    assert infer_calendar(index).future(index[-1], 1)[0] - index[-1] == pd.Timedelta("2h")
    one = pd.date_range("2024-01-01", periods=1, freq="h")
    assert infer_calendar(one).future(one[-1], 1)[0] == pd.Timestamp("2024-01-01 01:00")


def test_a_short_series_has_the_steps_of_the_commonest_calendar():
    few = HOURS[[0, 5]]
    alone, (_, _, together) = infer_calendar(few), infer_calendars([HOURS, HOURS + HOURS.freq, few])
    assert alone.positions(few).tolist() == [0, 1]
    assert together.positions(few).tolist() == [0, 5]


def test_a_series_off_the_steps_of_the_others_has_its_own():
    odd = pd.DatetimeIndex(["2024-01-01 00:00", "2024-01-01 00:40", "2024-01-01 01:20"])
    *_, calendar = infer_calendars([HOURS, HOURS, odd])
    assert calendar.positions(odd).tolist() == [0, 1, 2]


def test_known_calendars_decide_the_steps_of_new_series():
    few = HOURS[[0, 5]]
    (calendar,) = infer_calendars([few], [infer_calendar(HOURS)])
    assert calendar.positions(few).tolist() == [0, 5]


def test_simultaneous_stamps_have_the_same_absolute_number():
    later = HOURS[7:]
    one, other = infer_calendars([HOURS, later])
    assert other.clock == one.clock + 7
