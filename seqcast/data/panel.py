"""A panel: the values of one or several series in one array, one series below the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .seasonal_naive import seasonal_naive
from .training_windows import training_starts, validation_starts


@dataclass(frozen=True)
class Clock:
    """Absolute step numbers of the rows of a panel, which tell the season: ``clock[rows]``.

    It also gives the number of the row after the last one of a series.

    Attributes
    ----------
    bounds : ndarray of int, shape (n_series + 1,)
        As in `Panel`.
    firsts : ndarray of int, shape (n_series,)
        Absolute number of the first step of each series.
    """

    bounds: np.ndarray
    firsts: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        numbers = np.searchsorted(self.bounds, rows, side="left") - 1
        return self.firsts[numbers] + rows - self.bounds[numbers]

    def rebase(self, first: int) -> Clock:
        """Return the clock of the panel without its rows before `first`."""
        return Clock(self.bounds - first, self.firsts)


@dataclass(frozen=True)
class Panel:
    """One or several series, each on the steps of its own calendar.

    A row is one step of one series. A cutoff is the row after the last one that a forecast knows; it may be
    the row after the last one of its series.

    Attributes
    ----------
    values : ndarray, shape (n_rows, n_columns)
        NaN where nothing was observed.
    bounds : ndarray of int, shape (n_series + 1,)
        First row of each series, and the row after the last series.
    series_numbers : ndarray of int, shape (n_series,)
        Number of each series among those that were fitted, which identifies its statistics.
    clocks : ndarray of int, shape (n_series,)
        Absolute number of the first step of each series, counted as `Calendar.clock` does.
    """

    values: np.ndarray
    bounds: np.ndarray
    series_numbers: np.ndarray
    clocks: np.ndarray

    @classmethod
    def stack(cls, grids: Sequence[np.ndarray], min_steps: ArrayLike = 0, clocks: ArrayLike = 0) -> Panel:
        """Stack series.

        Parameters
        ----------
        grids : sequence of ndarray, shape (n_steps, n_columns)
            The series.
        min_steps : int or array-like of int, shape (n_series,)
            A series with fewer steps is padded with missing steps at its beginning.
        clocks : int or array-like of int, shape (n_series,)
            Absolute number of the first step of each series.
        """
        n_steps = np.array([len(grid) for grid in grids])
        lengths = np.maximum(n_steps, min_steps)
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        firsts = np.asarray(clocks) + n_steps - lengths
        if len(grids) == 1 and lengths[0] == n_steps[0]:
            # Not copied, because a single series may be long.
            return cls(grids[0], bounds, np.arange(1), firsts)
        values = np.full((bounds[-1], grids[0].shape[1]), np.nan)
        for grid, end in zip(grids, bounds[1:], strict=True):
            values[end - len(grid) : end] = grid
        return cls(values, bounds, np.arange(len(grids)), firsts)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __iter__(self) -> Iterator[np.ndarray]:
        """Iterate over the values of each series, which are views."""
        return map(self.series, range(len(self)))

    def series(self, number: int) -> np.ndarray:
        """Return a view of the values of one series."""
        return self.values[self.bounds[number] : self.bounds[number + 1]]

    @property
    def starts(self) -> np.ndarray:
        """First row of each series."""
        return self.bounds[:-1]

    @property
    def ends(self) -> np.ndarray:
        """Row after the last one of each series."""
        return self.bounds[1:]

    @property
    def lengths(self) -> np.ndarray:
        """Number of steps of each series."""
        return np.diff(self.bounds)

    @property
    def clock(self) -> Clock:
        """Absolute step numbers of the rows."""
        return Clock(self.bounds, self.clocks)

    def with_series_numbers(self, series_numbers: np.ndarray) -> Panel:
        """Return the panel with other series numbers."""
        return replace(self, series_numbers=series_numbers)

    def with_values(self, values: np.ndarray) -> Panel:
        """Return the panel with other values of the same rows."""
        return replace(self, values=values)

    def cut_around(self, cutoffs: np.ndarray, before: int, after: int) -> tuple[Panel, np.ndarray]:
        """Cut out the rows around each cutoff.

        Parameters
        ----------
        cutoffs : ndarray of int, shape (n_cutoffs,)
        before, after : int
            Number of rows to keep before each cutoff, and from it on.

        Returns
        -------
        panel : Panel
            A copy of the rows around each cutoff as a series of its own.
        cutoffs : ndarray of int, shape (n_cutoffs,)
            The cutoffs in this panel.
        """
        rows = cutoffs[:, None] + np.arange(-before, after)
        bounds = np.arange(len(cutoffs) + 1) * (before + after)
        values = self.values[rows.ravel()]
        clocks = self.clock[cutoffs] - before
        panel = Panel(values, bounds, self.series_numbers[self.find_series(cutoffs)], clocks)
        return panel, bounds[:-1] + before

    def find_series(self, cutoffs: np.ndarray) -> np.ndarray:
        """Return the position in the panel of the series that has the row before each cutoff."""
        return np.searchsorted(self.bounds, cutoffs, side="left") - 1

    def group_by_series(self, cutoffs: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Group cutoffs by series.

        Yields
        ------
        number : int
            Position of a series in the panel.
        places : ndarray of int
            Positions of its cutoffs in `cutoffs`.
        own : ndarray of int
            Its cutoffs, counted from its first row.
        """
        if len(self) == 1:
            yield 0, np.arange(len(cutoffs)), cutoffs
            return
        numbers = self.find_series(cutoffs)
        order = np.argsort(numbers, kind="stable")
        splits = np.searchsorted(numbers[order], np.arange(len(self) + 1))
        for number in np.unique(numbers):
            places = order[splits[number] : splits[number + 1]]
            yield number, places, cutoffs[places] - self.bounds[number]

    def seasonal_naive(self, cutoffs: np.ndarray, season_length: int, n: int) -> np.ndarray:
        """Return the `seasonal_naive` forecasts of each column, shape (n_cutoffs, n, n_columns)."""
        forecasts = np.empty((len(cutoffs), n, self.values.shape[1]))
        for number, places, own in self.group_by_series(cutoffs):
            forecasts[places] = seasonal_naive(self.series(number), own, season_length, n)
        return forecasts

    def training_starts(
        self, n_targets: int, window: int, horizon: int, borders: np.ndarray, n_skipped: int = 0
    ) -> np.ndarray:
        """Return the first rows of the usable windows whose targets end before the border of their series.

        Parameters
        ----------
        n_targets : int
            The first columns, which must have been observed; see `usable_starts`.
        window, horizon : int
        borders : ndarray of int, shape (n_series,)
            First row for validation of each series.
        n_skipped : int
            Number of rows at the beginning of each series where no window may begin.
        """
        return self._find_starts(training_starts, (window, horizon), n_targets, borders, n_skipped)

    def validation_starts(
        self, n_targets: int, window: int, horizon: int, borders: np.ndarray, n_skipped: int = 0
    ) -> np.ndarray:
        """Return the first rows of the usable windows whose targets begin at the border or later.

        The parameters are those of `training_starts`.
        """
        return self._find_starts(validation_starts, (window, horizon), n_targets, borders, n_skipped)

    def _find_starts(
        self,
        find: Callable[..., np.ndarray],
        lengths: tuple[int, int],
        n_targets: int,
        borders: np.ndarray,
        n_skipped: int,
    ) -> np.ndarray:
        firsts = self.starts + n_skipped
        found = [
            first + find(values[n_skipped:, :n_targets], *lengths, border - first)
            for values, first, border in zip(self, firsts, borders, strict=True)
        ]
        return np.concatenate(found)
