"""Where a series ended in training, and what is known of it since."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .calendar import Calendar
from .time_steps import MAX_GAP_FACTOR


@dataclass(frozen=True)
class SeriesState:
    """What a forecaster keeps of a series.

    Attributes
    ----------
    calendar : Calendar
    last : label
        Of the last row.
    n_steps : int
        Steps from the first row to the last.
    tail : ndarray, shape (m, n_columns)
        The last steps, those that forecasts are made from.
    """

    calendar: Calendar
    last: Hashable
    n_steps: int
    tail: np.ndarray

    def future(self, n: int) -> pd.Index:
        """The labels that follow."""
        return self.calendar.future(self.last, n)

    def relative_steps(self, index: pd.Index) -> np.ndarray:
        """Step numbers of labels, 0 for the first step after the last row."""
        return self.calendar.positions(index) - self.n_steps

    def check_later_steps(self, index: pd.Index, owner: str) -> np.ndarray:
        """`position` of labels that must come later, and not impossibly late."""
        positions = self.relative_steps(index)
        if positions[0] < 0:
            raise ValueError(
                f"The rows of the 'X' parameter of {owner} must come after the training rows, which end at "
                f"{self.last}: a forecast of rows that were trained on says nothing. Got {index[0]} instead. "
                f"Split with sklearn.model_selection.TimeSeriesSplit, not at random."
            )
        if positions[-1] >= MAX_GAP_FACTOR * (self.n_steps + len(positions)) + 1000:
            raise ValueError(
                f"The 'X' parameter of {owner} must not end more than {MAX_GAP_FACTOR} times as many steps "
                f"after the training rows as there are rows. Got {index[-1]}, {positions[-1] + 1} steps "
                f"after {self.last}. Look for a wrong stamp, or fit on later rows."
            )
        return positions

    def advance(self, n: int, index: pd.Index, tail: np.ndarray) -> SeriesState:
        """After `n` more steps, the rows of `index` among them, with another tail."""
        calendar = self.calendar.extend(index)
        return replace(self, calendar=calendar, last=index[-1], n_steps=self.n_steps + n, tail=tail)
