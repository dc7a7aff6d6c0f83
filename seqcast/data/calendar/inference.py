"""Inference of the calendar of an index: candidates, the likeliest first; the last one always fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.offsets import DateOffset, Day, Tick

from .axes import Axis, ElapsedTimeAxis, LocalTimeAxis, NumberAxis, PeriodAxis
from .base import DAY, Calendar
from .month_rules import MonthRule, day_rules, month_numbers, weekday_rules
from .observed import IrregularCalendar, TradingDayCalendar
from .regular import FloatGridCalendar, GridCalendar, MonthCalendar, OffsetCalendar, most_common

# Monday of one week to Friday of the next. Fewer weekdays in a row may just be a short daily series.
TWO_TRADING_WEEKS = 11 * DAY


def infer_calendar(index: pd.Index) -> Calendar:
    """Return the calendar that the stamps of the training rows follow.

    Parameters
    ----------
    index : pandas.Index
        Strictly increasing integers, floats, timestamps, timedeltas or periods.

    Returns
    -------
    Calendar
        The first candidate, from the most regular to none, that every stamp fits.

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
    return next(calendar for calendar in _candidates(index) if calendar.fits(index))


def infer_calendars(indexes: Sequence[pd.Index], known: Sequence[Calendar] = ()) -> list[Calendar]:
    """Return the calendar of each series.

    A series whose stamps follow the steps of the commonest calendar gets these steps, because a few stamps
    tell too little by themselves.

    Parameters
    ----------
    indexes : sequence of pandas.Index
        The stamps of each series.
    known : sequence of Calendar
        Calendars of other series. If there are any, the commonest one is taken among them.
    """
    own = [infer_calendar(index) for index in indexes]
    known = known or own
    kinds = [calendar.kind for calendar in known]
    commonest = known[kinds.index(max(set(kinds), key=lambda kind: (kinds.count(kind), kind)))]
    return [
        calendar if calendar.kind == commonest.kind else commonest.align(index) or calendar
        for calendar, index in zip(own, indexes, strict=True)
    ]


def _candidates(index: pd.Index) -> Iterator[Calendar]:
    if isinstance(index, pd.PeriodIndex):
        return _period_calendars(index)
    if isinstance(index, pd.DatetimeIndex):
        return _timestamp_calendars(index)
    if isinstance(index, pd.TimedeltaIndex):
        return _timedelta_calendars(index)
    return _number_calendars(index)


def _number_calendars(index: pd.Index) -> Iterator[Calendar]:
    axis = NumberAxis(index[:0])
    numbers = axis.numbers(index)
    if numbers.dtype == np.int64:
        yield GridCalendar.fit(axis, numbers, _common_step(numbers) if len(index) > 1 else np.int64(1))
    elif len(index) > 1:
        yield FloatGridCalendar.fit(axis, numbers, _common_float_step(numbers))
    yield IrregularCalendar(axis, numbers)


def _timedelta_calendars(index: pd.TimedeltaIndex) -> Iterator[Calendar]:
    axis = ElapsedTimeAxis(index[:0])
    numbers = axis.numbers(index)
    if index.freq is not None:
        yield GridCalendar.fit(axis, numbers, _duration(index.freq, index.unit))
    elif len(index) > 1:
        yield GridCalendar.fit(axis, numbers, _common_step(numbers))
    yield IrregularCalendar(axis, numbers)


def _timestamp_calendars(index: pd.DatetimeIndex) -> Iterator[Calendar]:
    local = LocalTimeAxis(index[:0])
    elapsed = local if index.tz is None else ElapsedTimeAxis(index[:0])
    # A bare DateOffset, such as months=1, tells less than its stamps do: they come first.
    is_bare = type(index.freq) is DateOffset
    if index.freq is not None and not is_bare:
        yield _calendar_of_freq(index, local, elapsed)
    yield from _date_calendars(index, local, elapsed)
    if is_bare:
        yield OffsetCalendar(local, local.numbers(index)[0], index.freq)
    yield _irregular_calendar(index, local, elapsed)


def _period_calendars(index: pd.PeriodIndex) -> Iterator[Calendar]:
    axis = PeriodAxis(index[:0])
    yield from _trading_calendars(axis, axis.numbers(index))
    # Periods tell their own step: the second one is the one that follows the first.
    neighbours = index[:1].append(index[:1] + 1)
    yield from _date_calendars(neighbours, axis, axis)
    yield from _date_calendars(index, axis, axis)
    yield IrregularCalendar(axis, axis.numbers(index))


def _calendar_of_freq(index: pd.DatetimeIndex, local: Axis, elapsed: Axis) -> Calendar:
    """Return the calendar of a freq that is set: days are counted in local time, shorter ticks in UTC."""
    freq = index.freq
    if not isinstance(freq, Day | Tick):
        return OffsetCalendar(local, local.numbers(index)[0], freq)
    axis = local if isinstance(freq, Day) else elapsed
    return GridCalendar.fit(axis, axis.numbers(index), _duration(freq, index.unit))


def _date_calendars(index: pd.Index, local: Axis, elapsed: Axis) -> Iterator[Calendar]:
    if len(index) < 2:
        return
    numbers = local.numbers(index)
    yield from _trading_calendars(local, numbers)
    # Before equal steps: two stamps 31 days apart are likelier months than 31-day steps.
    yield from _month_calendars(local, numbers, day_rules)
    axes = (local, elapsed) if _common_step(numbers) >= DAY else (elapsed, local)
    for axis in axes:
        yield from _grid_calendars(axis, axis.numbers(index))
    # After equal steps: two Fridays 28 days apart are likelier weeks than fourth Fridays.
    yield from _month_calendars(local, numbers, weekday_rules)


def _trading_calendars(axis: Axis, numbers: np.ndarray) -> Iterator[Calendar]:
    days = numbers.astype("datetime64[D]")
    if days[-1] - days[0] < TWO_TRADING_WEEKS or not np.is_busday(days).all():
        return
    distances = np.diff(days)
    if distances.min() >= DAY and most_common(distances) == DAY:
        yield TradingDayCalendar(axis, numbers, most_common(numbers - days))


def _month_calendars(
    axis: Axis, numbers: np.ndarray, rules: Callable[[np.ndarray], Iterator[MonthRule]]
) -> Iterator[Calendar]:
    months = month_numbers(numbers)
    if np.diff(months).min() < 1:
        return
    dates = numbers.astype("datetime64[D]")
    step = int(_common_step(months))
    time = most_common(numbers - dates)
    for rule in rules(dates):
        yield MonthCalendar(axis, step, int(months[0]), rule, time)


def _grid_calendars(axis: Axis, numbers: np.ndarray) -> Iterator[Calendar]:
    step = _common_step(numbers)
    # In local time, the distance of an hour that occurs twice is not positive.
    if step > 0 * step:
        yield GridCalendar.fit(axis, numbers, step)


def _irregular_calendar(index: pd.DatetimeIndex, local: Axis, elapsed: Axis) -> Calendar:
    distances = np.diff(local.numbers(index))
    are_dates = np.all((distances >= DAY) & (distances % DAY == 0 * DAY))
    axis = local if are_dates else elapsed
    return IrregularCalendar(axis, axis.numbers(index))


def _duration(freq: Any, unit: str) -> np.timedelta64:
    duration = freq.n * DAY if isinstance(freq, Day) else pd.Timedelta(freq).to_timedelta64()
    return duration.astype(f"timedelta64[{unit}]")


def _common_step(numbers: np.ndarray) -> Any:
    return most_common(np.diff(numbers))


def _common_float_step(numbers: np.ndarray) -> float:
    distances = np.diff(numbers)
    shortest = distances.min()
    return shortest * most_common(np.round(distances / shortest, 6))
