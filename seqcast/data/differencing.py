"""Seasonal differences of series, and forecasts of differences turned back into forecasts of values."""

from collections.abc import Sequence

import numpy as np

from .scaling import clip_to_finite
from .seasonal_naive import seasonal_naive


def difference(values: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """Subtract from each step the value `lag` steps before, for one lag after the other.

    Parameters
    ----------
    values : ndarray, shape (n, n_columns)
    lags : sequence of int

    Returns
    -------
    ndarray, shape (n, n_columns)
        NaN where one of the two values is missing, as in the first ``sum(lags)`` steps. `values` itself if
        there are no lags.
    """
    for lag in lags:
        earlier = np.full_like(values, np.nan)
        earlier[lag:] = values[:-lag]
        with np.errstate(over="ignore"):
            values = clip_to_finite(values - earlier)
    return values


def integrate(
    forecasts: np.ndarray,
    values: np.ndarray,
    cutoffs: np.ndarray,
    lags: Sequence[int],
    lookback: int | None = None,
) -> np.ndarray:
    """Turn forecasts of differences into forecasts of values, the inverse of `difference`.

    Parameters
    ----------
    forecasts : ndarray, shape (n_cutoffs, horizon, n_columns)
        Forecasts of ``difference(values, lags)`` from each cutoff on.
    values : ndarray, shape (n, n_columns)
        Only the steps before a cutoff are read for its forecast. In the place of a missing value stands its
        `seasonal_naive` forecast with the lag as season length. In the place of a difference stands 0 if none
        was observed.
    cutoffs : ndarray of int, shape (n_cutoffs,)
        First step of each forecast.
    lags : sequence of int
        As in `difference`.
    lookback : int or None
        Number of steps before a cutoff that are read; None for all.

    Returns
    -------
    ndarray, shape (n_cutoffs, horizon, n_columns)
        NaN if nothing was observed before the cutoff, or a forecast is missing.
    """
    for n_outer in reversed(range(len(lags))):
        # A difference can be computed only where the earlier one of its two values is within the lookback.
        n_readable = None if lookback is None else lookback - sum(lags[:n_outer])
        horizon = forecasts.shape[1]
        base = seasonal_naive(difference(values, lags[:n_outer]), cutoffs, lags[n_outer], horizon, n_readable)
        if n_outer:
            base = np.nan_to_num(base)
        with np.errstate(over="ignore"):
            forecasts = clip_to_finite(base + _cumulate(forecasts, lags[n_outer]))
    return forecasts


def _cumulate(differences: np.ndarray, lag: int) -> np.ndarray:
    """Return for each step the sum of the differences at this step and at all steps `lag` apart before it."""
    n, horizon, n_columns = differences.shape
    lag = min(lag, horizon)
    n_seasons = -(-horizon // lag)
    padded = np.zeros((n, n_seasons * lag, n_columns))
    padded[:, :horizon] = differences
    sums = np.cumsum(padded.reshape(n, n_seasons, lag, n_columns), axis=1)
    return sums.reshape(padded.shape)[:, :horizon]
