"""State of a series after its last known row: its calendar and its last steps."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .calendar import Calendar
from .time_steps import MAX_GAP_FACTOR

# Numbers that differ by a smaller share are equal: a file may have rounded one of them.
SAME = 1e-9


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

    def relative_steps(self, index: pd.Index, parameter: str = "X") -> np.ndarray:
        """Return the step numbers of labels, counted from 0 for the first step after the last row."""
        return self.calendar.positions(index, parameter) - self.n_steps

    def check_later_steps(self, index: pd.Index, caller: str) -> np.ndarray:
        """Return `relative_steps` after checking that the labels come later, and not impossibly late.

        caller : the estimator and its method, for messages.
        """
        steps = self.relative_steps(index)
        if steps[0] < 0:
            raise ValueError(
                f"The rows of the 'X' parameter of {caller} must come after the training rows, which end at "
                f"{self.last}: a forecast of rows that were trained on says nothing. Got {index[0]} instead. "
                f"Split with sklearn.model_selection.TimeSeriesSplit, not at random."
            )
        self._check_gap(steps, index, caller)
        return steps

    def merge(self, index: pd.Index, values: np.ndarray, caller: str) -> tuple[np.ndarray, SeriesState]:
        """Return `relative_steps`, and the state with values that were missing in the kept steps.

        Rows of known steps must equal what is known of them. Those that are older than the kept steps cannot
        be compared.

        Parameters
        ----------
        index : pandas.Index of n labels
        values : ndarray, shape (n, n_columns)
            The columns of the kept steps. NaN where nothing is said of a column.
        caller : str
            The estimator and its method, for messages.
        """
        steps = self.relative_steps(index)
        self._check_gap(steps, index, caller)
        kept = np.flatnonzero((steps < 0) & (steps >= -len(self.tail)))
        known, given = self.tail[steps[kept]], values[kept]
        missing = np.isnan(known)
        differs = ~(np.isnan(given) | missing | np.isclose(given, known, rtol=SAME, atol=0))
        if differs.any():
            row, column = np.argwhere(differs)[0]
            raise ValueError(
                f"The rows of the 'X' parameter of {caller} that are known, up to {self.last}, must have the "
                f"known values. Got {given[row, column]} at {index[kept[row]]}, which was "
                f"{known[row, column]}. Pass later rows only, as in X[X.index > last], or fit again with the "
                f"corrected rows."
            )
        if not (missing & ~np.isnan(given)).any():
            return steps, self
        tail = self.tail.copy()
        tail[steps[kept]] = np.where(missing, given, known)
        return steps, replace(self, tail=tail)

    def _check_gap(self, steps: np.ndarray, index: pd.Index, caller: str) -> None:
        if steps[-1] >= MAX_GAP_FACTOR * (self.n_steps + len(steps)) + 1000:
            raise ValueError(
                f"The 'X' parameter of {caller} must not end more than {MAX_GAP_FACTOR} times as many steps "
                f"after the training rows as there are rows. Got {index[-1]}, {steps[-1] + 1} steps "
                f"after {self.last}. Look for a wrong stamp, or fit on later rows."
            )

    def advance(self, n: int, index: pd.Index, tail: np.ndarray) -> SeriesState:
        """Return the state after `n` more steps, with the rows of `index` among them, and a new tail."""
        calendar = self.calendar.extend(index)
        return replace(self, calendar=calendar, last=index[-1], n_steps=self.n_steps + n, tail=tail)
