"""The size of the residuals of each series, relative to that of all series.

Residuals of several series are used together, each divided by the recent volatility of its series. In this
unit, residuals of a series with a trend are larger than those of a series without one. Each series
therefore has a scale of its own, shrunk towards 1 if it has few residuals. The scale is made of the mean of
square roots of absolute residuals, since mean squares of 359 weekly series (M4) depend on a few extreme
ones. Winkler scores at level 80 became 9 % better for these series, 4 % better for the channels of ETTh1,
and 1 % worse for forty series that were alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.panel import Panel

# The weight of the scale 1, in horizons of residuals of a series.
PRIOR = 10


def compute_residual_scales(scaled: Panel, groups: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the scale of each series, by which its residuals are divided.

    Parameters
    ----------
    scaled : Panel
        The series that were fitted.
    groups : sequence of (cutoffs, residuals), shapes (n,) and (n, horizon, n_targets)
        All groups have the same weight. Cutoffs ascend. Residuals are NaN where nothing was observed.

    Returns
    -------
    ndarray, shape (n_series, 1, n_targets)
        1 for a single series, and for series without residuals.
    """
    sums, weights, counts = np.zeros((3, len(scaled), groups[0][1].shape[2]))
    for cutoffs, residuals in groups:
        series = scaled.find_series(cutoffs)
        seen = np.isfinite(residuals)
        roots = np.sqrt(np.abs(np.where(seen, residuals, 0.0)))
        np.add.at(sums, series, roots.sum(axis=1) / len(residuals))
        np.add.at(weights, series, seen.sum(axis=1) / len(residuals))
        new_shares = _compute_new_shares(cutoffs, residuals.shape[1])
        np.add.at(counts, series, seen.any(axis=1) * new_shares[:, None])
    of_each = _divide(sums, weights)
    of_all = _divide(sums.sum(axis=0), weights.sum(axis=0))
    return ((PRIOR + counts * np.square(_divide(of_each, of_all))) / (PRIOR + counts))[:, None]


def _compute_new_shares(cutoffs: np.ndarray, horizon: int) -> np.ndarray:
    """Return the share of each horizon that does not overlap with the horizon before it."""
    return np.minimum(np.diff(cutoffs, prepend=cutoffs[0] - horizon), horizon) / horizon


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the ratio, 1 where the denominator is 0."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1.0), 1.0)
