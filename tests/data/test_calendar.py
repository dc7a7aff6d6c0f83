"""How an index goes on: steps of stamps, gaps, and the labels that follow."""

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
def test_regular_index_goes_on_as_it_was(index, season):
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


@settings(max_examples=30, deadline=None)
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


def test_name_and_unit_stay():
    index = dates("2024-01-01", 10, "h", unit="s").rename("time")
    future = infer_calendar(index).future(index[-1], 3)
    assert future.name == "time"
    assert future.dtype == index.dtype


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2013-03-10", 23),
        ("America/New_York", "2013-11-03", 25),
        ("Europe/Berlin", "2024-10-27", 25),
    ],
)
def test_daily_stamps_step_over_clock_changes(zone, day, hours):
    change = pd.Timestamp(day, tz=zone)
    index = pd.date_range(change - pd.Timedelta(days=14), change, freq="D", tz=zone)
    future = infer_calendar(index).future(index[-1], 2)
    assert future[0] - index[-1] == pd.Timedelta(hours=hours)
    assert [stamp.hour for stamp in future] == [0, 0]


def test_hours_are_counted_in_utc_across_a_clock_change():
    index = pd.date_range("2013-03-09", "2013-03-10 01:00", freq="h", tz="America/New_York")
    future = infer_calendar(index).future(index[-1], 2)
    assert [str(stamp) for stamp in future] == ["2013-03-10 03:00:00-04:00", "2013-03-10 04:00:00-04:00"]


def test_month_ends_in_leap_years():
    index = pd.DatetimeIndex(["2023-09-30", "2023-10-31", "2023-11-30", "2023-12-31", "2024-01-31"])
    future = infer_calendar(index).future(index[-1], 3)
    assert list(future.strftime("%Y-%m-%d")) == ["2024-02-29", "2024-03-31", "2024-04-30"]


def test_trading_days_count_rows_and_skip_weekends():
    days = dates("2024-01-02", 30, "B").delete([9, 13])  # two holidays
    calendar = infer_calendar(days)
    assert calendar.season_length == 5
    np.testing.assert_array_equal(calendar.positions(days), np.arange(28))
    np.testing.assert_array_equal(calendar.positions(days[-3:]), [25, 26, 27])
    future = calendar.future(pd.Timestamp("2024-02-09"), 2)  # a Friday
    assert list(future.strftime("%Y-%m-%d")) == ["2024-02-12", "2024-02-13"]
    np.testing.assert_array_equal(calendar.positions(future + pd.Timedelta(days=7)), [28, 29])


def test_irregular_stamps_are_rows():
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


def test_stamps_off_the_grid_are_refused():
    calendar = infer_calendar(dates("2024-01-01", 10, "h"))
    with pytest.raises(
        ValueError, match=r"must follow the calendar of the training rows.*2024-01-01 10:30:00"
    ):
        calendar.positions(pd.DatetimeIndex(["2024-01-01 10:00", "2024-01-01 10:30"]))


def test_other_kinds_are_refused():
    with pytest.raises(TypeError, match="same kind of index"):
        infer_calendar(dates("2024-01-01", 10, "h")).positions(pd.RangeIndex(3))


def test_one_row_tells_no_step():
    one = dates("2024-01-01", 1, "h")._with_freq(None)
    calendar = infer_calendar(one)
    assert calendar.season_length == 1
    with pytest.raises(ValueError, match="two or more to tell the step"):
        calendar.future(one[-1], 1)


@pytest.mark.parametrize("index", [pd.DatetimeIndex([]), pd.Index([3, 1, 2]), pd.Index([1, 1, 2])])
def test_what_does_not_increase_is_refused(index):
    with pytest.raises(ValueError, match="increase strictly"):
        infer_calendar(index)


# -- labels of steps


@regular
def test_labels_of_steps_are_those_of_the_index(index, season):
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


@settings(max_examples=30, deadline=None)
@given(st.data())
@pytest.mark.parametrize("name", GAPPED)
def test_steps_without_a_row_have_labels_too(name, data):
    index = REGULAR[name][0]
    left_out = data.draw(st.sets(st.integers(1, len(index) - 2), max_size=5))
    kept = index[[k for k in range(len(index)) if k not in left_out]]
    first = data.draw(st.integers(0, len(index)))
    assert infer_calendar(kept).labels(first, len(index) - first).equals(index[first:])


def test_labels_of_days_step_over_clock_changes():
    index = dates("2024-03-29", 2, "D", tz="Europe/Berlin").append(
        dates("2024-04-02", 2, "D", tz="Europe/Berlin")
    )
    found = infer_calendar(index).labels(1, 4)
    assert [str(stamp) for stamp in found] == [
        "2024-03-30 00:00:00+01:00",
        "2024-03-31 00:00:00+01:00",
        "2024-04-01 00:00:00+02:00",
        "2024-04-02 00:00:00+02:00",
    ]


TRADING = dates("2024-01-02", 30, "B").delete([9, 13])  # to Monday, 12 February, with two holidays


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_labels_of_trading_days_leave_known_holidays_out(zone):
    days = TRADING.tz_localize(zone)
    calendar = infer_calendar(days)
    assert calendar.labels(0, 28).equals(days)
    assert calendar.labels(8, 3).equals(days[8:11])
    beyond = dates("2024-02-09", 8, "B", tz=zone)
    assert calendar.labels(26, 8).equals(beyond)
    assert calendar.labels(30, 2).equals(beyond[4:6])


def test_later_rows_extend_a_calendar_of_rows():
    later = pd.DatetimeIndex(["2024-02-12", "2024-02-14", "2024-02-16"])  # the first one is known
    calendar = infer_calendar(TRADING)
    extended = calendar.extend(later)
    np.testing.assert_array_equal(extended.positions(later), [27, 28, 29])
    expected = later.append(pd.DatetimeIndex(["2024-02-19", "2024-02-20"]))
    assert extended.labels(27, 5).equals(expected.as_unit(TRADING.unit))
    assert list(extended.future(later[-1], 2)) == list(expected[3:])
    np.testing.assert_array_equal(calendar.positions(later), [27, 28, 29])
    assert calendar.labels(28, 1)[0] == pd.Timestamp("2024-02-13")  # which is as it was


def test_later_rows_of_irregular_stamps():
    calendar = infer_calendar(pd.Index([0.0, 1.0, 2.5, 1000.0])).extend(pd.Index([1001.0, 1010.0]))
    assert calendar.labels(2, 6).tolist() == [2.5, 1000.0, 1001.0, 1010.0, 1011.5, 1013.0]


def test_later_rows_change_no_calendar_of_steps():
    calendar = infer_calendar(dates("2024-01-01", 10, "h"))
    assert calendar.extend(dates("2024-01-01 10:00", 3, "h")) is calendar


@pytest.mark.parametrize("index", [TRADING, dates("2024-01-01", 10, "h")], ids=["rows", "steps"])
def test_later_rows_must_be_of_the_same_kind(index):
    with pytest.raises(TypeError, match="same kind of index"):
        infer_calendar(index).extend(pd.RangeIndex(3))


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


def test_shortest_step_where_only_rows_tell():
    assert infer_calendar(TRADING).shortest_step == pd.Timedelta("1D")
    assert infer_calendar(pd.Index([0.0, 1.5, 2.5, 1000.0])).shortest_step == 1.0
    assert infer_calendar(dates("2024-01-01", 1, "h")._with_freq(None)).shortest_step is None


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
def test_steps_keep_their_place_in_day_and_week(index, kept):
    assert infer_calendar(index).keeps_phase == kept
