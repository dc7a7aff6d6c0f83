"""Which windows of a series to learn from, and which to judge by: always in the order of time.

A window of `window` steps is followed by `horizon` target steps. Training windows, targets included, end before the border;
validation windows forecast rows after it, and may look back across it, as a forecast made at that time could.
"""

import numpy as np


def border(n_steps: int, horizon: int, fraction: float) -> int:
    """First step kept for validation: the last `fraction` of the series, at least one horizon."""
    return n_steps - max(horizon, round(fraction * n_steps))


def training_starts(targets: np.ndarray, window: int, horizon: int, end: int) -> np.ndarray:
    """First steps of the windows whose targets end by step `end`; see `usable`."""
    return usable(targets, np.arange(max(0, end - window - horizon + 1)), window, horizon)


def validation_starts(targets: np.ndarray, window: int, horizon: int, begin: int) -> np.ndarray:
    """First steps of the windows whose targets begin at step `begin` or later; see `usable`."""
    first = max(0, begin - window)
    return usable(targets, np.arange(first, len(targets) - window - horizon + 1), window, horizon)


def usable(targets: np.ndarray, starts: np.ndarray, window: int, horizon: int) -> np.ndarray:
    """Those of `starts` with something observed both in the window and among its targets (n, n_targets)."""
    observed = np.concatenate([[0], np.cumsum(np.isfinite(targets).any(axis=1))])
    seen = observed[starts + window] - observed[starts]
    asked = observed[starts + window + horizon] - observed[starts + window]
    return starts[(seen > 0) & (asked > 0)]


def on_grid(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Rows of `values` at their step numbers (from 0), NaN at the steps between: gaps become missing steps."""
    if len(positions) == positions[-1] + 1:
        return values
    grid = np.full((positions[-1] + 1, values.shape[1]), np.nan)
    grid[positions] = values
    return grid


def seasonal_continuation(values: np.ndarray, season_length: int, n: int) -> np.ndarray:
    """The seasonal naive continuation of each column, shape (n, n_columns).

    Each step repeats the last observed value of the same place in the season; where there is none, the last observed value;
    where there is none at all, NaN. ``season_length=1`` repeats the last observed value (persistence).
    """
    last, steps = _last_observed(values), (len(values) + np.arange(n)) % season_length
    result = np.empty((n, values.shape[1]))
    for phase in np.unique(steps):
        same = _last_observed(values[phase::season_length]) if phase < len(values) else last
        result[steps == phase] = np.where(np.isnan(same), last, same)
    return result


def _last_observed(values: np.ndarray) -> np.ndarray:
    """The last value of each column that is not NaN, or NaN."""
    observed = ~np.isnan(values)
    place = len(values) - 1 - np.argmax(observed[::-1], axis=0)
    return np.where(observed.any(axis=0), values[place, np.arange(values.shape[1])], np.nan)
