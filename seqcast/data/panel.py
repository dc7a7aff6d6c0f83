"""Series one below the other: what a global model learns from, and forecasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .seasonal_naive import seasonal_naive
from .training_windows import training_starts, validation_starts


@dataclass(frozen=True)
class Clock:
    """The steps' own numbers: ``clock[rows]``, also of the row after the last of a series."""

    bounds: np.ndarray
    firsts: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        numbers = np.searchsorted(self.bounds, rows, side="left") - 1
        return self.firsts[numbers] + rows - self.bounds[numbers]

    def rebase(self, first: int) -> Clock:
        """Rows counted from `first` on."""
        return Clock(self.bounds - first, self.firsts)


@dataclass(frozen=True)
class Panel:
    """One or several series, each on the steps of its own calendar.

    Attributes
    ----------
    values : ndarray, shape (n_rows, n_columns)
        NaN where nothing was observed.
    bounds : ndarray of int, shape (n_series + 1,)
        First row of each series, and the row after the last.
    series_numbers : ndarray of int, shape (n_series,)
        Which of the series that were series_numbers each is: their statistics are known by this number.
    clocks : ndarray of int, shape (n_series,)
        The number of each series' first step, counted as `Calendar.clock` does.
    """

    values: np.ndarray
    bounds: np.ndarray
    series_numbers: np.ndarray
    clocks: np.ndarray

    @classmethod
    def stack(cls, grids: Sequence[np.ndarray], least: ArrayLike = 0, clocks: ArrayLike = 0) -> Panel:
        """Stack series (n_steps, n_columns); one with fewer than `least` steps begins with missing ones."""
        own = np.array([len(grid) for grid in grids])
        lengths = np.maximum(own, least)
        bounds, firsts = np.concatenate([[0], np.cumsum(lengths)]), np.asarray(clocks) + own - lengths
        if len(grids) == 1 and lengths[0] == own[0]:
            return cls(grids[0], bounds, np.arange(1), firsts)  # a copy of a long series would be much memory
        values = np.full((bounds[-1], grids[0].shape[1]), np.nan)
        for grid, end in zip(grids, bounds[1:], strict=True):
            values[end - len(grid) : end] = grid
        return cls(values, bounds, np.arange(len(grids)), firsts)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __iter__(self) -> Iterator[np.ndarray]:
        """The values of each series: views."""
        return map(self.series, range(len(self)))

    def series(self, number: int) -> np.ndarray:
        """The values of one series: a view."""
        return self.values[self.bounds[number] : self.bounds[number + 1]]

    @property
    def starts(self) -> np.ndarray:
        return self.bounds[:-1]

    @property
    def ends(self) -> np.ndarray:
        return self.bounds[1:]

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.bounds)

    def with_series_numbers(self, series_numbers: np.ndarray) -> Panel:
        """The same, as these of the series_numbers series."""
        return replace(self, series_numbers=series_numbers)

    def with_values(self, values: np.ndarray) -> Panel:
        """Other values of the same series."""
        return replace(self, values=values)

    def cut_around(self, cutoffs: np.ndarray, before: int, after: int) -> tuple[Panel, np.ndarray]:
        """Only so many rows before and after each cutoff, as series of their own; and the cutoffs there."""
        rows = cutoffs[:, None] + np.arange(-before, after)
        bounds = np.arange(len(cutoffs) + 1) * (before + after)
        values = self.values[rows.ravel()]
        clocks = self.clock[cutoffs] - before
        return Panel(values, bounds, self.series_numbers[self.find_series(cutoffs)], clocks), bounds[
            :-1
        ] + before

    @property
    def clock(self) -> Clock:
        """When each step is."""
        return Clock(self.bounds, self.clocks)

    def find_series(self, cutoffs: np.ndarray) -> np.ndarray:
        """Which series comes before each cutoff: a cutoff may be the row after the last of a series."""
        return np.searchsorted(self.bounds, cutoffs, side="left") - 1

    def group_by_series(self, cutoffs: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Of each series with cutoffs: its number, places among them, and cutoffs counted from its begin."""
        if len(self) == 1:
            yield 0, np.arange(len(cutoffs)), cutoffs
            return
        numbers = self.find_series(cutoffs)
        order = np.argsort(numbers, kind="stable")
        cuts = np.searchsorted(numbers[order], np.arange(len(self) + 1))
        for number in np.unique(numbers):
            places = order[cuts[number] : cuts[number + 1]]
            yield number, places, cutoffs[places] - self.bounds[number]

    def seasonal_naive(self, cutoffs: np.ndarray, season_length: int, n: int) -> np.ndarray:
        """`windows.seasonal_naive` of each column, within the series; shape (n_cutoffs, n, n_columns)."""
        forecasts = np.empty((len(cutoffs), n, self.values.shape[1]))
        for number, places, own in self.group_by_series(cutoffs):
            forecasts[places] = seasonal_naive(self.series(number), own, season_length, n)
        return forecasts

    def training_starts(
        self, n_targets: int, window: int, horizon: int, borders: np.ndarray, lost: int = 0
    ) -> np.ndarray:
        """First rows of the windows whose targets end by the border of their series, not among the first
        `lost` ones."""
        return self._starts(training_starts, (window, horizon), n_targets, borders, lost)

    def validation_starts(
        self, n_targets: int, window: int, horizon: int, borders: np.ndarray, lost: int = 0
    ) -> np.ndarray:
        """First rows of the windows whose targets begin at the border of their series, or later."""
        return self._starts(validation_starts, (window, horizon), n_targets, borders, lost)

    def _starts(
        self,
        starts_of: Callable[..., np.ndarray],
        lengths: tuple[int, int],
        n_targets: int,
        borders: np.ndarray,
        lost: int,
    ) -> np.ndarray:
        firsts = self.starts + lost
        found = [
            first + starts_of(values[lost:, :n_targets], *lengths, border - first)
            for values, first, border in zip(self, firsts, borders, strict=True)
        ]
        return np.concatenate(found)
