"""How far off forecasts of each series are, beside those of all.

Errors of several series are taken together, in units of what each of them moves at present. In this unit,
errors of a series that drifts are larger than those of one that jumps about where it is. So
each series has a size of its own, as far as its errors tell: the mean of their square roots, since mean
squares of 359 weekly series (M4) are those of a few wild ones. Winkler scores at level 80 became 9 % better
by this for these series, 4 % for the channels of ETTh1, and 1 % worse for forty series that were alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.panel import Panel

PRIOR = 10  # horizons in which a series is as far off as all are, before its own errors are seen


def residual_scales(levels: Panel, groups: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """What errors of each series are to be divided by for those of all to be alike.

    Parameters
    ----------
    levels : Panel
        The series that were fitted.
    groups : sequence of (cutoffs, errors), shapes (n,) and (n, horizon, n_targets)
        Groups count the same; cutoffs ascend. NaN where nothing was observed.

    Returns
    -------
    ndarray, shape (n_series, 1, n_targets)
        1 of one series, and of those without errors.
    """
    sums, weights, counts = np.zeros((3, len(levels), groups[0][1].shape[2]))
    for cutoffs, errors in groups:
        series, seen = levels.find_series(cutoffs), np.isfinite(errors)
        roots = np.sqrt(np.abs(np.where(seen, errors, 0.0)))
        np.add.at(sums, series, roots.sum(axis=1) / len(errors))
        np.add.at(weights, series, seen.sum(axis=1) / len(errors))
        np.add.at(counts, series, seen.any(axis=1) * _news(cutoffs, errors.shape[1])[:, None])
    own, of_all = _ratio(sums, weights), _ratio(sums.sum(axis=0), weights.sum(axis=0))
    return ((PRIOR + counts * np.square(_ratio(own, of_all))) / (PRIOR + counts))[:, None]


def _news(cutoffs: np.ndarray, horizon: int) -> np.ndarray:
    """How much of each window is no part of the one before: neighbours tell the same twice."""
    return np.minimum(np.diff(cutoffs, prepend=cutoffs[0] - horizon), horizon) / horizon


def _ratio(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """1 where the other is 0."""
    return np.where(other > 0, one / np.where(other > 0, other, 1.0), 1.0)
