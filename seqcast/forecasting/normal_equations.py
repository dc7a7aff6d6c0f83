"""Least squares by the normal equations: sums over windows of inputs, outputs and their products.

Memory does not grow with the number of windows. Sums over windows can be added and subtracted. Fits with a
subset of the inputs or another penalty, and squared errors on other windows, need these sums only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NormalEquations:
    """The sums over some windows.

    Attributes
    ----------
    count : float
        The number of windows or, if they are weighted, the sum of their weights.
    x, y : ndarray, shape (n_inputs,) and (n_outputs,)
        Means of the inputs and the outputs.
    xx, xy : ndarray, shape (n_inputs, n_inputs) and (n_inputs, n_outputs)
        Sums of products of deviations from the means.
    yy : float
        The sum of squared deviations of the outputs from their means.
    """

    count: float
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: float

    @classmethod
    def from_rows(
        cls, inputs: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
    ) -> NormalEquations:
        """Sum rows of inputs (n, n_inputs) and outputs (n, n_outputs) with weights (n,)."""
        if weights is None:
            n = float(len(inputs))
            x, y = inputs.sum(axis=0) / max(n, 1), outputs.sum(axis=0) / max(n, 1)
            weighted = inputs = inputs - x
        else:
            n = float(weights.sum())
            x, y = weights @ inputs / (n or 1.0), weights @ outputs / (n or 1.0)
            inputs = inputs - x
            weighted = inputs * weights[:, None]
        outputs = outputs - y
        squares = np.square(outputs).sum(axis=1)
        yy = float(squares.sum() if weights is None else weights @ squares)
        return cls(n, x, y, weighted.T @ inputs, weighted.T @ outputs, yy)

    def __add__(self, other: NormalEquations) -> NormalEquations:
        """Return the sums over the windows of both."""
        return self._combine(other, 1)

    def __sub__(self, other: NormalEquations) -> NormalEquations:
        """Return the sums without the windows of `other`, which must be among them."""
        return self._combine(other, -1)

    def _combine(self, other: NormalEquations, sign: int) -> NormalEquations:
        """Add or subtract sums by the updating formulas of Chan, Golub and LeVeque (COMPSTAT 1982).

        Sums of products of raw values would lose digits if the means are large.
        """
        count = self.count + sign * other.count
        x = other.x - self.x
        y = other.y - self.y
        share = sign * other.count / max(count, 1)
        between = self.count * share
        return NormalEquations(
            count,
            self.x + share * x,
            self.y + share * y,
            self.xx + sign * other.xx + between * np.outer(x, x),
            self.xy + sign * other.xy + between * np.outer(x, y),
            self.yy + sign * other.yy + between * float(y @ y),
        )

    def select(self, places: np.ndarray) -> NormalEquations:
        """Return the sums for the inputs at these places."""
        xx = self.xx[np.ix_(places, places)]
        return NormalEquations(self.count, self.x[places], self.y, xx, self.xy[places], self.yy)

    def penalize(self, n: int, share: float) -> NormalEquations:
        """Add a ridge penalty on the weights of the first `n` inputs.

        The penalty of each weight is a share of the sum of squares of its input.
        """
        xx = self.xx.copy()
        first = np.arange(n)
        # At least 1, so that inputs that are constant have the weight 0.
        xx[first, first] += share * np.maximum(xx[first, first], 1.0)
        return NormalEquations(self.count, self.x, self.y, xx, self.xy, self.yy)

    def regress_on_first(self, n: int) -> np.ndarray:
        """Regress the other inputs and the outputs on the first `n` inputs.

        Returns
        -------
        ndarray, shape (n, n_inputs - n + n_outputs)
            The weights for the other inputs, then those for the outputs.
        """
        return np.linalg.solve(self.xx[:n, :n], np.hstack([self.xx[:n, n:], self.xy[:n]]))

    def subtract_regression(self, weights: np.ndarray) -> NormalEquations:
        """Return the sums of the residuals of a regression on the first inputs.

        weights : as returned by `regress_on_first`.
        """
        n, split = len(weights), len(self.x) - len(weights)
        first, inputs, outputs = self.xx[:n, :n], weights[:, :split], weights[:, split:]
        across, to_outputs = self.xx[n:, :n] - inputs.T @ first, first @ outputs
        return NormalEquations(
            self.count,
            self.x[n:] - self.x[:n] @ inputs,
            self.y - self.x[:n] @ outputs,
            self.xx[n:, n:] - inputs.T @ self.xx[:n, n:] - across @ inputs,
            self.xy[n:] - inputs.T @ self.xy[:n] - across @ outputs,
            self.yy + float(np.vdot(outputs, to_outputs - 2 * self.xy[:n])),
        )

    def solve(self, n_inputs: int, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        """Fit a ridge regression on the last `n_inputs` inputs.

        ridge : the penalty, in units of the mean square of an input.

        Returns
        -------
        weights : ndarray, shape (n_inputs, n_outputs)
        intercept : ndarray, shape (n_outputs,)
        """
        xx, x = self.xx[-n_inputs:, -n_inputs:], self.x[-n_inputs:]
        # If all inputs are constant, any penalty makes their weights 0.
        penalty = ridge * np.trace(xx) / n_inputs or 1.0
        weights = np.linalg.solve(xx + penalty * np.eye(n_inputs), self.xy[-n_inputs:])
        return weights, self.y - x @ weights

    def squared_error(self, weights: np.ndarray, intercept: np.ndarray) -> float:
        """Return the sum of squared errors of a ridge regression on these windows."""
        n = len(weights)
        xx, xy, x = self.xx[-n:, -n:], self.xy[-n:], self.x[-n:]
        bias = self.y - x @ weights - intercept
        centered = self.yy - 2 * np.vdot(xy, weights) + np.vdot(weights, xx @ weights)
        return float(centered + self.count * (bias @ bias))
