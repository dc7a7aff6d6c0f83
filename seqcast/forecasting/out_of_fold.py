"""Out-of-fold forecasts of training windows by the linear map.

They give more residuals than the validation windows do, and residuals of all seasons.
"""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np

from ..data.training_windows import subsample
from .linear_map import LinearMap, limit_windows
from .window_source import WindowSource

FOLDS = 5
MAX_WINDOWS = 2000


def forecast_out_of_fold(
    linear: LinearMap,
    source: WindowSource,
    training: np.ndarray,
    window: int,
    horizon: int,
    limit: int = MAX_WINDOWS,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast training windows by maps that were fitted without them.

    Parameters
    ----------
    linear : LinearMap
        Gives the window scaling, the steps, the seasonal features and the ridge. The weights are fitted anew
        for each fold.
    source, training, window, horizon
        As `linear` was fitted to.
    limit : int
        The maximum number of windows that are forecast, equally spaced.

    Returns
    -------
    starts : ndarray of int, shape (n,)
        The starts of windows for whose fold at least two complete windows remain to be learned from.
    forecasts : ndarray, shape (n_groups * n, horizon, n_targets)
    """
    training = limit_windows(training, len(source))
    folds = np.array_split(training, FOLDS)
    of_folds = [linear.sum_windows(source, fold, window) for fold in folds]
    total = reduce(add, of_folds)
    wanted = subsample(training, limit)
    starts = []
    forecasts = [np.empty((len(source), 0, horizon, source.n_targets))]
    for fold, equations in zip(folds, of_folds, strict=True):
        near = linear.sum_windows(source, _find_overlapping(training, fold, horizon), window)
        rest = total - equations - near
        if rest.count > 1:
            starts.append(wanted[np.isin(wanted, fold)])
            found = linear.refit(rest).forecast(source, starts[-1], window)
            forecasts.append(found.reshape(len(source), -1, horizon, source.n_targets))
    found = np.concatenate(forecasts, axis=1)
    return np.concatenate([*starts, wanted[:0]]), found.reshape(-1, horizon, source.n_targets)


def _find_overlapping(training: np.ndarray, fold: np.ndarray, horizon: int) -> np.ndarray:
    """Return the windows outside a fold whose targets overlap with those of a window in the fold."""
    if not len(fold):
        return fold
    first, last = np.searchsorted(training, [fold[0], fold[-1]])
    begin, end = np.searchsorted(training, [fold[0] - horizon + 1, fold[-1] + horizon])
    return np.concatenate([training[begin:first], training[last + 1 : end]])
