"""Scaling of columns to centre 0 and spread 1, and back, for one series or for each of several."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, Self, TypeVar

import numpy as np

# Scaled values are clipped to this limit, because larger ones may overflow in float32 products.
LIMIT = 1e6
LARGEST = float(np.finfo(np.float64).max)

# Standard deviation of normal noise, divided by the distance of its quartiles: 1 / (2 * 0.6745).
QUARTILES_TO_DEVIATION = 0.7413
QUARTILES = np.array([0.25, 0.5, 0.75])
# Cumulated weights are rounded: shares that differ by less count as equal.
TIE = 1e-9

ScalingMethod = Literal["standard", "robust", "none"]
Statistics = TypeVar("Statistics", bound="ColumnStatistics")


@dataclass(frozen=True)
class ColumnStatistics:
    """Statistics of each column: arrays (n_columns,), or (n_series, n_columns) for several series.

    Those of one series apply to values (..., n_columns). Those of several series apply to values (n_series,
    ..., n_columns), one row for each series.
    """

    @classmethod
    def stack(cls, parts: Sequence[Self]) -> Self:
        """Return the statistics of several series, one of each part."""
        return _map_arrays(lambda *arrays: np.stack(arrays), *parts)

    def append(self, others: Self) -> Self:
        """Return the statistics of several series, then those of other series."""
        return _map_arrays(lambda one, two: np.concatenate([one, two]), self, others)

    def select_series(self, numbers: np.ndarray | int) -> Self:
        """Return the statistics of the series with these numbers.

        Parameters
        ----------
        numbers : ndarray of int, shape (n,), or int
            Series, each as often as wanted. If these are the statistics of a single series, with arrays
            (n_columns,), they are returned as they are.
        """
        return _map_arrays(lambda array: array if array.ndim == 1 else array[numbers], self)

    def join_columns(self, other: Self) -> Self:
        """Return the statistics of the columns of both, which must have equally many series."""
        return _map_arrays(lambda one, two: np.concatenate([one, two], axis=-1), self, other)

    def _align(self, values: np.ndarray) -> Self:
        """Return arrays that broadcast with `values`; those of one series do so as they are."""
        if any(isinstance(array, np.ndarray) and array.ndim == 1 for array in vars(self).values()):
            return self

        def insert_axes(array: np.ndarray) -> np.ndarray:
            between = (1,) * (values.ndim - array.ndim)
            return array.reshape(*array.shape[:-1], *between, array.shape[-1])

        return _map_arrays(insert_axes, self)


def _map_arrays(function: Callable[..., np.ndarray], *parts: Statistics) -> Statistics:
    """Return the first of `parts` with each array replaced by `function` of the arrays of all parts."""
    first = parts[0]
    names = [field.name for field in fields(first)]
    arrays = [name for name in names if isinstance(getattr(first, name), np.ndarray)]
    return replace(first, **{name: function(*(getattr(part, name) for part in parts)) for name in arrays})


@dataclass(frozen=True)
class Scaler(ColumnStatistics):
    """Centre and spread of each column.

    Attributes
    ----------
    center, scale : ndarray, shape (n_columns,) or (n_series, n_columns)
        The centre of a constant column is its value, and its scale is 1.
    constant : ndarray of bool, same shape
    """

    center: np.ndarray
    scale: np.ndarray
    constant: np.ndarray

    @classmethod
    def fit(
        cls, values: np.ndarray, weights: np.ndarray | None = None, method: ScalingMethod = "standard"
    ) -> Self:
        """Return the scaler of observed values.

        Parameters
        ----------
        values : ndarray, shape (n, n_columns)
            NaN where nothing was observed. A column without any observed value is not scaled.
        weights : ndarray, shape (n,), or None
            Positive weights of the rows.
        method : {"standard", "robust", "none"}
            "standard": mean and standard deviation. "robust": median and 0.7413 times the distance of the
            quartiles, or the standard deviation where the quartiles are equal. "none": a column is not scaled
            unless it is constant; see `check_limit`.
        """
        low = np.fmin.reduce(values)
        high = np.fmax.reduce(values)
        constant = low == high
        if method == "none":
            center, scale = np.zeros(len(low)), np.ones(len(low))
        else:
            values = np.where(np.isnan(low), 0.0, values) if np.isnan(low).any() else values
            center, scale = _measure(values, weights, np.fmax(-low, high), _MEASURES[method])
        center = np.where(constant, high, center)
        return cls(center, np.where(constant | (scale == 0), 1.0, scale), constant)

    @classmethod
    def identity(cls, n_columns: int) -> Self:
        """Return the scaler that leaves values as they are."""
        return cls(np.zeros(n_columns), np.ones(n_columns), np.zeros(n_columns, bool))

    def transform(self, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Scale `values` to a C-contiguous array of `dtype`; NaN stays NaN."""
        own = self._align(values)
        # What is beyond float64 is beyond the limit.
        with np.errstate(over="ignore"):
            scaled = (values - own.center) / own.scale
        return np.ascontiguousarray(_clip(scaled, LIMIT), dtype)

    def inverse_transform(self, scaled: np.ndarray) -> np.ndarray:
        """Return scaled values in their own units, float64; those of a constant column are the constant."""
        own = self._align(scaled)
        with np.errstate(over="ignore"):
            values = clip_to_finite(scaled.astype(np.float64) * own.scale + own.center)
        return np.where(own.constant, own.center, values)


def clip_to_finite(values: np.ndarray) -> np.ndarray:
    """Replace infinite values by the largest finite ones; NaN stays NaN."""
    return _clip(values, LARGEST)


def _clip(values: np.ndarray, limit: float) -> np.ndarray:
    """Clip values to +-limit; np.clip takes three times as long for one row."""
    return np.minimum(np.maximum(values, -limit), limit)


def check_limit(values: np.ndarray, names: Sequence[Hashable], owner: str) -> None:
    """Check that values (n, n_columns) need no scaling, because those beyond the limit would be clipped."""
    largest = np.fmax.reduce(np.abs(values), initial=0.0)
    if (largest > LIMIT).any():
        column = int(np.argmax(largest))
        raise ValueError(
            f"The 'scaling' parameter of {owner} can be 'none' only where all values lie within {LIMIT:g} of "
            f"0. Got {largest[column]:g} in column {names[column]!r}. Use 'standard' or 'robust', or divide "
            f"the values."
        )


# ---- centre and spread ----


def _measure(
    values: np.ndarray, weights: np.ndarray | None, largest: np.ndarray, measure: Callable
) -> tuple[np.ndarray, ...]:
    """Return centre and spread of values, which are divided by the largest before they are squared."""
    unit = np.where(largest > 0, largest, 1.0)
    with np.errstate(over="ignore"):
        return tuple(clip_to_finite(part * unit) for part in measure(values / unit, weights))


def _mean_and_deviation(values: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    if weights is None:
        return np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    shares = np.where(np.isnan(values), 0.0, weights[:, None])
    shares /= shares.sum(axis=0)
    mean = np.nansum(shares * values, axis=0)
    return mean, np.sqrt(np.nansum(shares * (values - mean) ** 2, axis=0))


def _median_and_spread(values: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the median and the distance of the quartiles, in units of deviations of normal noise."""
    low, median, high = _quartiles(values, weights)
    spread = QUARTILES_TO_DEVIATION * (high - low)
    flat = spread == 0
    spread[flat] = _mean_and_deviation(values[:, flat], weights)[1]
    return median, spread


def _quartiles(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the quartiles of each column, shape (3, n_columns).

    Where a quartile falls between two values, it is their mean: the second definition of Hyndman and Fan, The
    American Statistician 50, 1996. A row of weight 2 then equals two rows.
    """
    if weights is None:
        quartiles = [np.nanquantile(column, QUARTILES, method="averaged_inverted_cdf") for column in values.T]
    else:
        quartiles = [_weighted_quartiles(column, weights) for column in values.T]
    return np.reshape(quartiles, (-1, 3)).T


def _weighted_quartiles(column: np.ndarray, weights: np.ndarray) -> np.ndarray:
    observed = np.flatnonzero(~np.isnan(column))
    order = observed[np.argsort(column[observed])]
    cumulated = np.cumsum(weights[order])
    cumulated /= cumulated[-1]
    below, above = (column[order[np.searchsorted(cumulated, QUARTILES + offset)]] for offset in (-TIE, TIE))
    return (below + above) / 2


_MEASURES: dict[str, Callable] = {"standard": _mean_and_deviation, "robust": _median_and_spread}
