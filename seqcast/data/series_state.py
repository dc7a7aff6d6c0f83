"""State of a series after its last known row: its calendar and its last steps."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .calendar import Calendar
from .time_steps import MAX_GAP_FACTOR


@dataclass(frozen=True)
class SeriesState:
    """Data of a series that a fitted forecaster keeps.

    Attributes
    ----------
    calendar : Calendar
    last : label
        Label of the last row.
    n_steps : int
        Number of steps from the first row to the last.
    tail : ndarray, shape (n_kept, n_columns)
        The last steps, from which forecasts are made.
    """

    calendar: Calendar
    last: Hashable
    n_steps: int
    tail: np.ndarray

    def future(self, n: int) -> pd.Index:
        """Return the `n` labels after the last row."""
        return self.calendar.future(self.last, n)

    def relative_steps(self, index: pd.Index) -> np.ndarray:
        """Return the step numbers of labels, counted from 0 for the first step after the last row."""
        return self.calendar.positions(index) - self.n_steps

    def check_later_steps(self, index: pd.Index, owner: str) -> np.ndarray:
        """Return `relative_steps` after checking that the labels come later, and not impossibly late."""
        steps = self.relative_steps(index)
        if steps[0] < 0:
            raise ValueError(
                f"The rows of the 'X' parameter of {owner} must come after the training rows, which end at "
                f"{self.last}: a forecast of rows that were trained on says nothing. Got {index[0]} instead. "
                f"Split with sklearn.model_selection.TimeSeriesSplit, not at random."
            )
        if steps[-1] >= MAX_GAP_FACTOR * (self.n_steps + len(steps)) + 1000:
            raise ValueError(
                f"The 'X' parameter of {owner} must not end more than {MAX_GAP_FACTOR} times as many steps "
                f"after the training rows as there are rows. Got {index[-1]}, {steps[-1] + 1} steps "
                f"after {self.last}. Look for a wrong stamp, or fit on later rows."
            )
        return steps

    def advance(self, n: int, index: pd.Index, tail: np.ndarray) -> SeriesState:
        """Return the state after `n` more steps, with the rows of `index` among them, and a new tail."""
        calendar = self.calendar.extend(index)
        return replace(self, calendar=calendar, last=index[-1], n_steps=self.n_steps + n, tail=tail)
