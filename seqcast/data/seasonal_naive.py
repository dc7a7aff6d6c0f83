"""The seasonal naive forecast: the last observed season repeats."""

import numpy as np


def seasonal_naive(
    values: np.ndarray, cutoffs: np.ndarray, season_length: int, n: int, lookback: int | None = None
) -> np.ndarray:
    """Return the seasonal naive forecasts of each column from each cutoff.

    A forecast is the last value that was observed at the same place in the season. If there is none, it is
    the last observed value; if nothing was observed at all, it is NaN. ``season_length=1`` repeats the last
    observed value (persistence).

    Parameters
    ----------
    values : ndarray, shape (n_steps, n_columns)
    cutoffs : ndarray of int, shape (n_cutoffs,)
        First step of each forecast. Only the steps before it are read.
    season_length : int
    n : int
        Number of steps to forecast.
    lookback : int or None
        Number of steps before a cutoff that are read; None for all.

    Returns
    -------
    ndarray, shape (n_cutoffs, n, n_columns)
    """
    steps = cutoffs[:, None] - season_length + np.arange(n) % season_length
    first_steps = None if lookback is None else cutoffs[:, None] - lookback
    same_place = _last_observed(values, season_length, steps, first_steps)
    last = _last_observed(values, 1, cutoffs[:, None] - 1, first_steps)
    return np.where(np.isnan(same_place), last, same_place)


def continue_season(values: np.ndarray, season_length: int, n: int) -> np.ndarray:
    """Return the `seasonal_naive` forecast after the last step, shape (n, n_columns)."""
    return seasonal_naive(values, np.array([len(values)]), season_length, n)[0]


def seasonal_ffill(values: np.ndarray, season_length: int) -> np.ndarray:
    """Return at each step the last value observed at the same place in the season up to it, or NaN."""
    n, n_columns = values.shape
    n_seasons = -(-n // season_length)
    padded = np.full((n_seasons * season_length, n_columns), np.nan)
    padded[:n] = values
    table = padded.reshape(n_seasons, season_length, n_columns)
    latest = np.maximum.accumulate(np.where(np.isnan(table), 0, np.arange(n_seasons)[:, None, None]), axis=0)
    return np.take_along_axis(table, latest, axis=0).reshape(padded.shape)[:n]


def _last_observed(
    values: np.ndarray, season_length: int, steps: np.ndarray, first_steps: np.ndarray | None
) -> np.ndarray:
    """Return the last value observed at the same place in the season up to `steps`.

    Values observed before `first_steps` become NaN.
    """
    found = _look_up(seasonal_ffill(values, season_length), steps)
    if first_steps is not None:
        observed_at = np.where(np.isnan(values), np.nan, np.arange(len(values))[:, None])
        found[_look_up(seasonal_ffill(observed_at, season_length), steps) < first_steps[..., None]] = np.nan
    return found


def _look_up(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return ``values[steps]``, NaN for negative steps."""
    found = values[np.maximum(steps, 0)]
    found[steps < 0] = np.nan
    return found
