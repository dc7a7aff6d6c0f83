"""Panels to forecast from: the kept steps of each series, followed by the steps to forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..data.calendar import Calendar
from ..data.panel import Panel
from ..data.schema import InputRows
from ..data.seasonal_naive import continue_season
from ..data.series_state import SeriesState
from ..data.tables import Table
from ..data.time_steps import insert_missing_steps
from .fitted import FittedForecaster


class AheadPanel(NamedTuple):
    """A panel that ends with the steps after the last known step of each series.

    Attributes
    ----------
    panel : Panel
    begins : ndarray of int, shape (n_series,)
        The row of the first step after the last known step of each series.
    labels : list of pandas.Index
        For each series, the index labels of the steps to forecast.
    """

    panel: Panel
    begins: np.ndarray
    labels: list[pd.Index]


@dataclass(frozen=True)
class PanelBuilder:
    """A builder of panels from the kept steps of a fitted forecaster and from later rows.

    Attributes
    ----------
    fitted : FittedForecaster
    """

    fitted: FittedForecaster

    # -- later rows

    def find_later_steps(self, id_: Any, table: Table, rows: InputRows) -> np.ndarray:
        """Return the step numbers of later rows of one series.

        They are counted from 0 for the first step after the last known step.
        """
        if self.fitted.schema.lacks_time_index(rows):
            return np.arange(len(table.index))
        return self.fitted.series[id_].check_later_steps(table.index, rows.caller)

    def append_rows(self, rows: InputRows, steps: list[np.ndarray]) -> tuple[Panel, np.ndarray, np.ndarray]:
        """Return a panel of the kept steps, followed by later rows whose targets are not known.

        Parameters
        ----------
        rows : InputRows
        steps : list of ndarray of int
            For each series, the step numbers of its rows; see `find_later_steps`.

        Returns
        -------
        panel : Panel
        begins, lengths : ndarray of int, shape (n_series,)
            The row of the first later step of each series, and the number of its later steps.
        """
        grids = [
            insert_missing_steps(self.arrange_columns(table), own)
            for table, own in zip(rows.tables, steps, strict=True)
        ]
        panel, begins = self._append(rows.ids, grids, self._extend_calendars(rows))
        return panel, begins, np.array([len(grid) for grid in grids])

    def append_observed_rows(
        self, rows: InputRows, truth: np.ndarray, n_steps: list[int]
    ) -> tuple[Panel, np.ndarray]:
        """Return a panel of the kept steps, followed by later rows whose targets are known.

        Parameters
        ----------
        rows : InputRows
        truth : ndarray, shape (n_rows, n_targets)
            The targets, in the order of the rows in the argument of the estimator's method.
        n_steps : list of int
            For each series, the minimum number of later steps.

        Returns
        -------
        panel : Panel
        begins : ndarray of int, shape (n_series,)
            The row of the first later step of each series.
        """
        grids = []
        for (id_, table), places, n in zip(rows, rows.row_numbers, n_steps, strict=True):
            tail = self.fitted.series[id_].tail
            known = self.arrange_columns(table)
            known[:, : self.fitted.n_targets] = truth[places]
            grid = insert_missing_steps(known, self.find_later_steps(id_, table, rows))
            grids.append(self.extend(tail, grid, n)[len(tail) :])
        return self._append(rows.ids, grids, self._extend_calendars(rows))

    def arrange_columns(self, table: Table) -> np.ndarray:
        """Return the columns of a table in the order of fit, shape (n_rows, n_columns).

        Static columns are NaN, and so are targets if fit had them in `y`.
        """
        schema, n = self.fitted.schema, len(table.index)
        targets = [np.full((n, self.fitted.n_targets), np.nan)] if schema.separate_targets else []
        return np.hstack([*targets, table.values, np.full((n, len(schema.roles.static)), np.nan)])

    def _extend_calendars(self, rows: InputRows) -> list[Calendar]:
        """Return the calendar of each series, extended to its later rows."""
        calendars = [self.fitted.series[id_].calendar for id_ in rows.ids]
        if self.fitted.schema.lacks_time_index(rows):
            return calendars
        return [own.extend(table.index) for own, table in zip(calendars, rows.tables, strict=True)]

    # -- steps ahead

    def build_ahead(self, X_future: Any, steps: int, method: str) -> AheadPanel:
        """Return a panel of the kept steps, followed by the steps after the last known step.

        Parameters
        ----------
        X_future : Series, DataFrame, array-like or None
            The values of the columns that are known ahead.
        steps : int
            The number of steps to forecast.
        method : str
            The name of the estimator's method, for messages.

        Raises
        ------
        ValueError
            If a column that is known ahead has no value at one of the steps.
        """
        fitted = self.fitted
        tables = self._read_future(X_future, method)
        grids: list[np.ndarray] = []
        calendars: list[Calendar] = []
        for id_, state in fitted.series.items():
            grid, calendar = self._make_future_grid(state, tables.get(id_), steps)
            self._check_future(id_, grid[:steps], calendar, method)
            grids.append(grid)
            calendars.append(calendar)
        pairs = zip(calendars, fitted.series.values(), strict=True)
        labels = [calendar.labels(state.n_steps, steps) for calendar, state in pairs]
        return AheadPanel(*self._append(fitted.ids, grids, calendars), labels)

    def _read_future(self, X_future: Any, method: str) -> dict[Any, tuple[Table, bool]]:
        """Return the rows of each series by its id, and whether they lack a time index."""
        schema = self.fitted.schema
        names = schema.roles.future
        caller = f"{self.fitted.owner}.{method}"
        if (X_future is None) == bool(names):
            rule = f"hold the columns {names} of future_cols" if names else "be None without future_cols"
            raise ValueError(
                f"The 'X_future' parameter of {caller} must {rule}. Got "
                f"{'None' if X_future is None else type(X_future).__name__} instead."
            )
        if X_future is None:
            return {}
        rows = schema.read_future(X_future, method)
        schema.check_known(rows.ids, self.fitted.series, method)
        untimed = schema.lacks_time_index(rows)
        return {id_: (table, untimed) for id_, table in rows}

    def _make_future_grid(
        self, state: SeriesState, rows: tuple[Table, bool] | None, steps: int
    ) -> tuple[np.ndarray, Calendar]:
        """Return a grid of the steps after the last known step of a series, and the extended calendar.

        The columns that are known ahead are taken from `rows`, a table and whether it lacks a time index. The
        other columns repeat their last season. The grid has `steps` steps. It has more, up to whole horizons,
        if all columns that are known ahead have values there.
        """
        n = self.fitted.lengths.round_up_to_horizons(steps)
        which = self.fitted.schema.roles.layout.future_slice
        ahead = np.full((n, which.stop - which.start), np.nan)
        calendar = state.calendar
        if rows is not None:
            table, untimed = rows
            places = np.arange(len(table.index)) if untimed else state.relative_steps(table.index, "X_future")
            calendar = calendar if untimed else calendar.extend(table.index)
            near = (places >= 0) & (places < n)
            ahead[places[near]] = table.values[near]
        gaps = np.flatnonzero(np.isnan(ahead).any(axis=1))
        known = max(steps, gaps[0] if gaps.size else n) if ahead.size else steps
        grid = continue_season(state.tail, self.fitted.lengths.season_length, known)
        grid[:, which] = ahead[:known]
        return grid, calendar

    def _check_future(self, id_: Any, grid: np.ndarray, calendar: Calendar, method: str) -> None:
        """Check that columns that are known ahead have a value at each step of a grid."""
        schema = self.fitted.schema
        missing = np.isnan(grid[:, schema.roles.layout.future_slice])
        if missing.any():
            step, column = np.argwhere(missing)[0]
            stamp = calendar.labels(self.fitted.series[id_].n_steps + int(step), 1)[0]
            whose = f" of series {id_!r}" if schema.has_ids else ""
            raise ValueError(
                f"The 'X_future' parameter of {self.fitted.owner}.{method} must have a value of every "
                f"column at every step that is forecast. Got none of {schema.roles.future[column]!r}{whose} "
                f"at {stamp}. Pass a row for each of the {len(grid)} steps after the training rows."
            )

    # -- building

    def _append(
        self, ids: list[Any], grids: list[np.ndarray], calendars: list[Calendar]
    ) -> tuple[Panel, np.ndarray]:
        """Return a panel of the kept steps of each series, each followed by its grid.

        The grids (n_steps, n_columns) are extended to whole horizons. The first row of each grid is returned,
        too.
        """
        fitted = self.fitted
        sizes = [fitted.lengths.round_up_to_horizons(len(grid)) for grid in grids]
        known: list[np.ndarray] = []
        clocks: list[int] = []
        for id_, grid, calendar, n in zip(ids, grids, calendars, sizes, strict=True):
            state = fitted.series[id_]
            first = state.n_steps - len(state.tail)
            known.append(fitted.calendar_columns.insert(self.extend(state.tail, grid, n), calendar, first))
            clocks.append(calendar.clock + first)
        panel = Panel.stack(known, [fitted.memory.n_steps + n for n in sizes], clocks)
        return panel.with_series_numbers(fitted.find_numbers(ids)), panel.ends - np.array(sizes)

    def extend(self, tail: np.ndarray, grid: np.ndarray, n: int) -> np.ndarray:
        """Return the kept steps `tail` of a series, followed by a grid of at least `n` steps.

        Steps that the grid lacks repeat the last season. Static columns have the values of the kept steps.
        """
        known = np.concatenate([tail, grid])
        if len(grid) < n:
            last = known[-self.fitted.memory.n_steps :]
            season_length = self.fitted.lengths.season_length
            known = np.concatenate([known, continue_season(last, season_length, n - len(grid))])
        static = self.fitted.schema.roles.layout.static_slice
        known[len(tail) :, static] = tail[-1, static]
        return known
