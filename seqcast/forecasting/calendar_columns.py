"""Columns that are made of the stamps of a series."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..data.calendar import Calendar
from ..data.calendar_features import WEEKEND, calendar_features
from ..data.roles import ColumnLayout


@dataclass(frozen=True)
class CalendarColumns:
    """Sines and cosines of calendar features; they follow the columns that are known ahead.

    Attributes
    ----------
    names : tuple of str
        Names of calendar features.
    columns : ColumnLayout
        The columns of a grid without them.
    """

    names: tuple[str, ...]
    columns: ColumnLayout

    def insert(self, grid: np.ndarray, calendar: Calendar, first: int) -> np.ndarray:
        """Return the grid with the features of its steps, which are numbered from `first` on."""
        if not self.names:
            return grid
        features, _ = calendar_features(calendar.labels(first, len(grid)), list(self.names))
        stop = self.columns.future_slice.stop
        return np.hstack([grid[:, :stop], features, grid[:, stop:]])

    def widen(self, columns: ColumnLayout) -> ColumnLayout:
        """Return the columns of a grid with the features: they are known ahead."""
        n = sum(1 if name == WEEKEND else 2 for name in self.names)
        return replace(columns, future=columns.future + n)
