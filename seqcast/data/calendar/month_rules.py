"""Rules that give one date in each month: the 15th, the last day, the third Friday, ..."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from .base import DAY

# Maps months (datetime64[M]) to the date in each month (datetime64[D]).
MonthRule = Callable[[np.ndarray], np.ndarray]


def month_numbers(numbers: np.ndarray) -> np.ndarray:
    """Return the months of datetimes, counted from January 1970."""
    return numbers.astype("datetime64[M]").astype(np.int64)


def day_rules(dates: np.ndarray) -> Iterator[MonthRule]:
    """Yield the rules by the day of the month that dates may follow."""
    yield _last_day
    yield partial(_same_day, day=int(_days_of_month(dates).max()))


def weekday_rules(dates: np.ndarray) -> Iterator[MonthRule]:
    """Yield the rules by the day of the week that dates may follow."""
    weekday = pd.Timestamp(dates[0]).day_of_week
    yield _first_weekday
    yield _last_weekday
    yield partial(_nth_of_weekday, nth=int(_days_of_month(dates)[0] - 1) // 7, weekday=weekday)
    yield partial(_last_of_weekday, weekday=weekday)


def _last_day(months: np.ndarray) -> np.ndarray:
    return (months + 1).astype("datetime64[D]") - DAY


def _same_day(months: np.ndarray, day: int) -> np.ndarray:
    """Return the given day of each month, or the last one of months that are too short."""
    return np.minimum(months.astype("datetime64[D]") + (day - 1) * DAY, _last_day(months))


def _first_weekday(months: np.ndarray) -> np.ndarray:
    return np.busday_offset(months.astype("datetime64[D]"), 0, roll="forward")


def _last_weekday(months: np.ndarray) -> np.ndarray:
    return np.busday_offset(_last_day(months), 0, roll="backward")


def _nth_of_weekday(months: np.ndarray, nth: int, weekday: int) -> np.ndarray:
    """Return a day such as the third (nth = 2) Friday (weekday = 4) of each month."""
    mask = np.arange(7) == weekday
    return np.busday_offset(months.astype("datetime64[D]"), nth, roll="forward", weekmask=mask)


def _last_of_weekday(months: np.ndarray, weekday: int) -> np.ndarray:
    return np.busday_offset(_last_day(months), 0, roll="backward", weekmask=np.arange(7) == weekday)


def _days_of_month(dates: np.ndarray) -> np.ndarray:
    """Return the day of the month of each date, from 1 to 31."""
    return (dates - dates.astype("datetime64[M]")) // DAY + 1
