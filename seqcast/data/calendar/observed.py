"""Observed calendars: no pattern tells which stamps are missing, so the rows are the steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .axes import Axis
from .base import Calendar


@dataclass(frozen=True, eq=False)
class ObservedCalendar(Calendar):
    """Base of the calendars whose steps are the rows.

    Attributes
    ----------
    axis : Axis
    stamps : ndarray, shape (n,)
        The known stamps, on the axis.
    """

    axis: Axis
    stamps: np.ndarray

    def _locate(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps = np.searchsorted(self.stamps, numbers)
        is_later = steps == len(self.stamps)
        steps[is_later] += np.arange(is_later.sum())
        is_known = self.stamps[np.minimum(steps, len(self.stamps) - 1)] == numbers
        return steps, is_later | is_known

    def _between(self, first: int, n: int) -> np.ndarray:
        stamps = self.stamps
        n_unknown = first + n - len(stamps)
        if n_unknown > 0:
            stamps = np.concatenate([stamps, self._after(self.axis.labels(stamps[-1:]), n_unknown)])
        return stamps[first : first + n]

    @property
    def shortest_step(self) -> Any:
        """Smallest distance between known stamps; None if there is only one."""
        return np.diff(self.stamps).min() if len(self.stamps) > 1 else None

    @property
    def keeps_phase(self) -> bool:
        """False, because rows are counted."""
        return False

    def extend(self, index: pd.Index) -> Calendar:
        """Return the calendar with the stamps of later rows added to the known ones."""
        numbers = self._numbers(index)
        return replace(self, stamps=np.concatenate([self.stamps, numbers[numbers > self.stamps[-1]]]))


@dataclass(frozen=True, eq=False)
class TradingDayCalendar(ObservedCalendar):
    """Days from Monday to Friday. Holidays are no steps, and future holidays are unknown.

    Attributes
    ----------
    time : timedelta64
        Time of day.
    """

    time: np.timedelta64

    @property
    def season_length(self) -> int:
        """Five days a week."""
        return 5

    def _after(self, last: pd.Index, n: int) -> np.ndarray:
        today = self._numbers(last)[0].astype("datetime64[D]")
        return np.busday_offset(today, 1 + np.arange(n), roll="backward") + self.time

    def _describe(self) -> str:
        return "trading days: known ones, or any after them"


@dataclass(frozen=True, eq=False)
class IrregularCalendar(ObservedCalendar):
    """Stamps at uneven distances, continued by their median distance."""

    @property
    def season_length(self) -> int:
        """One, because no season is known."""
        return 1

    def _after(self, last: pd.Index, n: int) -> np.ndarray:
        if len(self.stamps) < 2:
            raise ValueError(
                f"The training rows must be two or more to tell the step between stamps. Got one, at "
                f"{self.axis.labels(self.stamps)[0]}, instead. Pass more rows, or set the freq of the index."
            )
        # The lower median is a distance that occurs, so that dates stay dates.
        step = np.sort(np.diff(self.stamps))[(len(self.stamps) - 2) // 2]
        return self._numbers(last)[0] + step * (1 + np.arange(n))

    def _describe(self) -> str:
        return "irregular stamps: known ones, or any after them"
