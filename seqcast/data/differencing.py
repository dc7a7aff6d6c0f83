"""Changes instead of values: a difference for each lag, one after the other, and back."""

from collections.abc import Sequence

import numpy as np

from .scaling import finite
from .seasonal_naive import seasonal_naive


def difference(values: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """`values` (n, n_columns) minus those `lag` steps before, for one lag after the other.

    NaN where one of the two is missing, as in the first ``sum(lags)`` rows. Without lags, `values` itself.
    """
    for lag in lags:
        earlier = np.full_like(values, np.nan)
        earlier[lag:] = values[:-lag]
        with np.errstate(over="ignore"):
            values = finite(values - earlier)
    return values


def integrate(
    forecasts: np.ndarray,
    values: np.ndarray,
    cutoffs: np.ndarray,
    lags: Sequence[int],
    reach: int | None = None,
) -> np.ndarray:
    """Undo `difference`: forecasts of changes become forecasts of values.

    Parameters
    ----------
    forecasts : ndarray, shape (n_cutoffs, horizon, n_columns)
        Of what ``difference(values, lags)`` would be from each cutoff on.
    values : ndarray, shape (n, n_columns)
        Only steps before a cutoff are read for it. Instead of a missing one stands what `seasonal_naive`
        repeats: the last observed at the same place in the season of the lag, or else the last observed;
        instead of a missing change, if none was observed, 0.
    cutoffs : ndarray of int, shape (n_cutoffs,)
        First step that is forecast.
    lags : sequence of int
        As in `difference`.
    reach : int or None
        How many steps before a cutoff are read; None for all.

    Returns
    -------
    ndarray, shape (n_cutoffs, horizon, n_columns)
        NaN from where nothing was observed before the cutoff, or a forecast is missing.
    """
    for done in reversed(range(len(lags))):
        left = None if reach is None else reach - sum(lags[:done])  # changes whose both ends are read
        horizon = forecasts.shape[1]
        season = seasonal_naive(difference(values, lags[:done]), cutoffs, lags[done], horizon, left)
        if done:
            season = np.nan_to_num(season)
        with np.errstate(over="ignore"):
            forecasts = finite(season + _summed(forecasts, lags[done]))
    return forecasts


def _summed(changes: np.ndarray, lag: int) -> np.ndarray:
    """Each step's change since before the first step, if each is the change since `lag` steps before."""
    n, horizon, n_columns = changes.shape
    lag = min(lag, horizon)
    seasons = -(-horizon // lag)
    padded = np.zeros((n, seasons * lag, n_columns))
    padded[:, :horizon] = changes
    sums = np.cumsum(padded.reshape(n, seasons, lag, n_columns), axis=1)
    return sums.reshape(padded.shape)[:, :horizon]
