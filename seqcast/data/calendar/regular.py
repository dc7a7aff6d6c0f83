"""Regular calendars: stamps on a pattern, where each stamp has a step number, and each number its stamp."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .axes import Axis
from .base import DAY, YEAR, Calendar
from .month_rules import MonthRule, month_numbers

SECOND = np.timedelta64(1, "s")
# Maximum distance, in steps, of a float stamp from its grid. Stamps made by linspace and arange are much
# closer.
FLOAT_TOLERANCE = 1e-6

MINUTE_SECONDS = 60
DAY_SECONDS = 86_400
# Season lengths by the seconds of a step, where the season is not one day.
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


class RegularCalendar(Calendar):
    """Base of the calendars whose stamps follow a pattern."""

    @abstractmethod
    def _nearest(self, numbers: np.ndarray) -> np.ndarray:
        """Return the step numbers of stamps on the pattern, and any number for others."""

    @abstractmethod
    def _stamps(self, steps: np.ndarray) -> np.ndarray:
        """Return the stamps with these step numbers."""

    def _agree(self, stamps: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return self.axis.round_trip(stamps) == numbers

    def _locate(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps = self._nearest(numbers)
        return steps, self._agree(self._stamps(steps), numbers)

    def _after(self, last: pd.Index, n: int) -> np.ndarray:
        return self._between(self.positions(last)[0] + 1, n)

    def _between(self, first: int, n: int) -> np.ndarray:
        return self._stamps(first + np.arange(n))

    @property
    def shortest_step(self) -> Any:
        """Smallest distance between neighbouring stamps within a year of months."""
        return np.diff(self._between(0, MONTHS_OF_A_YEAR + 1)).min()

    def extend(self, index: pd.Index) -> Calendar:
        """Return the calendar itself, since the pattern tells all later stamps."""
        self._numbers(index)
        return self


@dataclass(frozen=True, eq=False)
class GridCalendar(RegularCalendar):
    """Equal steps.

    Attributes
    ----------
    axis : Axis
    step : int64, float64 or timedelta64
    phase : NumPy scalar
        A stamp of the grid.
    first : int
        Step number of the first training stamp, counted from `phase`.
    """

    axis: Axis
    step: Any
    phase: Any
    first: int

    @classmethod
    def fit(cls, axis: Axis, numbers: np.ndarray, step: Any) -> GridCalendar:
        """Return the grid with this step through most of the stamps."""
        # The commonest remainder, not the first stamp: that one may be a midnight which the clock skipped.
        phase = numbers[0] + most_common((numbers - numbers[0]) % step)
        grid = cls(axis, step, phase, 0)
        return cls(axis, step, phase, int(grid._nearest(numbers[:1])[0]))

    @property
    def season_length(self) -> int:
        """Number of steps of the natural season of this step."""
        return _season_of_step(self.step) if isinstance(self.step, np.timedelta64) else 1

    @property
    def keeps_phase(self) -> bool:
        """True if the time zone has no daylight saving time, or the steps are at least days."""
        zone = getattr(self.axis.like, "tz", None)
        winter, summer = (pd.Timestamp(2024, month, 1, tz=zone).utcoffset() for month in (1, 7))
        return winter == summer or self.step >= DAY

    @property
    def clock(self) -> int:
        """Number of whole steps from 1970, or from 0, to the first training stamp."""
        start = self._stamps(np.zeros(1, np.int64))[0]
        since = start - np.datetime64(0, "s") if isinstance(start, np.datetime64) else start
        return int(since // self.step)

    @property
    def duration(self) -> np.timedelta64 | None:
        """The step if it is a time."""
        return self.step if isinstance(self.step, np.timedelta64) else None

    def align(self, index: pd.Index) -> Calendar | None:
        """Return the grid with the same step through the stamps of another series, or None."""
        grid = self.fit(self.axis, self._numbers(index), self.step)
        return grid if grid.fits(index) else None

    def _nearest(self, numbers: np.ndarray) -> np.ndarray:
        return (numbers - self.phase + self.step // 2) // self.step - self.first

    def _stamps(self, steps: np.ndarray) -> np.ndarray:
        return self.phase + (self.first + steps) * self.step

    def _describe(self) -> str:
        step = pd.Timedelta(self.step) if isinstance(self.step, np.timedelta64) else self.step
        return f"equal steps of {step}"


class FloatGridCalendar(GridCalendar):
    """Equal steps up to rounding."""

    @classmethod
    def fit(cls, axis: Axis, numbers: np.ndarray, step: Any) -> GridCalendar:
        """Return the grid through the first and the last stamp whose step is nearest to `step`."""
        # The number of steps is exact in spite of rounding errors, so the whole span gives the best step.
        span = numbers[-1] - numbers[0]
        return cls(axis, span / np.rint(np.diff(numbers) / step).sum(), numbers[0], 0)

    def _nearest(self, numbers: np.ndarray) -> np.ndarray:
        return np.rint((numbers - self.phase) / self.step).astype(np.int64)

    def _agree(self, stamps: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        rounding = np.finfo(f"f{self.axis.like.dtype.itemsize}").eps * np.abs(numbers)
        return np.abs(stamps - numbers) <= FLOAT_TOLERANCE * self.step + 4 * rounding


@dataclass(frozen=True, eq=False)
class MonthCalendar(RegularCalendar):
    """One date in every n-th month, given by a rule, at the same time of day.

    Attributes
    ----------
    axis : Axis
    step : int
        Number of months between stamps.
    first : int
        Month of the first training stamp, counted from January 1970.
    date_of : MonthRule
    time : timedelta64
        Time of day.
    """

    axis: Axis
    step: int
    first: int
    date_of: MonthRule
    time: np.timedelta64

    @property
    def season_length(self) -> int:
        """Number of steps in a year."""
        return _steps_in_season(MONTHS_OF_A_YEAR, self.step)

    @property
    def clock(self) -> int:
        """Number of whole steps from January 1970 to the first training stamp."""
        return self.first // self.step

    @property
    def duration(self) -> np.timedelta64 | None:
        """Mean duration of a step."""
        return YEAR / MONTHS_OF_A_YEAR * self.step

    def align(self, index: pd.Index) -> Calendar | None:
        """Return the calendar with the same rule and step from the first stamp of another series on."""
        months = replace(self, first=int(month_numbers(self._numbers(index[:1]))[0]))
        return months if months.fits(index) else None

    def _nearest(self, numbers: np.ndarray) -> np.ndarray:
        return (month_numbers(numbers) - self.first) // self.step

    def _stamps(self, steps: np.ndarray) -> np.ndarray:
        months = (self.first + steps * self.step).astype("datetime64[M]")
        return self.date_of(months) + self.time

    def _describe(self) -> str:
        return f"one stamp every {self.step} months"


@dataclass(frozen=True, eq=False)
class OffsetCalendar(RegularCalendar):
    """The stamps that a pandas offset generates, in local time.

    Attributes
    ----------
    axis : Axis
    first : datetime64
        The first training stamp.
    offset : pandas offset
    """

    axis: Axis
    first: np.datetime64
    offset: Any

    @property
    def season_length(self) -> int:
        """Number of steps of the natural season of this offset."""
        return _steps_in_season(SEASON_OF_OFFSET.get(type(self.offset).__name__, 1), self.offset.n)

    def _nearest(self, numbers: np.ndarray) -> np.ndarray:
        if not len(numbers):
            return np.zeros(0, dtype=np.int64)
        return np.searchsorted(self._generate(end=pd.Timestamp(numbers.max())), numbers)

    def _stamps(self, steps: np.ndarray) -> np.ndarray:
        return self._generate(periods=int(steps.max(initial=0)) + 1)[steps]

    def _generate(self, **until: Any) -> np.ndarray:
        start = pd.Timestamp(self.first)
        return pd.date_range(start, freq=self.offset, unit=self.axis.like.unit, **until).to_numpy()

    def _describe(self) -> str:
        return f"pandas offset {self.offset!r}"


def most_common(values: np.ndarray) -> Any:
    """Return the most frequent value, the smallest one if several are equally frequent."""
    distinct, counts = np.unique(values, return_counts=True)
    return distinct[int(np.argmax(counts))]


def _season_of_step(step: np.timedelta64) -> int:
    seconds = step / SECOND
    if seconds in SEASON_OF_SECONDS:
        return SEASON_OF_SECONDS[seconds]
    return _steps_in_season(DAY_SECONDS, seconds) if seconds > MINUTE_SECONDS else 1


def _steps_in_season(season: int, step: float) -> int:
    """Return the number of steps in a season, or 1 if it holds no whole number of them."""
    return int(season / step) if season % step == 0 else 1
