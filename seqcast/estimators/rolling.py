"""Forecasts from any cutoff of the series that were fitted: what is known there, and block after block."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from functools import partial
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from ..data.calendar import Calendar
from ..data.panel import Panel
from ..data.schema import InputRows, Schema
from ..data.seasonal_naive import continue_season
from ..data.series_state import SeriesState
from ..data.tables import Table
from ..data.time_steps import insert_missing_steps
from ..forecasting.conformal import ConformalResiduals, fewest_for
from ..forecasting.predictive import PredictiveForecast
from ..forecasting.recent_volatility import RecentVolatility, span_of
from ..stacklevel import find_stacklevel

N_PATHS, PATH_SEED = 500, 0  # drawn for quantiles beyond the horizon; always the same draws
ROLLING_NUMBERS = 4_000_000  # of the windows that are forecast from at once


class CutoffForecaster(BaseEstimator):
    """What a forecaster does with panels, behind the surface that `BaseForecaster` gives it."""

    _schema: Schema
    _pasts: dict[Any, SeriesState]  # of each series
    _errors: (
        ConformalResiduals | None
    )  # on rows that were not learned from, in the unit of their `PredictiveForecast`
    _local_scale: RecentVolatility
    horizon_: int
    window_: int
    season_length_: int
    target_names_: list[Any]

    # -- what a forecaster is

    @abstractmethod
    def _levels(self, panel: Panel) -> Panel:
        """The columns in units in which forecasts are made and errors compared."""

    @abstractmethod
    def _level_forecasts(self, levels: Panel, cutoffs: np.ndarray) -> np.ndarray:
        """Forecasts from the rows of `levels` before each cutoff, shape (n_cutoffs, horizon_, n_targets).

        Each cutoff has `_memory()` rows of its series before it. Of columns that are known before their time,
        the rows after it are read too.
        """

    @abstractmethod
    def _undo(self, forecasts: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Levels (n, ..., n_targets) in the targets' own units; fitted (n,): of which series they are."""

    def _outlook(self, levels: Panel, cutoffs: np.ndarray) -> PredictiveForecast:
        """The same, and how far off it may be."""
        unit, series = (
            partial(self._local_scale.at, levels, cutoffs),
            levels.series_numbers[levels.find_series(cutoffs)],
        )
        return PredictiveForecast(self._level_forecasts(levels, cutoffs), unit, series, self._errors)

    def _full_outlook(self, levels: Panel, cutoffs: np.ndarray) -> PredictiveForecast:
        """The same, also where nothing was observed that the forecaster reads."""
        return self._outlook(levels, cutoffs)

    def _truth(self, levels: Panel, cutoffs: np.ndarray) -> np.ndarray:
        """What came from each cutoff on, (n_cutoffs, horizon_, n_targets)."""
        return levels.values[cutoffs[:, None] + np.arange(self.horizon_), : self._n_targets]

    def _misses(self, levels: Panel, cutoffs: np.ndarray, forecasts: np.ndarray) -> np.ndarray:
        """Errors of forecasts, in units of what the series moved at these cutoffs."""
        return (self._truth(levels, cutoffs) - forecasts) / self._local_scale.at(levels, cutoffs)

    @property
    def _n_targets(self) -> int:
        return len(self.target_names_)

    def _memory(self) -> int:
        """Steps before a cutoff that a forecast may read."""
        return max(self.window_, self.season_length_)

    def _span(self) -> int:
        """Steps that tell how much a series moves at present."""
        return min(self._memory(), span_of(self.horizon_, self.season_length_))

    def _tail(self, values: np.ndarray) -> np.ndarray:
        """What is kept of the steps of a series: of targets that were silent since, the last value first."""
        tail, before = values[-self._memory() :].copy(), values[: -self._memory()]
        for k in np.flatnonzero(np.isnan(tail[:, : self._n_targets]).all(axis=0)):
            seen = before[~np.isnan(before[:, k]), k]
            tail[0, k] = seen[-1] if seen.size else np.nan
        return tail

    def _way_to_errors(self) -> str:
        return "Pass more rows."

    # -- forecasts of panels

    def _forecast_at(
        self, panel: Panel, cutoffs: np.ndarray, probabilities: tuple[float, ...] = ()
    ) -> np.ndarray:
        """Forecasts at each cutoff.

        And their quantiles, (1 + n_probabilities, n_cutoffs, horizon_, n_targets).
        """
        outlook = self._full_outlook(self._levels(panel), cutoffs)
        fitted = panel.series_numbers[panel.find_series(cutoffs)]
        around = outlook.quantiles(probabilities) if probabilities else ()
        return np.stack([self._undo(levels, fitted) for levels in (outlook.centre, *around)])

    def _later_blocks(
        self, panel: Panel, begins: np.ndarray, steps: int, probabilities: tuple[float, ...]
    ) -> np.ndarray:
        """The same at the steps after the first horizon: quantiles are those of sample paths."""
        later = slice(self.horizon_, None)
        if probabilities:
            around = [
                np.quantile(paths[:, :, later], probabilities, axis=1, method="inverted_cdf")
                for paths in self._path_batches(panel, begins, steps, N_PATHS, PATH_SEED)
            ]
        self._feed_forward(panel, begins, np.full(len(begins), steps))
        rows = begins[:, None] + np.arange(self._whole(steps))[later]
        centre = panel.values[rows, : self._n_targets][None]
        if not probabilities:
            return centre
        return np.concatenate([centre[:, :, : steps - self.horizon_], np.concatenate(around, axis=1)])

    def _feed_forward(self, panel: Panel, begins: np.ndarray, steps: np.ndarray) -> None:
        """Write forecasts of so many steps into `panel`, each block read as observed by the next."""
        for done in range(0, int(steps.max()), self.horizon_):
            going_on = steps > done
            cutoffs = begins[going_on] + done
            near, its_cutoffs = panel.cut_around(cutoffs, self._memory(), self.horizon_)
            blocks = self._forecast_at(near, its_cutoffs)[0]
            for cutoff, block in zip(cutoffs, blocks, strict=True):
                panel.values[cutoff : cutoff + self.horizon_, : self._n_targets] = block

    def _paths(self, panel: Panel, begins: np.ndarray, steps: int, n_paths: int, seed: int) -> np.ndarray:
        """Futures from each of these rows on, shape (n_begins, n_paths, steps, n_targets)."""
        return np.concatenate([*self._path_batches(panel, begins, steps, n_paths, seed)])

    def _path_batches(
        self, panel: Panel, begins: np.ndarray, steps: int, n_paths: int, seed: int
    ) -> Iterator[np.ndarray]:
        """The same, of so many rows at once as memory allows."""
        numbers = n_paths * (self._memory() + self._whole(steps)) * panel.values.shape[1]
        size = max(1, ROLLING_NUMBERS // numbers)
        for first in range(0, len(begins), size):
            yield self._drawn(panel, begins[first : first + size], steps, n_paths, seed)

    def _drawn(self, panel: Panel, begins: np.ndarray, steps: int, n_paths: int, seed: int) -> np.ndarray:
        """The same, at once: up to the first step that is drawn, paths of a row are one."""
        rngs = self._generators(panel.series_numbers[panel.find_series(begins)], seed)
        copies, cutoffs = panel.cut_around(begins, self._memory(), self._whole(steps))
        blocks = []
        for done in range(0, steps, self.horizon_):
            near, its_cutoffs = copies.cut_around(cutoffs + done, self._memory(), self.horizon_)
            outlook = self._full_outlook(self._levels_of_copies(near, len(begins)), its_cutoffs)
            if not done:
                outlook = outlook.repeated(n_paths)
                repeated = np.repeat(cutoffs, n_paths)
                copies, cutoffs = copies.cut_around(repeated, self._memory(), self._whole(steps))
            blocks.append(self._undo(outlook.draws(rngs), copies.series_numbers))
            rows = (cutoffs + done)[:, None] + np.arange(self.horizon_)
            copies.values[rows, : self._n_targets] = blocks[-1]
        drawn = np.concatenate(blocks, axis=1)[:, :steps]
        return drawn.reshape(len(begins), n_paths, steps, self._n_targets)

    def _generators(self, fitted: np.ndarray, seed: int) -> list[np.random.Generator]:
        """Of each of these series: the same draws whatever series stand beside it."""
        ids = list(self._pasts)
        return [np.random.default_rng([seed, crc32(repr(ids[number]).encode())]) for number in fitted]

    def _levels_of_copies(self, copies: Panel, n: int) -> Panel:
        """Of `n` rows' copies, which are of one series each; it does not matter where a copy ends."""
        each = len(copies) // n
        whole = Panel(
            copies.values, copies.bounds[::each], copies.series_numbers[::each], copies.clocks[::each]
        )
        return copies.with_values(self._levels(whole).values)

    def _n_errors(self) -> float:
        """How many errors were seen."""
        return 0 if self._errors is None else self._errors.fewest()

    def _check_errors(self, probabilities: tuple[float, ...]) -> None:
        """That there are errors to tell quantiles by, and enough of them."""
        if not probabilities:
            return
        if not self._n_errors():
            raise ValueError(
                f"{type(self).__name__} tells quantiles by its errors on rows that it did not learn from. "
                f"There were none in fit. {self._way_to_errors()}"
            )
        wanted, n = fewest_for(probabilities), self._n_errors()
        if n < wanted:
            warnings.warn(
                f"Errors of only {n:.0f} windows were seen in fit, and quantiles this far out need "
                f"{wanted:.0f}: the largest errors are taken. {self._way_to_errors()}",
                stacklevel=find_stacklevel(),
            )

    # -- of rows that follow

    def _row_forecasts(self, given: InputRows) -> tuple[np.ndarray, np.ndarray]:
        """Forecasts and seasonal naive forecasts of the rows, as they came, (n, n_targets)."""
        self._schema.check_known(given.ids, self._pasts, "predict")
        steps = [self._steps_after(id_, table, given) for id_, table in given]
        both = self._block_forecasts(given, steps)
        forecasts, naive = ([rows[s] for rows, s in zip(part, steps, strict=True)] for part in both)
        return given.restore_order(forecasts), given.restore_order(naive)

    def _block_forecasts(
        self, given: InputRows, steps: list[np.ndarray]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Forecasts and seasonal naive forecasts up to the last step of each series.

        Made every `horizon_` steps.
        """
        panel, begins, lengths = self._after_rows(given, steps)
        k, spans = self._n_targets, [*zip(begins, begins + lengths, strict=True)]
        cutoffs = np.concatenate([np.arange(begin, end, self.horizon_) for begin, end in spans])
        naive = panel.with_values(panel.values[:, :k]).seasonal_naive(
            cutoffs, self.season_length_, self.horizon_
        )
        if self._schema.separate_targets:
            self._feed_forward(panel, begins, lengths)
            forecasts = [panel.values[begin:end, :k] for begin, end in spans]
        else:
            forecasts = self._by_series(self._forecast_at(panel, cutoffs)[0], lengths)
        return forecasts, self._by_series(naive, lengths)

    def _by_series(self, blocks: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        """Blocks (n, horizon_, k), one after the other, as each series' steps."""
        n_blocks = -(-lengths // self.horizon_)
        parts = np.split(blocks, np.cumsum(n_blocks)[:-1])
        return [part.reshape(-1, blocks.shape[2])[:n] for part, n in zip(parts, lengths, strict=True)]

    def _rolling(
        self,
        given: InputRows,
        truth: np.ndarray,
        cutoffs: list[np.ndarray],
        n_steps: int,
        probabilities: tuple[float, ...] = (),
    ) -> list[np.ndarray]:
        """Of each series.

        Forecasts of `n_steps` steps after so many steps of its rows, each from all rows before, and their
        quantiles: (1 + n_probabilities, n_cutoffs, n_steps, n_targets).

        truth : the targets of each row as it came.
        """
        self._check_errors(probabilities)
        panel, begins = self._until(given, truth, [own.max() + self._whole(n_steps) for own in cutoffs])
        rows = np.concatenate([begin + own for begin, own in zip(begins, cutoffs, strict=True)])
        size = max(1, ROLLING_NUMBERS // ((self._memory() + self._whole(n_steps)) * panel.values.shape[1]))
        parts = [
            self._rolled(panel, rows[first : first + size], n_steps, probabilities)
            for first in range(0, len(rows), size)
        ]
        ends = np.cumsum([len(own) for own in cutoffs])
        return np.split(np.concatenate(parts, axis=1), ends[:-1], axis=1)

    def _rolled(
        self, panel: Panel, rows: np.ndarray, n_steps: int, probabilities: tuple[float, ...]
    ) -> np.ndarray:
        """Forecasts of `n_steps` steps from each of these rows on.

        Of all rows before, and their quantiles.
        """
        if n_steps <= self.horizon_:
            return self._forecast_at(panel, rows, probabilities)[:, :, :n_steps]
        near, cutoffs = panel.cut_around(rows, self._memory(), self._whole(n_steps))
        unknown = near.values[:, : self._schema.roles.layout.past_slice.stop]
        later = cutoffs[:, None] + np.arange(self._whole(n_steps))
        unknown[later] = near.with_values(unknown).seasonal_naive(
            cutoffs, self.season_length_, later.shape[1]
        )
        first = self._forecast_at(near, cutoffs, probabilities)
        both = [first, self._later_blocks(near, cutoffs, n_steps, probabilities)]
        return np.concatenate(both, axis=2)[:, :, :n_steps]

    def _until(self, given: InputRows, truth: np.ndarray, lengths: list[int]) -> tuple[Panel, np.ndarray]:
        """As `_after`, of rows whose targets were observed; each series goes on to so many steps at least."""
        grids = []
        for (id_, table), places, n in zip(given, given.row_numbers, lengths, strict=True):
            tail, known = self._pasts[id_].tail, self._known(table)
            known[:, : self._n_targets] = truth[places]
            grid = insert_missing_steps(known, self._steps_after(id_, table, given))
            grids.append(self._continued(tail, grid, n)[len(tail) :])
        return self._after(given.ids, grids, self._calendars(given))

    def _after_rows(self, given: InputRows, steps: list[np.ndarray]) -> tuple[Panel, np.ndarray, np.ndarray]:
        """As `_after`, of rows at so many steps after training; and how many steps these are."""
        grids = [
            insert_missing_steps(self._known(table), s) for table, s in zip(given.tables, steps, strict=True)
        ]
        return *self._after(given.ids, grids, self._calendars(given)), np.array([len(grid) for grid in grids])

    def _steps_after(self, id_: Any, table: Table, given: InputRows) -> np.ndarray:
        """Step numbers of rows, counted from the first step after training."""
        if self._schema.lacks_time_index(given):
            return np.arange(len(table.index))
        return self._pasts[id_].check_later_steps(table.index, type(self).__name__)

    def _known(self, table: Table) -> np.ndarray:
        """The columns as they were in training: targets that are no columns of X, and static columns, NaN."""
        roles, n = self._schema.roles, len(table.index)
        targets = [np.full((n, self._n_targets), np.nan)] if self._schema.separate_targets else []
        return np.hstack([*targets, table.values, np.full((n, len(roles.static)), np.nan)])

    def _calendars(self, given: InputRows) -> list[Calendar]:
        """Of each series, after its rows."""
        calendars = [self._pasts[id_].calendar for id_ in given.ids]
        if self._schema.lacks_time_index(given):
            return calendars
        return [c.extend(t.index) for c, t in zip(calendars, given.tables, strict=True)]

    # -- of the steps ahead

    def _ahead(self, X_future: Any, steps: int) -> tuple[Panel, np.ndarray, list[pd.Index]]:
        """As `_after`, of the steps to be forecast; and their labels."""
        ids, tables = list(self._pasts), self._known_ahead(X_future)
        grids, calendars = [], []
        for id_, past in self._pasts.items():
            grid, calendar = self._ahead_of(past, tables.get(id_), steps)
            self._check_ahead(id_, grid[:steps], calendar)
            grids.append(grid)
            calendars.append(calendar)
        pairs = zip(calendars, self._pasts.values(), strict=True)
        labels = [calendar.labels(past.n_steps, steps) for calendar, past in pairs]
        return *self._after(ids, grids, calendars), labels

    def _known_ahead(self, X_future: Any) -> dict[Any, tuple[Table, bool]]:
        """The rows of each series with the columns that are known ahead.

        And whether their index tells nothing.
        """
        names, owner = self._schema.roles.future, f"{type(self).__name__}.forecast"
        if (X_future is None) == bool(names):
            rule = f"hold the columns {names} of future_cols" if names else "be None without future_cols"
            raise ValueError(
                f"The 'X_future' parameter of {owner} must {rule}. Got "
                f"{'None' if X_future is None else type(X_future).__name__} instead."
            )
        if X_future is None:
            return {}
        given = self._schema.read_future(X_future, "forecast")
        self._schema.check_known(given.ids, self._pasts, "forecast")
        untimed = self._schema.lacks_time_index(given)
        return {id_: (table, untimed) for id_, table in given}

    def _ahead_of(
        self, past: SeriesState, rows: tuple[Table, bool] | None, steps: int
    ) -> tuple[np.ndarray, Calendar]:
        """What is known of so many steps after the last row.

        And of as many more as complete a horizon and are given: covariates go on as in their last season, but
        those that are known; and the calendar.
        """
        n, which = self._whole(steps), self._schema.roles.layout.future_slice
        ahead, calendar = np.full((n, which.stop - which.start), np.nan), past.calendar
        if rows is not None:
            table, untimed = rows
            calendar = calendar if untimed else calendar.extend(table.index)
            places = np.arange(len(table.index)) if untimed else past.relative_steps(table.index)
            near = (places >= 0) & (places < n)
            ahead[places[near]] = table.values[near]
        gaps = np.flatnonzero(np.isnan(ahead).any(axis=1))
        known = max(steps, gaps[0] if gaps.size else n) if ahead.size else steps
        grid = continue_season(past.tail, self.season_length_, known)
        grid[:, which] = ahead[:known]
        return grid, calendar

    def _check_ahead(self, id_: Any, grid: np.ndarray, calendar: Calendar) -> None:
        which = self._schema.roles.layout.future_slice
        missing = np.isnan(grid[:, which])
        if missing.any():
            step, column = np.argwhere(missing)[0]
            stamp = calendar.labels(self._pasts[id_].n_steps + int(step), 1)[0]
            whose = f" of series {id_!r}" if self._schema.has_ids else ""
            raise ValueError(
                f"The 'X_future' parameter of {type(self).__name__}.forecast must have a value of every "
                f"column at every step that is forecast. Got none of "
                f"{self._schema.roles.future[column]!r}{whose} at {stamp}. Pass a row for each of the "
                f"{len(grid)} steps after the training rows."
            )

    # -- panels

    def _after(
        self, ids: list[Any], grids: list[np.ndarray], calendars: list[Calendar]
    ) -> tuple[Panel, np.ndarray]:
        """The last training steps of each series, then the steps of its grid, rounded up to whole horizons.

        And where the grids begin.
        """
        wholes = [self._whole(len(grid)) for grid in grids]
        known, clocks = [], []
        for id_, grid, calendar, n in zip(ids, grids, calendars, wholes, strict=True):
            past = self._pasts[id_]
            first = past.n_steps - len(past.tail)
            values = self._continued(past.tail, grid, n)
            known.append(self._with_calendar(values, calendar, first))
            clocks.append(calendar.clock + first)
        panel = Panel.stack(known, [self._memory() + n for n in wholes], clocks)
        return panel.with_series_numbers(self._numbers(ids)), panel.ends - np.array(wholes)

    def _continued(self, tail: np.ndarray, grid: np.ndarray, n: int) -> np.ndarray:
        """The last training steps.

        Then those of the grid, which goes on to `n` steps as in its last season.
        """
        known = np.concatenate([tail, grid])
        if len(grid) < n:
            rest = continue_season(known[-self._memory() :], self.season_length_, n - len(grid))
            known = np.concatenate([known, rest])
        static = self._schema.roles.layout.static_slice
        known[len(tail) :, static] = tail[-1, static]
        return known

    def _with_calendar(self, values: np.ndarray, calendar: Calendar, first: int) -> np.ndarray:
        """With columns made of the stamps, of the steps from number `first` on."""
        return values

    def _numbers(self, ids: list[Any]) -> np.ndarray:
        """Of series, among those that were fitted."""
        numbers = {id_: number for number, id_ in enumerate(self._pasts)}
        return np.array([numbers[id_] for id_ in ids])

    def _whole(self, steps: int) -> int:
        """So many steps, rounded up to whole horizons."""
        return -(-steps // self.horizon_) * self.horizon_
