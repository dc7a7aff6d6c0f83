"""Targets in a scale of their own before they are centred: logarithms and powers, and back.

A forecast is made of transformed values and undone. What is undone of a quantile is that quantile, so the
undone centre of a forecast is its median, not its mean.

All kinds are one: the logarithm ``u`` of a value, bent by a power ``p``: ``(exp(p u) - 1) / p``, which is
``u`` itself for ``p = 0``.

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
median of their sizes: so what is learned does not depend on the user's units, and no power overflows. And
lambda lies between 0 and 2: beyond, there is an end to transformed values where the undone ones are infinite,
and nothing keeps a forecast from passing it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from .scaling import LARGEST, LIMIT, ColumnStatistics

LAMBDAS = (0.0, 2.0)
PRECISION = 1e-4  # of lambda
REACH = 100.0  # logarithms are clipped here: exp(2 * 100), squared, is a float64


@dataclass(frozen=True)
class _Kind:
    """What a kind is made of: values must lie above `above`; `two_sided` ones are bent on both sides of 0."""

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
    """A transform of each column, monotone, fitted to one series; or those of several.

    Attributes
    ----------
    kind : {"none", "log", "log1p", "box-cox", "yeo-johnson"}
    lambdas : ndarray, shape (n_columns,) or (n_series, n_columns)
        Of "box-cox" and "yeo-johnson": the most likely from 0, the logarithm, to 2; 1 for a constant column.
    unit : ndarray, same shape
        What values are divided by; 1 for "log" and "log1p".
    bound : ndarray, same shape
        Undone values are clipped at plus and minus this, `LIMIT` times the largest that was observed.
    """

    kind: str
    lambdas: np.ndarray
    unit: np.ndarray
    bound: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, kind: str, names: Sequence[Hashable], owner: str) -> Transform:
        """Fit to `values` (n, n_columns), missing ones left out.

        names : labels of the columns, for messages; owner : name of the estimator that asks, likewise.

        Raises ValueError where an observed value is not above 0 ("log", "box-cox") or -1 ("log1p").
        """
        if kind == "none":
            return cls(kind, *np.ones((3, values.shape[1])))
        columns = [column[~np.isnan(column)] for column in values.T]
        for name, column in zip(names, columns, strict=True):
            _check_domain(column, kind, name, owner)
        return cls(kind, *np.array([_fitted(column, _KINDS[kind]) for column in columns]).T)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform values (..., n_columns); "none" returns its argument.

        What the kind can not take, such as a 0 under "log", becomes NaN: not observed.
        """
        if self.kind == "none":
            return values
        kind, own = _KINDS[self.kind], self._aligned(values)
        inside = np.where(values > kind.above, values, np.nan)
        side = _side(inside, kind)
        with np.errstate(over="ignore", divide="ignore"):  # of what is clipped
            logarithms = side * kind.log(side * inside / own.unit)
        return _bend(_clipped(logarithms), own._power(side)) if kind.bent else logarithms

    def inverse_transform(self, values: np.ndarray) -> np.ndarray:
        """Transformed values (..., n_columns) back in their own units; "none" returns its argument.

        Medians become medians, quantiles quantiles. No finite value becomes infinite or NaN, whether or not
        anything is transformed to it.
        """
        if self.kind == "none":
            return values
        kind, own = _KINDS[self.kind], self._aligned(values)
        side = _side(values, kind)
        with np.errstate(over="ignore", divide="ignore"):
            logarithms = _straighten(values, own._power(side)) if kind.bent else values
            return np.clip(side * kind.exp(side * logarithms) * own.unit, -own.bound, own.bound)

    def _power(self, side: np.ndarray) -> np.ndarray:
        return np.where(side < 0, self.lambdas - 2, self.lambdas)


def _check_domain(column: np.ndarray, kind: str, name: Hashable, owner: str) -> None:
    above, least = _KINDS[kind].above, column.min(initial=np.inf)
    if least > above:
        return
    others = "'log1p' or 'yeo-johnson'" if least > -1 else "'yeo-johnson'"
    raise ValueError(
        f"The 'target_transform' parameter of {owner} can be {kind!r} only where all observed values are "
        f"more than {above:g}. Got {least:g} in column {name!r} instead. Use {others}, or make such values "
        f"NaN if they stand for missing ones."
    )


# -- a value's logarithm, and how it is bent


def _side(values: np.ndarray, kind: _Kind) -> np.ndarray:
    """-1 where a kind with two sides is below 0, else 1."""
    return np.where(values < 0, -1.0, 1.0) if kind.two_sided else np.ones(())


def _clipped(logarithms: np.ndarray) -> np.ndarray:
    return np.clip(logarithms, -REACH, REACH)


def _bend(logarithms: np.ndarray, power: np.ndarray) -> np.ndarray:
    straight = power == 0
    return np.where(straight, logarithms, np.expm1(power * logarithms) / np.where(straight, 1.0, power))


def _straighten(values: np.ndarray, power: np.ndarray) -> np.ndarray:
    """The logarithms; infinite from the end of the bent ones on."""
    straight = power == 0
    inside = np.maximum(power * values, -1.0)
    return np.where(straight, values, np.log1p(inside) / np.where(straight, 1.0, power))


# -- the most likely power


def _fitted(observed: np.ndarray, kind: _Kind) -> tuple[float, float, float]:
    """lambda, unit and bound of one column."""
    sizes = np.abs(observed[observed != 0])
    largest = float(sizes.max(initial=0.0)) or 1.0
    bound = min(LIMIT * largest, LARGEST)
    if not kind.bent:
        return 0.0, 1.0, bound
    if len(sizes) == 0 or (observed == observed[0]).all():
        return 1.0, largest, bound
    middle = float(np.quantile(sizes, 0.5, method="lower"))  # no sum of two, which might be infinite
    unit = max(middle, largest * np.exp(-REACH))
    return _most_likely(observed / unit, kind), unit, bound


def _most_likely(values: np.ndarray, kind: _Kind) -> float:
    """The lambda under which transformed values are most like normal ones."""
    side = _side(values, kind)
    with np.errstate(divide="ignore"):
        logarithms = _clipped(side * kind.log(side * values))
    slope = logarithms.sum()

    def loss(power: float) -> float:
        bent = _bend(logarithms, np.where(side < 0, power - 2, power))
        return len(bent) / 2 * np.log(bent.var() + np.finfo(float).tiny) - (power - 1) * slope

    return _lowest(loss, *LAMBDAS)


def _lowest(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one valley is lowest, by halves."""
    while high - low > PRECISION:
        middle = (low + high) / 2
        falls = loss(middle + PRECISION) < loss(middle - PRECISION)
        low, high = (middle, high) if falls else (low, middle)
    return min(low, high, key=loss)
