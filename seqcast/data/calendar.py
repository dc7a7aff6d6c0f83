"""How an index goes on: the step number of each stamp, the natural season, the stamps to come.

A calendar is learned from the index of the training rows; no ``freq`` is needed, though one that is
set is trusted. There are two families:

- *Steps*: stamps lie on a known pattern (equal steps, one stamp a month, a pandas offset), so a stamp
  tells its own number and a stamp left out leaves its number out.
- *Rows*: only the rows tell (trading days, whose holidays nobody announced; irregular stamps), so rows
  are numbered one after the other and nothing counts as left out.

Time zones: stamps on a pattern of days or longer are compared on the wall clock, where every local
midnight is one day after the last; shorter steps are counted in UTC.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype
from pandas.tseries.offsets import DateOffset, Day, Tick

SECOND = np.timedelta64(1, "s")
DAY = np.timedelta64(1, "D")
# Monday of one week to Friday of the next: fewer weekdays in a row may just be a short daily series.
TWO_TRADING_WEEKS = 11 * DAY
# How far, in steps, a float stamp may lie from its grid: linspace and arange stay far below.
FLOAT_TOLERANCE = 1e-6

MINUTE_SECONDS, DAY_SECONDS = 60, 86_400
# Seasons that are not "as many steps as a day has".
SEASON_OF_SECONDS: dict[float, int] = {MINUTE_SECONDS: 60, DAY_SECONDS: 7, 7 * DAY_SECONDS: 52}
SEASON_OF_OFFSET = {
    "BusinessDay": 5,
    "CustomBusinessDay": 5,
    "Week": 52,
    "SemiMonthBegin": 24,
    "SemiMonthEnd": 24,
    "MonthBegin": 12,
    "MonthEnd": 12,
    "BusinessMonthBegin": 12,
    "BusinessMonthEnd": 12,
    "CustomBusinessMonthBegin": 12,
    "CustomBusinessMonthEnd": 12,
    "WeekOfMonth": 12,
    "LastWeekOfMonth": 12,
    "QuarterBegin": 4,
    "QuarterEnd": 4,
    "BQuarterBegin": 4,
    "BQuarterEnd": 4,
}
MONTHS_OF_A_YEAR = 12
WEEK = np.timedelta64(7, "D")
YEAR = np.timedelta64(31_556_952, "s")  # of the Gregorian calendar, on average

MonthRule = Callable[[np.ndarray], np.ndarray]  # datetime64[M] -> datetime64[D], the date in each month


class Calendar(ABC):
    """How the index of the training rows goes on. Immutable; made by `infer_calendar`."""

    axis: _Axis

    @property
    @abstractmethod
    def season_length(self) -> int:
        """Steps after which the pattern of these stamps naturally repeats; 1 where none is known."""

    @property
    @abstractmethod
    def shortest_step(self) -> Any:
        """The least distance between neighbouring stamps, a NumPy scalar; None where only one is known."""

    def positions(self, index: pd.Index) -> np.ndarray:
        """Step numbers of stamps.

        Parameters
        ----------
        index : pandas.Index of n labels
            Of the kind of the training index; strictly increasing.

        Returns
        -------
        ndarray of shape (n,), int64
            0 is the first training stamp; on a regular grid, earlier stamps have negative numbers.
            Where the calendar counts rows, stamps after the last training stamp take the numbers that
            follow, one each.

        Raises
        ------
        TypeError
            If the labels are of another kind than those of the training rows.
        ValueError
            If a stamp is not on the calendar.
        """
        steps, known = self._locate(self._numbers(index))
        if not known.all():
            raise ValueError(
                f"The index of X must follow the calendar of the training rows ({self._rule()}). "
                f"Got {index[int(np.argmin(known))]} instead. Resample such rows, or fit with rows like them."
            )
        return steps

    def future(self, last: Any, n: int) -> pd.Index:
        """The labels that follow.

        Parameters
        ----------
        last : label
            The stamp to continue from, usually the last one of the index.
        n : int
            How many labels.

        Returns
        -------
        pandas.Index of n labels
            With the name, dtype and time zone of the training index.

        Raises
        ------
        TypeError, ValueError
            As for :meth:`positions`; also ``ValueError`` if there was only one training row, which
            tells no step.
        """
        return self.axis.labels(self._after(pd.Index([last]), n))

    def labels(self, first: int, n: int) -> pd.Index:
        """The labels of steps, whether a row stood there or not.

        Parameters
        ----------
        first : int
            Step number to begin with, 0 for the first training stamp or later.
        n : int
            How many labels.

        Returns
        -------
        pandas.Index of n labels
            Their :meth:`positions` are ``first``, ``first + 1``, ... After the last known stamp they go on
            as in :meth:`future`.

        Raises
        ------
        ValueError
            As for :meth:`future`.
        """
        return self.axis.labels(self._between(first, n))

    @property
    def kind(self) -> tuple[str, str]:
        """The same for calendars with the same steps."""
        return type(self).__name__, str(getattr(self, "step", ""))

    def align(self, index: pd.Index) -> Calendar | None:
        """The same steps through the stamps of another series; None if these do not follow them."""
        return None

    @property
    def clock(self) -> int:
        """The number of the first training stamp among all steps of this length since 1970, or since 0: the
        same for stamps of the same time in several series. 0 where steps have no such number."""
        return 0

    @property
    def duration(self) -> np.timedelta64 | None:
        """Of a step; None where it is no time, or not always the same."""
        return None

    @property
    def keeps_phase(self) -> bool:
        """Whether a number of steps is always the same part of a day or week: not so where rows are counted,
        nor on a clock that is put forward in summer."""
        return True

    def steps_per(self, time: np.timedelta64) -> float:
        """Steps in so much time; 0 where that is not known."""
        return 0.0 if self.duration is None else time / self.duration

    @abstractmethod
    def extend(self, index: pd.Index) -> Calendar:
        """The calendar after later rows.

        Parameters
        ----------
        index : pandas.Index
            Of rows, strictly increasing. Those after the last known stamp are known from then on, which
            matters where only rows tell the calendar.

        Returns
        -------
        Calendar

        Raises
        ------
        TypeError
            As for :meth:`positions`.
        """

    def _numbers(self, index: pd.Index) -> np.ndarray:
        expected, got = _kind(self.axis.like), _kind(index)
        if expected != got:
            raise TypeError(
                f"The index of X must hold {expected}, as that of the training rows does. "
                f"Got {got} instead. Pass rows with the same kind of index as in fit."
            )
        return self.axis.numbers(index)

    def _fits(self, index: pd.Index) -> bool:
        return bool(self._locate(self.axis.numbers(index))[1].all())

    @abstractmethod
    def _locate(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Step numbers (n,) and whether each stamp is on the calendar (n,)."""

    @abstractmethod
    def _after(self, last: pd.Index, n: int) -> np.ndarray:
        """The n stamps after the only one in `last`, on the axis."""

    @abstractmethod
    def _between(self, first: int, n: int) -> np.ndarray:
        """The stamps of n steps from `first` on, on the axis."""

    @abstractmethod
    def _rule(self) -> str:
        """The calendar in words, for messages."""


# ---- axes: labels as plain numbers that can be added and compared, and back ----


@dataclass(frozen=True, eq=False)
class _Axis(ABC):
    like: Any  # an index without rows: carries name, dtype and time zone

    @abstractmethod
    def numbers(self, index: Any) -> np.ndarray:
        """int64, float64, datetime64 or timedelta64, in the index's own unit; NumPy mixes units exactly."""

    @abstractmethod
    def labels(self, numbers: np.ndarray) -> pd.Index:
        """The labels of numbers, in the form of `like`."""

    def shown(self, numbers: np.ndarray) -> np.ndarray:
        """What `numbers` becomes when the labels made from it are read again."""
        return numbers


class _Plain(_Axis):
    """Integers and floats."""

    def numbers(self, index: Any) -> np.ndarray:
        return index.to_numpy(dtype=np.float64 if is_float_dtype(index.dtype) else np.int64)

    def labels(self, numbers: np.ndarray) -> pd.Index:
        if isinstance(self.like, pd.RangeIndex):
            return _range(numbers, self.like.name)
        exact = pd.Index(numbers, name=self.like.name)
        same = exact.astype(self.like.dtype)
        # The future may lie beyond the reach of a narrow integer type, which would wrap around.
        return same if is_float_dtype(same.dtype) or (same == exact).all() else exact


class _Elapsed(_Axis):
    """Timestamps with a time zone, counted in UTC, and timedeltas."""

    def numbers(self, index: Any) -> np.ndarray:
        plain = index if isinstance(index, pd.TimedeltaIndex) else index.tz_convert(None)
        return plain.to_numpy()

    def labels(self, numbers: np.ndarray) -> pd.Index:
        if isinstance(self.like, pd.TimedeltaIndex):
            return pd.TimedeltaIndex(numbers).as_unit(self.like.unit).rename(self.like.name)
        return _timestamps(numbers, self.like).tz_localize("UTC").tz_convert(self.like.tz)


class _Wall(_Axis):
    """Timestamps as the clock on the wall shows them."""

    def numbers(self, index: Any) -> np.ndarray:
        plain = index if self.like.tz is None else index.tz_convert(self.like.tz).tz_localize(None)
        return plain.to_numpy()

    def labels(self, numbers: np.ndarray) -> pd.Index:
        # A time that the clock skips becomes the first one after it; of a time that it shows twice,
        # the earlier is meant.
        earlier = np.ones(len(numbers), dtype=bool)
        stamps = _timestamps(numbers, self.like)
        return stamps.tz_localize(self.like.tz, nonexistent="shift_forward", ambiguous=earlier)

    def shown(self, numbers: np.ndarray) -> np.ndarray:
        return numbers if self.like.tz is None else self.numbers(self.labels(numbers))


class _Periods(_Axis):
    """Periods, each as its start."""

    def numbers(self, index: Any) -> np.ndarray:
        return index.to_timestamp(how="start").to_numpy()

    def labels(self, numbers: np.ndarray) -> pd.Index:
        return pd.DatetimeIndex(numbers, name=self.like.name).to_period(self.like.freq)


def _range(numbers: np.ndarray, name: Any) -> pd.RangeIndex:
    step = int(numbers[1] - numbers[0]) if len(numbers) > 1 else 1
    start = int(numbers[0]) if len(numbers) else 0
    return pd.RangeIndex(start, start + step * len(numbers), step, name=name)


def _timestamps(numbers: np.ndarray, like: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(numbers, name=like.name).as_unit(like.unit)


def _kind(index: pd.Index) -> str:
    if isinstance(index, pd.DatetimeIndex):
        return f"timestamps {'without' if index.tz is None else 'with'} a time zone"
    if isinstance(index, pd.TimedeltaIndex):
        return "timedeltas"
    return "numbers" if is_numeric_dtype(index.dtype) else f"labels of dtype {index.dtype}"


# ---- calendars of steps ----


class _Steps(Calendar):
    """Stamps on a pattern: each has a number, and each number its stamp."""

    @abstractmethod
    def _nearest(self, numbers: np.ndarray) -> np.ndarray:
        """Step numbers that are right for stamps on the pattern, and anything for others."""

    @abstractmethod
    def _stamps(self, steps: np.ndarray) -> np.ndarray:
        """The stamps with these step numbers."""

    def _agree(self, stamps: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return self.axis.shown(stamps) == numbers

    def _locate(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps = self._nearest(numbers)
        return steps, self._agree(self._stamps(steps), numbers)

    def _after(self, last: pd.Index, n: int) -> np.ndarray:
        return self._between(self.positions(last)[0] + 1, n)

    def _between(self, first: int, n: int) -> np.ndarray:
        return self._stamps(first + np.arange(n))

    @property
    def shortest_step(self) -> Any:
        return np.diff(self._between(0, MONTHS_OF_A_YEAR + 1)).min()

    def extend(self, index: pd.Index) -> Calendar:
        self._numbers(index)
        return self


@dataclass(frozen=True, eq=False)
class _Grid(_Steps):
    """Equal steps."""

    axis: _Axis
    step: Any  # NumPy scalar: an int64, float64 or timedelta64
    phase: Any  # a stamp of the grid
    first: int  # number of the first training stamp, counted from `phase`

    @classmethod
    def of(cls, axis: _Axis, numbers: np.ndarray, step: Any) -> _Grid:
        # The commonest remainder, not the first stamp: that one may be a midnight which the clock skipped.
        phase = numbers[0] + _most_common((numbers - numbers[0]) % step)
        grid = cls(axis, step, phase, 0)
        return cls(axis, step, phase, int(grid._nearest(numbers[:1])[0]))

    @property
    def season_length(self) -> int:
        return _season_of(self.step) if isinstance(self.step, np.timedelta64) else 1

    @property
    def keeps_phase(self) -> bool:
        zone = getattr(self.axis.like, "tz", None)
        winter, summer = (pd.Timestamp(2024, month, 1, tz=zone).utcoffset() for month in (1, 7))
        return winter == summer or self.step >= DAY

    @property
    def clock(self) -> int:
        start = self._stamps(np.zeros(1, np.int64))[0]
        since = start - np.datetime64(0, "s") if isinstance(start, np.datetime64) else start
        return int(since // self.step)

    @property
    def duration(self) -> np.timedelta64 | None:
        return self.step if isinstance(self.step, np.timedelta64) else None

    def align(self, index: pd.Index) -> Calendar | None:
        grid = self.of(self.axis, self._numbers(index), self.step)
        return grid if grid._fits(index) else None

    def _nearest(self, numbers: np.ndarray) -> np.ndarray:
        return (numbers - self.phase + self.step // 2) // self.step - self.first

    def _stamps(self, steps: np.ndarray) -> np.ndarray:
        return self.phase + (self.first + steps) * self.step

    def _rule(self) -> str:
        step = pd.Timedelta(self.step) if isinstance(self.step, np.timedelta64) else self.step
        return f"equal steps of {step}"


class _FloatGrid(_Grid):
    """Equal steps up to rounding."""

    @classmethod
    def of(cls, axis: _Axis, numbers: np.ndarray, step: Any) -> _Grid:
        # Rounding errors do not add up in the number of steps, so the whole span gives the best step.
        span = numbers[-1] - numbers[0]
        return cls(axis, span / np.rint(np.diff(numbers) / step).sum(), numbers[0], 0)

    def _nearest(self, numbers: np.ndarray) -> np.ndarray:
        return np.rint((numbers - self.phase) / self.step).astype(np.int64)

    def _agree(self, stamps: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        rounding = np.finfo(f"f{self.axis.like.dtype.itemsize}").eps * np.abs(numbers)
        return np.abs(stamps - numbers) <= FLOAT_TOLERANCE * self.step + 4 * rounding


@dataclass(frozen=True, eq=False)
class _Months(_Steps):
    """One date in every so many months, the same by some rule, at the same time of day."""

    axis: _Axis
    step: int  # months
    first: int  # month of the first training stamp, counted from January 1970
    date_of: MonthRule
    time: np.timedelta64

    @property
    def season_length(self) -> int:
        return _share(MONTHS_OF_A_YEAR, self.step)

    @property
    def clock(self) -> int:
        return self.first // self.step

    @property
    def duration(self) -> np.timedelta64 | None:
        return YEAR / MONTHS_OF_A_YEAR * self.step

    def align(self, index: pd.Index) -> Calendar | None:
        months = replace(self, first=int(_month_numbers(self._numbers(index[:1]))[0]))
        return months if months._fits(index) else None

    def _nearest(self, numbers: np.ndarray) -> np.ndarray:
        return (_month_numbers(numbers) - self.first) // self.step

    def _stamps(self, steps: np.ndarray) -> np.ndarray:
        months = (self.first + steps * self.step).astype("datetime64[M]")
        return self.date_of(months) + self.time

    def _rule(self) -> str:
        return f"one stamp every {self.step} months"


@dataclass(frozen=True, eq=False)
class _Offsets(_Steps):
    """The stamps that a pandas offset generates, on the wall clock."""

    axis: _Axis
    first: np.datetime64
    offset: Any  # of pandas

    @property
    def season_length(self) -> int:
        return _share(SEASON_OF_OFFSET.get(type(self.offset).__name__, 1), self.offset.n)

    def _nearest(self, numbers: np.ndarray) -> np.ndarray:
        if not len(numbers):
            return np.zeros(0, dtype=np.int64)
        return np.searchsorted(self._generate(end=pd.Timestamp(numbers.max())), numbers)

    def _stamps(self, steps: np.ndarray) -> np.ndarray:
        return self._generate(periods=int(steps.max(initial=0)) + 1)[steps]

    def _generate(self, **until: Any) -> np.ndarray:
        start, unit = pd.Timestamp(self.first), self.axis.like.unit
        return pd.date_range(start, freq=self.offset, unit=unit, **until).to_numpy()

    def _rule(self) -> str:
        return f"pandas offset {self.offset!r}"


def _season_of(step: np.timedelta64) -> int:
    seconds = step / SECOND
    if seconds in SEASON_OF_SECONDS:
        return SEASON_OF_SECONDS[seconds]
    return _share(DAY_SECONDS, seconds) if seconds > MINUTE_SECONDS else 1


def _share(season: int, step: float) -> int:
    """Steps in a season, or 1 if it holds no whole number of them."""
    return int(season / step) if season % step == 0 else 1


# ---- dates in a month ----


def _month_numbers(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype("datetime64[M]").astype(np.int64)


def _last_day(months: np.ndarray) -> np.ndarray:
    return (months + 1).astype("datetime64[D]") - DAY


def _same_day(months: np.ndarray, day: int) -> np.ndarray:
    """The given day of the month, or the last one of months that are too short."""
    return np.minimum(months.astype("datetime64[D]") + (day - 1) * DAY, _last_day(months))


def _first_weekday(months: np.ndarray) -> np.ndarray:
    return np.busday_offset(months.astype("datetime64[D]"), 0, roll="forward")


def _last_weekday(months: np.ndarray) -> np.ndarray:
    return np.busday_offset(_last_day(months), 0, roll="backward")


def _nth_of_weekday(months: np.ndarray, nth: int, weekday: int) -> np.ndarray:
    """Such as the third (nth = 2) Friday (weekday = 4)."""
    mask = np.arange(7) == weekday
    return np.busday_offset(months.astype("datetime64[D]"), nth, roll="forward", weekmask=mask)


def _last_of_weekday(months: np.ndarray, weekday: int) -> np.ndarray:
    return np.busday_offset(_last_day(months), 0, roll="backward", weekmask=np.arange(7) == weekday)


def _day_rules(dates: np.ndarray) -> Iterator[MonthRule]:
    yield _last_day
    yield partial(_same_day, day=int(_days_of_month(dates).max()))


def _weekday_rules(dates: np.ndarray) -> Iterator[MonthRule]:
    weekday = pd.Timestamp(dates[0]).day_of_week
    yield _first_weekday
    yield _last_weekday
    yield partial(_nth_of_weekday, nth=int(_days_of_month(dates)[0] - 1) // 7, weekday=weekday)
    yield partial(_last_of_weekday, weekday=weekday)


def _days_of_month(dates: np.ndarray) -> np.ndarray:
    """From 1 to 31."""
    return (dates - dates.astype("datetime64[M]")) // DAY + 1


# ---- calendars of rows ----


@dataclass(frozen=True, eq=False)
class _Rows(Calendar):
    """Stamps without a pattern that tells what is missing: rows are the steps."""

    axis: _Axis
    rows: np.ndarray  # the known stamps

    def _locate(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps = np.searchsorted(self.rows, numbers)
        later = steps == len(self.rows)
        steps[later] += np.arange(later.sum())
        known = self.rows[np.minimum(steps, len(self.rows) - 1)] == numbers
        return steps, later | known

    def _between(self, first: int, n: int) -> np.ndarray:
        rows, beyond = self.rows, first + n - len(self.rows)
        if beyond > 0:
            rows = np.concatenate([rows, self._after(self.axis.labels(rows[-1:]), beyond)])
        return rows[first : first + n]

    @property
    def shortest_step(self) -> Any:
        return np.diff(self.rows).min() if len(self.rows) > 1 else None

    @property
    def keeps_phase(self) -> bool:
        return False

    def extend(self, index: pd.Index) -> Calendar:
        numbers = self._numbers(index)
        return replace(self, rows=np.concatenate([self.rows, numbers[numbers > self.rows[-1]]]))


@dataclass(frozen=True, eq=False)
class _TradingDays(_Rows):
    """Days from Monday to Friday; holidays are no steps, and those to come are unknown."""

    time: np.timedelta64  # of day

    @property
    def season_length(self) -> int:
        return 5

    def _after(self, last: pd.Index, n: int) -> np.ndarray:
        today = self._numbers(last)[0].astype("datetime64[D]")
        return np.busday_offset(today, 1 + np.arange(n), roll="backward") + self.time

    def _rule(self) -> str:
        return "trading days: known ones, or any after them"


@dataclass(frozen=True, eq=False)
class _Irregular(_Rows):
    """Stamps at uneven distances, continued by their median distance."""

    @property
    def season_length(self) -> int:
        return 1

    def _after(self, last: pd.Index, n: int) -> np.ndarray:
        if len(self.rows) < 2:
            raise ValueError(
                f"The training rows must be two or more to tell the step between stamps. Got one, at "
                f"{self.axis.labels(self.rows)[0]}, instead. Pass more rows, or set the freq of the index."
            )
        # The lower middle one: a distance that occurs, so that dates stay dates.
        step = np.sort(np.diff(self.rows))[(len(self.rows) - 2) // 2]
        return self._numbers(last)[0] + step * (1 + np.arange(n))

    def _rule(self) -> str:
        return "irregular stamps: known ones, or any after them"


# ---- which calendar it is: candidates, likeliest first; the last one always fits ----


def infer_calendar(index: pd.Index) -> Calendar:
    """Learn the calendar that the stamps of the training rows follow.

    Parameters
    ----------
    index : pandas.Index
        Strictly increasing integers, floats, timestamps, timedeltas or periods.

    Returns
    -------
    Calendar
        Of the first kind, from the most regular to none, that every stamp agrees with.

    Raises
    ------
    ValueError
        If the index is empty or not strictly increasing.
    """
    if not (len(index) and index.is_monotonic_increasing and index.is_unique):
        raise ValueError(
            f"The 'index' parameter of Calendar must hold at least one stamp and increase strictly. "
            f"Got {len(index)} stamps instead. Sort the rows and drop duplicated stamps."
        )
    return next(calendar for calendar in _candidates(index) if calendar._fits(index))


def _candidates(index: pd.Index) -> Iterator[Calendar]:
    if isinstance(index, pd.PeriodIndex):
        return _period_calendars(index)
    if isinstance(index, pd.DatetimeIndex):
        return _timestamp_calendars(index)
    if isinstance(index, pd.TimedeltaIndex):
        return _timedelta_calendars(index)
    return _number_calendars(index)


def _number_calendars(index: pd.Index) -> Iterator[Calendar]:
    axis = _Plain(index[:0])
    numbers = axis.numbers(index)
    if numbers.dtype == np.int64:
        yield _Grid.of(axis, numbers, _common_step(numbers) if len(index) > 1 else np.int64(1))
    elif len(index) > 1:
        yield _FloatGrid.of(axis, numbers, _common_float_step(numbers))
    yield _Irregular(axis, numbers)


def _timedelta_calendars(index: pd.TimedeltaIndex) -> Iterator[Calendar]:
    axis = _Elapsed(index[:0])
    numbers = axis.numbers(index)
    if index.freq is not None:
        yield _Grid.of(axis, numbers, _duration(index.freq, index.unit))
    elif len(index) > 1:
        yield _Grid.of(axis, numbers, _common_step(numbers))
    yield _Irregular(axis, numbers)


def _timestamp_calendars(index: pd.DatetimeIndex) -> Iterator[Calendar]:
    wall = _Wall(index[:0])
    elapsed = wall if index.tz is None else _Elapsed(index[:0])
    # A bare DateOffset, such as months=1, tells less than its stamps do: they come first.
    bare = type(index.freq) is DateOffset
    if index.freq is not None and not bare:
        yield _calendar_of_freq(index, wall, elapsed)
    yield from _dated_calendars(index, wall, elapsed)
    if bare:
        yield _Offsets(wall, wall.numbers(index)[0], index.freq)
    yield _irregular(index, wall, elapsed)


def _period_calendars(index: pd.PeriodIndex) -> Iterator[Calendar]:
    axis = _Periods(index[:0])
    yield from _trading_calendars(axis, axis.numbers(index))
    # Periods tell their own step: the second one is the one that follows the first.
    neighbours = index[:1].append(index[:1] + 1)
    yield from _dated_calendars(neighbours, axis, axis)
    yield from _dated_calendars(index, axis, axis)
    yield _Irregular(axis, axis.numbers(index))


def _calendar_of_freq(index: pd.DatetimeIndex, wall: _Axis, elapsed: _Axis) -> Calendar:
    """What a set freq says: a day is one of the wall clock, shorter ticks are spans of time."""
    freq = index.freq
    if not isinstance(freq, Day | Tick):
        return _Offsets(wall, wall.numbers(index)[0], freq)
    axis = wall if isinstance(freq, Day) else elapsed
    return _Grid.of(axis, axis.numbers(index), _duration(freq, index.unit))


def _dated_calendars(index: pd.Index, wall: _Axis, elapsed: _Axis) -> Iterator[Calendar]:
    if len(index) < 2:
        return
    numbers = wall.numbers(index)
    yield from _trading_calendars(wall, numbers)
    # Before equal steps: two stamps 31 days apart are likelier months than 31-day steps.
    yield from _month_calendars(wall, numbers, _day_rules)
    axes = (wall, elapsed) if _common_step(numbers) >= DAY else (elapsed, wall)
    yield from (calendar for axis in axes for calendar in _grids(axis, axis.numbers(index)))
    # After equal steps: two Fridays 28 days apart are likelier weeks than fourth Fridays.
    yield from _month_calendars(wall, numbers, _weekday_rules)


def _trading_calendars(axis: _Axis, numbers: np.ndarray) -> Iterator[Calendar]:
    days = numbers.astype("datetime64[D]")
    if days[-1] - days[0] < TWO_TRADING_WEEKS or not np.is_busday(days).all():
        return
    distances = np.diff(days)
    if distances.min() >= DAY and _most_common(distances) == DAY:
        yield _TradingDays(axis, numbers, _most_common(numbers - days))


def _month_calendars(
    axis: _Axis, numbers: np.ndarray, rules: Callable[[np.ndarray], Iterator[MonthRule]]
) -> Iterator[Calendar]:
    months = _month_numbers(numbers)
    if np.diff(months).min() < 1:
        return
    dates = numbers.astype("datetime64[D]")
    step, time = int(_common_step(months)), _most_common(numbers - dates)
    yield from (_Months(axis, step, int(months[0]), rule, time) for rule in rules(dates))


def _grids(axis: _Axis, numbers: np.ndarray) -> Iterator[Calendar]:
    step = _common_step(numbers)
    if step > 0 * step:  # on the wall, the hour that comes twice is no step
        yield _Grid.of(axis, numbers, step)


def _irregular(index: pd.DatetimeIndex, wall: _Axis, elapsed: _Axis) -> Calendar:
    distances = np.diff(wall.numbers(index))
    dates = np.all((distances >= DAY) & (distances % DAY == 0 * DAY))
    axis = wall if dates else elapsed
    return _Irregular(axis, axis.numbers(index))


def _duration(freq: Any, unit: str) -> np.timedelta64:
    span = freq.n * DAY if isinstance(freq, Day) else pd.Timedelta(freq).to_timedelta64()
    return span.astype(f"timedelta64[{unit}]")


def _common_step(numbers: np.ndarray) -> Any:
    return _most_common(np.diff(numbers))


def _common_float_step(numbers: np.ndarray) -> float:
    distances = np.diff(numbers)
    shortest = distances.min()
    return shortest * _most_common(np.round(distances / shortest, 6))


def _most_common(values: np.ndarray) -> Any:
    """The most frequent value; the smallest of those that tie."""
    distinct, counts = np.unique(values, return_counts=True)
    return distinct[int(np.argmax(counts))]


# ---- several series ----


def infer_calendars(indexes: Sequence[pd.Index], known: Sequence[Calendar] = ()) -> list[Calendar]:
    """The calendar of each series: the commonest one's steps where its stamps follow them, since few stamps
    tell too little of their own. The commonest of the known ones, if there are any."""
    own = [infer_calendar(index) for index in indexes]
    known = known or own
    kinds = [calendar.kind for calendar in known]
    commonest = known[kinds.index(max(set(kinds), key=lambda kind: (kinds.count(kind), kind)))]
    return [
        calendar if calendar.kind == commonest.kind else commonest.align(index) or calendar
        for calendar, index in zip(own, indexes, strict=True)
    ]
