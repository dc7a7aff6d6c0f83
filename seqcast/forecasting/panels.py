"""Panels to forecast from: the kept steps of each series, then the steps that are asked for."""

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
    """The steps after the last known ones.

    Attributes
    ----------
    panel : Panel
    begins : ndarray of int, shape (n_series,)
        The row at which the steps of each series begin.
    labels : list of pandas.Index
        The labels of the steps of each series.
    """

    panel: Panel
    begins: np.ndarray
    labels: list[pd.Index]


@dataclass(frozen=True)
class PanelBuilder:
    """Builds panels from the state of a fitted forecaster and from rows.

    Attributes
    ----------
    fitted : FittedForecaster
    """

    fitted: FittedForecaster

    # -- rows that follow

    def steps_after(self, id_: Any, table: Table, rows: InputRows) -> np.ndarray:
        """Return the step numbers of rows of one series, 0 for the first step after the known ones."""
        if self.fitted.schema.lacks_time_index(rows):
            return np.arange(len(table.index))
        return self.fitted.series[id_].check_later_steps(table.index, self.fitted.owner)

    def after_rows(self, rows: InputRows, steps: list[np.ndarray]) -> tuple[Panel, np.ndarray, np.ndarray]:
        """Return a panel that holds these rows at these steps.

        Returns
        -------
        panel : Panel
        begins, lengths : ndarray of int, shape (n_series,)
            Where the steps of each series begin, and how many they are.
        """
        grids = [
            insert_missing_steps(self.known_columns(table), own)
            for table, own in zip(rows.tables, steps, strict=True)
        ]
        panel, begins = self._append(rows.ids, grids, self._calendars(rows))
        return panel, begins, np.array([len(grid) for grid in grids])

    def through_rows(
        self, rows: InputRows, truth: np.ndarray, n_steps: list[int]
    ) -> tuple[Panel, np.ndarray]:
        """Return a panel in which the targets of these rows are known, and where the steps of each begin.

        truth : the targets of each row as it came; n_steps : steps that each series has at least.
        """
        grids = []
        for (id_, table), places, n in zip(rows, rows.row_numbers, n_steps, strict=True):
            tail, known = self.fitted.series[id_].tail, self.known_columns(table)
            known[:, : self.fitted.n_targets] = truth[places]
            grid = insert_missing_steps(known, self.steps_after(id_, table, rows))
            grids.append(self.extend(tail, grid, n)[len(tail) :])
        return self._append(rows.ids, grids, self._calendars(rows))

    def known_columns(self, table: Table) -> np.ndarray:
        """Return the columns in the order of training; NaN for targets and static ones that are not given."""
        schema, n = self.fitted.schema, len(table.index)
        targets = [np.full((n, self.fitted.n_targets), np.nan)] if schema.separate_targets else []
        return np.hstack([*targets, table.values, np.full((n, len(schema.roles.static)), np.nan)])

    def _calendars(self, rows: InputRows) -> list[Calendar]:
        """Return the calendar of each series, extended by its rows."""
        calendars = [self.fitted.series[id_].calendar for id_ in rows.ids]
        if self.fitted.schema.lacks_time_index(rows):
            return calendars
        return [own.extend(table.index) for own, table in zip(calendars, rows.tables, strict=True)]

    # -- steps ahead

    def ahead(self, X_future: Any, steps: int) -> AheadPanel:
        """Return a panel of the steps after the known ones, with the columns that are known ahead."""
        fitted, tables = self.fitted, self._read_future(X_future)
        grids, calendars = [], []
        for id_, state in fitted.series.items():
            grid, calendar = self._future_grid(state, tables.get(id_), steps)
            self._check_future(id_, grid[:steps], calendar)
            grids.append(grid)
            calendars.append(calendar)
        pairs = zip(calendars, fitted.series.values(), strict=True)
        labels = [calendar.labels(state.n_steps, steps) for calendar, state in pairs]
        return AheadPanel(*self._append(fitted.ids, grids, calendars), labels)

    def _read_future(self, X_future: Any) -> dict[Any, tuple[Table, bool]]:
        """Return the rows of each series, and whether their index tells nothing of their time."""
        schema = self.fitted.schema
        names, caller = schema.roles.future, f"{self.fitted.owner}.forecast"
        if (X_future is None) == bool(names):
            rule = f"hold the columns {names} of future_cols" if names else "be None without future_cols"
            raise ValueError(
                f"The 'X_future' parameter of {caller} must {rule}. Got "
                f"{'None' if X_future is None else type(X_future).__name__} instead."
            )
        if X_future is None:
            return {}
        rows = schema.read_future(X_future, "forecast")
        schema.check_known(rows.ids, self.fitted.series, "forecast")
        untimed = schema.lacks_time_index(rows)
        return {id_: (table, untimed) for id_, table in rows}

    def _future_grid(
        self, state: SeriesState, rows: tuple[Table, bool] | None, steps: int
    ) -> tuple[np.ndarray, Calendar]:
        """Return what is known of so many steps after the last row, and the calendar.

        The grid goes on for as many steps as complete a horizon and are given. Covariates that are not known
        ahead go on as in their last season.
        """
        n = self.fitted.lengths.whole_horizons(steps)
        which = self.fitted.schema.roles.layout.future_slice
        ahead, calendar = np.full((n, which.stop - which.start), np.nan), state.calendar
        if rows is not None:
            table, untimed = rows
            calendar = calendar if untimed else calendar.extend(table.index)
            places = np.arange(len(table.index)) if untimed else state.relative_steps(table.index)
            near = (places >= 0) & (places < n)
            ahead[places[near]] = table.values[near]
        gaps = np.flatnonzero(np.isnan(ahead).any(axis=1))
        known = max(steps, gaps[0] if gaps.size else n) if ahead.size else steps
        grid = continue_season(state.tail, self.fitted.lengths.season_length, known)
        grid[:, which] = ahead[:known]
        return grid, calendar

    def _check_future(self, id_: Any, grid: np.ndarray, calendar: Calendar) -> None:
        schema = self.fitted.schema
        missing = np.isnan(grid[:, schema.roles.layout.future_slice])
        if missing.any():
            step, column = np.argwhere(missing)[0]
            stamp = calendar.labels(self.fitted.series[id_].n_steps + int(step), 1)[0]
            whose = f" of series {id_!r}" if schema.has_ids else ""
            raise ValueError(
                f"The 'X_future' parameter of {self.fitted.owner}.forecast must have a value of every "
                f"column at every step that is forecast. Got none of {schema.roles.future[column]!r}{whose} "
                f"at {stamp}. Pass a row for each of the {len(grid)} steps after the training rows."
            )

    # -- building

    def _append(
        self, ids: list[Any], grids: list[np.ndarray], calendars: list[Calendar]
    ) -> tuple[Panel, np.ndarray]:
        """Return the kept steps of each series followed by a grid, and the rows where the grids begin.

        Grids are extended to whole horizons.
        """
        fitted = self.fitted
        sizes = [fitted.lengths.whole_horizons(len(grid)) for grid in grids]
        known, clocks = [], []
        for id_, grid, calendar, n in zip(ids, grids, calendars, sizes, strict=True):
            state = fitted.series[id_]
            first = state.n_steps - len(state.tail)
            known.append(fitted.calendar_columns.insert(self.extend(state.tail, grid, n), calendar, first))
            clocks.append(calendar.clock + first)
        panel = Panel.stack(known, [fitted.memory.n_steps + n for n in sizes], clocks)
        return panel.with_series_numbers(fitted.numbers(ids)), panel.ends - np.array(sizes)

    def extend(self, tail: np.ndarray, grid: np.ndarray, n: int) -> np.ndarray:
        """Return the kept steps, then a grid that goes on to `n` steps as in its last season."""
        known = np.concatenate([tail, grid])
        if len(grid) < n:
            last = known[-self.fitted.memory.n_steps :]
            season_length = self.fitted.lengths.season_length
            known = np.concatenate([known, continue_season(last, season_length, n - len(grid))])
        static = self.fitted.schema.roles.layout.static_slice
        known[len(tail) :, static] = tail[-1, static]
        return known
