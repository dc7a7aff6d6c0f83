"""Forecasts and sample paths from any cutoff of any series.

A model forecasts one horizon. For later steps, the forecast is read as if it were observed, and the next
horizon is forecast from there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd

from ..data.panel import Panel
from ..data.schema import InputRows
from ..stacklevel import find_stacklevel
from .conformal import count_needed_residuals
from .fitted import FittedForecaster
from .panels import PanelBuilder
from .requested_quantiles import RequestedQuantiles

# The number of sample paths that give the quantiles of steps after the first horizon. The seed is fixed, so
# that a forecast is always the same.
N_PATHS, PATH_SEED = 500, 0
# The maximum number of values in the windows that are forecast from at once.
MAX_NUMBERS = 4_000_000


def forecast_ahead(
    fitted: FittedForecaster, steps: int, X_future: Any, quantiles: RequestedQuantiles
) -> pd.DataFrame:
    """Forecast the steps after the last known steps; see `BaseForecaster.forecast`."""
    check_quantiles(fitted, quantiles.probabilities)
    panel, begins, labels = PanelBuilder(fitted).build_ahead(X_future, steps, "forecast")
    values = [fitted.model.forecast(panel, begins, quantiles.probabilities)]
    if steps > fitted.lengths.horizon:
        values.append(_forecast_later_horizons(fitted, panel, begins, steps, quantiles.probabilities))
    columns = quantiles.to_columns(np.concatenate(values, axis=2)[:, :, :steps])
    return fitted.schema.to_future_frame(
        fitted.ids, labels, list(columns), quantiles.column_names(fitted.targets)
    )


def sample_ahead(
    fitted: FittedForecaster, steps: int, X_future: Any, n_paths: int, seed: int
) -> pd.DataFrame:
    """Draw sample paths of the steps after the last known steps; see `BaseForecaster.sample_paths`."""
    check_quantiles(fitted, (0.5,))
    panel, begins, labels = PanelBuilder(fitted).build_ahead(X_future, steps, "sample_paths")
    paths = np.concatenate([*_draw_path_batches(fitted, panel, begins, steps, n_paths, seed)])
    return fitted.schema.to_paths_frame(fitted.ids, labels, paths, fitted.targets)


def forecast_rows(
    fitted: FittedForecaster, rows: InputRows, method: str = "predict"
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast rows that follow the known steps, each horizon from all rows before it.

    Parameters
    ----------
    fitted : FittedForecaster
    rows : InputRows
    method : str
        The name of the estimator's method, for messages.

    Returns
    -------
    forecasts, naive : ndarray, shape (n_rows, n_targets)
        The forecasts and the seasonal naive forecasts, in the order of the rows in the argument.
    """
    fitted.schema.check_known(rows.ids, fitted.series, method)
    builder = PanelBuilder(fitted)
    steps = [builder.find_later_steps(id_, table, rows) for id_, table in rows]
    both = _forecast_steps(fitted, *builder.append_rows(rows, steps))
    at_rows = ([values[own] for values, own in zip(part, steps, strict=True)] for part in both)
    forecasts, naive = (rows.restore_order(part) for part in at_rows)
    return forecasts, naive


class RowComparison(NamedTuple):
    """Observed values of rows, and forecasts of them.

    Attributes
    ----------
    truth, forecasts, naive : ndarray, shape (n_rows, n_targets)
        Observed values, forecasts, and seasonal naive forecasts from the same cutoffs.
    series : ndarray of int, shape (n_rows,)
        The number of the series of each row.
    """

    truth: np.ndarray
    forecasts: np.ndarray
    naive: np.ndarray
    series: np.ndarray


def compare_rows(fitted: FittedForecaster, X: Any, y: Any, method: str) -> RowComparison:
    """Forecast rows that follow the known steps, and return the forecasts with the observed values.

    Parameters
    ----------
    fitted : FittedForecaster
    X, y
        The arguments of the estimator's method.
    method : str
        The name of the method, for messages.

    Raises
    ------
    ValueError
        If no target is observed in the rows.
    """
    rows = fitted.schema.read(X, method)
    truth = fitted.schema.read_targets(rows, y, method)
    if not np.isfinite(truth).any():
        raise ValueError(
            f"The '{'X' if y is None else 'y'}' parameter of {fitted.owner}.{method} must have an observed "
            f"target. Got missing values only."
        )
    forecasts, naive = forecast_rows(fitted, rows, method)
    series = np.empty(len(rows.index), np.int64)
    for number, places in zip(fitted.find_numbers(rows.ids), rows.row_numbers, strict=True):
        series[places] = number
    return RowComparison(truth, forecasts, naive, series)


def forecast_cutoffs(
    fitted: FittedForecaster,
    rows: InputRows,
    truth: np.ndarray,
    cutoffs: list[np.ndarray],
    n_steps: int,
    probabilities: tuple[float, ...] = (),
) -> list[np.ndarray]:
    """Forecast from several cutoffs in rows that follow the known steps.

    Each forecast is made from all rows before its cutoff.

    Parameters
    ----------
    fitted : FittedForecaster
    rows : InputRows
    truth : ndarray, shape (n_rows, n_targets)
        The targets, in the order of the rows in the argument.
    cutoffs : list of ndarray of int
        For each series, the number of its steps in `rows` that are known at each cutoff.
    n_steps : int
        Steps that are forecast.
    probabilities : tuple of float
        The probabilities of the quantiles.

    Returns
    -------
    list of ndarray, shape (1 + n_probabilities, n_cutoffs, n_steps, n_targets)
        For each series, its forecasts, followed by their quantiles.
    """
    check_quantiles(fitted, probabilities)
    n_whole = fitted.lengths.round_up_to_horizons(n_steps)
    panel, begins = PanelBuilder(fitted).append_observed_rows(
        rows, truth, [own.max() + n_whole for own in cutoffs]
    )
    places = np.concatenate([begin + own for begin, own in zip(begins, cutoffs, strict=True)])
    size = max(1, MAX_NUMBERS // ((fitted.memory.n_steps + n_whole) * panel.values.shape[1]))
    parts = [
        _forecast_from(fitted, panel, places[first : first + size], n_steps, probabilities)
        for first in range(0, len(places), size)
    ]
    ends = np.cumsum([len(own) for own in cutoffs])
    return np.split(np.concatenate(parts, axis=1), ends[:-1], axis=1)


def check_quantiles(fitted: FittedForecaster, probabilities: tuple[float, ...]) -> None:
    """Check that quantiles with these probabilities can be computed.

    Warns if there are too few residuals for them. Local models may differ: some compute quantiles from
    residuals, others from a distribution.
    """
    if not probabilities:
        return
    if fitted.model.needs_residuals:
        _check_residuals(fitted, probabilities)
    for model in fitted.models:
        model.check_probabilities(probabilities, fitted.owner)


def _check_residuals(fitted: FittedForecaster, probabilities: tuple[float, ...]) -> None:
    """Check that there are residuals, and warn if there are too few for these probabilities."""
    n = fitted.model.n_residuals
    if not n:
        raise ValueError(
            f"{fitted.owner} computes quantiles and sample paths from residuals of samples that it was not "
            f"trained on. There were none in fit. {fitted.residual_hint}"
        )
    wanted = count_needed_residuals(probabilities)
    if n < wanted:
        warnings.warn(
            f"There are residuals of only {n:.0f} windows, and the outermost quantiles need {wanted:.0f}. "
            f"The largest residuals are used for them. {fitted.residual_hint}",
            stacklevel=find_stacklevel(),
        )


def _forecast_later_horizons(
    fitted: FittedForecaster, panel: Panel, begins: np.ndarray, steps: int, probabilities: tuple[float, ...]
) -> np.ndarray:
    """Return forecasts of the steps after the first horizon, and their quantiles from sample paths.

    The shape is (1 + n_probabilities, n_begins, n_later_steps, n_targets). Without probabilities, the result
    covers whole horizons, so that it may be longer.
    """
    lengths = fitted.lengths
    around = []
    later = slice(lengths.horizon, None)
    if probabilities:
        around = [
            np.quantile(paths[:, :, later], probabilities, axis=1, method="inverted_cdf")
            for paths in _draw_path_batches(fitted, panel, begins, steps, N_PATHS, PATH_SEED)
        ]
    _feed_forward(fitted, panel, begins, np.full(len(begins), steps))
    rows = begins[:, None] + np.arange(lengths.round_up_to_horizons(steps))[later]
    center = panel.values[rows, : fitted.n_targets][None]
    if not probabilities:
        return center
    return np.concatenate([center[:, :, : steps - lengths.horizon], np.concatenate(around, axis=1)])


def _feed_forward(fitted: FittedForecaster, panel: Panel, begins: np.ndarray, steps: np.ndarray) -> None:
    """Write forecasts into a panel, so that each horizon is forecast as if the one before it were observed.

    Parameters
    ----------
    fitted : FittedForecaster
    panel : Panel
        Its targets are changed.
    begins, steps : ndarray of int, shape (n,)
        The first row of each forecast, and the number of its steps.
    """
    horizon = fitted.lengths.horizon
    for done in range(0, int(steps.max()), horizon):
        cutoffs = begins[steps > done] + done
        near, near_cutoffs = panel.cut_around(cutoffs, fitted.memory.n_steps, horizon)
        forecasts = fitted.model.forecast(near, near_cutoffs)[0]
        for cutoff, forecast in zip(cutoffs, forecasts, strict=True):
            panel.values[cutoff : cutoff + horizon, : fitted.n_targets] = forecast


def _draw_path_batches(
    fitted: FittedForecaster, panel: Panel, begins: np.ndarray, steps: int, n_paths: int, seed: int
) -> Iterator[np.ndarray]:
    """Draw sample paths that begin at each of these rows, in batches that limit memory.

    Each batch has the shape (n_begins, n_paths, steps, n_targets), for some of the rows in their order.
    """
    n_steps = fitted.memory.n_steps + fitted.lengths.round_up_to_horizons(steps)
    size = max(1, MAX_NUMBERS // (n_paths * n_steps * panel.values.shape[1]))
    for first in range(0, len(begins), size):
        own = begins[first : first + size]
        rngs = _make_generators(fitted, panel.series_numbers[panel.find_series(own)], seed)
        yield fitted.model.draw(panel, own, steps, n_paths, rngs)


def _make_generators(fitted: FittedForecaster, numbers: np.ndarray, seed: int) -> list[np.random.Generator]:
    """Return a random generator for each of these series.

    Its seed depends on the id of the series, so that the draws do not depend on the other series.
    """
    ids = fitted.ids
    return [np.random.default_rng([seed, crc32(repr(ids[number]).encode())]) for number in numbers]


def _forecast_steps(
    fitted: FittedForecaster, panel: Panel, begins: np.ndarray, lengths: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return forecasts and seasonal naive forecasts of the steps of each series, one horizon after the other.

    begins, lengths : the first row and the number of steps of each series, shape (n_series,)
    """
    k, horizon, season = fitted.n_targets, fitted.lengths.horizon, fitted.lengths.season_length
    spans = [*zip(begins, begins + lengths, strict=True)]
    cutoffs = np.concatenate([np.arange(begin, end, horizon) for begin, end in spans])
    naive = panel.with_values(panel.values[:, :k]).seasonal_naive(cutoffs, season, horizon)
    if fitted.schema.separate_targets:
        # Nothing is known of the targets in these rows.
        _feed_forward(fitted, panel, begins, lengths)
        forecasts = [panel.values[begin:end, :k] for begin, end in spans]
    else:
        forecasts = _split_series(fitted.model.forecast(panel, cutoffs)[0], lengths)
    return forecasts, _split_series(naive, lengths)


def _split_series(forecasts: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Return the forecast steps of each series, shape (length, n_targets).

    Parameters
    ----------
    forecasts : ndarray, shape (n_cutoffs, horizon, n_targets)
        The horizons of the first series, then those of the next series, ...
    lengths : ndarray of int, shape (n_series,)
        The number of steps of each series, which need not be a multiple of the horizon.
    """
    n_cutoffs = -(-lengths // forecasts.shape[1])
    parts = np.split(forecasts, np.cumsum(n_cutoffs)[:-1])
    return [part.reshape(-1, forecasts.shape[2])[:n] for part, n in zip(parts, lengths, strict=True)]


def _forecast_from(
    fitted: FittedForecaster, panel: Panel, rows: np.ndarray, n_steps: int, probabilities: tuple[float, ...]
) -> np.ndarray:
    """Return forecasts of `n_steps` steps that begin at each of these rows, and their quantiles.

    Each forecast is made from all rows before it. The shape is (1 + n_probabilities, n_rows, n_steps,
    n_targets).
    """
    lengths = fitted.lengths
    if n_steps <= lengths.horizon:
        return fitted.model.forecast(panel, rows, probabilities)[:, :, :n_steps]
    n_whole = lengths.round_up_to_horizons(n_steps)
    near, cutoffs = panel.cut_around(rows, fitted.memory.n_steps, n_whole)
    unknown = near.values[:, : fitted.schema.roles.layout.past_slice.stop]
    later = cutoffs[:, None] + np.arange(n_whole)
    unknown[later] = near.with_values(unknown).seasonal_naive(cutoffs, lengths.season_length, n_whole)
    first = fitted.model.forecast(near, cutoffs, probabilities)
    both = [first, _forecast_later_horizons(fitted, near, cutoffs, n_steps, probabilities)]
    return np.concatenate(both, axis=2)[:, :, :n_steps]
