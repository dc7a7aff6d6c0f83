"""Transforms of targets before they are scaled, logarithms and powers, and their inverses.

A forecast is made of transformed values and transformed back. The inverse of a quantile is that quantile, so
the transformed centre of a forecast becomes its median, not its mean.

All kinds have one form: the logarithm ``u`` of a value, bent by a power ``p``: ``(exp(p u) - 1) / p``, which
is ``u`` itself for ``p = 0``.

=============  =============================  ============================================
kind           u                              p
=============  =============================  ============================================
"log"          log(x)                         0
"log1p"        log(1 + x)                     0
"box-cox"      log(x / unit)                  lambda
"yeo-johnson"  sign(x) log(1 + |x| / unit)    lambda where x >= 0, lambda - 2 where x < 0
=============  =============================  ============================================

Box and Cox, Journal of the Royal Statistical Society B 26, 1964; Yeo and Johnson, Biometrika 87, 2000. Two
things differ from the papers, and from scikit-learn's ``PowerTransformer``. Values are divided by a unit, the
median of their absolute values: the fit then does not depend on the units of the data, and no power
overflows. And lambda lies between 0 and 2: for any other lambda, transformed values have a bound at which the
inverse is infinite, and a forecast may lie beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from .scaling import LARGEST, LIMIT, ColumnStatistics

LAMBDA_BOUNDS = (0.0, 2.0)
LAMBDA_PRECISION = 1e-4
# Logarithms are clipped to this limit, so that exp(2 * 100), squared, is a float64.
MAX_LOGARITHM = 100.0


@dataclass(frozen=True)
class _Kind:
    """Functions and domain of a kind of transform.

    Attributes
    ----------
    above : float
        Values must be larger.
    log, exp : callable
        The logarithm, and its inverse.
    bent : bool
        Whether there is a power.
    two_sided : bool
        Whether negative values are transformed like positive ones, with another power.
    """

    above: float
    log: Callable[[np.ndarray], np.ndarray]
    exp: Callable[[np.ndarray], np.ndarray]
    bent: bool = False
    two_sided: bool = False


_KINDS = {
    "log": _Kind(0.0, np.log, np.exp),
    "log1p": _Kind(-1.0, np.log1p, np.expm1),
    "box-cox": _Kind(0.0, np.log, np.exp, bent=True),
    "yeo-johnson": _Kind(-np.inf, np.log1p, np.expm1, bent=True, two_sided=True),
}
KINDS = ("none", *_KINDS)


@dataclass(frozen=True)
class Transform(ColumnStatistics):
    """A monotone transform of each column of one series, or of several.

    Attributes
    ----------
    kind : {"none", "log", "log1p", "box-cox", "yeo-johnson"}
    lambdas : ndarray, shape (n_columns,) or (n_series, n_columns)
        The powers of "box-cox" and "yeo-johnson": the most likely ones from 0, the logarithm, to 2; 1 for a
        constant column.
    unit : ndarray, same shape
        Values are divided by it; 1 for "log" and "log1p".
    bound : ndarray, same shape
        The inverse is clipped to plus and minus this, `LIMIT` times the largest observed value.
    """

    kind: str
    lambdas: np.ndarray
    unit: np.ndarray
    bound: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, kind: str, names: Sequence[Hashable], owner: str) -> Transform:
        """Return the transform of observed values.

        Parameters
        ----------
        values : ndarray, shape (n, n_columns)
            NaN where nothing was observed.
        kind : str
            One of `KINDS`.
        names : sequence of labels
            Labels of the columns, for messages.
        owner : str
            Name of the estimator, for messages.

        Raises
        ------
        ValueError
            If an observed value is not above 0 ("log", "box-cox") or -1 ("log1p").
        """
        if kind == "none":
            return cls(kind, *np.ones((3, values.shape[1])))
        columns = [column[~np.isnan(column)] for column in values.T]
        for name, column in zip(names, columns, strict=True):
            _check_domain(column, kind, name, owner)
        return cls(kind, *np.array([_fit_column(column, _KINDS[kind]) for column in columns]).T)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform values (..., n_columns); "none" returns its argument.

        A value outside the domain, such as a 0 under "log", becomes NaN: not observed.
        """
        if self.kind == "none":
            return values
        kind = _KINDS[self.kind]
        own = self._align(values)
        inside = np.where(values > kind.above, values, np.nan)
        side = _side(inside, kind)
        # Infinite logarithms are clipped.
        with np.errstate(over="ignore", divide="ignore"):
            logarithms = side * kind.log(side * inside / own.unit)
        return _bend(_clip(logarithms), own._power(side)) if kind.bent else logarithms

    def inverse_transform(self, values: np.ndarray) -> np.ndarray:
        """Return transformed values (..., n_columns) in their own units; "none" returns its argument.

        Medians become medians, quantiles quantiles. No finite value becomes infinite or NaN, whether or not
        any value is transformed to it.
        """
        if self.kind == "none":
            return values
        kind = _KINDS[self.kind]
        own = self._align(values)
        side = _side(values, kind)
        with np.errstate(over="ignore", divide="ignore"):
            logarithms = _straighten(values, own._power(side)) if kind.bent else values
            return np.clip(side * kind.exp(side * logarithms) * own.unit, -own.bound, own.bound)

    def _power(self, side: np.ndarray) -> np.ndarray:
        return np.where(side < 0, self.lambdas - 2, self.lambdas)


def _check_domain(column: np.ndarray, kind: str, name: Hashable, owner: str) -> None:
    above = _KINDS[kind].above
    smallest = column.min(initial=np.inf)
    if smallest > above:
        return
    others = "'log1p' or 'yeo-johnson'" if smallest > -1 else "'yeo-johnson'"
    raise ValueError(
        f"The 'target_transform' parameter of {owner} can be {kind!r} only where all observed values are "
        f"more than {above:g}. Got {smallest:g} in column {name!r} instead. Use {others}, or make such "
        f"values NaN if they stand for missing ones."
    )


# ---- the logarithm of a value, and its power ----


def _side(values: np.ndarray, kind: _Kind) -> np.ndarray:
    """Return -1 for negative values of a two-sided kind, else 1."""
    return np.where(values < 0, -1.0, 1.0) if kind.two_sided else np.ones(())


def _clip(logarithms: np.ndarray) -> np.ndarray:
    return np.clip(logarithms, -MAX_LOGARITHM, MAX_LOGARITHM)


def _bend(logarithms: np.ndarray, power: np.ndarray) -> np.ndarray:
    is_straight = power == 0
    return np.where(is_straight, logarithms, np.expm1(power * logarithms) / np.where(is_straight, 1.0, power))


def _straighten(values: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Invert `_bend`; the logarithms are infinite at and beyond the bound of bent values."""
    is_straight = power == 0
    inside = np.maximum(power * values, -1.0)
    return np.where(is_straight, values, np.log1p(inside) / np.where(is_straight, 1.0, power))


# ---- the most likely power ----


def _fit_column(observed: np.ndarray, kind: _Kind) -> tuple[float, float, float]:
    """Return lambda, unit and bound of one column."""
    sizes = np.abs(observed[observed != 0])
    largest = float(sizes.max(initial=0.0)) or 1.0
    bound = min(LIMIT * largest, LARGEST)
    if not kind.bent:
        return 0.0, 1.0, bound
    if len(sizes) == 0 or (observed == observed[0]).all():
        return 1.0, largest, bound
    # The lower median, because the sum of two values might be infinite.
    median = float(np.quantile(sizes, 0.5, method="lower"))
    unit = max(median, largest * np.exp(-MAX_LOGARITHM))
    return _most_likely_lambda(observed / unit, kind), unit, bound


def _most_likely_lambda(values: np.ndarray, kind: _Kind) -> float:
    """Return the lambda for which transformed values are closest to a normal distribution."""
    side = _side(values, kind)
    with np.errstate(divide="ignore"):
        logarithms = _clip(side * kind.log(side * values))
    log_jacobian = logarithms.sum()

    def loss(power: float) -> float:
        bent = _bend(logarithms, np.where(side < 0, power - 2, power))
        return len(bent) / 2 * np.log(bent.var() + np.finfo(float).tiny) - (power - 1) * log_jacobian

    return _minimize_by_bisection(loss, *LAMBDA_BOUNDS)


def _minimize_by_bisection(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the place between `low` and `high` where a unimodal function is smallest."""
    while high - low > LAMBDA_PRECISION:
        middle = (low + high) / 2
        falls = function(middle + LAMBDA_PRECISION) < function(middle - LAMBDA_PRECISION)
        low, high = (middle, high) if falls else (low, middle)
    return min(low, high, key=function)
