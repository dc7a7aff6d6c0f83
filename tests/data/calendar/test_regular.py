"""Calendars of stamps on a pattern."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.data.calendar import infer_calendar


def dates(start, periods, freq, **options):
    return pd.date_range(start, periods=periods, freq=freq, **options)


REGULAR = {
    "hourly": (dates("2024-02-28", 60, "h"), 24),
    "half-hourly": (dates("2024-02-28", 60, "30min"), 48),
    "quarter-hourly": (dates("2024-02-28", 60, "15min"), 96),
    "ten minutes": (dates("2024-02-28", 60, "10min"), 144),
    "minutely": (dates("2024-02-28", 60, "min"), 60),
    "daily": (dates("2024-02-20", 40, "D"), 7),
    "weekly": (dates("2024-01-07", 30, "W-SUN"), 52),
    "month start": (dates("2023-01-01", 30, "MS"), 12),
    "month end": (dates("2023-01-31", 30, "ME"), 12),
    "quarter start": (dates("2020-01-01", 20, "QS"), 4),
    "year start": (dates("2000-01-01", 20, "YS"), 1),
    "business days": (dates("2024-01-01", 40, "B"), 5),
    "zone, hourly": (dates("2024-03-30", 60, "h", tz="Europe/Berlin"), 24),
    "zone, daily": (dates("2024-03-20", 40, "D", tz="Europe/Berlin"), 7),
    "integers": (pd.RangeIndex(5, 105, 5), 1),
    "floats": (pd.Index(np.linspace(0.0, 1.0, 21)), 1),
    "timedeltas": (pd.timedelta_range("0h", periods=30, freq="h"), 24),
    "periods": (pd.period_range("2020-01", periods=30, freq="M"), 12),
}


regular = pytest.mark.parametrize(("index", "season"), REGULAR.values(), ids=REGULAR)


@regular
def test_future_labels_continue_the_index(index, season):
    known, later = index[:-8], index[-8:]
    calendar = infer_calendar(known)
    assert calendar.season_length == season
    np.testing.assert_array_equal(calendar.positions(known), np.arange(len(known)))
    np.testing.assert_array_equal(calendar.positions(later), np.arange(len(known), len(index)))
    future = calendar.future(known[-1], 8)
    assert type(future) is type(later)
    if isinstance(index.dtype, np.dtype) and index.dtype.kind == "f":
        np.testing.assert_allclose(future, later, rtol=1e-12)
    else:
        assert future.equals(later)
        assert future.dtype == later.dtype


@regular
def test_freq_is_not_needed(index, season):
    bare = pd.Index(list(index[:-8])) if isinstance(index, pd.PeriodIndex) else index[:-8].copy()
    if hasattr(bare, "freq") and not isinstance(bare, pd.PeriodIndex):
        bare = bare._with_freq(None)
    assert (
        list(infer_calendar(bare).future(bare[-1], 3)) == pytest.approx(list(index[-8:-5]), rel=1e-12)
        if bare.dtype == float
        else list(infer_calendar(bare).future(bare[-1], 3)) == list(index[-8:-5])
    )


GAPPED = [name for name in REGULAR if name not in ("business days", "floats")]


@settings(max_examples=30)
@given(st.data())
@pytest.mark.parametrize("name", GAPPED)
def test_gaps_leave_numbers_out(name, data):
    index = REGULAR[name][0]
    left_out = data.draw(st.sets(st.integers(1, len(index) - 2), max_size=5))
    kept = np.array([k for k in range(len(index)) if k not in left_out])
    bare = index[kept]
    calendar = infer_calendar(bare)
    np.testing.assert_array_equal(calendar.positions(bare), kept)
    following = calendar.future(bare[-1], 4)
    np.testing.assert_array_equal(calendar.positions(following), len(index) + np.arange(4))


def test_stamps_off_the_grid_are_refused():
    calendar = infer_calendar(dates("2024-01-01", 10, "h"))
    with pytest.raises(
        ValueError, match=r"must follow the calendar of the training rows.*2024-01-01 10:30:00"
    ):
        calendar.positions(pd.DatetimeIndex(["2024-01-01 10:00", "2024-01-01 10:30"]))


@regular
def test_labels_are_those_of_the_index(index, season):
    calendar = infer_calendar(index[:-8])
    found = calendar.labels(0, len(index))
    assert type(found) is type(index)
    np.testing.assert_array_equal(calendar.positions(found), np.arange(len(index)))
    if isinstance(index.dtype, np.dtype) and index.dtype.kind == "f":
        np.testing.assert_allclose(found, index, rtol=1e-12)
    else:
        assert found.equals(index)
        assert found.dtype == index.dtype
        assert calendar.labels(5, 3).equals(index[5:8])
        assert len(calendar.labels(5, 0)) == 0


@settings(max_examples=30)
@given(st.data())
@pytest.mark.parametrize("name", GAPPED)
def test_missing_steps_have_labels(name, data):
    index = REGULAR[name][0]
    left_out = data.draw(st.sets(st.integers(1, len(index) - 2), max_size=5))
    kept = index[[k for k in range(len(index)) if k not in left_out]]
    first = data.draw(st.integers(0, len(index)))
    assert infer_calendar(kept).labels(first, len(index) - first).equals(index[first:])


def test_later_rows_leave_the_calendar_as_it_is():
    calendar = infer_calendar(dates("2024-01-01", 10, "h"))
    assert calendar.extend(dates("2024-01-01 10:00", 3, "h")) is calendar


SHORTEST = {
    "hourly": "1h",
    "quarter-hourly": "15min",
    "daily": "1D",
    "weekly": "7D",
    "month start": "28D",
    "month end": "28D",
    "quarter start": "90D",
    "year start": "365D",
    "business days": "1D",
    "zone, hourly": "1h",
    "zone, daily": "1D",
    "timedeltas": "1h",
    "periods": "29D",  # February 2020
}


@pytest.mark.parametrize(("name", "step"), SHORTEST.items(), ids=SHORTEST)
def test_shortest_step(name, step):
    assert infer_calendar(REGULAR[name][0]).shortest_step == pd.Timedelta(step)


@pytest.mark.parametrize(
    ("index", "kept"),
    [
        (pd.date_range("2024-01-01", periods=50, freq="h"), True),
        (pd.date_range("2024-01-01", periods=50, freq="h", tz="UTC"), True),
        (pd.date_range("2024-01-01", periods=50, freq="h", tz="Asia/Tokyo"), True),
        (
            pd.date_range("2024-01-01", periods=50, freq="h", tz="Europe/Berlin"),
            False,
        ),  # clocks are put forward
        (pd.date_range("2024-01-01", periods=50, freq="D", tz="Europe/Berlin"), True),
        (pd.bdate_range("2024-01-01", periods=50).delete(7), False),  # a holiday
        (pd.RangeIndex(50), True),
    ],
)
def test_keeps_phase_without_daylight_saving_time(index, kept):
    assert infer_calendar(index).keeps_phase == kept
