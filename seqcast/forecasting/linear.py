"""The linear part: every step of the horizon is a linear function of the window, fitted in closed form.

With the window's last value subtracted and added again this is NLinear (Zeng et al., "Are Transformers
Effective for Time Series Forecasting?", AAAI 2023), but ridge regression instead of gradient descent: one
solve, no learning rate. Windows enter only through sums of their products, so memory does not grow with their
number, and every shorter window, ridge and the error on validation windows come from the same two sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .blocks import Blocks

RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # in units of the mean square of an input
MOST_ROWS = 200_000  # windows that are read at most, at equal distances: more of them change nothing
MOST_INPUTS = 2048  # the longest window that is tried has so many numbers at most: a solve takes their cube
FEWEST_STEPS = 2


@dataclass(frozen=True)
class LinearMap:
    """A fitted linear part.

    Attributes
    ----------
    weights : ndarray, shape (n_steps * n_columns, horizon * n_targets)
    intercept : ndarray, shape (horizon * n_targets,)
    n_steps : int
        Steps of the window that are read, the last ones.
    normalize : bool
        Whether each column is read relative to its last observed value.
    ridge : float
        The penalty, in units of the mean square of an input.
    n_targets : int
    """

    weights: np.ndarray
    intercept: np.ndarray
    n_steps: int
    normalize: bool
    ridge: float
    n_targets: int

    def forecast(self, blocks: Blocks, starts: np.ndarray, window: int) -> np.ndarray:
        """Forecasts from windows of `window` steps, shape (n_blocks * n_starts, horizon, n_targets)."""
        horizon, n = len(self.intercept) // self.n_targets, len(starts)
        forecasts = np.empty((len(blocks), n, len(self.intercept)))
        for block, places, windows in blocks.chunks(starts + window - self.n_steps, self.n_steps):
            inputs, offsets = _inputs(windows, blocks.n_relative if self.normalize else 0)
            # row by row, not in one product: the same bits in any batch
            part = (inputs[:, None] @ self.weights)[:, 0] + self.intercept
            forecasts[block, places] = part + np.tile(offsets[:, : self.n_targets], horizon)
        return forecasts.reshape(-1, horizon, self.n_targets)


def fit_linear(
    blocks: Blocks,
    training: np.ndarray,
    validation: np.ndarray,
    window: int,
    horizon: int,
    normalizations: tuple[bool, ...],
) -> LinearMap | None:
    """Fit to the windows that start at `training`.

    The ridge, the steps and the normalization are those that were best on the windows that start at
    `validation`; without such windows, all steps and a ridge of 0.001. None where no window is complete:
    those with missing targets are left out.
    """
    best: tuple[float, LinearMap] | None = None
    for normalize in normalizations:
        steps = min(window, max(FEWEST_STEPS, MOST_INPUTS // blocks.n_columns))
        known = _Moments.of(blocks, training, window, steps, horizon, normalize)
        judged = _Moments.of(blocks, validation, window, steps, horizon, normalize)
        if known.count < 2:
            continue
        for candidate in _candidates(known, steps, blocks, normalize, choose=judged.count > 0):
            error = judged.error(candidate)
            if best is None or error < best[0]:
                best = error, candidate
    return None if best is None else best[1]


def _candidates(
    known: _Moments, steps: int, blocks: Blocks, normalize: bool, choose: bool
) -> Iterator[LinearMap]:
    ridges = RIDGES if choose else (1e-3,)
    while steps >= FEWEST_STEPS or steps == known.n_steps:
        for ridge in ridges:
            weights, intercept = known.solve(steps * blocks.n_columns, ridge)
            yield LinearMap(weights, intercept, steps, normalize, ridge, blocks.n_targets)
        if not choose or steps < 2 * FEWEST_STEPS:
            return
        steps //= 2


@dataclass(frozen=True)
class _Moments:
    """Sums over windows: of the inputs and targets, and of their products.

    Attributes
    ----------
    n_steps, count : int
        Steps of the windows, and their number.
    x, y : ndarray
        Means.
    xx, xy : ndarray
        Products of what deviates from the means, summed.
    yy : float
        The sum of squares of what deviates of the targets.
    """

    n_steps: int
    count: int
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: float

    @classmethod
    def of(
        cls, blocks: Blocks, starts: np.ndarray, window: int, steps: int, horizon: int, normalize: bool
    ) -> _Moments:
        n_inputs, n_outputs = steps * blocks.n_columns, horizon * blocks.n_targets
        count, x, y = 0, np.zeros(n_inputs), np.zeros(n_outputs)
        xx, xy, yy = np.zeros((n_inputs, n_inputs)), np.zeros((n_inputs, n_outputs)), 0.0
        size, first = steps + horizon, starts + window - steps
        for _, _, windows in blocks.chunks(_thinned(first, len(blocks)), size):
            inputs, offsets = _inputs(windows[:, :steps], blocks.n_relative if normalize else 0)
            targets = windows[:, steps:, : blocks.n_targets] - offsets[:, None, : blocks.n_targets]
            complete = ~np.isnan(targets).any(axis=(1, 2))
            inputs, outputs = inputs[complete], targets[complete].reshape(-1, n_outputs)
            count, x, y = count + len(inputs), x + inputs.sum(axis=0), y + outputs.sum(axis=0)
            xx += inputs.T @ inputs
            xy += inputs.T @ outputs
            yy += float(np.vdot(outputs, outputs))
        if count:
            x, y = x / count, y / count
            xx, xy, yy = xx - count * np.outer(x, x), xy - count * np.outer(x, y), yy - count * float(y @ y)
        return cls(steps, count, x, y, xx, xy, yy)

    def solve(self, n_inputs: int, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the last `n_inputs` inputs, and the intercept."""
        xx, x = self.xx[-n_inputs:, -n_inputs:], self.x[-n_inputs:]
        penalty = ridge * np.trace(xx) / n_inputs or 1.0  # of inputs that never change, none has a say
        weights = np.linalg.solve(xx + penalty * np.eye(n_inputs), self.xy[-n_inputs:])
        return weights, self.y - x @ weights

    def error(self, candidate: LinearMap) -> float:
        """The sum of squared errors on these windows; 0 if there are none."""
        if not self.count:
            return 0.0
        n_inputs, weights = len(candidate.weights), candidate.weights
        xx, xy, x = self.xx[-n_inputs:, -n_inputs:], self.xy[-n_inputs:], self.x[-n_inputs:]
        bias = self.y - x @ weights - candidate.intercept
        spread = self.yy - 2 * np.vdot(xy, weights) + np.vdot(weights, xx @ weights)
        return float(spread + self.count * (bias @ bias))


def _thinned(starts: np.ndarray, n_blocks: int) -> np.ndarray:
    return starts[:: max(1, -(-len(starts) * n_blocks // MOST_ROWS))]


def _inputs(windows: np.ndarray, n_relative: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows (n, n_steps, n_columns) as rows of inputs, the first columns relative to their last observed
    value, missing values 0; and what was subtracted, (n, n_columns)."""
    offsets = np.zeros((len(windows), windows.shape[2]))
    offsets[:, :n_relative] = last_observed(windows[:, :, :n_relative])
    inputs = windows - offsets[:, None]
    np.nan_to_num(inputs, copy=False, nan=0.0)
    return inputs.reshape(len(inputs), -1), offsets


def last_observed(windows: np.ndarray) -> np.ndarray:
    """Each column's last observed value, 0 where there is none, shape (n, n_columns)."""
    last = windows[:, -1].copy()
    for row in np.flatnonzero(np.isnan(last).any(axis=1)):
        for column in np.flatnonzero(np.isnan(last[row])):
            seen = windows[row, :, column]
            seen = seen[~np.isnan(seen)]
            last[row, column] = seen[-1] if seen.size else 0.0
    return last
