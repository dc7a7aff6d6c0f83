"""Fit on the rows up to a moment, then forecast from there, or from several cutoffs from there on."""

from __future__ import annotations

from collections.abc import Container, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ...data.calendar import infer_calendar
from ...data.schema import InputRows
from ...data.tables import Table, read_table, select_columns, sort_by_index
from ...data.time_steps import insert_missing_steps
from ...estimators.base_forecaster import BaseForecaster
from ...forecasting.blas import one_blas_thread
from ...forecasting.panels import PanelBuilder
from ...forecasting.requested_quantiles import RequestedQuantiles
from ...forecasting.rolling import forecast_cutoffs
from .comparison import ForecastComparison, Series
from .rows import Rows

Y_HAT = "y_hat"


@dataclass(frozen=True)
class Task:
    """What to forecast from each cutoff.

    Attributes
    ----------
    gap : int
        Steps after the cutoff that are forecast, but not compared.
    horizon : int
        Steps after these.
    bounds : Bounds
    """

    gap: int
    horizon: int
    bounds: RequestedQuantiles

    @property
    def n_steps(self) -> int:
        """To forecast."""
        return self.gap + self.horizon

    @property
    def names(self) -> list[Hashable]:
        """Of forecasts."""
        return self.bounds.names([Y_HAT])

    def by_name(self, values: np.ndarray) -> np.ndarray:
        """Forecasts and quantiles (1 + n_probabilities, ..., n_targets) as (..., n_targets, n_names)."""
        return self.bounds.side_by_side(values[..., None])


def fit_and_roll(forecaster: Any, rows: Rows, ends: np.ndarray, task: Task) -> ForecastComparison:
    """Fit on the rows that the first of the cutoffs knows, and forecast from all of them."""
    end = int(ends[0])
    try:
        with one_blas_thread():
            forecaster.fit(*rows.before(end))
        if isinstance(forecaster, BaseForecaster):
            return roll(forecaster, rows, ends, task, end)
        return _forecast(forecaster, rows, end, task)
    except (TypeError, ValueError) as error:
        cutoff = rows.stamps[end - 1]
        error.add_note(
            f"This was the cutoff of backtest at {cutoff}, the end of the first {end} {rows.noun}."
        )
        raise


def roll(
    forecaster: BaseForecaster, rows: Rows, ends: np.ndarray, task: Task, trained: int = 0
) -> ForecastComparison:
    """Forecast from several cutoffs, the weights staying as they are.

    ends : of so many stamps each cutoff knows the rows.
    trained : rows of so many stamps were learned from; others are left out where `fit` knew nothing of them.
    """
    given = forecaster.fitted_.schema.read(rows.X, "predict")
    truth = forecaster.fitted_.schema.read_known_targets(given, rows.y, "predict")
    known, later = _cut(given, rows.numbers, trained, forecaster.fitted_.series)
    series = _series(forecaster, known, later, truth)
    cutoffs = [_known_steps(one, rows.numbers, ends) for one in series]
    forecasts = forecast_cutoffs(
        forecaster.fitted_, later, truth, cutoffs, task.n_steps, task.bounds.probabilities
    )
    blocks = [
        one.beside(own, task.by_name(values), task.gap, forecaster.season_length_)
        for one, own, values in zip(series, cutoffs, forecasts, strict=True)
    ]
    return ForecastComparison.of(forecaster.target_names_, task.names, blocks, ends - 1, task.gap)


def _cut(
    given: InputRows, numbers: np.ndarray, trained: int, pasts: Container[Hashable]
) -> tuple[InputRows, InputRows]:
    """The rows up to there and those after, of fitted series that have some after."""
    ends = [int(np.searchsorted(numbers[places], trained)) for places in given.row_numbers]
    chosen = [
        k
        for k, (id_, places, end) in enumerate(zip(given.ids, given.row_numbers, ends, strict=True))
        if id_ in pasts and end < len(places)
    ]
    if not chosen:
        raise ValueError(
            "The 'df' parameter of backtest must hold a series with rows both before and after each cutoff. "
            "Got none. Pass more rows, or fewer windows."
        )
    known = _part(given, {k: slice(ends[k]) for k in chosen})
    return known, _part(given, {k: slice(ends[k], None) for k in chosen})


def _part(given: InputRows, rows: Mapping[int, slice]) -> InputRows:
    """Of these series, these rows."""
    return replace(
        given,
        ids=[given.ids[k] for k in rows],
        tables=[_rows_of(given.tables[k], own) for k, own in rows.items()],
        row_numbers=[given.row_numbers[k][own] for k, own in rows.items()],
    )


def _rows_of(table: Table, which: slice) -> Table:
    return replace(table, values=table.values[which], index=table.index[which])


def _series(
    forecaster: BaseForecaster, known: InputRows, later: InputRows, truth: np.ndarray
) -> list[Series]:
    """Each series, of which these rows were known at the end of training, and those came later."""
    parts = zip(known, known.row_numbers, later.tables, later.row_numbers, strict=True)
    return [
        Series(
            _history(forecaster, id_, seen.index, truth[seen_places]),
            PanelBuilder(forecaster.fitted_).steps_after(id_, table, later),
            truth[places],
            places,
        )
        for (id_, seen), seen_places, table, places in parts
    ]


def _history(forecaster: BaseForecaster, id_: Any, index: pd.Index, values: np.ndarray) -> np.ndarray:
    """The targets at each step up to the end of training; without its rows, what was kept of them."""
    past = forecaster.fitted_.series[id_]
    if len(index):
        return insert_missing_steps(values, past.calendar.positions(index))
    return past.tail[:, : len(forecaster.target_names_)]


def _known_steps(series: Series, numbers: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Steps after training that each cutoff knows: up to the last row that it knows."""
    n = np.searchsorted(numbers[series.places], ends)
    return np.where(n > 0, series.steps[n - 1] + 1, 0)


def _forecast(forecaster: Any, rows: Rows, end: int, task: Task) -> ForecastComparison:
    """With an estimator of others, which can forecast from the end of its training rows only."""
    forecast = forecaster.forecast(task.n_steps)
    table = read_table(rows.X, owner="backtest", parameter="df", unsorted="keep", require_observed=False)
    ordered, places = sort_by_index(table)
    targets = list(forecast.columns)
    values = select_columns(ordered, targets, owner="backtest").values
    series = Series.cut(ordered.index, values, places, end, infer_calendar(ordered.index[:end]))
    values = forecast.to_numpy()[None, :, :, None]
    block = series.beside(np.zeros(1, np.int64), values, task.gap, forecaster.season_length_)
    return ForecastComparison.of(targets, task.names, [block], np.array([end - 1]), task.gap)
