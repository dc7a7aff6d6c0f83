"""Least squares from sums over windows: of inputs and outputs, and of their products.

Memory does not grow with the number of windows, sums of some windows are added to and taken from those of
others, and every choice of inputs, every penalty and the error on other windows come from the same sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NormalEquations:
    """Of some windows.

    Attributes
    ----------
    count : float
        How many; of weighted ones, the sum of the weights.
    x, y : ndarray, shape (n_inputs,) and (n_outputs,)
        Means.
    xx, xy : ndarray, shape (n_inputs, n_inputs) and (n_inputs, n_outputs)
        Products of what deviates from the means, summed.
    yy : float
        The sum of squares of what deviates of the outputs.
    """

    count: float
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: float

    @classmethod
    def of(
        cls, inputs: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
    ) -> NormalEquations:
        """Of rows (n, n_inputs) and (n, n_outputs); weights (n,)."""
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
        """Of the windows of both."""
        return self._joined(other, 1)

    def __sub__(self, other: NormalEquations) -> NormalEquations:
        """Of the windows without those of `other`, which are among them."""
        return self._joined(other, -1)

    def _joined(self, other: NormalEquations, sign: int) -> NormalEquations:
        """The updating formulas of Chan, Golub and LeVeque (COMPSTAT 1982): sums of raw products would lose
        digits where levels are high."""
        count = self.count + sign * other.count
        x, y, share = other.x - self.x, other.y - self.y, sign * other.count / max(count, 1)
        between = self.count * share
        return NormalEquations(
            count,
            self.x + share * x,
            self.y + share * y,
            self.xx + sign * other.xx + between * np.outer(x, x),
            self.xy + sign * other.xy + between * np.outer(x, y),
            self.yy + sign * other.yy + between * float(y @ y),
        )

    def only(self, places: np.ndarray) -> NormalEquations:
        """Of these inputs."""
        xx = self.xx[np.ix_(places, places)]
        return NormalEquations(self.count, self.x[places], self.y, xx, self.xy[places], self.yy)

    def penalized(self, n: int, share: float) -> NormalEquations:
        """As if windows that ask the weights of the first `n` inputs to be 0 had been seen too, with so large
        a share of each input's own sum of squares."""
        xx, first = self.xx.copy(), np.arange(n)
        xx[first, first] += share * np.maximum(xx[first, first], 1.0)  # what was never seen has no say
        return NormalEquations(self.count, self.x, self.y, xx, self.xy, self.yy)

    def explained(self, n: int) -> np.ndarray:
        """Weights of the first `n` inputs, fitted to the other inputs and the outputs, which stand side by
        side: shape (n, n_inputs - n + n_outputs)."""
        return np.linalg.solve(self.xx[:n, :n], np.hstack([self.xx[:n, n:], self.xy[:n]]))

    def less(self, weights: np.ndarray) -> NormalEquations:
        """Of the other inputs and the outputs, each less what the first inputs say of it with such weights
        as `explained` gives."""
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
        """Weights of the last `n_inputs` inputs, and the intercept, with a penalty in units of the mean
        square of an input."""
        xx, x = self.xx[-n_inputs:, -n_inputs:], self.x[-n_inputs:]
        penalty = ridge * np.trace(xx) / n_inputs or 1.0  # of inputs that never change, none has a say
        weights = np.linalg.solve(xx + penalty * np.eye(n_inputs), self.xy[-n_inputs:])
        return weights, self.y - x @ weights

    def error(self, weights: np.ndarray, intercept: np.ndarray) -> float:
        """The sum of squared errors of such a fit on these windows."""
        n = len(weights)
        xx, xy, x = self.xx[-n:, -n:], self.xy[-n:], self.x[-n:]
        bias = self.y - x @ weights - intercept
        spread = self.yy - 2 * np.vdot(xy, weights) + np.vdot(weights, xx @ weights)
        return float(spread + self.count * (bias @ bias))
