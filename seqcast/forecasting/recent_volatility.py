"""Mean absolute changes of a series just before a cutoff, which residuals are proportional to.

It is the geometric mean of the changes from step to step and of those over a whole horizon. In autumn,
temperatures change less from hour to hour, but twice as much from day to day, and forecasts of a day have
larger errors (Winkler scores of 80 % intervals of November are 8 to 13 % better than with steps alone).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..data.panel import Panel

# Changes are read in the last 4 horizons or 4 seasons, and in at least 24 steps.
N_HORIZONS, N_SEASONS, MIN_SPAN = 4, 4, 24
# The smallest change, as a share of that in training: after a flat stretch, residuals are not 0.
MIN_CHANGE = 0.1
# The smallest change of one kind, as a share of the other kind. A series that nearly repeats itself after a
# horizon would otherwise have a unit of nearly 0, and its residuals in this unit would widen the intervals of
# all other series. A random walk changes sqrt(horizon) times as much over a horizon as from step to step, so
# that changes from step to step may be much smaller.
MIN_HORIZON_RATIO, MIN_STEP_RATIO = 0.1, 0.01
# The maximum number of values that are read at once. With all validation windows of 10 million rows at once,
# this function determined the memory of a fit (1,170 MiB).
MAX_NUMBERS = 1_000_000


@dataclass(frozen=True)
class RecentVolatility:
    """The geometric mean of the mean absolute changes over one step and over the horizon.

    Attributes
    ----------
    in_training : ndarray, shape (n_series, n_targets)
        The volatility of each series in training.
    horizon : int
    span : int
        Steps before a cutoff that are read.
    """

    in_training: np.ndarray
    horizon: int
    span: int

    @classmethod
    def fit(
        cls, scaled: Panel, ends: np.ndarray, n_targets: int, horizon: int, span: int
    ) -> RecentVolatility:
        """Measure the volatility of each series up to its row in `ends`."""
        parts = zip(scaled, scaled.starts, ends, strict=True)
        found = [
            compute_volatility(values[: end - begin, :n_targets], horizon) for values, begin, end in parts
        ]
        return cls(np.stack(found), horizon, span)

    def with_series(self, scaled: Panel, ends: np.ndarray) -> RecentVolatility:
        """Return the volatilities with those of new series after the others."""
        added = RecentVolatility.fit(scaled, ends, self.in_training.shape[1], self.horizon, self.span)
        return replace(self, in_training=np.concatenate([self.in_training, added.in_training]))

    def measure(self, scaled: Panel, cutoffs: np.ndarray) -> np.ndarray:
        """Return the volatility before each cutoff, shape (n_cutoffs, 1, n_targets)."""
        size = max(1, MAX_NUMBERS // (self.span * self.in_training.shape[1]))
        firsts = range(0, max(1, len(cutoffs)), size)
        return np.concatenate([self._measure(scaled, cutoffs[first : first + size]) for first in firsts])

    def _measure(self, scaled: Panel, cutoffs: np.ndarray) -> np.ndarray:
        series = scaled.find_series(cutoffs)
        rows = cutoffs[:, None] + np.arange(-self.span, 0)
        values = scaled.values[np.maximum(rows, 0), : self.in_training.shape[1]]
        values[rows < scaled.starts[series][:, None]] = np.nan
        in_training = self.in_training[scaled.series_numbers[series]]
        recent = values.swapaxes(0, 1)
        found = np.maximum(compute_volatility(recent, self.horizon), MIN_CHANGE * in_training)
        seen = compute_mean_change(recent, 1)[1] | compute_mean_change(recent, self.horizon)[1]
        found = np.where(seen, found, in_training)
        return np.where(found > 0, found, 1.0)[:, None]


def compute_volatility(values: np.ndarray, horizon: int) -> np.ndarray:
    """Return the geometric mean of both kinds of changes along the first axis.

    If only one kind was observed, the result is that one; if none was, it is 0.
    """
    step, step_seen = compute_mean_change(values, 1)
    whole, whole_seen = compute_mean_change(values, horizon)
    step = np.where(step_seen, step, whole)
    whole = np.where(whole_seen, whole, step)
    return np.sqrt(np.maximum(step, MIN_STEP_RATIO * whole) * np.maximum(whole, MIN_HORIZON_RATIO * step))


def compute_mean_change(values: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean absolute difference of values `steps` apart, and whether any was observed."""
    changes = np.abs(values[steps:] - values[:-steps])
    seen = np.isfinite(changes)
    n = seen.sum(axis=0)
    return np.where(seen, changes, 0.0).sum(axis=0) / np.maximum(n, 1), n > 0


def choose_span(horizon: int, season_length: int) -> int:
    """Return the number of steps before a cutoff in which changes are measured."""
    return max(N_HORIZONS * horizon, N_SEASONS * season_length, MIN_SPAN)
