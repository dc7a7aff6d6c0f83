"""Folds of a backtest: one fit, and the forecasts from the cutoffs that it serves."""

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
from .backtest_data import BacktestData
from .comparison import ForecastComparison, ObservedSeries

Y_HAT = "y_hat"


@dataclass(frozen=True)
class ForecastRequest:
    """Steps and quantiles to forecast from each cutoff.

    Attributes
    ----------
    gap : int
        Number of steps after the cutoff that are forecast, but not compared.
    horizon : int
        Number of steps after these, which are compared.
    quantiles : RequestedQuantiles
        Quantiles and bounds of intervals to forecast.
    """

    gap: int
    horizon: int
    quantiles: RequestedQuantiles

    @property
    def n_steps(self) -> int:
        """The number of steps to forecast."""
        return self.gap + self.horizon

    @property
    def names(self) -> list[Hashable]:
        """The names of the forecasts."""
        return self.quantiles.column_names([Y_HAT])

    def arrange(self, values: np.ndarray) -> np.ndarray:
        """Move the axis of forecasts and quantiles to the end, in the order of `names`.

        `values` has shape (1 + n_probabilities, ..., n_targets), the result (..., n_targets, n_names).
        """
        return self.quantiles.to_columns(values[..., None])


def run_fold(
    forecaster: Any, data: BacktestData, n_known: np.ndarray, request: ForecastRequest
) -> ForecastComparison:
    """Fit a forecaster at the first cutoff of a fold, and forecast from all of them.

    Parameters
    ----------
    forecaster : estimator
        It is fitted in place.
    data : BacktestData
        All rows of the backtest.
    n_known : ndarray of int, shape (n_cutoffs,)
        Number of stamps that each cutoff knows.
    request : ForecastRequest
        What to forecast.

    Returns
    -------
    ForecastComparison
    """
    first = int(n_known[0])
    try:
        with one_blas_thread():
            forecaster.fit(*data.training_arguments(first))
        if isinstance(forecaster, BaseForecaster):
            return forecast_without_refit(forecaster, data, n_known, request, first)
        return _forecast_with_other_estimator(forecaster, data, first, request)
    except (TypeError, ValueError) as error:
        cutoff = data.stamps[first - 1]
        error.add_note(
            f"This was the cutoff of backtest at {cutoff}, the end of the first {first} {data.unit}."
        )
        raise


def forecast_without_refit(
    forecaster: BaseForecaster,
    data: BacktestData,
    n_known: np.ndarray,
    request: ForecastRequest,
    n_trained: int = 0,
) -> ForecastComparison:
    """Forecast from several cutoffs with a fitted forecaster.

    Parameters
    ----------
    forecaster, data, n_known, request
        As in `run_fold`, the forecaster being fitted.
    n_trained : int, default=0
        Number of stamps whose rows the forecaster was fitted on. Series that it does not know are left out.

    Returns
    -------
    ForecastComparison
    """
    schema = forecaster.fitted_.schema
    rows = schema.read(data.X, "predict")
    truth = schema.read_known_targets(rows, data.y, "predict")
    known, later = _split_rows(rows, data.stamp_numbers, n_trained, forecaster.fitted_.series)
    series = _collect_series(forecaster, known, later, truth)
    cutoffs = [_count_known_steps(one, data.stamp_numbers, n_known) for one in series]
    forecasts = forecast_cutoffs(
        forecaster.fitted_, later, truth, cutoffs, request.n_steps, request.quantiles.probabilities
    )
    parts = [
        one.compare(own, request.arrange(values), request.gap, forecaster.season_length_)
        for one, own, values in zip(series, cutoffs, forecasts, strict=True)
    ]
    return ForecastComparison.from_series(
        forecaster.target_names_, request.names, parts, n_known - 1, request.gap
    )


def _split_rows(
    rows: InputRows, stamp_numbers: np.ndarray, n_trained: int, known_ids: Container[Hashable]
) -> tuple[InputRows, InputRows]:
    """Return the training rows and the later rows of each known series that has later rows."""
    ends = [int(np.searchsorted(stamp_numbers[positions], n_trained)) for positions in rows.row_numbers]
    chosen = [
        k
        for k, (series_id, positions, end) in enumerate(zip(rows.ids, rows.row_numbers, ends, strict=True))
        if series_id in known_ids and end < len(positions)
    ]
    if not chosen:
        raise ValueError(
            "The 'X' parameter of backtest must hold a series with rows both before and after each cutoff. "
            "Got none. Pass more rows, or fewer windows."
        )
    known = _select_rows(rows, {k: slice(ends[k]) for k in chosen})
    return known, _select_rows(rows, {k: slice(ends[k], None) for k in chosen})


def _select_rows(rows: InputRows, slices: Mapping[int, slice]) -> InputRows:
    """Return a slice of the rows of each series that `slices` has the number of."""
    return replace(
        rows,
        ids=[rows.ids[k] for k in slices],
        tables=[_slice_table(rows.tables[k], own) for k, own in slices.items()],
        row_numbers=[rows.row_numbers[k][own] for k, own in slices.items()],
    )


def _slice_table(table: Table, which: slice) -> Table:
    return replace(table, values=table.values[which], index=table.index[which])


def _collect_series(
    forecaster: BaseForecaster, known: InputRows, later: InputRows, truth: np.ndarray
) -> list[ObservedSeries]:
    """Return the observed values of each series, before and after the end of training."""
    parts = zip(known, known.row_numbers, later.tables, later.row_numbers, strict=True)
    return [
        ObservedSeries(
            _get_history(forecaster, series_id, seen.index, truth[seen_positions]),
            PanelBuilder(forecaster.fitted_).find_later_steps(series_id, table, later),
            truth[positions],
            positions,
        )
        for (series_id, seen), seen_positions, table, positions in parts
    ]


def _get_history(
    forecaster: BaseForecaster, series_id: Hashable, index: pd.Index, values: np.ndarray
) -> np.ndarray:
    """Return the targets at each step up to the end of training.

    If no training rows were given, the steps that the forecaster has kept are returned.
    """
    state = forecaster.fitted_.series[series_id]
    if len(index):
        return insert_missing_steps(values, state.calendar.positions(index))
    return state.tail[:, : len(forecaster.target_names_)]


def _count_known_steps(series: ObservedSeries, stamp_numbers: np.ndarray, n_known: np.ndarray) -> np.ndarray:
    """Return the number of steps after training that each cutoff knows, up to the last known row."""
    n_rows = np.searchsorted(stamp_numbers[series.positions], n_known)
    return np.where(n_rows > 0, series.steps[n_rows - 1] + 1, 0)


def _forecast_with_other_estimator(
    forecaster: Any, data: BacktestData, n_known: int, request: ForecastRequest
) -> ForecastComparison:
    """Forecast with an estimator of another library, which only forecasts from its last training row."""
    forecast = forecaster.forecast(request.n_steps)
    table = read_table(data.X, owner="backtest", parameter="X", unsorted="keep", require_observed=False)
    ordered, positions = sort_by_index(table)
    targets = list(forecast.columns)
    truth = select_columns(ordered, targets, owner="backtest").values
    calendar = infer_calendar(ordered.index[:n_known])
    series = ObservedSeries.split(ordered.index, truth, positions, n_known, calendar)
    values = forecast.to_numpy()[None, :, :, None]
    part = series.compare(np.zeros(1, np.int64), values, request.gap, forecaster.season_length_)
    return ForecastComparison.from_series(
        targets, request.names, [part], np.array([n_known - 1]), request.gap
    )
