"""Access to the fitted state of forecasters: one function for each need of this package.

No other module of `seqcast.evaluation` reads attributes of a fitted forecaster that are not public.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ..data.frames import Table
from ..data.panel import Panel
from ..data.schema import InputRows, Schema
from ..data.series_state import SeriesState
from ..estimators.base_forecaster import BaseForecaster
from ..estimators.rolling import ROLLING_NUMBERS

F = TypeVar("F", bound=BaseForecaster)
PanelForecast: TypeAlias = Callable[[Panel, np.ndarray, tuple[float, ...]], np.ndarray]


def is_forecaster(estimator: Any) -> bool:
    """Return whether an estimator is a forecaster of this library."""
    return isinstance(estimator, BaseForecaster)


def get_schema(forecaster: BaseForecaster) -> Schema:
    """Return the schema of the rows that the forecaster was fitted on."""
    return forecaster._schema


def get_series(forecaster: BaseForecaster) -> Mapping[Hashable, SeriesState]:
    """Return the state of each series that the forecaster knows, by its id."""
    return forecaster._pasts


def get_memory(forecaster: BaseForecaster) -> int:
    """Return the number of steps before a cutoff that a forecast may read."""
    return forecaster._memory()


def get_batch_size(n_steps: int, n_columns: int) -> int:
    """Return the number of cutoffs to forecast from at once, for windows of this size."""
    return max(1, ROLLING_NUMBERS // (n_steps * n_columns))


def number_steps(
    forecaster: BaseForecaster, series_id: Hashable, table: Table, rows: InputRows
) -> np.ndarray:
    """Return the step number of each row of one series, 0 for the first step after training.

    `table` holds the rows of the series, which are part of `rows`.
    """
    return forecaster._steps_after(series_id, table, rows)


def forecast_from_cutoffs(
    forecaster: BaseForecaster,
    rows: InputRows,
    truth: np.ndarray,
    cutoffs: list[np.ndarray],
    n_steps: int,
    probabilities: tuple[float, ...],
) -> list[np.ndarray]:
    """Forecast each series from several cutoffs, each forecast from all rows up to its cutoff.

    Parameters
    ----------
    forecaster : BaseForecaster
        A fitted forecaster.
    rows : InputRows
        Rows after the training rows.
    truth : ndarray, shape (n_rows, n_targets)
        Observed targets of `rows`, in the order of the argument that they came in.
    cutoffs : list of ndarray of int, shape (n_cutoffs,)
        For each series, the number of steps after training that each cutoff knows.
    n_steps : int
        Number of steps to forecast.
    probabilities : tuple of float
        Probabilities of the quantiles to forecast.

    Returns
    -------
    list of ndarray, shape (1 + n_probabilities, n_cutoffs, n_steps, n_targets)
        For each series, its forecasts followed by their quantiles.
    """
    return forecaster._rolling(rows, truth, cutoffs, n_steps, probabilities)


def forecast_panel(
    forecaster: BaseForecaster, panel: Panel, cutoffs: np.ndarray, probabilities: tuple[float, ...]
) -> np.ndarray:
    """Forecast one horizon from each cutoff of a panel.

    The result has shape (1 + n_probabilities, n_cutoffs, horizon, n_targets).
    """
    return forecaster._forecast_at(panel, cutoffs, probabilities)


def replace_panel_forecast(forecaster: F, forecast: PanelForecast) -> F:
    """Return a copy of a forecaster that calls `forecast` in place of `forecast_panel`."""
    changed = copy.copy(forecaster)
    changed._forecast_at = forecast  # type: ignore[method-assign, assignment]
    return changed


def forecast_rows(forecaster: BaseForecaster, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forecast rows that follow the training rows, and return the forecasts beside the truth.

    Returns
    -------
    truth, forecasts : ndarray, shape (n_rows, n_targets)
        Observed and forecast targets of each row.
    series : ndarray of int, shape (n_rows,)
        Number of each row's series, in the order of `get_series`.
    """
    truth, forecasts, _, series = forecaster._beside_truth(X, y)
    return truth, forecasts, series
