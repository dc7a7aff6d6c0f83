"""Bringing every column to centre 0 and spread 1, and back: of one series, or of each of several."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, Self, TypeVar

import numpy as np

# scaled values are clipped here: beyond it float32 products may overflow, and no NaN may leave a forecast
LIMIT = 1e6
LARGEST = float(np.finfo(np.float64).max)

QUARTILES_TO_DEVIATION = 0.7413  # of normal noise: 1 / (2 * 0.6745)
SHARES = np.array([0.25, 0.5, 0.75])
TIE = 1e-9  # shares this close are one: sums of weights are rounded

ScalingMethod = Literal["standard", "robust", "none"]
Columns = TypeVar("Columns", bound="ColumnStatistics")


@dataclass(frozen=True)
class ColumnStatistics:
    """Numbers of each column: arrays (n_columns,), or (n_series, n_columns) of several series.

    Those of one series go with values (..., n_columns). Those of several go with values (n_series, ...,
    n_columns), row for row.
    """

    @classmethod
    def stack(cls, parts: Sequence[Self]) -> Self:
        """Of several series, in this order."""
        return _changed(lambda *arrays: np.stack(arrays), *parts)

    def append(self, others: Self) -> Self:
        """Those of several series, then those of others."""
        return _changed(lambda one, two: np.concatenate([one, two]), self, others)

    def select_series(self, numbers: np.ndarray | int) -> Self:
        """Those of the series with these numbers (n,), a row each, or with one number. Arrays (n_columns,)
        are of the only series, and stay."""
        return _changed(lambda array: array if array.ndim == 1 else array[numbers], self)

    def join_columns(self, other: Self) -> Self:
        """The columns of both, of equally many series."""
        return _changed(lambda one, two: np.concatenate([one, two], axis=-1), self, other)

    def _aligned(self, values: np.ndarray) -> Self:
        """With axes of length 1 before the columns, until there are as many as `values` has."""

        def widened(array: np.ndarray) -> np.ndarray:
            between = (1,) * (values.ndim - array.ndim)
            return array.reshape(*array.shape[:-1], *between, array.shape[-1])

        return _changed(widened, self)


def _changed(change: Callable[..., np.ndarray], *parts: Columns) -> Columns:
    """The first of `parts`, with what `change` makes of the arrays that all of them have under one name."""
    first, names = parts[0], [field.name for field in fields(parts[0])]
    arrays = [name for name in names if isinstance(getattr(first, name), np.ndarray)]
    return replace(first, **{name: change(*(getattr(part, name) for part in parts)) for name in arrays})


@dataclass(frozen=True)
class Scaler(ColumnStatistics):
    """Centre and spread of each column, of the rows it was fitted on.

    Attributes
    ----------
    center, scale : ndarray, shape (n_columns,) or (n_series, n_columns)
        A constant column is centred at its value and has scale 1.
    constant : ndarray of bool, same shape
    """

    center: np.ndarray
    scale: np.ndarray
    constant: np.ndarray

    @classmethod
    def fit(
        cls, values: np.ndarray, weights: np.ndarray | None = None, how: ScalingMethod = "standard"
    ) -> Self:
        """Fit to `values` (n, n_columns), missing ones left out.

        weights (n,): what each row counts, more than 0.
        how: "standard" is mean and deviation; "robust" median and 0.7413 times the distance of the quartiles,
        or the deviation where those are equal; "none" leaves a column as it is unless it is constant; see
        `check_limit`.

        A column of which nothing was observed is left as it is, too.
        """
        low, high = np.fmin.reduce(values), np.fmax.reduce(values)
        constant, largest = low == high, np.fmax(-low, high)
        if how == "none":
            center, scale = np.zeros(len(low)), np.ones(len(low))
        else:
            seen = np.where(np.isnan(low), 0.0, values) if np.isnan(low).any() else values
            center, scale = _measured(seen, weights, largest, _MEASURES[how])
        center = np.where(constant, high, center)
        return cls(center, np.where(constant | (scale == 0), 1.0, scale), constant)

    @classmethod
    def identity(cls, n_columns: int) -> Self:
        """Leaves values as they are."""
        return cls(np.zeros(n_columns), np.ones(n_columns), np.zeros(n_columns, bool))

    def transform(self, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Scale `values`, C-contiguous, in `dtype`; NaN stays NaN."""
        own = self._aligned(values)
        with np.errstate(over="ignore"):  # beyond float64 is beyond the limit
            scaled = (values - own.center) / own.scale
        return np.ascontiguousarray(np.clip(scaled, -LIMIT, LIMIT), dtype)

    def inverse_transform(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled values back in their own units, float64; a constant column's are the constant."""
        own = self._aligned(scaled)
        with np.errstate(over="ignore"):
            values = finite(scaled.astype(np.float64) * own.scale + own.center)
        return np.where(own.constant, own.center, values)


def finite(values: np.ndarray) -> np.ndarray:
    """What is beyond float64 at its ends; NaN stays NaN."""
    return np.clip(values, -LARGEST, LARGEST)


def check_limit(values: np.ndarray, names: Sequence[Hashable], owner: str) -> None:
    """That values (n, n_columns) need no scaling: beyond the limit they would be clipped."""
    largest = np.fmax.reduce(np.abs(values), initial=0.0)
    if (largest > LIMIT).any():
        column = int(np.argmax(largest))
        raise ValueError(
            f"The 'scaling' parameter of {owner} can be 'none' only where all values lie within {LIMIT:g} of "
            f"0. Got {largest[column]:g} in column {names[column]!r}. Use 'standard' or 'robust', or divide "
            f"the values."
        )


# -- centre and spread


def _measured(
    values: np.ndarray, weights: np.ndarray | None, largest: np.ndarray, measure: Callable
) -> tuple[np.ndarray, ...]:
    """Divided by the largest first: the square of 1e200 is no float64."""
    unit = np.where(largest > 0, largest, 1.0)
    with np.errstate(over="ignore"):
        return tuple(finite(part * unit) for part in measure(values / unit, weights))


def _moments(values: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each column."""
    if weights is None:
        return np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    shares = np.where(np.isnan(values), 0.0, weights[:, None])
    shares /= shares.sum(axis=0)
    mean = np.nansum(shares * values, axis=0)
    return mean, np.sqrt(np.nansum(shares * (values - mean) ** 2, axis=0))


def _order_statistics(values: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Median of each column, and the distance of its quartiles in deviations of normal noise."""
    low, middle, high = _quartiles(values, weights)
    spread = QUARTILES_TO_DEVIATION * (high - low)
    flat = spread == 0
    spread[flat] = _moments(values[:, flat], weights)[1]
    return middle, spread


def _quartiles(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Shape (3, n_columns). Where a share falls between two values, their mean: the second definition of
    Hyndman and Fan, The American Statistician 50, 1996. A row of weight 2 is then two rows."""
    if weights is None:
        quartiles = [np.nanquantile(column, SHARES, method="averaged_inverted_cdf") for column in values.T]
    else:
        quartiles = [_weighted_quartiles(column, weights) for column in values.T]
    return np.reshape(quartiles, (-1, 3)).T


def _weighted_quartiles(column: np.ndarray, weights: np.ndarray) -> np.ndarray:
    seen = np.flatnonzero(~np.isnan(column))
    order = seen[np.argsort(column[seen])]
    reached = np.cumsum(weights[order])
    reached /= reached[-1]
    below, above = (column[order[np.searchsorted(reached, SHARES + by)]] for by in (-TIE, TIE))
    return (below + above) / 2


_MEASURES: dict[str, Callable] = {"standard": _moments, "robust": _order_statistics}
