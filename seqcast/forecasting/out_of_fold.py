"""Forecasts of training windows as if they had not been learned from: many more honest errors than the last
rows give, and of all seasons."""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np

from ..data.training_windows import subsample
from .linear_map import LinearMap, limit_windows
from .window_source import WindowSource

FOLDS = 5
MOST_WINDOWS = 2000


def out_of_fold(
    linear: LinearMap,
    blocks: WindowSource,
    training: np.ndarray,
    window: int,
    horizon: int,
    most: int = MOST_WINDOWS,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts of windows by maps that were fitted without them.

    Parameters
    ----------
    linear : LinearMap
        Tells the way, the steps, the calendar and the ridge; the weights are those of each fold.
    blocks, training, window, horizon
        As `linear` was fitted to.
    most : int
        Windows that are forecast, spread evenly.

    Returns
    -------
    starts : ndarray of int, shape (n,)
        Those whose fold leaves at least two complete windows to learn from.
    forecasts : ndarray, shape (n_blocks * n, horizon, n_targets)
    """
    training = limit_windows(training, len(blocks))
    folds = np.array_split(training, FOLDS)
    own = [linear.moments(blocks, fold, window) for fold in folds]
    total, wanted = reduce(add, own), subsample(training, most)
    starts, forecasts = [], [np.empty((len(blocks), 0, horizon, blocks.n_targets))]
    for fold, moments in zip(folds, own, strict=True):
        near = linear.moments(blocks, _margins(training, fold, horizon), window)
        rest = total - moments - near
        if rest.count > 1:
            starts.append(wanted[np.isin(wanted, fold)])
            found = linear.refitted(rest).forecast(blocks, starts[-1], window)
            forecasts.append(found.reshape(len(blocks), -1, horizon, blocks.n_targets))
    found = np.concatenate(forecasts, axis=1)
    return np.concatenate([*starts, wanted[:0]]), found.reshape(-1, horizon, blocks.n_targets)


def _margins(training: np.ndarray, fold: np.ndarray, horizon: int) -> np.ndarray:
    """Windows outside a fold whose targets overlap with those of a window inside."""
    if not len(fold):
        return fold
    first, last = np.searchsorted(training, [fold[0], fold[-1]])
    begin, end = np.searchsorted(training, [fold[0] - horizon + 1, fold[-1] + horizon])
    return np.concatenate([training[begin:first], training[last + 1 : end]])
