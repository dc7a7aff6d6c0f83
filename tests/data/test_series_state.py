"""State of a series after its last known row."""

import numpy as np
import pandas as pd
import pytest

from seqcast.data.calendar import infer_calendar
from seqcast.data.series_state import SeriesState

HOURS = pd.date_range("2024-01-01", periods=40, freq="h")
STATE = SeriesState(infer_calendar(HOURS[:10]), HOURS[9], 10, np.ones((4, 1)))


def test_future_labels_follow_the_last_row():
    assert STATE.future(3).equals(HOURS[10:13])


def test_steps_are_counted_from_the_first_one_after_the_last_row():
    assert STATE.relative_steps(HOURS[[7, 9, 10, 14]]).tolist() == [-3, -1, 0, 4]
    assert STATE.check_later_steps(HOURS[[10, 14]], "Test.predict").tolist() == [0, 4]


def test_rows_of_the_past_are_refused():
    message = (
        r"^The rows of the 'X' parameter of Test\.predict must come after the training rows, which end at"
    )
    with pytest.raises(ValueError, match=message):
        STATE.check_later_steps(HOURS[8:12], "Test.predict")


def test_impossibly_late_rows_are_refused():
    later = pd.DatetimeIndex(["2024-01-01 10:00", "2044-01-01"])
    message = (
        r"^The 'X' parameter of Test\.predict must not end more than 50 times as many steps .* wrong stamp"
    )
    with pytest.raises(ValueError, match=message):
        STATE.check_later_steps(later, "Test.predict")


def test_a_series_advances_by_the_steps_of_its_later_rows():
    tail = np.zeros((4, 1))
    state = STATE.advance(5, HOURS[[10, 14]], tail)
    assert (state.last, state.n_steps) == (HOURS[14], 15)
    assert state.tail is tail
    assert state.future(1).equals(HOURS[15:16])
    assert state.relative_steps(HOURS[15:16]).tolist() == [0]


def test_later_trading_days_are_known_after_an_advance():
    days = pd.date_range("2024-01-02", periods=30, freq="B").delete([9, 13])
    state = SeriesState(infer_calendar(days), days[-1], len(days), np.ones((4, 1)))
    later = pd.DatetimeIndex(["2024-02-14", "2024-02-15"])
    advanced = state.advance(2, later, state.tail)
    assert advanced.relative_steps(later).tolist() == [-2, -1]
